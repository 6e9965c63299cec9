from __future__ import annotations

from typing import Any

import pytest

from rewards.parameters import Parameters
from rewards.scorers import DEFAULT_METRICS
from wire.errors import UserError


def test_defaults() -> None:
    found = Parameters.read({})
    assert found == Parameters(DEFAULT_METRICS, {}, "reference", "auto", 16, "auto")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precision": "half"}, "precision must be one of reference, fast, not 'half'"),
        ({"group": "some"}, "group must be one of auto, all, one"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1, not 0"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"device": "tpu"}, "device must be auto, cpu, cuda or cuda:N, not 'tpu'"),
        ({"device": "cpu:1"}, "device must be"),
        ({"device": "cuda:x"}, "device must be"),
        ({"metrics": []}, "no metric given"),
        ({"metric": ["vqa"]}, "unknown parameter metric; known are metrics, files"),
    ],
)
def test_bad_values_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Parameters.read(given)

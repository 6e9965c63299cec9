from __future__ import annotations

from typing import Any

import pytest

from rewards.settings import Parameters
from wire.errors import UserError
from wire.vocabulary import SEVEN_REWARDS


def test_defaults() -> None:
    found = Parameters.read({})
    assert found == Parameters(SEVEN_REWARDS, "reference", 16, (), (), {}, "auto", None, "auto")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precision": "half"}, "--reward-precision 'half': expected reference or fast"),
        ({"group": "some"}, "group must be one of auto, all, one"),
        ({"batch_size": 0}, "--reward-batch-size 0: expected a whole number, 1 or more"),
        ({"batch_size": True}, "--reward-batch-size True: expected a whole number"),
        ({"device": "tpu"}, "device must be auto, cpu, cuda or cuda:N, not 'tpu'"),
        ({"device": "cpu:1"}, "device must be"),
        ({"device": "cuda:x"}, "device must be"),
        ({"metrics": []}, "no metric given"),
        ({"metric": ["vqa"]}, "unknown rewards parameter 'metric': choose from metrics, precision"),
    ],
)
def test_bad_values_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Parameters.read(given)

"""Parameters of a generation job."""

from __future__ import annotations

from typing import Any

import pytest

from generation.parameters import Parameters
from generation.settings import check_targets
from wire.errors import UserError


def test_defaults_are_the_papers_protocol() -> None:
    parameters = Parameters.parse({"checkpoint": "x.ckpt"})
    assert (parameters.steps, parameters.guidance_scale, parameters.seed, parameters.batch_size) == (
        50,
        7.0,
        42,
        "auto",
    )
    assert not parameters.trust_checkpoint


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"checkpoint": ""}, "no checkpoint given"),
        ({"stepps": 3}, "unknown generation parameter 'stepps'"),
        ({"steps": 0}, "steps 0"),
        ({"steps": 2.5}, "steps 2.5"),
        ({"batch_size": True}, "--batch-size True"),
        ({"seed": -1}, "seed -1"),
        ({"guidance_scale": float("inf")}, "--guidance-scale inf"),
        ({"guidance_scale": -1}, "--guidance-scale -1"),
        ({"precision": "fp8"}, "--precision 'fp8': expected auto, paper, "),
        ({"reward_targets": [1]}, "expected axis = value pairs"),
        ({"reward_targets": {"clip_score": float("nan")}}, "clip_score = nan"),
        ({"reward_targets": {"clip_score": 1.01}}, "clip_score = 1.01"),
        ({"negative_reward_targets": {"clip_score": -0.1}}, "clip_score = -0.1"),
        ({"negative_reward_targets": {"clip_score": "high"}}, "clip_score = 'high'"),
    ],
)
def test_bad_parameter(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        Parameters.parse({"checkpoint": "x.ckpt"} | change)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_axes_of_the_checkpoint() -> None:
    check_targets("reward_targets", {"clip_score": 0, "vqa_score": 1.0}, ("clip_score", "vqa_score"))
    with pytest.raises(UserError, match="not trained on 'sciscore_score'; its axes are clip_score"):
        check_targets("reward_targets", {"sciscore_score": 1.0}, ("clip_score",))

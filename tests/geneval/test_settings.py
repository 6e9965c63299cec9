from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PIL")

from geneval.detectors import Execution
from geneval.judge import JudgeOptions
from geneval.parameters import Parameters
from geneval.settings import ColorOptions
from wire.protocol import UserError

FILES = {"mask2former": "/w/a.pth", "clip-vit-l-14": "/w/b.pt"}


def test_defaults() -> None:
    settings = Parameters.parse({"files": FILES, "options": None})
    files = {"mask2former": Path("/w/a.pth"), "clip-vit-l-14": Path("/w/b.pt")}
    assert settings == Parameters(JudgeOptions(), ColorOptions(), "mmdet", "fp32", None, files, None, "auto")


def test_the_batch_suits_the_device() -> None:
    settings = Parameters.parse({"files": FILES})
    assert [settings.execution(device).batch_size for device in ("cpu", "cuda", "cuda:1")] == [1, 8, 8]


def test_everything_can_be_set() -> None:
    settings = Parameters.parse(
        {
            "files": FILES,
            "detector_config": "/w/c.py",
            "options": {"max_overlap": 0.5},
            "color_options": {"crop": False},
            "device": "cuda:1",
            "precision": "bf16",
            "batch_size": 3,
        }
    )
    assert settings.execution("cuda:1") == Execution("cuda:1", "bf16", 3)
    assert settings.detector_config == Path("/w/c.py")
    assert settings.options == JudgeOptions(max_overlap=0.5)
    assert settings.color_options == ColorOptions(crop=False)
    assert settings.device == "cuda:1"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, '"files" must name the weights mask2former, clip-vit-l-14'),
        ({"files": {"mask2former": "/w/a.pth"}}, '"files" does not say where clip-vit-l-14 is'),
        (
            {"files": FILES, "treshold": 1},
            "unknown geneval parameter 'treshold': choose from options, color_options, ",
        ),
        ({"files": FILES, "precision": "fp8"}, "--detector-precision 'fp8': expected fp32, exact or bf16"),
        ({"files": FILES, "batch_size": 0}, "--detector-batch-size 0: expected a whole number, 1 or more"),
        ({"files": FILES, "options": [1]}, '"options" must be an object, not'),
        ({"files": FILES, "options": {"treshold": 1}}, "unknown judge option 'treshold'"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Parameters.parse(parameters)

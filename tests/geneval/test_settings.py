from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PIL")

from geneval.detectors import Execution
from geneval.judge import JudgeOptions
from geneval.parameters import Parameters
from geneval.settings import ColorOptions, GenevalSettings, validate
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


DOG = {"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a photo of a dog"}
UNICORN = {"tag": "single_object", "include": [{"class": "unicorn", "count": 1}], "prompt": "a photo of a unicorn"}


def test_everything_that_is_wrong_is_found_before_anything_is_made() -> None:
    settings = GenevalSettings(
        JudgeOptions(confidence_threshold=30, max_objects=0, position_threshold=-1),
        ColorOptions(background="#zz"),
        detector="yolo",
        precision="fp8",
        batch_size=0,
    )
    assert validate(settings, [DOG]).faults == [
        "--detector 'yolo': expected mmdet or transformers",
        "--detector-precision 'fp8': expected fp32, exact or bf16",
        "--detector-batch-size 0: expected a whole number, 1 or more",
        "--confidence-threshold 30: expected a number from 0 to 1",
        "--max-objects 0: expected a whole number, 1 or more",
        "--position-threshold -1: expected a number, 0 or more",
        '--background \'#zz\': expected "original" or a color, as "gray" or "#808080"',
    ]
    assert validate(GenevalSettings(), [DOG]) == ([], {})


@pytest.mark.parametrize("background", ["original", "#999", "gray", "rgb(1, 2, 3)", "hsl(120, 50%, 50%)"])
def test_colors_are_taken_as_pillow_takes_them(background: str) -> None:
    assert validate(GenevalSettings(color_options=ColorOptions(background=background)), [DOG]).faults == []


@pytest.mark.parametrize("background", ["", "#zz", "grey-ish", "rgb(1, 2, 300)", None, 3, "original "])
def test_what_is_no_color_is_found(background: Any) -> None:
    faults = validate(GenevalSettings(color_options=ColorOptions(background=background)), [DOG]).faults
    assert [fault.startswith("--background ") for fault in faults] == [True]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, -(10**400), "0.5", True, None, [0.5]])
def test_a_threshold_that_is_none_is_found(value: Any) -> None:
    assert len(validate(GenevalSettings(JudgeOptions(counting_threshold=value)), []).faults) == 1


def test_lines_that_will_be_unscored_are_named() -> None:
    found = validate(GenevalSettings(), [DOG, UNICORN, DOG | {"include": "[]"}, DOG])
    assert (found.faults, [*found.unscored]) == ([], [1, 2])
    assert found.unscored[1] == "class 'unicorn' is not one of the detector's 80"
    assert validate(GenevalSettings(), [UNICORN]).faults == []


def test_a_suite_of_another_kind_is_a_fault() -> None:
    (fault,) = validate(GenevalSettings(), [{"prompt": "a castle"}, {"prompt": "a tree"}]).faults
    assert fault.startswith('none of the prompts can be judged by GenEval (the first: no "tag")')


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

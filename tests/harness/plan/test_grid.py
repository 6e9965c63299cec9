from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.plan.grid import grid, protocol_fields, read_axis
from harness.plan.open import Model, describe
from harness.run.settings import GenerationSettings
from wire.errors import UserError

BASE = GenerationSettings("org/name")


def model(settings: GenerationSettings = BASE, **changes: Any) -> Model:
    settings = replace(settings, **changes)
    return Model(settings, describe(settings))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x_score=0:1:0.25", [0, 0.25, 0.5, 0.75, 1]),
        ("x_score=0:1:0.1", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ("x_score=0:1:0.3", [0, 0.3, 0.6, 0.9]),
        ("x_score=0.5:0.5:1", [0.5]),
        ("x_score=1,0,0.5", [1, 0, 0.5]),
        ("guidance_scale=0:30:10", [0, 10, 20, 30]),
        ("steps=10:50:20", [10, 30, 50]),
        ("precision=paper, pipeline", ["paper", "pipeline"]),
        ("compile=true,false", [True, False]),
        ("negative.x_score=0,1", [0, 1]),
    ],
)
def test_an_axis_s_values(text: str, values: list[Any]) -> None:
    axis = read_axis(text)
    assert [*axis.values.values()] == [values]
    assert axis.places == values
    assert axis.along == text.partition("=")[0]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a_score=t,b_score=1-t,t=0:1:0.5", {"a_score": [0, 0.5, 1], "b_score": [1, 0.5, 0]}),
        (
            "t=0,1,negative.a_score=0.5*t,guidance_scale=2+8*t",
            {"negative.a_score": [0, 0.5], "guidance_scale": [2, 10]},
        ),
        ("negative.a_score=0,1,negative.b_score=1,0", {"negative.a_score": [0, 1], "negative.b_score": [1, 0]}),
    ],
)
def test_tied_fields_vary_together(text: str, values: dict[str, list[float]]) -> None:
    axis = read_axis(text)
    assert axis.values == values
    points = grid(model(), [axis])
    assert len(points) == len(axis.places)
    first = points[0].model.settings
    assert first.reward_targets | first.negative_reward_targets  # one of both has them
    assert [point.values for point in points] == [
        dict(zip(values, step, strict=True)) for step in zip(*values.values(), strict=True)
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("x_score", "=1", "x_score=", "x_score=a", "x_score=0:1", "x_score=0:1:0", "x_score=1:0:1", "x_score=0:1:nan"),
        *("x_score=1,1", "x_score=inf", "0.5,x_score=1", "x_score=1,x_score=2"),
    ],
)
def test_a_malformed_axis_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"aesthetic_score=0:1:0\.125"):
        read_axis(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("guidence_scale=1,2", "no such field .*; did you mean guidance_scale?.* what can: steps, guidance_scale"),
        ("suite=parti,geneval", "cannot vary within a sweep; what can: "),
        ("samples=1,2", "cannot vary within a sweep"),
        ("clip=0,1", "no such field"),
        ("steps=10.5,20", "takes whole numbers"),
        ("compile=yes,no", "expected true and false"),
        ("a_score=t,b_score=0,1", "is written in t; say t=FROM:TO:STEP"),
        ("a_score=0,1,b_score=0", "tied fields need equally many values"),
        ("x_score=0:1:0.0001", "10001 values; at most 1000"),
        ("guidance_scale=0:1e300:1e-300", "inf values; at most 1000"),
        ("seed=9007199254740993", "whole numbers below 9007199254740992"),
    ],
)
def test_a_field_that_cannot_vary_so_is_refused_with_what_can(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_axis(text)


@pytest.mark.parametrize(
    ("checkpoint", "texts", "message"),
    [
        ("org/name", ["guidance_scale=-1:1:1"], "--guidance-scale -1.0: expected a number, 0 or more"),
        ("org/name", ["negative.a_score=0,2"], r"negative_reward_targets: a_score = 2.0; expected a number between"),
        ("org/name", ["precision=paper,best"], "--precision 'best': expected"),
        ("org/name", ["a_score=0:1:0.01", "b_score=0:1:0.1"], "the grid has 1111 points; at most 1000"),
        ("org/name", ["guidance_scale=5-0*t,t=0,1"], "two points are the same, guidance_scale=5"),
        ("org/name", ["steps=100001"], "--steps 100001: expected at most 100000"),
        ("org/name", ["a_score=0,1", "a_score=t,t=0,1"], "a_score is named twice"),
        (
            "miro-only-clip",
            ["aesthetic_score=0,1"],
            "not trained on aesthetic_score; its reward targets are clip_score",
        ),
        (
            "miro-no-vqa",
            ["negative.vqa_score=0,1"],
            "was not trained on vqa_score; its reward targets are clip_score, ",
        ),
    ],
)
def test_a_grid_is_checked_before_anything_is_made(checkpoint: str, texts: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        grid(model(checkpoint=checkpoint), [read_axis(text) for text in texts])


def test_close_values_have_folders_of_their_own() -> None:
    points = grid(model(), [read_axis("guidance_scale=1.0000001,1.0000002,0.5")])
    assert [one.name for one in points] == [f"guidance_scale={value}" for value in ("1.0000001", "1.0000002", "0.5")]


def test_a_target_of_any_name_has_an_option_of_its_own() -> None:
    (axis,) = [read_axis("charm=0,1", "--reward-target")]
    assert [point.model.settings.reward_targets for point in grid(model(), [axis])] == [{"charm": 0}, {"charm": 1}]
    with pytest.raises(UserError, match="--reward-target samples: cannot vary"):
        grid(model(), [read_axis("samples=1,2", "--reward-target")])


def test_a_local_checkpoint_tells_its_targets(tmp_path: Path) -> None:
    for name in ("model.safetensors", "uncond_embedding.npy"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "config.json").write_text(json.dumps({"coherence_keys": ["my_score"]}))
    assert len(grid(model(checkpoint=str(tmp_path)), [read_axis("my_score=0,1")])) == 2
    with pytest.raises(UserError, match="its reward targets are my_score"):
        grid(model(checkpoint=str(tmp_path)), [read_axis("clip_score=0,1")])


def test_every_combination_with_fixed_targets_kept() -> None:
    base = model(reward_targets={"z_score": 0.25}, negative_reward_targets={"z_score": 0.5})
    axes = [read_axis("x_score=0,0.5"), read_axis("guidance_scale=1,2"), read_axis("negative.y_score=1")]
    points = grid(base, axes)
    found = [(p.model.settings.reward_targets["x_score"], p.model.settings.guidance_scale) for p in points]
    assert found == [(0, 1), (0, 2), (0.5, 1), (0.5, 2)]
    assert {point.model.settings.reward_targets["z_score"] for point in points} == {0.25}
    assert points[0].model.settings.negative_reward_targets == {"z_score": 0.5, "y_score": 1}
    assert points[0].name == "x_score=0,guidance_scale=1,negative.y_score=1"
    assert points[-1].name == "x_score=0.5,guidance_scale=2,negative.y_score=1"
    assert protocol_fields(axes) == ["reward_targets", "guidance_scale", "negative_reward_targets"]


def test_a_sweep_needs_an_axis() -> None:
    result = CliRunner().invoke(app, ["sweep", "miro"])
    assert isinstance(result.exception, UserError)
    assert "name at least one axis" in str(result.exception)

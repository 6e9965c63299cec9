"""The three functions that other programs call, in the order in which they would."""

from __future__ import annotations

from pathlib import Path

import pytest

import miro_eval
from tests.real_environments import world
from wire.errors import UserError


def test_a_program_evaluates_reports_and_checks(tmp_path: Path) -> None:
    evaluated = miro_eval.evaluate(
        world().checkpoint,
        tmp_path / "run",
        generation=miro_eval.GenerationSettings(limit=12, samples=1, steps=1),
        rewards=miro_eval.RewardSettings(metrics=("aesthetic",)),
        run=miro_eval.RunSettings(device="cpu"),
        tiny_world=True,
    )
    assert (evaluated.out, evaluated.unscored) == (tmp_path / "run", 0)
    assert evaluated.summary is not None
    assert evaluated.summary.images == 12
    files = miro_eval.report([str(evaluated.out)], str(tmp_path / "report"))
    assert files.markdown.is_file()
    gate = miro_eval.check(evaluated.out, evaluated.out, subset=True)
    assert {"overall", "aesthetic"} <= {one.metric for one in gate.judgements}


def test_bad_input_is_an_exception_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.ckpt"):
        miro_eval.evaluate(tmp_path / "none.ckpt")
    with pytest.raises(UserError, match="no such"):
        miro_eval.check(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AttributeError, match="has no attribute 'evaluat'"):
        miro_eval.evaluat  # noqa: B018

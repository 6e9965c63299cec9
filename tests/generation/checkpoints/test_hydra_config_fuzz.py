"""Damaged and hostile configurations, a few seconds of them. ``MIRO_EVAL_FUZZ_RUNS`` sets how many are tried."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoints.references import References
from tests.generation.checkpoints import config_fuzz
from tests.generation.checkpoints.config_fuzz import fuzz

RUNS = int(os.environ.get("MIRO_EVAL_FUZZ_RUNS", "1500"))


@pytest.mark.parametrize("name", config_fuzz.TARGETS)
def test_every_configuration_is_read_or_refused(name: str) -> None:
    whole, none = fuzz(name, RUNS, seed=RUNS)
    assert whole < RUNS
    assert none < RUNS


def test_a_leak_from_the_environment_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(References, "_text", lambda _self, text, _spot: text and os.environ.get("HF_TOKEN", text))
    with pytest.raises(AssertionError):
        fuzz("builder", 5, seed=0)


def test_what_is_left_of_an_interpolation_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(References, "_text", lambda _self, text, _spot: text)
    with pytest.raises(AssertionError):
        fuzz("builder", 50, seed=0)


def test_a_command_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_fuzz, "_recorder", lambda _target: lambda **_arguments: os.system("true"))
    with pytest.raises(AssertionError, match=r"os\.system"):
        fuzz("builder", 5, seed=0)
    config_fuzz.WATCH.seen.clear()

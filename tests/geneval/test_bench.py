"""The benchmark's own numbers are not tested; that both flows see the same is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")
pytest.importorskip("clip_benchmark", reason="runs in the geneval environment")

from bench.geneval import Agreement, agreement, main, matrix_rate
from geneval.detectors import Execution
from geneval.judge import Box


def test_both_flows_see_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--images", "6", "--size", "128", "--batch-size", "4"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "same objects in 6 of 6 images, there boxes within 0 px" in said
    assert "6 verdicts and 3 of 3 color answers agree" in said
    assert len(re.findall(r"\d images/s, ", said)) == 2


def seen(box: list[float], color: str = "red", **more: list[Box]) -> dict[str, Any]:
    return {"boxes": {"dog": [Box(*box)], **more}, "colors": {"dog": color}}


def test_differences_are_seen() -> None:
    metadata = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}]}
    row = {
        "details": '{"dog": [[0, 0, 5, 5, 0.5]]}',
        "colors": {"dog": [[1.0] + [0.0] * 9]},
        "metadata": json.dumps(metadata),
        "correct": True,
        "reason": "",
    }
    assert agreement([row], [seen([0, 0, 5, 5, 0.5])]) == Agreement(1, 1, 0, 0, 1, 1, 1)
    assert agreement([row], [seen([0, 0, 5, 7, 0.75], "blue")]) == Agreement(1, 1, 2, 0.25, 0, 1, 0)
    other = seen([0, 0, 5, 5, 0.5], cat=[Box(0, 0, 1, 1, 0.5)])
    assert agreement([row], [other]) == Agreement(1, 0, 0, 0, 1, 1, 1)


def test_a_rate_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.geneval.SIDE", 64)
    assert 1e6 < matrix_rate(Execution()) < 1e15

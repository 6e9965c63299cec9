"""The benchmark's own numbers are not tested; that both flows see the same is."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")
pytest.importorskip("clip_benchmark", reason="runs in the geneval environment")

from bench.geneval import differences, main


def test_both_flows_see_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--images", "6", "--size", "128"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "largest difference of boxes and scores 0; 3 of 3 color answers agree" in said
    assert len(re.findall(r"\d images/s  ", said)) == 2


def test_differences_are_seen() -> None:
    row = {"details": '{"dog": [[0, 0, 5, 5, 0.5]]}', "colors": {"dog": [[1.0] + [0.0] * 9]}}
    alike = {"boxes": {"dog": [(0, 0, 5, 5, 0.5)]}, "colors": {"dog": "red"}}
    assert differences([row], [alike]) == (0, 1, 1)
    assert differences([row], [alike | {"boxes": {"dog": [(0, 0, 5, 7, 0.5)]}, "colors": {"dog": "blue"}}]) == (2, 0, 1)
    assert differences([row], [alike | {"boxes": {}}])[0] == float("inf")

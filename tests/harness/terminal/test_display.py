from __future__ import annotations

import pytest

from harness.terminal import display
from harness.terminal.display import Display


def test_plain_lines_are_few_and_tell_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as shown:
        progress = shown.step("geneval")
        for done in range(1, 1001):
            progress(done, 1000, "judging")
        shown.note("geneval: one image is broken")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("geneval  1/1000")
    assert lines[-2].startswith("geneval  1000/1000")
    assert lines[-1] == "geneval: one image is broken"
    assert len(lines) == 3


def test_a_step_of_unknown_length_is_a_line_per_label(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as shown:
        progress = shown.step("environment miro")
        for label in ("downloading torch", "downloading torch", "health check"):
            progress(0, 0, label)
    assert capsys.readouterr().err.splitlines() == [
        "environment miro  downloading torch",
        "environment miro  health check",
    ]


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (10, 100, 5.0, "2.0/s, 45 s left"),
        (2, 10, 16.0, "8.0 s each, 64 s left"),
        (10, 10, 5.0, "2.0/s, 5 s"),
        (0, 9, 1.0, ""),
    ],
)
def test_pace(done: int, total: int, seconds: float, text: str) -> None:
    assert display._pace(done, total, seconds) == text


def test_a_terminal_gets_bars_that_show_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(display.sys.stderr, "isatty", lambda: True)
    with Display() as shown:
        progress = shown.step("rewards")
        for done in (1, 2, 3):
            progress(done, 3, "[bracket] label")
    said = capsys.readouterr().err
    assert "rewards" in said
    assert "3/3" in said
    assert "[bracket] label" in said

from __future__ import annotations

import itertools

import pytest
from rich.console import Console

from harness.terminal import display
from harness.terminal.display import Display, Step, bar_lines, duration

LONG = "a photo of a bench to the left of a very long description of a prompt, 日本語 and all " * 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the display sees pass; a test sets the first of the list."""
    now = [1000.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


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
        progress(1, 1, "ready")
    assert capsys.readouterr().err.splitlines() == [
        "environment miro  downloading torch",
        "environment miro  health check",
        "environment miro  ready",
    ]


def test_a_step_that_nothing_is_known_of_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as shown:
        shown.step("environment miro")
    assert capsys.readouterr().err == ""


def test_loading_models_and_earlier_rows_are_not_in_the_rate(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Display() as shown:
        progress = shown.step("generate")
        progress(100, 400, "loading models")
        for second, done in ((600, 104), (620, 144), (748, 400)):
            clock[0] = 1000.0 + second
            progress(done, 400, "a prompt")
    assert [line.partition("  a ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "generate  100/400  loading models",
        "generate  104/400",
        "generate  144/400  2.0/s, 2 min 08 s left",
        "generate  400/400  2.0/s, 12 min 28 s",
    ]


def test_work_after_a_download_has_its_own_rate_and_its_own_end(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Display() as shown:
        progress = shown.step("rewards")
        for second, done in ((0, 0.0), (1, 0.1e9), (11, 0.6e9), (12, 1e9)):
            clock[0] = 1000.0 + second
            progress(int(done), 10**9, "fetching clip (bytes)")
        for second, done in ((13, 0), (33, 16), (63, 48)):
            clock[0] = 1000.0 + second
            progress(done, 48, "vqa")
    assert capsys.readouterr().err.splitlines()[1:] == [
        "rewards  0.6/1.0 GB  50.0 MB/s, 8 s left  fetching clip (bytes)",
        "rewards  1.0/1.0 GB  81.8 MB/s, 12 s",
        "rewards  16/48  vqa",
        "rewards  48/48  1.1/s, 1 min 03 s",
    ]


def test_items_that_come_all_at_once_have_no_rate() -> None:
    step = Step(begun=0.0)
    step.take(0, 8943, "loading models", 0.0)
    step.take(8943, 8943, "vqa", 1.0)
    assert step.pace(1.0) == "1 s"


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (10, 100, 5.0, "2.0/s, 45 s left"),
        (2, 10, 16.0, "8.0 s each, 1 min 04 s left"),
        (10, 10, 5.0, "2.0/s, 5 s"),
        (9, 10, 0.5, ""),
        (0, 9, 1.0, ""),
    ],
)
def test_pace(done: int, total: int, seconds: float, text: str) -> None:
    step = Step(0.0, heard=seconds, done=done, total=total, clock=0.0)
    assert step.pace(seconds) == text
    assert not step.ended or step.pace(seconds + 100) == text, "what has ended takes no longer"


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.2, 59.4, 59.6, 3599.7, 7500)] == [
        "0 s", "59 s", "1 min 00 s", "1 h 00 min", "2 h 05 min",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_long_prompt_squeezes_nothing_out(width: int) -> None:
    steps = {
        "generate": Step(0.0, done=1048, total=2212, label=LONG, clock=0.0),
        "rewards": Step(
            0.0, done=11, total=15484, label="clip_jina, aesthetic, image_reward, pick_score, hpsv2.1, vqa", clock=0.0
        ),
        "environment geneval": Step(0.0, done=1, total=1, label="ready"),
    }
    lines = list(bar_lines(steps, 1000.0, width))
    assert all(line.cell_len < width for line in lines)
    shown = [line.plain for line in lines]
    assert "1048/2212" in shown[0]
    if width >= 80:
        assert "1.0/s, 18 min 31 s left" in shown[0]
        assert "━" * 12 in shown[0]
        assert shown[0].endswith("…")
        assert "90.9 s each" in shown[1]
    assert shown[2].startswith("✓ environment geneval")


def test_a_terminal_gets_bars_with_a_count_and_no_spinner_in_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(display.sys.stderr, "isatty", lambda: True)
    with Display() as shown:
        shown.step("environment miro")(0, 0, "downloading torch")
        progress = shown.step("rewards")
        for done in (1, 2):
            progress(done, 3, "[bracket] label")
    said = capsys.readouterr().err
    last = said[said.rindex("environment miro") :]
    assert "rewards" in last
    assert "2/3" in last
    assert "[bracket] label" in last
    assert not any(mark in last for mark in display._SPINNER)


def test_lines_are_as_a_console_takes_them() -> None:
    console = Console(width=60, record=True, file=None, force_terminal=False)
    steps = {name: Step(0.0, done=1, total=2, label=LONG, clock=0.0) for name in ("one", "two")}
    with console.capture() as printed:
        console.print(*itertools.islice(bar_lines(steps, 9.0, 60), 2), sep="\n")
    assert len(printed.get().splitlines()) == 2

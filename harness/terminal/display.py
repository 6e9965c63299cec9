"""One progress display for a whole command: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from harness.environments.spec import Progress
from harness.terminal.echo import plain

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

#: Seconds between two plain lines about one step.
PLAIN_INTERVAL = 10.0


class Display:
    """Shows steps (environments, stages) with done/total, rate and time left. Everything goes to standard error."""

    def __init__(self) -> None:
        self._bars: Bars | None = _make_bars() if sys.stderr.isatty() else None
        self._tasks: dict[str, TaskID] = {}
        self._plain = _PlainLines()

    def __enter__(self) -> Display:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the live display; what is shown stays. Results may be printed from here on."""
        if self._bars is not None:
            self._bars.stop()

    def step(self, name: str) -> Progress:
        """Begin, or go on with, a step; returns the function that takes its progress."""
        if self._bars is None:
            return lambda done, total, label: self._plain.show(name, done, total, label)
        bars = self._bars
        if name not in self._tasks:
            self._tasks[name] = bars.add_task(name, total=None, label="")
        task = self._tasks[name]
        return lambda done, total, label: bars.update(task, completed=done, total=total or None, label=label)

    def note(self, message: str) -> None:
        """Show a line that stays."""
        if self._bars is not None:
            self._bars.console.print(plain(message), markup=False, highlight=False, soft_wrap=True)
        else:
            _print(message)


class _PlainLines:
    """Progress as lines: one when a step's label changes, at its end, and every few seconds between."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, float]] = {}
        self._ended: set[str] = set()
        self._started: dict[str, float] = {}

    def show(self, name: str, done: int, total: int, label: str) -> None:
        """Print a line about ``name`` unless one was printed just now."""
        now = time.monotonic()
        started = self._started.setdefault(name, now)
        last_label, last_time = self._shown.get(name, ("", 0.0))
        ends = bool(total) and done == total and name not in self._ended
        if now - last_time < PLAIN_INTERVAL and not ends and (label == last_label or total):
            return
        if ends:
            self._ended.add(name)
        self._shown[name] = (label, now)
        count = f"  {done}/{total}  {_pace(done, total, now - started)}" if total else ""
        _print(f"{name}{count}  {label}".rstrip())


def _print(line: str) -> None:
    print(plain(line), file=sys.stderr, flush=True)  # noqa: T201 - this is the display


def _pace(done: int, total: int, seconds: float) -> str:
    """Rate and time, e.g. ``12.3/s, 40 s left``; slow steps the other way round, e.g. ``8.1 s each``."""
    if seconds <= 0 or done == 0:
        return ""
    rate = done / seconds
    shown = f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
    return f"{shown}, {(total - done) / rate:.0f} s left" if done < total else f"{shown}, {seconds:.0f} s"


def _make_bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class RateColumn(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        RateColumn(""),
        TimeRemainingColumn(),
        TextColumn("{task.fields[label]}", markup=False),
        console=Console(stderr=True),
    )

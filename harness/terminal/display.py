"""One progress display for a whole command: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from harness.environments.spec import Progress
from harness.terminal.echo import plain

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

#: Seconds between two plain lines about one step.
PLAIN_INTERVAL = 10.0
#: Seconds of work below which a rate would be a guess.
SHORTEST = 1.0
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass
class Step:
    """How far one step is. Its rate counts from the first item on: what was there already, and the loading of models
    before it, say nothing of how fast items are made.
    """

    begun: float  #: when it was first heard of; seconds of the monotonic clock, as all times here
    heard: float = 0.0  #: when it was last heard of: what has ended takes no longer
    done: int = 0
    total: int = 0  #: 0 while it is unknown
    label: str = ""
    clock: float | None = None  #: when the first item was done; None before
    counted: int = 0  #: items that were done by then

    def take(self, done: int, total: int, label: str, now: float) -> None:
        """Take note of progress; another total, or fewer items, is other work, which has a rate of its own."""
        if total != self.total or done < self.done:
            self.clock, self.counted = None, done
        elif self.clock is None and done > self.counted:
            self.clock, self.counted = now, done
        self.heard, self.done, self.total, self.label = now, done, total, label

    @property
    def ended(self) -> bool:
        """Whether all of it is done, as far as is known."""
        return 0 < self.total <= self.done

    @property
    def doing(self) -> str:
        """Its label; of items that are all done the last one's says nothing more."""
        return "" if self.ended and self.total > 1 else self.label

    @property
    def of_bytes(self) -> bool:
        """Whether bytes are counted, by its label."""
        return self.label.endswith(("bytes", "bytes)"))

    def count(self) -> str:
        """``12/48``, or ``0.3/1.7 GB``; nothing for what is either done or not."""
        if self.of_bytes:
            return f"{self.done / 1e9:.1f}/{self.total / 1e9:.1f} GB"
        return f"{self.done}/{self.total}" if self.total > 1 else ""

    def pace(self, now: float) -> str:
        """Rate and time, e.g. ``12.3/s, 40 s left``; slow steps the other way round, e.g. ``8.1 s each``."""
        if self.total <= 1:
            return ""
        now = self.heard if self.ended else now
        seconds = now - self.clock if self.clock is not None else 0.0
        rate = (self.done - self.counted) / seconds if seconds >= SHORTEST else 0.0
        took = [duration(now - self.begun)] if self.ended else []
        if not rate:
            return "".join(took)
        return ", ".join([self._speed(rate), *(took or [f"{duration((self.total - self.done) / rate)} left"])])

    def _speed(self, rate: float) -> str:
        if self.of_bytes:
            return f"{rate / 1e6:.1f} MB/s"
        return f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"


def duration(seconds: float) -> str:
    """``40 s``, ``3 min 12 s`` or ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Display:
    """Shows steps (environments, stages) with done/total, rate and time left. Everything goes to standard error."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._live: Live | None = None
        if sys.stderr.isatty():
            self._live = self._make_live()
        self._plain = _PlainLines()

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the live display; what is shown stays. Results may be printed from here on."""
        if self._live is not None:
            self._live.stop()

    def step(self, name: str) -> Progress:
        """Begin, or go on with, a step; returns the function that takes its progress. Shown once there is some."""

        def progress(done: int, total: int, label: str) -> None:
            now = time.monotonic()
            step = self._steps.setdefault(name, Step(now))
            step.take(done, total, label, now)
            if self._live is None:
                self._plain.show(name, step, now)

        return progress

    def note(self, message: str) -> None:
        """Show a line that stays."""
        if self._live is not None:
            self._live.console.print(plain(message), markup=False, highlight=False, soft_wrap=True)
        else:
            _print(message)

    def _make_live(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        return Live(console=console, get_renderable=lambda: self._bars(console.width), vertical_overflow="visible")

    def _bars(self, width: int) -> Text:
        """A line a step, none wider than the terminal."""
        from rich.text import Text

        steps, now = dict(self._steps), time.monotonic()
        turns = bool(self._live and self._live.is_started)
        return Text("\n").join(bar_lines(steps, now, width, turns=turns))


def bar_lines(steps: dict[str, Step], now: float, width: int, *, turns: bool = True) -> Iterator[Text]:
    """A line a step: mark, name, bar, count, pace, and of the label what fits into ``width`` cells.
    ``turns``: work goes on; else what has not ended has no spinner.
    """
    from rich.text import Text

    names = max(map(len, steps), default=0)
    counts = max((len(step.count()) for step in steps.values()), default=0)
    length = 24 if width >= 110 else 12 if width >= 60 else 0
    for name, step in steps.items():
        mark = "✓" if step.ended else _SPINNER[int(now * 10) % len(_SPINNER)] if turns else " "
        full = int(length * min(step.done / step.total, 1)) if step.total else 0
        line = Text(f"{mark} {name:<{names}} ")
        line.append("━" * full, "green").append("━" * (length - full), "bright_black")
        parts = (f"{step.count():>{counts}}", step.pace(now), " ".join(plain(step.doing).split()))
        line.append(f" {'  '.join(part for part in parts if part)}")
        line.truncate(width - 1, overflow="ellipsis")
        yield line


@dataclass
class _PlainLines:
    """Progress as lines: one when a step's label changes, at its end, and every few seconds between."""

    shown: dict[str, tuple[str, float]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def show(self, name: str, step: Step, now: float) -> None:
        """Print a line about ``name`` unless one was printed just now."""
        last_label, last_time = self.shown.get(name, ("", -PLAIN_INTERVAL))
        ends = step.ended and name not in self.ended
        if now - last_time < PLAIN_INTERVAL and not ends and (step.label == last_label or step.total):
            return
        (self.ended.add if step.ended else self.ended.discard)(name)
        self.shown[name] = (step.label, now)
        _print("  ".join(part for part in (name, step.count(), step.pace(now), step.doing) if part))


def _print(line: str) -> None:
    print(plain(line), file=sys.stderr, flush=True)  # noqa: T201 - this is the display

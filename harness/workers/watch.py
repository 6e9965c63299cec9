"""Notices a worker that hangs: stopped, stuck in a call that never returns, or no longer getting on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wire.errors import UserError

#: Seconds between two signs of life that a worker is asked for.
BEAT = 10.0
#: Seconds between two looks at the workers.
TICK = 1.0


@dataclass(frozen=True)
class Timeouts:
    """Seconds that a worker may be silent, and may stand still."""

    #: Without any event, signs of life included. An interpreter can be held up for long while libraries of gigabytes
    #: load from a slow file system, but not for minutes on end.
    silence: float = 300.0
    #: Without anything but signs of life. Weights of tens of gigabytes may be on their way.
    standstill: float = 4 * 3600.0

    @property
    def beat(self) -> float:
        """Seconds between the signs of life to ask for."""
        return min(BEAT, self.silence / 5)

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Timeouts:
        """As ``MIRO_EVAL_WORKER_TIMEOUT`` and ``MIRO_EVAL_STALL_TIMEOUT`` say.
        Raises UserError: one of them is not a positive number of seconds.
        """
        return cls(
            _seconds(environment, "MIRO_EVAL_WORKER_TIMEOUT", cls.silence),
            _seconds(environment, "MIRO_EVAL_STALL_TIMEOUT", cls.standstill),
        )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UserError(f"{name}={text}: expected a number of seconds above 0")
    return seconds


class Watch:
    """Counts the seconds since each worker was heard, and since it got on.

    Time in which this process itself stood still (Ctrl-Z, a sleeping laptop) does not count: between two looks no
    more than two ticks pass.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._silent: dict[int, float] = {}
        self._still: dict[int, float] = {}
        self._last_look = time.monotonic()

    def begin(self, worker: int) -> None:
        """A worker has been given work."""
        self._silent[worker] = self._still[worker] = 0.0

    def rest(self, worker: int) -> None:
        """A worker waits for work: it must live, and cannot get on."""
        self._still.pop(worker, None)

    def end(self, worker: int) -> None:
        """A worker has ended, or has been given up."""
        self._silent.pop(worker, None)
        self._still.pop(worker, None)

    def heard(self, worker: int, kind: str) -> None:
        """A worker has sent an event of that kind."""
        if worker in self._silent:
            self._silent[worker] = 0.0
            if kind != "alive" and worker in self._still:
                self._still[worker] = 0.0

    def overdue(self) -> Iterator[tuple[int, str]]:
        """Workers to give up, with what is wrong."""
        now = time.monotonic()
        passed, self._last_look = min(now - self._last_look, 2 * TICK), now
        for worker in list(self._silent):
            self._silent[worker] += passed
            if worker in self._still:
                self._still[worker] += passed
            if self._silent[worker] > self._timeouts.silence:
                yield worker, f"gave no sign of life for {self._timeouts.silence:g} s"
            elif self._still.get(worker, 0.0) > self._timeouts.standstill:
                yield worker, f"made no progress for {self._timeouts.standstill:g} s"

"""Environments made side by side, while other work goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from harness.environments.manager import Environment, ensure, locate
from harness.environments.spec import EnvironmentSpec, Progress
from harness.workers.processes import Crew


class Making:
    """A block in which environments are made in threads, each in one; when it is left, what is not made is given up.

    A set-up that was given up is half-made: the next one goes on there.
    """

    def __init__(self, backend: str, steps: Callable[[str], Progress]) -> None:
        self._backend, self._steps, self._crew = backend, steps, Crew()
        self._pool = ThreadPoolExecutor(max_workers=8, initializer=self._crew.join)
        self._made: dict[EnvironmentSpec, Future[Environment]] = {}

    def __enter__(self) -> Making:
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._crew.dismiss()
        self._pool.shutdown(cancel_futures=True)

    def begin(self, spec: EnvironmentSpec, backend: str | None = None) -> Future[Environment]:
        """Make an environment, unless it is there or begun; its ``result()`` raises as :func:`ensure` does."""
        backend = backend or self._backend
        if spec in self._made:
            return self._made[spec]
        there = locate(spec, backend)
        if there.ready:
            self._made[spec] = Future()
            self._made[spec].set_result(there)
        else:
            step = self._steps(f"environment {spec.name}")
            self._made[spec] = self._pool.submit(ensure, spec, backend, step)
        return self._made[spec]

"""Places where workers run on this machine, one for each GPU named: each takes share after share.

A worker stays alive and takes every share of its stage that it can get, so models are loaded once. A place that finds
no more of them goes on with the next stage, on shares whose images are made, while other places still make theirs.
There is never more than one worker in a place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.executors.share_state import INTERRUPTED
from harness.executors.share_work import ShareWork, lost_environment
from harness.workers.worker import Ended, Event, Program, Workers
from wire.errors import ExitCode, MiroEvalError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.environments.manager import Environment
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline


class Run(Protocol):
    """Whose work is done: a run, as far as its places must know it."""

    pipeline: Pipeline

    def is_ready(self, work: ShareWork) -> bool:
        """Whether all that the work needs is there."""
        ...

    def write_job(self, work: ShareWork, environment: Environment) -> Path | None:
        """The worker's job file; None where there is nothing to do."""
        ...

    def handle(self, work: ShareWork, event: Event) -> None:
        """Take note of an event; may raise what ends the work."""
        ...

    def ended(self, work: ShareWork, failure: MiroEvalError | None) -> None:
        """The work is through, well or badly."""
        ...

    def wants(self, work: ShareWork) -> bool:
        """Whether the work is still to be done, after what has failed."""
        ...


@dataclass
class Task:
    """A share's work in the list of all that is to be done."""

    run: Run
    work: ShareWork
    again: bool = False

    @property
    def stage(self) -> Stage:
        """Which stage's."""
        return self.work.stage


@dataclass
class _Slot:
    """One place.

    Attributes:
        gpu: which one of the machine's; None for what the machine shows of itself.
        worker: number of the living worker.
        program: what that runs.
        stage: which it serves.
        task: what it does now.
        dismissed: it will end, and gets no more jobs.
        lost: a worker was killed here; other places are tried first.
    """

    gpu: str | None
    worker: int | None = None
    program: Program | None = None
    stage: Stage | None = None
    task: Task | None = None
    dismissed: bool = False
    lost: bool = False


class Slots:
    """All places of this machine, and what is left to be done."""

    def __init__(self, gpus: Sequence[str], tasks: Sequence[Task], environments: dict[str, Environment]) -> None:
        self._slots = [_Slot(gpu) for gpu in gpus] or [_Slot(None)]
        self._left = list(tasks)
        self._environments = environments

    def work_off(self) -> None:
        """Do all that can be done; each run is told what became of its work."""
        with Workers() as self._workers:
            try:
                self._assign()
                while any(slot.worker is not None for slot in self._slots):
                    number, event = self._workers.next()
                    self._handle(next(slot for slot in self._slots if slot.worker == number), event)
                    self._assign()
            except BaseException:
                for task in filter(None, (slot.task for slot in self._slots)):
                    with contextlib.suppress(OSError):
                        task.work.put_off(INTERRUPTED)
                raise

    def _assign(self) -> None:
        """Give every free place something to do; a worker that nothing is left for is sent home."""
        for slot in self._slots:
            while slot.task is None and not slot.dismissed and (task := self._choose(slot)):
                if slot.worker is not None and slot.stage is not task.stage:
                    self._dismiss(slot)
                else:
                    self._begin(slot, task)
            if slot.task is None and slot.worker is not None and not self._may_come(slot):
                self._dismiss(slot)

    def _choose(self, slot: _Slot) -> Task | None:
        """The next share of the stage that the place's worker serves; else the first of all that are ready."""
        self._left = [task for task in self._left if task.run.wants(task.work)]
        if slot.lost:
            return None
        ready = [task for task in self._left if task.run.is_ready(task.work)]
        return next((task for task in ready if task.stage is slot.stage), ready[0] if ready else None)

    def _may_come(self, slot: _Slot) -> bool:
        return not slot.lost and any(task.stage is slot.stage for task in self._left)

    def _dismiss(self, slot: _Slot) -> None:
        if slot.worker is not None and not slot.dismissed:
            slot.dismissed = True
            self._workers.dismiss(slot.worker)

    def _begin(self, slot: _Slot, task: Task) -> None:
        self._left.remove(task)
        slot.task, environment = task, self._environments[task.stage.name]
        try:
            task.work.begin()
            job = task.run.write_job(task.work, environment)
            if job is None:
                self._end(slot)
            else:
                self._hand_over(slot, task, job, environment)
        except MiroEvalError as error:
            self._end(slot, lost_environment(environment, error))

    def _hand_over(self, slot: _Slot, task: Task, job: Path, environment: Environment) -> None:
        if slot.worker is None or slot.program is None:
            slot.program, slot.stage = task.work.program(task.run.pipeline, environment, job, slot.gpu), task.stage
            slot.worker = self._workers.start(slot.program)
        else:
            task.work.done_by(slot.program.log)
            self._workers.give(slot.worker, job)

    def _handle(self, slot: _Slot, event: Event | Ended) -> None:
        if isinstance(event, Ended):
            slot.worker, slot.dismissed = None, False
            if slot.task is not None:
                self._lost(slot, slot.task, event)
        elif slot.task is not None and slot.worker is not None:
            try:
                slot.task.run.handle(slot.task.work, event)
            except MiroEvalError as error:  # the worker must not go on
                self._workers.kill(slot.worker)
                slot.dismissed = True
                self._end(slot, error)
            else:
                if event["event"] == "ended":
                    self._through(slot, slot.task, event["code"])

    def _through(self, slot: _Slot, task: Task, code: int) -> None:
        """The worker is through with its job, and waits for the next."""
        if slot.worker is not None:
            self._workers.rest(slot.worker)
        if code or not task.work.finished:
            self._fail(slot, task, code)
        else:
            self._end(slot)

    def _lost(self, slot: _Slot, task: Task, end: Ended) -> None:
        """A worker has ended in the middle of its work. If it was killed, another place may have more luck, once."""
        others = [other for other in self._slots if other is not slot and not other.lost]
        slot.lost = end.status < 0 and bool(others)
        if slot.lost and not task.again:
            task.again, slot.task = True, None
            task.work.put_off(INTERRUPTED)
            task.run.pipeline.worked_on(task.stage)
            self._left.insert(0, task)
        else:
            self._fail(slot, task, end.status, end.hung)

    def _fail(self, slot: _Slot, task: Task, status: int, hung: str = "") -> None:
        if slot.program is not None:
            failure = task.work.failure(slot.program, status, hung)
            self._end(slot, lost_environment(self._environments[task.stage.name], failure))

    def _end(self, slot: _Slot, failure: MiroEvalError | None = None) -> None:
        """A share of a stage is through. A worker that was told to stop takes no other."""
        task, slot.task = slot.task, None
        if task is not None:
            if failure is not None and failure.exit_code == ExitCode.INTERRUPTED:
                slot.dismissed = slot.worker is not None
            task.work.end(failure)
            task.run.ended(task.work, failure)

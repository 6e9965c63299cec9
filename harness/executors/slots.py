"""Places where workers run on this machine, one for each GPU named: each takes share after share.

A worker stays alive and takes every share of its stage that it can get, so models are loaded once. A place that finds
no more of them goes on with the next stage, on shares whose images are made, while other places still make theirs. A
stage whose environment is still being made comes later. There is never more than one worker in a place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.executors.share_state import INTERRUPTED
from harness.executors.share_work import ShareWork, lost_environment
from harness.workers.worker import NOBODY, Ended, Event, Program, Workers
from wire.errors import ExitCode, MiroEvalError
from wire.gpus import within_visible

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from harness.environments.manager import Environment
    from harness.executors.local import LocalRun
    from harness.stages.base import Stage

    Task = tuple[LocalRun, ShareWork]


@dataclass
class _Slot:
    """One place."""

    gpu: str | None  #: its number, or UUID, among all of the machine's; None for what the machine shows of itself
    worker: int | None = None  #: number of the living worker
    program: Program | None = None
    stage: Stage | None = None
    task: Task | None = None
    dismissed: bool = False  #: it will end, and gets no more jobs
    lost: bool = False  #: a worker was killed here; other places are tried first


class Slots:
    """All places of this machine, and the runs whose work is done there."""

    def __init__(
        self,
        gpus: Sequence[str],
        stages: Sequence[Stage],
        runs: Sequence[LocalRun],
        environments: dict[str, Environment],
        coming: Mapping[str, Future[Environment]] = MappingProxyType({}),
    ) -> None:
        """``environments`` are there, and others ``coming``, by name of their stage."""
        self._slots = [_Slot(gpu) for gpu in within_visible(gpus)] or [_Slot(None)]
        self._stages, self._runs, self._environments = stages, runs, environments
        self._coming = dict(coming)

    def work_off(self) -> None:
        """Do all that can be done; each run is told what became of its work."""
        with Workers() as self._workers:
            try:
                for future in self._coming.values():
                    future.add_done_callback(lambda _: self._workers.wake())
                self._take_made()
                self._assign()
                while self._awaited() or any(slot.worker is not None for slot in self._slots):
                    number, event = self._workers.next()
                    if number == NOBODY:
                        self._take_made()
                    else:
                        self._handle(next(slot for slot in self._slots if slot.worker == number), event)
                    self._assign()
            except BaseException:
                for _, work in self._busy():
                    with contextlib.suppress(OSError):
                        work.journal.ended(INTERRUPTED)
                raise

    def _awaited(self) -> bool:
        """Whether an environment is being made that some run needs."""
        return any(stage.name in self._coming and run.left(stage) for stage in self._stages for run in self._runs)

    def _take_made(self) -> None:
        """Stages whose environments have been made can begin; one whose environment failed is left out."""
        for stage in self._stages:
            if stage.name in self._coming and self._coming[stage.name].done():
                future = self._coming.pop(stage.name)
                try:
                    future.result()
                    self._environments[stage.name] = self._runs[0].pipeline.environment(stage)
                except MiroEvalError as error:
                    for run in self._runs:
                        run.leave_out(stage, error)

    def _busy(self) -> list[Task]:
        return [slot.task for slot in self._slots if slot.task is not None]

    def _waiting(self) -> Iterator[Task]:
        """What is left and nobody does: stage by stage, run by run, share by share."""
        busy = [work for _, work in self._busy()]
        for stage in self._stages:
            for run in self._runs if stage.name in self._environments else ():
                yield from ((run, work) for work in run.left(stage) if work not in busy)

    def _assign(self) -> None:
        """Give every free place something to do; a worker that nothing is left for is sent home."""
        for slot in self._slots:
            while slot.task is None and not slot.dismissed and (task := self._choose(slot)):
                if slot.worker is not None and slot.stage is not task[1].stage:
                    self._dismiss(slot)
                else:
                    self._begin(slot, *task)
            more = not slot.lost and any(work.stage is slot.stage for _, work in self._waiting())
            if slot.task is None and slot.worker is not None and not more:
                self._dismiss(slot)

    def _choose(self, slot: _Slot) -> Task | None:
        """The next share of the stage that the place's worker serves; else the first of all that are ready."""
        ready = [] if slot.lost else [(run, work) for run, work in self._waiting() if run.is_ready(work)]
        same = ((run, work) for run, work in ready if work.stage is slot.stage)
        return next(same, ready[0] if ready else None)

    def _dismiss(self, slot: _Slot) -> None:
        if slot.worker is not None and not slot.dismissed:
            slot.dismissed = True
            self._workers.dismiss(slot.worker)

    def _begin(self, slot: _Slot, run: LocalRun, work: ShareWork) -> None:
        slot.task, environment = (run, work), self._environments[work.stage.name]
        try:
            work.begin()
            job = run.write_job(work, environment)
            if job is None:
                self._end(slot)
            else:
                self._hand_over(slot, run, work, job)
        except MiroEvalError as error:
            self._end(slot, lost_environment(environment, error))

    def _hand_over(self, slot: _Slot, run: LocalRun, work: ShareWork, job: Path) -> None:
        if slot.worker is None or slot.program is None:
            program = work.program(run.pipeline, self._environments[work.stage.name], job, slot.gpu)
            slot.worker, slot.program, slot.stage = self._workers.start(program), program, work.stage
        else:
            self._workers.give(slot.worker, job)
        work.done_by(slot.program)

    def _handle(self, slot: _Slot, event: Event | Ended) -> None:
        if isinstance(event, Ended):
            slot.worker, slot.dismissed = None, False
            if slot.task is not None:
                self._lost(slot, *slot.task, event)
        elif slot.task is not None and slot.worker is not None:
            run, work = slot.task
            try:
                run.handle(work, event)
            except MiroEvalError as error:  # the worker must not go on
                self._workers.kill(slot.worker)
                slot.dismissed = True
                self._end(slot, error)
            else:
                if event["event"] == "ended":
                    self._workers.rest(slot.worker)
                    failed = bool(event["code"]) or not work.finished
                    self._end(slot, self._failure(work, event["code"]) if failed else None)

    def _lost(self, slot: _Slot, run: LocalRun, work: ShareWork, end: Ended) -> None:
        """A worker has ended in the middle of its work. If it was killed, another place may have more luck, once."""
        slot.lost = end.status < 0 and any(other is not slot and not other.lost for other in self._slots)
        if slot.lost and work.journal.state.attempts == 1:
            slot.task = None
            work.journal.ended(INTERRUPTED)
            run.pipeline.worked_on(work.stage)
        else:
            self._end(slot, self._failure(work, end.status, end.hung))

    def _failure(self, work: ShareWork, status: int, hung: str = "") -> MiroEvalError:
        return lost_environment(self._environments[work.stage.name], work.failure(status, hung))

    def _end(self, slot: _Slot, failure: MiroEvalError | None = None) -> None:
        """A share of a stage is through. A worker that was told to stop takes no other."""
        task, slot.task = slot.task, None
        if task is not None:
            run, work = task
            if failure is not None and failure.exit_code == ExitCode.INTERRUPTED:
                slot.dismissed = slot.worker is not None
            work.end(failure)
            run.ended(work, failure)

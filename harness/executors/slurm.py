"""Hand a run to Slurm: an array of shards for each stage, and a job that merges when all have ended.

A shard is judged and scored when its own images are made, not when all are: task i of a later array waits for task i
of the generating one (``aftercorr``, Slurm's ``afterok`` task by task). A failed task thus holds back its own shard
alone. Only shards that lack something get a task.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.executors import queue, sbatch
from harness.executors.local import LOCAL
from harness.executors.merge import begin_stage
from harness.executors.sharding import Share, check_shards, shares_of, survey
from harness.executors.share_state import clear_state, state_file
from harness.executors.submission import Submission, job_folders, merge_state_file, new_job_folder
from harness.executors.tasks import MergeTask, ShareTask
from harness.run.directory import RunDirectory
from harness.run.settings import RunSettings
from harness.stages.base import Stage
from wire.errors import EnvironmentFailure, MiroEvalError, UserError
from wire.paths import home

if TYPE_CHECKING:
    import submitit

    from harness.stages.context import Pipeline


class SlurmExecutor:
    """Submits what is unfinished, and leaves."""

    def run(self, pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
        """Hand each run's work over; where nothing is to be done, finish here.

        Returns:
            Of each run None, or its unscored items if it is finished, or why it could not be submitted.

        Raises:
            UserError: options that no run could be submitted with, or paths that no job script can hold.
            EnvironmentFailure: Slurm is not here.
        """
        for pipeline in pipelines:
            check(pipeline.settings)
            _check_paths(pipeline.run)
        return [_attempt(pipeline, stages) for pipeline in pipelines]


SLURM = SlurmExecutor()


def check(settings: RunSettings) -> None:
    """Look at the options before anything is done.

    Raises:
        UserError: they cannot be meant so.
        EnvironmentFailure: Slurm is not here.
    """
    if settings.gpus:
        raise UserError("--gpus names GPUs of this machine: with --executor slurm say --gres, e.g. --gres gpu:1")
    check_shards(settings.shards or 1)
    sbatch.check(settings.slurm)
    queue.require("sbatch", "srun", "squeue", "scancel", "scontrol")


def _check_paths(run: RunDirectory) -> None:
    """Job scripts name the folder of the jobs and this interpreter.

    Raises:
        UserError: one of them has a character that a shell or Slurm could take for something else.
    """
    wanted = "job scripts take paths of ASCII letters, digits and _ . @ + - only"
    if not sbatch.is_plain(str(job_folders(run))):
        raise UserError(f"MIRO_EVAL_HOME ({str(home())!a}): {wanted}; set it to such a folder that all nodes see")
    if not sbatch.is_plain(sys.executable):
        raise UserError(f"{sys.executable!a}: {wanted}; install miro-eval in such a place")


def _attempt(pipeline: Pipeline, stages: Sequence[Stage]) -> int | MiroEvalError | None:
    try:
        return _submit(pipeline, stages)
    except MiroEvalError as error:
        return error


def _submit(pipeline: Pipeline, stages: Sequence[Stage]) -> int | MiroEvalError | None:
    todos = [todo for todo in survey(pipeline, stages) if todo.shares]
    if not todos:
        return LOCAL.run([pipeline], stages)[0]
    for todo in todos:
        begin_stage(pipeline, todo)
        pipeline.prepare(todo.stage, f"{todo.stage.name}: weights")
    pending = {stage.name: next((todo.shares for todo in todos if todo.stage is stage), []) for stage in stages}
    submission = _Submitter(pipeline, len(shares_of(pipeline.settings, stages))).submit(stages, pending)
    pipeline.display.note(_summary(submission, pipeline.run))
    return None


class _Submitter:
    """Puts the jobs of one run into the queue: all of them, or none."""

    def __init__(self, pipeline: Pipeline, shards: int) -> None:
        self._run = pipeline.run
        self._settings = replace(pipeline.settings, out=pipeline.run.path)
        self._source = pipeline.source
        self._name = pipeline.manifest.name
        self._submission = Submission(shards)
        self._folder = new_job_folder(pipeline.run)

    def submit(self, stages: Sequence[Stage], pending: dict[str, list[Share]]) -> Submission:
        """Submit an array per stage (two, where only some shards wait for images) and the merge."""
        makers = [stage for stage in stages if not stage.needs_images]
        making = [share for stage in makers for share in pending[stage.name]]
        with self._all_or_none():
            for stage in makers:
                self._array(stage, pending[stage.name], None)
            after = self._after_images(len(making))
            for stage in stages:
                if stage.needs_images:
                    self._array(stage, making, after)
                    self._array(stage, [share for share in pending[stage.name] if share not in making], None)
            self._merge(stages)
        self._submission.write(self._run)
        return self._submission

    @contextlib.contextmanager
    def _all_or_none(self) -> Iterator[None]:
        from submitit.core.utils import FailedJobError

        try:
            yield
        except BaseException as error:
            if jobs := self._submission.job_ids():
                queue.cancel(jobs)
            if isinstance(error, FailedJobError):
                raise EnvironmentFailure(f"Slurm refused a job: {_last_line(error)}") from error
            raise

    def _after_images(self, making: int) -> str:
        """Task by task, of the jobs so far; a lone task is no array in Slurm's eyes."""
        array = next(iter(self._submission.job_ids()), "")
        return f"aftercorr:{array}" if making > 1 else f"afterok:{array}"

    def _array(self, stage: Stage, parts: list[Share], dependency: str | None) -> None:
        if not parts:
            return
        parameters = sbatch.for_shards(self._settings.slurm, sbatch.job_name(self._name, stage.name), dependency)
        for share in parts:
            clear_state(state_file(self._run, stage.name, share))
        tasks = [ShareTask(stage.name, share, self._settings, self._source) for share in parts]
        jobs = self._submission.stages.setdefault(stage.name, {})
        jobs.update(zip((share.index for share in parts), self._hand_over(tasks, parameters), strict=True))

    def _merge(self, stages: Sequence[Stage]) -> None:
        clear_state(merge_state_file(self._run))
        after = "afterany:" + ":".join(self._submission.job_ids())
        parameters = sbatch.for_merge(self._settings.slurm, sbatch.job_name(self._name, "merge"), after)
        task = MergeTask(tuple(stage.name for stage in stages), self._settings, self._source)
        (self._submission.merge,) = self._hand_over([task], parameters)

    def _hand_over(self, tasks: Sequence[Any], parameters: dict[str, Any]) -> list[str]:
        """Submit tasks as one array; returns their ids."""
        executor = job_executor(self._folder, parameters)
        with executor.batch():
            jobs = [executor.submit(task) for task in tasks]
        return [str(job.job_id) for job in jobs]


def job_executor(folder: Path, parameters: dict[str, Any]) -> submitit.SlurmExecutor:
    """What writes the job scripts: all that is in them has been looked at.

    ``-P`` keeps the interpreter from importing what lies in the folder that the command was given in.
    """
    import submitit

    python = f"{sys.executable} -P"
    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=sbatch.MAX_TIMEOUTS, python=python)
    executor.update_parameters(**parameters)
    return executor


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "sbatch failed")


def _summary(submission: Submission, run: RunDirectory) -> str:
    arrays = [f"{stage}: {len(jobs)} of {submission.shards} shards" for stage, jobs in submission.stages.items()]
    out, folder = shlex.quote(str(run.path)), job_folders(run)
    elsewhere = "" if folder.is_relative_to(run.path) else f"\nwhat Slurm says, and the job scripts, are in {folder}"
    return (
        f"submitted to Slurm: {', '.join(arrays)}, and job {submission.merge} that merges\n"
        f"follow it with `miro-eval status {out}`, end it with `miro-eval cancel {out}`{elsewhere}"
    )

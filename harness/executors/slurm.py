"""Hand a run to Slurm: an array of shards for each stage, and a job that merges when all have ended.

A shard is judged and scored when its own images are made, not when all are: task i of a later array waits for task i
of the generating one (``aftercorr``, Slurm's ``afterok`` task by task). A failed task thus holds back its own shard
alone. Only shards that lack something get a task.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.executors import local, queue, sbatch
from harness.executors.sharding import Share, check_shards, shares_of, survey
from harness.executors.share_state import clear_state, state_file
from harness.executors.share_work import begin_stage
from harness.executors.submission import Submission, clean_job_folders, job_folders, merge_state_file, new_job_folder
from harness.executors.tasks import MergeTask, ShareTask
from harness.run.directory import RunDirectory
from harness.run.settings import RunSettings
from harness.stages.base import Stage
from wire.errors import EnvironmentFailure, MiroEvalError, UserError
from wire.paths import home

if TYPE_CHECKING:
    import submitit

    from harness.stages.context import Pipeline


#: Seconds in which what an ``sbatch`` without an answer has submitted comes into the queue.
SETTLE = 2.0


def run(pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
    """Hand each run's work over; where nothing is to be done, finish here.
    Returns for each run None, or its unscored items if it is finished, or why it could not be submitted.
    Raises UserError: options that no run could be submitted with, or paths that no job script can hold;
    EnvironmentFailure: Slurm is not here.
    """
    for pipeline in pipelines:
        check(pipeline.settings)
        _check_paths(pipeline.run)
    return [_attempt(pipeline, stages) for pipeline in pipelines]


def check(settings: RunSettings) -> None:
    """Look at the options before anything is done.
    Raises UserError: they cannot be meant so; EnvironmentFailure: Slurm is not here.
    """
    if settings.gpus:
        raise UserError("--gpus names GPUs of this machine: with --executor slurm say --gres, e.g. --gres gpu:1")
    check_shards(settings.shards or 1)
    sbatch.check(settings.slurm)
    queue.require("sbatch", "srun", "squeue", "scancel", "scontrol")


def _check_paths(run: RunDirectory) -> None:
    """Job scripts name the folder of the jobs and this interpreter.
    Raises UserError: one of them has a character that a shell or Slurm could take for something else.
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
    parts = pipeline.parts(stages)
    todos = [todo for todo in survey(pipeline, parts) if todo.shares]
    if not todos:
        return local.run([pipeline], stages)[0]
    with pipeline.making() as making:
        for future in [making.begin(todo.stage.spec) for todo in todos]:
            future.result()
    for todo in todos:
        pipeline.environment(todo.stage)
        begin_stage(pipeline, todo)
        pipeline.prepare(todo.stage, f"{todo.stage.name}: weights")
    pending = {part.name: next((todo.shares for todo in todos if todo.stage is part), []) for part in parts}
    submission = _Submitter(pipeline, len(shares_of(pipeline.settings, stages))).submit(parts, pending)
    pipeline.display.note(_summary(submission, pipeline.run))
    return None


class _Submitter:
    """Puts the jobs of one run into the queue: all of them, or none."""

    def __init__(self, pipeline: Pipeline, shards: int) -> None:
        self._run = pipeline.run
        self._settings = replace(pipeline.settings, out=pipeline.run.path)
        self._source = pipeline.source
        self._name = pipeline.manifest.name
        self._left_out = pipeline.left_out
        self._note = pipeline.display.note
        self._submission = Submission(shards, cluster=queue.cluster(), token=secrets.token_hex(16))
        clean_job_folders(pipeline.run)
        self._submission.write(pipeline.run)  # from now on the run is not over, and nobody else cleans its folder
        self._folder = new_job_folder(pipeline.run)

    def submit(self, stages: Sequence[Stage], pending: dict[str, list[Share]]) -> Submission:
        """Submit an array per stage, or part of one (two, where only some shards wait for images) and the merge."""
        makers = [stage for stage in stages if not stage.needs_images]
        making = [share for stage in makers for share in pending[stage.name]]
        with self._all_or_none():
            for stage in makers:
                self._array(stage, pending[stage.name], None)
            # Task by task, of the jobs so far; a lone task is no array in Slurm's eyes.
            after = f"{'aftercorr' if len(making) > 1 else 'afterok'}:{next(iter(self._submission.job_ids()), '')}"
            for stage in stages:
                if stage.needs_images:
                    self._array(stage, making, after)
                    self._array(stage, [share for share in pending[stage.name] if share not in making], None)
            self._merge(stages)
            if lost := set(self._submission.job_ids()) - {job.partition("_")[0] for job in self._submission.entries()}:
                raise EnvironmentFailure(
                    f"Slurm does not show job {min(lost)} with its comment, which identifies jobs here: the cluster "
                    "drops comments, or its commands ask different clusters (SBATCH_CLUSTERS); all are cancelled"
                )
        return self._submission

    @contextlib.contextmanager
    def _all_or_none(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._take_back()
            raise

    def _take_back(self) -> None:
        """Cancel what was submitted. The record stays: a job that comes late, or is not cancelled, is known by it."""
        jobs, self._submission.merge = self._submission.job_ids(), ""
        try:
            self._submission.write(self._run)
            queue.cancel(self._submission.token, jobs)
            time.sleep(
                SETTLE
            )  # what an sbatch submitted that got no answer, or was interrupted, is in the queue by now
            queue.cancel(self._submission.token)
        except (EnvironmentFailure, OSError) as error:
            out = shlex.quote(str(self._run.path))
            self._note(f"jobs may be left in the queue ({error}): `miro-eval jobs cancel {out}` ends them")

    def _array(self, stage: Stage, parts: list[Share], dependency: str | None) -> None:
        if not parts:
            return
        token = self._submission.token
        parameters = sbatch.for_shards(self._settings.slurm, sbatch.job_name(self._name, stage.name), token, dependency)
        for share in parts:
            clear_state(state_file(self._run, stage.name, share))
        tasks = [ShareTask(stage.name, share, self._settings, self._source, token) for share in parts]
        jobs = self._submission.stages.setdefault(stage.name, {})
        jobs.update(zip((share.index for share in parts), self._hand_over(tasks, parameters), strict=True))
        self._submission.write(self._run)

    def _merge(self, stages: Sequence[Stage]) -> None:
        clear_state(merge_state_file(self._run))
        after = "afterany:" + ":".join(self._submission.job_ids())
        name, token = sbatch.job_name(self._name, "merge"), self._submission.token
        parameters = sbatch.for_merge(self._settings.slurm, name, token, after)
        names = dict.fromkeys(stage.whole.name for stage in stages)
        task = MergeTask(tuple(names), self._settings, self._source, token, self._left_out)
        (self._submission.merge,) = self._hand_over([task], parameters)
        self._submission.write(self._run)

    def _hand_over(self, tasks: Sequence[Any], parameters: dict[str, Any]) -> list[str]:
        """Submit tasks as one array; returns their ids. As submitit does it, but that ``sbatch`` has a time limit."""
        from submitit.core.utils import DelayedSubmission, JobPaths

        executor = job_executor(self._folder, parameters)
        pickles = [self._folder / f"{secrets.token_hex(16)}.pkl" for _ in tasks]
        for task, path in zip(tasks, pickles, strict=True):
            delayed = DelayedSubmission(task)
            delayed.set_timeout(parameters["time"], sbatch.MAX_TIMEOUTS)
            delayed.dump(path)
        if len(tasks) > 1:
            executor.parameters["map_count"] = len(tasks)
        script = self._folder / f"{secrets.token_hex(16)}.sh"
        script.write_text(executor._make_submission_file_text(executor._submitit_command_str, ""), encoding="utf-8")
        job = queue.submit(script)
        jobs = [f"{job}_{index}" for index in range(len(tasks))] if len(tasks) > 1 else [job]
        for name, path in zip(jobs, pickles, strict=True):
            JobPaths(self._folder, name).move_temporary_file(path, "submitted_pickle")
        return jobs


def job_executor(folder: Path, parameters: dict[str, Any]) -> submitit.SlurmExecutor:
    """What writes the job scripts: all that is in them has been looked at.

    ``-P`` keeps the interpreter from importing what lies in the folder that the command was given in.
    """
    import submitit

    python = f"{sys.executable} -P"
    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=sbatch.MAX_TIMEOUTS, python=python)
    executor.update_parameters(**parameters)
    return executor


def _summary(submission: Submission, run: RunDirectory) -> str:
    arrays = [f"{stage}: {len(jobs)} of {submission.shards} shards" for stage, jobs in submission.stages.items()]
    out, folder = shlex.quote(str(run.path)), job_folders(run)
    elsewhere = "" if folder.is_relative_to(run.path) else f"\nwhat Slurm says, and the job scripts, are in {folder}"
    return (
        f"submitted to Slurm: {', '.join(arrays)}, and job {submission.merge} that merges\n"
        f"follow it with `miro-eval jobs status {out}`, end it with `miro-eval jobs cancel {out}`{elsewhere}"
    )

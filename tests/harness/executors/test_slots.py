"""Who works on what, when: workers live on from share to share, stages overlap, and what is killed is tried again."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.environments.manager import Environment
from harness.executors import find
from harness.executors.local import LocalRun
from harness.executors.sharding import Share
from harness.executors.share_state import FAILED, FINISHED, read_state, state_file
from harness.executors.share_work import ShareWork
from harness.executors.slots import Slots
from harness.run.directory import RunDirectory
from harness.run.settings import RunSettings
from harness.stages.base import Stage
from harness.stages.registry import STAGES
from harness.workers.worker import Event
from wire.errors import EnvironmentFailure, ExitCode, MiroEvalError, UserError

#: A worker by the protocol whose jobs say what is to become of them; every job is noted with process and GPU.
WORKER = """
import itertools, json, os, pathlib, signal, sys, time
def tell(event, **fields): print(json.dumps({"event": event, **fields}), flush=True)
def do(path):
    path = pathlib.Path(path)
    folder, action = path.parent, path.read_text()
    with (folder / "notes").open("a") as notes:
        notes.write(json.dumps([path.stem, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")]) + "\\n")
    marker = path.with_suffix(".once")
    code = 0
    if action == "killed" or action == "killed-once" and not marker.exists():
        marker.touch(); os.kill(os.getpid(), signal.SIGKILL)
    if action == "stops-once" and not marker.exists():
        marker.touch(); os.kill(os.getpid(), signal.SIGSTOP)
    if action.startswith("waits for "):
        while not (folder / action[10:]).exists(): time.sleep(0.01)
    if action == "refuses": tell("error", message=path.stem + " has no weights", code=4); code = 4
    if action == "told to stop": tell("error", message="stop", code=130); tell("ended", code=130); os._exit(130)
    if action == "leaves": os._exit(0)
    if not code and action != "lazy":
        path.with_suffix(".done").touch(); tell("finished", rows=1, unscored=0)
    tell("ended", code=code)
for path in itertools.chain(sys.argv[1:], map(json.loads, sys.stdin)):
    if path is None: break
    do(path)
"""
CHAIN = ("generate", "geneval", "rewards")


@dataclass
class FakeRun:
    """A run whose jobs are a word each.

    Attributes:
        actions: by the share's name; ``works`` where nothing is said.
        failures: of the works that failed, by name.
    """

    folder: Path
    actions: dict[str, str]
    making: set[int]
    works: list[ShareWork]
    failures: dict[str, MiroEvalError] = field(default_factory=dict)
    pipeline: Any = field(
        default_factory=lambda: SimpleNamespace(
            source=SimpleNamespace(variables=lambda _stage: {}), worked_on=lambda _: None
        )
    )

    def is_ready(self, work: ShareWork) -> bool:
        return not work.stage.needs_images or work.share.index not in self.making

    def left(self, stage: Stage) -> list[ShareWork]:
        stopped = any(failure.exit_code == ExitCode.INTERRUPTED for failure in self.failures.values())
        return [] if stopped else [work for work in self.works if work.stage is stage]

    def leave_out(self, stage: Stage, failure: MiroEvalError) -> None:
        self.failures[stage.name] = failure
        self.works = [work for work in self.works if work.stage is not stage and stage.needs_images]

    def write_job(self, work: ShareWork, _environment: Environment) -> Path | None:
        action = self.actions.get(work.name, "works")
        if action == "has nothing to do":
            return None
        path = self.folder / f"{work.name}.job"
        path.write_text(action)
        return path

    def handle(self, work: ShareWork, event: Event) -> None:
        work.handle(event)
        if event["event"] == "finished" and self.actions.get(work.name) == "is of others":
            raise UserError("other models than before")

    def ended(self, work: ShareWork, failure: MiroEvalError | None) -> None:
        self.works.remove(work)
        if failure is not None:
            self.failures[work.name] = failure
        elif not work.stage.needs_images:
            self.making.discard(work.share.index)


@dataclass
class Story:
    """What happened.

    Attributes:
        notes: name of the share, process and GPU, as jobs were begun.
        failures: by name of the share.
    """

    notes: list[tuple[str, int, str | None]]
    failures: dict[str, MiroEvalError]
    states: dict[str, str]

    @property
    def order(self) -> list[str]:
        return [name for name, *_ in self.notes]

    def processes(self, stage: str) -> set[int]:
        return {process for name, process, _ in self.notes if name.startswith(stage)}


def work_off(
    folder: Path,
    count: int,
    *gpus: str,
    stages: tuple[str, ...] = CHAIN,
    actions: dict[str, str] | None = None,
    made: dict[str, str] | None = None,
    fails: str = "",
) -> Story:
    """Work on ``count`` shares of stages. Environments named in ``made`` are there once a file in the folder is; the
    one of ``fails`` is not."""
    directory = RunDirectory(folder)
    works = [ShareWork(directory, STAGES[stage], Share(index, count)) for stage in stages for index in range(count)]
    run = FakeRun(folder, actions or {}, set(range(count)) if "generate" in stages else set(), list(works))
    fake = SimpleNamespace(ready=True, worker=lambda _module, job: [sys.executable, "-c", WORKER, job])
    run.pipeline.environment = lambda _: fake
    environments = {stage: cast(Environment, fake) for stage in stages if stage not in (made or {})}

    def make(stage: str, file: str) -> Environment:
        while not (folder / file).exists():
            time.sleep(0.01)
        if stage == fails:
            raise EnvironmentFailure(f"environment {stage} could not be installed")
        return cast(Environment, fake)

    with ThreadPoolExecutor() as pool:
        coming = {stage: pool.submit(make, stage, file) for stage, file in (made or {}).items()}
        Slots(gpus, [STAGES[stage] for stage in stages], [cast(LocalRun, run)], environments, coming).work_off()
    notes = folder / "notes"
    lines = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    states = {work.name: read_state(state_file(directory, work.stage.name, work.share)) for work in works}
    return Story(
        [(name, process, gpu) for name, process, gpu in lines],
        run.failures,
        {name: state.state for name, state in states.items() if state},
    )


def names(count: int, *stages: str) -> list[str]:
    return [f"{stage}-{index}of{count}" for stage in stages for index in range(count)]


def test_in_one_place_stages_follow_one_another_with_one_worker_each(tmp_path: Path) -> None:
    story = work_off(tmp_path, 3)
    assert story.order == names(3, *CHAIN)
    assert [len(story.processes(stage)) for stage in CHAIN] == [1, 1, 1]
    assert not story.failures
    assert set(story.states.values()) == {FINISHED}
    told = (tmp_path / "logs" / "geneval-2of3.log").read_text()
    assert f"one worker served several shares; its log is {tmp_path / 'logs' / 'geneval-0of3.log'}" in told


def test_a_stage_begins_when_its_environment_is_made_and_others_go_before(tmp_path: Path) -> None:
    (tmp_path / "begin").touch()
    made = {"generate": "begin", "geneval": "rewards-1of2.done", "rewards": "generate-0of2.done"}
    story = work_off(tmp_path, 2, made=made)
    assert not story.failures
    assert story.order == names(2, "generate", "rewards", "geneval")


def test_a_worker_makes_images_while_all_other_environments_are_made(tmp_path: Path) -> None:
    story = work_off(tmp_path, 2, made=dict.fromkeys(("geneval", "rewards"), "generate-1of2.done"))
    assert story.order[:2] == names(2, "generate")
    assert sorted(story.order) == sorted(names(2, *CHAIN))  # which of the two is made first is a matter of moments
    assert len(story.processes("generate")) == 1


def test_where_an_environment_fails_all_else_goes_on(tmp_path: Path) -> None:
    story = work_off(tmp_path, 2, made={"geneval": "generate-0of2.done"}, fails="geneval")
    assert story.order == names(2, "generate", "rewards")
    assert list(story.failures) == ["geneval"]


def test_nobody_waits_for_environments_once_images_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "begin").touch()
    threading.Timer(3.0, (tmp_path / "late").touch).start()
    story = work_off(tmp_path, 2, made={"generate": "begin", "rewards": "late"}, fails="generate")
    assert story.order == []
    assert list(story.failures) == ["generate"]


def test_two_places_share_the_work_each_with_a_worker_on_its_own_gpu(tmp_path: Path) -> None:
    story = work_off(
        tmp_path, 4, "5", "6", stages=("rewards",), actions={"rewards-0of4": "waits for rewards-1of4.done"}
    )
    assert {gpu for *_, gpu in story.notes} == {"5", "6"}
    assert len(story.processes("rewards")) == 2
    assert sorted(story.order) == names(4, "rewards")


def test_gpus_named_count_within_those_that_this_process_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,GPU-8f2a")
    places = ("2", "0", "MIG-77b1")
    waits = {f"rewards-{index}of3": "waits for rewards-2of3.done" for index in (0, 1)}
    story = work_off(tmp_path, 3, *places, stages=("rewards",), actions=waits)
    assert [gpu for *_, gpu in sorted(story.notes)] == ["GPU-8f2a", "4", "MIG-77b1"]
    with pytest.raises(UserError, match="--gpus 3: CUDA_VISIBLE_DEVICES=4,5,GPU-8f2a leaves 3 GPUs"):
        find(RunSettings(tmp_path, gpus=("0", "3")))


def test_a_free_place_judges_what_is_made_while_another_still_makes(tmp_path: Path) -> None:
    story = work_off(tmp_path, 3, "0", "1", actions={"generate-2of3": "waits for geneval-1of3.done"})
    assert not story.failures
    assert sorted(story.order) == sorted(names(3, *CHAIN))
    assert len(story.processes("generate")) == 2


def test_a_worker_that_is_killed_in_its_second_share_is_replaced_elsewhere(tmp_path: Path) -> None:
    actions = {"rewards-2of6": "killed-once", "rewards-0of6": "waits for rewards-1of6.done"}
    story = work_off(tmp_path, 6, "0", "1", stages=("rewards",), actions=actions)
    assert not story.failures
    first, second = [(process, gpu) for name, process, gpu in story.notes if name == "rewards-2of6"]
    assert first[1] != second[1]
    assert first[0] in {process for name, process, _ in story.notes if name in ("rewards-0of6", "rewards-1of6")}
    assert len(story.order) == 7, "what was done is not done again"
    assert set(story.states.values()) == {FINISHED}


def test_a_share_that_is_killed_again_fails_alone(tmp_path: Path) -> None:
    story = work_off(tmp_path, 3, "0", "1", stages=("rewards",), actions={"rewards-0of3": "killed"})
    assert story.order.count("rewards-0of3") == 2
    assert list(story.failures) == ["rewards-0of3"]
    assert "run the same command again to continue" in str(story.failures["rewards-0of3"])
    assert story.states == {"rewards-0of3": FAILED, "rewards-1of3": FINISHED, "rewards-2of3": FINISHED}


def test_in_the_only_place_a_killed_worker_costs_its_share(tmp_path: Path) -> None:
    story = work_off(tmp_path, 2, stages=("rewards",), actions={"rewards-0of2": "killed"})
    assert story.order == ["rewards-0of2", "rewards-1of2"]
    assert list(story.failures) == ["rewards-0of2"]


def test_a_worker_that_hangs_is_replaced_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_WORKER_TIMEOUT", "1")
    actions = {"rewards-0of2": "stops-once"}
    story = work_off(tmp_path, 2, "0", "1", stages=("rewards",), actions=actions)
    assert not story.failures
    assert len({gpu for name, _, gpu in story.notes if name == "rewards-0of2"}) == 2


@pytest.mark.parametrize("action", ["refuses", "lazy", "leaves"])
def test_a_share_s_own_failure_is_not_tried_again_and_others_go_on(tmp_path: Path, action: str) -> None:
    story = work_off(tmp_path, 3, "0", stages=("rewards",), actions={"rewards-1of3": action})
    assert story.order == names(3, "rewards")
    failure = story.failures.pop("rewards-1of3")
    assert not story.failures
    assert failure.exit_code == (ExitCode.ENVIRONMENT_FAILURE if action == "refuses" else ExitCode.BUG)
    assert str(failure).startswith("rewards-1of3 has no weights" if action == "refuses" else "stage rewards stopped")
    assert len(story.processes("rewards")) == (2 if action == "leaves" else 1)


def test_a_worker_whose_models_are_others_does_not_go_on(tmp_path: Path) -> None:
    story = work_off(tmp_path, 2, stages=("rewards",), actions={"rewards-0of2": "is of others"})
    assert list(story.failures) == ["rewards-0of2"]
    assert len(story.processes("rewards")) == 2


def test_a_worker_that_is_told_to_stop_stops_its_run(tmp_path: Path) -> None:
    story = work_off(tmp_path, 3, stages=("geneval", "rewards"), actions={"geneval-1of3": "told to stop"})
    assert story.order == ["geneval-0of3", "geneval-1of3"]
    assert story.failures["geneval-1of3"].exit_code == ExitCode.INTERRUPTED


def test_what_needs_no_worker_starts_none(tmp_path: Path) -> None:
    story = work_off(tmp_path, 2, stages=("rewards",), actions=dict.fromkeys(names(2, "rewards"), "has nothing to do"))
    assert story.order == []
    assert set(story.states.values()) == {FINISHED}

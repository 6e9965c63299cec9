"""In which order shards are worked on: as soon as their images are there, whatever becomes of other shards."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.executors.overlapped import Slots
from harness.executors.shard import ShardTask
from harness.executors.sharding import Share
from harness.run.contents import Contents
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RunSettings
from harness.stages.context import Pipeline
from harness.terminal.display import Display
from harness.weights.weight_source import TinyWorld
from wire.errors import MiroEvalError, UserError

SOURCE = TinyWorld(Path("none"))
done: list[tuple[str, int, str | None]] = []
LOCK = threading.Lock()


@dataclass(frozen=True)
class Noted(ShardTask):
    """A task that only notes that it ran, or fails."""

    fails: bool = False
    waits_for: threading.Event | None = None
    sets: threading.Event | None = None

    def __call__(self, contents: Contents | None = None) -> None:
        if self.waits_for is not None:
            assert self.waits_for.wait(10)
        with LOCK:
            done.append((self.stage, self.share.index, self.gpu))
        if self.sets is not None:
            self.sets.set()
        if self.fails:
            raise UserError(f"{self.name} fails")


def work_off(folder: Path, gpus: tuple[str, ...], tasks: list[ShardTask]) -> MiroEvalError | None:
    done.clear()
    settings = RunSettings(folder, gpus=gpus)
    pipeline = Pipeline(RunDirectory(folder), Manifest("x"), settings, SOURCE, Display())
    return Slots(pipeline, tasks, {}).work_off()


def chain(folder: Path, shares: int, **special: dict[str, object]) -> list[ShardTask]:
    settings = RunSettings(folder)
    return [
        Noted(stage, Share(index, shares), settings, SOURCE, **special.get(f"{stage}{index}", {}))  # type: ignore[arg-type]
        for stage in ("generate", "geneval", "rewards")
        for index in range(shares)
    ]


def test_one_worker_takes_share_after_share(tmp_path: Path) -> None:
    assert work_off(tmp_path, (), chain(tmp_path, 2)) is None
    stages = ("generate", "geneval", "rewards")
    assert done == [(stage, index, None) for index in (0, 1) for stage in stages]


def test_a_share_is_judged_while_another_is_made(tmp_path: Path) -> None:
    judged = threading.Event()
    tasks = chain(tmp_path, 2, generate1={"waits_for": judged}, geneval0={"sets": judged})
    assert work_off(tmp_path, ("0", "1"), tasks) is None
    assert [stage for stage, *_ in done].index("geneval") < done.index(("generate", 1, "1"))
    assert {gpu for *_, gpu in done} == {"0", "1"}
    assert len(done) == 6


def test_a_share_whose_images_cannot_be_made_is_left_and_the_others_go_on(tmp_path: Path) -> None:
    failure = work_off(tmp_path, ("0",), chain(tmp_path, 3, generate1={"fails": True}))
    assert isinstance(failure, UserError)
    assert "generate-1of3 fails" in str(failure)
    assert {(stage, index) for stage, index, _ in done} == {("generate", 1)} | {
        (stage, index) for stage in ("generate", "geneval", "rewards") for index in (0, 2)
    }


@pytest.mark.parametrize("stage", ["geneval", "rewards"])
def test_a_share_that_cannot_be_judged_is_scored_all_the_same(tmp_path: Path, stage: str) -> None:
    assert work_off(tmp_path, (), chain(tmp_path, 2, **{f"{stage}0": {"fails": True}})) is not None
    assert len(done) == 6

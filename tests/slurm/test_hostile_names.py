"""On a real Slurm, a run whose name and directory are made of commands runs none of them, and its images come out."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from harness.executors.submission import Submission, job_log
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from tests.end_to_end.test_demo import content
from tests.real_environments import miro_eval, world
from tests.slurm.cluster import PARTITION, Cluster
from tests.slurm.test_slurm import queue, wait_for_end

SWEEP = ("--tiny-world", "--device", "cpu", "--steps", "2", "--limit", "2", "--samples", "2", "--batch-size", "2")
SLURM = ("--executor", "slurm", "--partition", PARTITION, "--shards", "2")
#: To Slurm's reader of comment lines all quotes are closed after this; to a shell they go on over the line.
CLOSED = "x\\'\"\n"
#: A directory's name has no slash: what would run of it runs where the command was given.
DIRECTORY = CLOSED + "touch PWNED-1\n#SBATCH --wrap='touch PWNED-2' %j $(touch PWNED-3) `touch PWNED-4` é it's"
NAME = CLOSED + "touch {0}/PWNED-5\n#' $(touch {0}/PWNED-6) `touch {0}/PWNED-7` %j"


class Place:
    """A folder to work in, with the hostile run in it, and what marks that a command of it ran."""

    def __init__(self, folder: Path, directory: str) -> None:
        self.folder, self.run = folder, folder / directory
        self.run.mkdir()
        Manifest(NAME.format(folder)).write(self.run / "run.json")

    def generate(self) -> CompletedProcess[str]:
        return miro_eval("generate", world().checkpoint, *SWEEP, *SLURM, "--out", self.run)

    def marks(self) -> list[Path]:
        return list(self.folder.rglob("PWNED*"))


@pytest.fixture(params=["plain", DIRECTORY], ids=["name", "name and directory"])
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request: Any) -> Place:
    folder = tmp_path_factory.mktemp("place")
    monkeypatch.chdir(folder)
    return Place(folder, request.param)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images, made here."""
    out = tmp_path_factory.mktemp("alone") / "run"
    answer = miro_eval("generate", world().checkpoint, *SWEEP, "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def test_no_command_of_a_hostile_name_runs_and_the_images_are_right(
    cluster: Cluster, place: Place, alone: Path
) -> None:
    answer = place.generate()
    assert answer.returncode == 0, answer.stderr
    wait_for_end(cluster)
    assert place.marks() == []
    status = miro_eval("status", place.run)
    assert status.returncode == 0, status.stdout
    assert "generate  2 finished" in status.stdout
    run = RunDirectory(place.run)
    submission = Submission.read(run)
    assert submission is not None
    said = [job_log(run, job) for job in [*(job for *_, job in submission.tasks()), submission.merge]]
    assert all(path and "completed successfully" in path.with_suffix(".out").read_text() for path in said)
    assert content(place.run) == content(alone)
    assert json.loads((place.run / "run.json").read_text())["stages"]["generate"]["finished"]


def test_such_a_run_is_followed_and_cancelled_like_any_other(cluster: Cluster, place: Place) -> None:
    (place.folder / "late.sh").write_text("#!/bin/sh\nsleep 600\n")
    hold = ("sbatch", "--parsable", "--exclusive", "--nodes=2", "--output=/dev/null")
    holder = cluster.command(*hold, str(place.folder / "late.sh")).strip()
    answer = place.generate()
    assert answer.returncode == 0, answer.stderr
    assert "2 waiting" in miro_eval("status", place.run).stdout
    cancelled = miro_eval("cancel", place.run)
    assert cancelled.stdout.startswith("cancelled 3 tasks"), cancelled.stderr
    cluster.command("scancel", holder)
    wait_for_end(cluster, seconds=30)
    assert not queue(cluster, "PENDING", "RUNNING")
    assert place.marks() == []

"""Slurm's commands as far as submitting needs them: they keep what they are given, and answer as Slurm does."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.executors.sharding import shares
from harness.executors.slurm import _Submitter
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RunSettings, SlurmSettings
from harness.stages.context import Pipeline
from harness.stages.registry import STAGES

#: Keeps each script under the id that it gives the job, and its tasks as ``squeue`` shows them.
_SBATCH = """cat "$1" > "{folder}/$$.script"
comment=$(sed -n "s/^#SBATCH --comment=//p" "$1" | tr -d "'")
last=$(sed -n "s/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p" "$1")
if [ "$last" ]; then
    for index in $(seq 0 "$last"); do echo "$$_$index|PENDING|None|$comment"; done
else
    echo "$$|PENDING|None|$comment"
fi >> "{folder}/jobs"
echo "Submitted batch job $$"
"""
_OTHER = """echo "{name} $*" >> "{folder}/calls"
case {name} in
    scontrol) echo "ClusterName             = fake" ;;
    squeue) cat "{folder}/jobs" ;;
    scancel) : > "{folder}/jobs" ;;
esac
"""


class FakeSlurm:
    """A folder with the commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs = folder / "jobs"
        self.jobs.touch()
        for name in ("sbatch", "srun", "squeue", "scancel", "scontrol"):
            text = (_SBATCH if name == "sbatch" else _OTHER).format(folder=folder, name=name)
            (folder / name).write_text(f"#!/bin/sh\n{text}")
            (folder / name).chmod(0o755)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put the commands before all others, and no others of Slurm's."""
        patch.setenv("PATH", f"{self.folder}{os.pathsep}{os.environ['PATH']}")

    def scripts(self) -> list[str]:
        """What has been submitted since this was last asked."""
        found = sorted(self.folder.glob("*.script"), key=lambda path: path.stat().st_mtime_ns)
        texts = [path.read_bytes().decode() for path in found]
        for path in found:
            path.unlink()
        return texts

    def calls(self) -> list[str]:
        """The other commands that were run."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


def pipeline(path: Path, name: str = "run", slurm: SlurmSettings | None = None) -> Pipeline:
    """As much of a run as submitting looks at."""
    run = RunDirectory(path)
    run.work("shards").mkdir(parents=True, exist_ok=True)
    settings = RunSettings(path, executor="slurm", slurm=slurm or SlurmSettings())
    display = SimpleNamespace(note=print)
    made = SimpleNamespace(run=run, manifest=Manifest(name), settings=settings, source=None, display=display)
    made.left_out = {}
    return cast(Pipeline, made)


def submit(made: Pipeline, shards: int = 2) -> Any:
    """Submit every share of two stages."""
    parts, stages = shares(shards, 1), [STAGES["generate"], STAGES["rewards"]]
    return _Submitter(made, shards).submit(stages, {stage.name: parts for stage in stages})

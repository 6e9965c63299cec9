"""The test stand: a finished run to compare with, copies of it to break, the product's own command line to run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MIRO_EVAL = str(Path(sys.executable).with_name("miro-eval"))
STAGES = ("generate", "geneval", "rewards")
ROWS = {"generate": "images.jsonl", "geneval": "results.jsonl", "rewards": "rewards.jsonl"}
ENVIRONMENTS = {"generate": "miro", "geneval": "geneval", "rewards": "rewards"}
#: Seconds after which a command counts as hung.
TIMEOUT = 300.0
#: Small batches of many steps, so that there is a time between the first row and the last: three batches are under way
#: before the first row is written.
SWEEP = ("--limit", "8", "--samples", "1", "--steps", "20", "--batch-size", "1", "--device", "cpu", "--tiny-world")


@dataclass
class Outcome:
    """How a command ended: its status, and the line it gave the user."""

    status: int
    said: str

    @classmethod
    def of(cls, process: subprocess.Popen[str]) -> Outcome:
        """Wait for the end."""
        _, errors = process.communicate(timeout=TIMEOUT)
        lines = [line for line in errors.splitlines() if line.startswith("miro-eval: ")]
        return cls(process.returncode, lines[0].removeprefix("miro-eval: ") if lines else "")


@dataclass
class Stand:
    """One cell's run directory, brought back to the moment before its stage."""

    stage: str
    run: Path
    checkpoint: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What the stage's worker says."""
        return self.run / "logs" / f"{self.stage}.log"

    def command(self, stage: str | None = None) -> list[str]:
        """The command line of the stage."""
        stage = stage or self.stage
        if stage == "generate":
            return [MIRO_EVAL, "generate", str(self.checkpoint), "--out", str(self.run), *SWEEP]
        if stage == "geneval":
            return [MIRO_EVAL, "geneval", str(self.run), "--device", "cpu", "--tiny-world"]
        if stage == "rewards":
            metrics = ("--metric", "aesthetic", "--metric", "pick_score")
            return [MIRO_EVAL, "rewards", str(self.run), *metrics, "--device", "cpu", "--tiny-world"]
        return [MIRO_EVAL, "report", str(self.run), "--out", str(self.run / "report")]

    def start(self, prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
        """Start the stage."""
        variables = {**os.environ, **self.environment, **environment}
        command = [*prefix, *self.command()]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=variables, start_new_session=True
        )

    def go(self, **environment: str) -> Outcome:
        """Run the stage to its end."""
        return Outcome.of(self.start(**environment))

    def forget(self) -> None:
        """Back to the moment before the stage."""
        if self.stage not in STAGES:
            shutil.rmtree(self.run / "report", ignore_errors=True)
            return
        manifest = json.loads((self.run / "run.json").read_text())
        for name in STAGES[STAGES.index(self.stage) :]:
            (self.run / ROWS[name]).unlink(missing_ok=True)
            manifest["stages"].pop(name, None)
        (self.run / "run.json").write_text(json.dumps(manifest))
        if self.stage == "generate":
            for folder in self.run.glob("[0-9]*"):
                shutil.rmtree(folder)

    def wait_for_worker(self, process: subprocess.Popen[str], rows: int = 0) -> int:
        """Wait until the worker of a running stage has started and written some rows; its process id."""
        before = self.log.stat().st_size if self.log.exists() else 0
        while process.poll() is None and not (self.log.exists() and self.log.stat().st_size > before):
            time.sleep(0.02)
        while process.poll() is None and self.rows_so_far() < rows:
            time.sleep(0.02)
        while process.poll() is None:
            if found := [child for child in children(process.pid) if is_worker(child)]:
                return found[0]
            time.sleep(0.02)
        raise RuntimeError(f"stage {self.stage} ended before its worker could be met")

    def rows_so_far(self) -> int:
        """Rows of the unfinished stage."""
        return sum(path.read_bytes().count(b"\n") for path in (self.run / "work").glob(f"{self.stage}-*.rows.jsonl"))


def children(pid: int) -> list[int]:
    """Child processes."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def is_worker(pid: int) -> bool:
    """Whether a child has become the worker's interpreter: between fork and exec it is still a copy of its parent."""
    try:
        return b"/wire/launch.py\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def content(run: Path) -> dict[str, str]:
    """Hash of every image, row file and table."""
    patterns = ("*/samples/*.png", "*/metadata.jsonl", "*.jsonl", "report/leaderboard.[mct]*", "envs/*/venv/**/*")
    files = [path for pattern in patterns for path in run.glob(pattern) if path.is_file()]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def kill_group(process: subprocess.Popen[str]) -> None:
    """End whatever is left of a command."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True)
class Cell:
    """One fault against one stage.

    Attributes:
        fault: what is done.
        stage: to whom.
        act: does it; returns how the command that met the fault ended.
        mend: what a user would do before running again.
    """

    fault: str
    stage: str
    act: Callable[[Stand], Outcome]
    mend: Callable[[Stand], None] = lambda _stand: None


@dataclass(frozen=True)
class Seen:
    """What a cell showed.

    Attributes:
        fault, stage: which cell.
        status: of the command that met the fault.
        said: its line.
        rerun: status of the same command afterwards.
        same: whether the rerun ended with the bytes of an undisturbed run.
        seconds: for both commands.
    """

    fault: str
    stage: str
    status: int
    said: str
    rerun: int
    same: bool
    seconds: float


def try_cell(cell: Cell, stand: Stand, reference: Mapping[str, str]) -> Seen:
    """Do it, mend it, run again, compare."""
    started = time.monotonic()
    outcome = cell.act(stand)
    cell.mend(stand)
    rerun = stand.go()
    same = rerun.status == 0 and all(content(stand.run).get(name) == digest for name, digest in reference.items())
    said = outcome.said.replace(f"{stand.run}/", "").replace(str(stand.run), "RUN")
    return Seen(cell.fault, cell.stage, outcome.status, said, rerun.status, same, round(time.monotonic() - started, 1))

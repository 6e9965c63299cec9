"""What a shard's task tells of itself, in a small file: how far it is, what its models are, why it failed."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.executors.sharding import Share
from harness.run.directory import RunDirectory
from wire.errors import MiroEvalError, WorkerFailure
from wire.files import write_atomically

#: Seconds between two writes of a task's progress: run directories of clusters lie on shared disks.
INTERVAL = 2.0

#: States that a task writes.
RUNNING, FINISHED, FAILED, INTERRUPTED = "running", "finished", "failed", "interrupted"


@dataclass
class ShardState:
    """A shard's task, as far as it came.

    Attributes:
        state: ``running``, ``finished``, ``failed``, or ``interrupted`` when it goes back to the queue.
        job: what the cluster calls the task.
        attempts: how often it was started.
        found, done, total: rows of the share that were there at first, that are there, and that it has in the end.
        message: why it failed, in one line.
        details: the failed command and the last lines it said.
        log: the worker's log.
        environment: name, backend and lock hash.
        provenance: the worker's words on packages, device and weights.
        seconds: wall time of all attempts.
    """

    state: str = RUNNING
    job: str = ""
    attempts: int = 0
    found: int = 0
    done: int = 0
    total: int = 0
    message: str = ""
    details: str = ""
    log: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def read(cls, path: Path) -> ShardState | None:
        """The state on disk; None before the task has begun."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, TypeError, ValueError):
            return None

    def write(self, path: Path) -> None:
        """Put the state on disk."""
        write_atomically(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def state_file(run: RunDirectory, stage: str, share: Share) -> Path:
    """Where the task of a stage's share writes."""
    return run.work(f"shards/{stage}-{share.name}.json")


class Journal:
    """Keeps a task's state on disk while the task runs."""

    def __init__(self, path: Path, job: str, log: Path) -> None:
        self._path = path
        before = ShardState.read(path) or ShardState()
        self.state = ShardState(job=job, attempts=before.attempts + 1, log=str(log))
        self.state.environment, self.state.provenance = before.environment, before.provenance
        self._seconds_before, self._started, self._written = before.seconds, time.monotonic(), 0.0
        path.parent.mkdir(parents=True, exist_ok=True)
        self.write()

    def write(self) -> None:
        """Write the state now."""
        self._written = time.monotonic()
        self.state.seconds = round(self._seconds_before + self._written - self._started, 1)
        self.state.write(self._path)

    def progress(self, done: int) -> None:
        """So many rows are there; written now and then."""
        self.state.done = done
        if time.monotonic() - self._written >= INTERVAL:
            self.write()

    def ended(self, state: str, error: BaseException | None = None) -> None:
        """The task has ended, as it should or with an error."""
        self.state.state = state
        if error is not None:
            self.state.message = str(error) if isinstance(error, MiroEvalError) else f"{type(error).__name__}: {error}"
            self.state.details = error.details if isinstance(error, WorkerFailure) else ""
        self.write()

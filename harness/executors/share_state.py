"""What the work on a share tells of itself, in a small file: how far it is, what its models are, why it failed."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.executors.sharding import Share
from harness.run.directory import RunDirectory
from harness.run.manifest import Provenance
from harness.stages.context import provenance_of
from wire.errors import MiroEvalError, UserError, WorkerFailure
from wire.files import write_atomically
from wire.untrusted import read_json

#: Seconds between two writes of a share's progress: run directories of clusters lie on shared disks.
INTERVAL = 2.0

RUNNING, FINISHED, FAILED, INTERRUPTED = "running", "finished", "failed", "interrupted"


@dataclass
class ShareState:
    """A stage's work on a share, as far as it came."""

    state: str = RUNNING  #: ``running``, ``finished``, ``failed``, or ``interrupted`` when it is to go on later
    job: str = ""  #: what the cluster calls the task
    attempts: int = 0
    #: found, done, total: rows of the share that were there at first, that are there, and that it has in the end.
    found: int = 0
    done: int = 0
    total: int = 0
    message: str = ""  #: why it failed, in one line
    details: str = ""  #: the failed command and the last lines it said
    log: str = ""
    fingerprint: str = ""  #: of the stage's settings; those of other settings say nothing of the rows that are made now
    environment: dict[str, str] = field(default_factory=dict)  #: name, backend and lock hash
    provenance: dict[str, Any] = field(default_factory=dict)  #: the worker's words on packages, device and weights
    seconds: float = 0.0  #: wall time of all attempts

    def write(self, path: Path) -> None:
        """Put the state on disk."""
        write_atomically(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def state_file(run: RunDirectory, stage: str, share: Share) -> Path:
    """Where the state of a stage's share is kept."""
    return run.work(f"shards/{stage}-{share.name}.json")


def read_state(path: Path) -> ShareState | None:
    """The state on disk; None before the work has begun. Raises UserError: it is nothing that was written here."""
    try:
        state = msgspec.convert(asdict(ShareState(**read_json(path))), ShareState)
        msgspec.convert(state.provenance, Provenance)
        return state
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"{path}: not a readable state of a task ({what}); remove it") from error


def clear_state(path: Path) -> None:
    """Forget what was written earlier; it may be a link. Raises UserError: something there is no file."""
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{error.filename} cannot be removed ({error.strerror}); remove it") from error


class Journal:
    """Keeps a state on disk while the work goes on."""

    def __init__(self, path: Path, job: str, log: Path) -> None:
        self._path = path
        before = read_state(path) or ShareState()
        self.state = ShareState(job=job, attempts=before.attempts + 1, log=str(log))
        self.state.environment, self.state.provenance = before.environment, before.provenance
        self.state.fingerprint = before.fingerprint
        self._seconds_before, self._started, self._written = before.seconds, time.monotonic(), 0.0
        path.parent.mkdir(parents=True, exist_ok=True)
        self.write()

    def plan(self, fingerprint: str, found: int, total: int, environment: dict[str, str]) -> None:
        """Take note of what is to be done. What a worker with other settings told of its models is forgotten."""
        if self.state.fingerprint != fingerprint:
            self.state.fingerprint, self.state.provenance = fingerprint, {}
        self.state.found = self.state.done = found
        self.state.total, self.state.environment = total, environment

    def write(self) -> None:
        """Write the state now."""
        self._written = time.monotonic()
        self.state.seconds = round(self._seconds_before + self._written - self._started, 1)
        with contextlib.suppress(FileNotFoundError):  # the run was taken away: that is told where its files are needed
            self.state.write(self._path)

    def handle(self, event: dict[str, Any]) -> None:
        """Take note of what a worker tells; progress is written now and then."""
        match event["event"]:
            case "progress":
                self.state.done = self.state.found + event["done"]
            case "finished":
                self.state.done = self.state.found + event["rows"]
            case "started" if event["total"]:
                self.state.provenance = provenance_of(event)
                self.write()
        if time.monotonic() - self._written >= INTERVAL:
            self.write()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """What goes wrong within is written down."""
        try:
            yield
        except Exception as error:
            self.ended(FAILED, error)
            raise
        self.ended(FINISHED)

    def ended(self, state: str, error: BaseException | None = None) -> None:
        """The work has ended, as it should or with an error."""
        self.state.state = state
        if error is not None:
            self.state.message = str(error) if isinstance(error, MiroEvalError) else f"{type(error).__name__}: {error}"
            self.state.details = error.details if isinstance(error, WorkerFailure) else ""
        self.write()

"""The wire between the orchestrator and the stages, version 2.

The orchestrator runs ``<environment command> python -m <stage> <job.json>...``. A job names the work;
the worker appends finished rows to ``job.output`` and reports events, one JSON object per line, on
standard output. Whatever else it or its libraries print goes to standard error, which is the log.
Several jobs are done one after the other, and models stay loaded from one to the next; one that fails
does not keep the others from being tried. A living worker is handed further jobs on its standard input
(:data:`WATCH_STDIN`): a line for each, the job file's path as JSON text, and ``null`` when no more will come.
The end of that input without it means that the orchestrator is gone: the worker ends at once.

Events (key ``event``; ``job`` tells which job, from 0): ``started`` (total, device, packages), ``progress`` (done,
total, label), ``warning`` (message), ``error`` (message, code), ``finished`` (rows, unscored), and last of every job
``ended`` (code); ``alive``, every few seconds, where the orchestrator asks for it. Readers pass over events that they
do not know.

**Same bytes after a crash.** Floating point depends on the *shape* of a batch, not on its content, and
never on history: batches are therefore cut from the full list of items, and a batch of which any row is
missing is computed again as a whole. An interrupted stage thus ends with the rows of an uninterrupted one.

Standard library only and Python >= 3.10: this module is imported on both sides.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from wire.errors import EnvironmentFailure as EnvironmentFailure
from wire.errors import UserError as UserError
from wire.files import write_atomically
from wire.grouping import grouped
from wire.row_files import RowWriter as RowWriter
from wire.row_files import read_rows as read_rows

PROTOCOL_VERSION = 2

#: Key in a cell's ``details`` of what :func:`digest_of` gives, where its value is over a prompt's images together.
SAMPLES_DIGEST = "images_sha256"

#: Set in a worker's environment when its standard input is the orchestrator's life line, and brings further jobs.
WATCH_STDIN = "MIRO_EVAL_WATCH_STDIN"
#: What stands on that input in place of a path when no more jobs will come.
NO_MORE_JOBS = None
#: Set in a worker's environment to the seconds between two ``alive`` events; without it there are none.
HEARTBEAT = "MIRO_EVAL_HEARTBEAT"

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One image of a run: made already, or to be made."""

    filename: str  #: path relative to the run directory, e.g. ``00012/samples/0003.png``
    prompt_index: int  #: line of the suite, from 0
    sample_index: int  #: which sample of that prompt, from 0
    metadata: Row  #: the suite's line; ``metadata["prompt"]`` is the prompt
    image_sha256: str | None = None  #: hash of the image file; None while it is to be made

    @property
    def prompt(self) -> str:
        """The text the image was, or will be, made from."""
        return str(self.metadata["prompt"])


def cell_key(filename: str, metric: str) -> str:
    """How ``Job.done`` names one metric of one image."""
    return f"{filename}#{metric}"


def samples_of(items: Iterable[Item]) -> dict[int, list[Item]]:
    """Images by line of the suite, in order: each line's are the samples of its prompt."""
    return grouped((item.prompt_index, item) for item in items)


def digest_of(hashes: Iterable[str | None]) -> str:
    """Of a prompt's images, whatever their order: it tells whether a value over all of them still holds."""
    return hashlib.sha256("\n".join(sorted(map(str, hashes))).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Job:
    """What one worker process is asked to do."""

    stage: str  #: ``generation``, ``geneval`` or ``rewards``: also the module that is run
    run_dir: str  #: absolute path that ``Item.filename`` is relative to
    output: str  #: absolute path of the JSONL file to append rows to
    items: list[Item]  #: *all* items of the stage, in order, finished or not: batches are cut from this list
    #: The stage's own settings; its worker documents and checks them.
    parameters: dict[str, Any] = field(default_factory=dict)
    #: Keys of rows that exist already, or are others' (``Item.filename``; ``filename#metric`` for rewards).
    done: frozenset[str] = frozenset()
    version: int = PROTOCOL_VERSION

    def write(self, path: Path) -> None:
        """Write the job file; it appears whole or not at all."""
        record = asdict(self) | {"done": sorted(self.done)}
        write_atomically(path, json.dumps(record, indent=1))

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read a job file. Raises UserError: the file is missing, malformed or of another protocol version."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["version"] != PROTOCOL_VERSION:
                raise UserError(f"{path}: protocol version {record['version']}, this worker speaks {PROTOCOL_VERSION}")
            record["items"] = [Item(**item) for item in record["items"]]
            record["done"] = frozenset(record["done"])
            return cls(**record)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a readable job file ({error})") from error


def pending_batches(items: Sequence[T], size: int, is_done: Callable[[T], bool]) -> Iterator[list[T]]:
    """Cut ``items`` into consecutive batches of ``size`` and yield those not wholly done.

    The cut does not depend on what is done (see the module's docstring). The last batch may be short: a worker pads it
    to ``size`` where its numbers depend on the batch's shape.
    """
    for start in range(0, len(items), size):
        batch = list(items[start : start + size])
        if not all(is_done(item) for item in batch):
            yield batch


class Reporter:
    """Writes the events of one job. Made by :func:`wire.worker_process.run_worker`, or by a test."""

    #: Seconds between two progress events; the display does not need more.
    INTERVAL = 0.2
    _one_at_a_time = threading.Lock()

    def __init__(self, stream: IO[str], job: int = 0) -> None:
        self._stream = stream
        self._job = job
        self._last_progress = 0.0

    def _emit(self, event: str, **fields: Any) -> None:
        with self._one_at_a_time:
            self._stream.write(json.dumps({"event": event, "job": self._job, **fields}) + "\n")
            self._stream.flush()

    def alive(self) -> None:
        """The process runs, whatever it is busy with."""
        self._emit("alive")

    def started(self, total: int, device: str, packages: dict[str, str], **provenance: Any) -> None:
        """Models are loaded and work begins. ``provenance`` goes into ``run.json`` (weights, precision, ...)."""
        self._emit("started", protocol=PROTOCOL_VERSION, total=total, device=device, packages=packages, **provenance)

    def progress(self, done: int, total: int, label: str = "") -> None:
        """``done`` of ``total`` items are finished; ``label`` says what is worked on."""
        now = time.monotonic()
        if done >= total or now - self._last_progress >= self.INTERVAL:
            self._last_progress = now
            self._emit("progress", done=done, total=total, label=label)

    def warning(self, message: str) -> None:
        """Something the user should know; the run goes on."""
        self._emit("warning", message=message)

    def error(self, message: str, code: int) -> None:
        """The one line shown to the user when the worker gives the job up, and the exit code it stands for."""
        self._emit("error", message=message, code=int(code))

    def finished(self, rows: int, unscored: int) -> None:
        """All items are through: ``rows`` written now, ``unscored`` of them without a result."""
        self._emit("finished", rows=rows, unscored=unscored)

    def ended(self, code: int) -> None:
        """The worker is through with the job, with this exit code, and takes the next one."""
        self._emit("ended", code=int(code))

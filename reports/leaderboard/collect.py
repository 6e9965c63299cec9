"""Reading and summarising many runs, side by side on the machine's cores."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reports.leaderboard.merge import merge_images, merge_stages
from reports.leaderboard.row_tables import Part, write_part
from reports.read.find import fault_note
from reports.read.runs import RunSource, read_source
from reports.read.selection import select
from reports.summary.run_summary import RunSummary, summarise_run
from wire.errors import UserError
from wire.host import processors

#: Fewer runs than this are read in this process: starting others takes longer.
RUNS_WORTH_PROCESSES = 12
#: Linear algebra's threads: processes on all cores leave none for them.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: What one run frees the next one takes: glibc would give it back to the system in between, which costs a tenth.
_KEPT_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_MMAP_THRESHOLD_": "268435456"}

_Task = tuple[int, RunSource]
_Results = dict[int, "Collected | UserError"]


@dataclass(frozen=True)
class Collected:
    """One run's numbers, and where its merged rows are, by image and by prompt; a selection has none."""

    source: RunSource
    summary: RunSummary
    images: Part | None
    prompts: Part | None


def collect(
    sources: Sequence[RunSource], parts: Path, processes: int | None = None
) -> tuple[list[Collected], tuple[str, ...]]:
    """Read and summarise runs, and write each one's merged rows into the empty folder ``parts``; in the order given.

    Also notes on runs that a search found and that cannot be read. By default there is a process a core, or none but
    this one for a few runs.
    Raises UserError: a malformed row, of whichever faulty run that is named comes first, or of every run.
    """
    tasks = list(enumerate(sources))
    if processes is None:
        processes = processors() if len(tasks) >= RUNS_WORTH_PROCESSES else 1
    found = _results(tasks, parts) if processes == 1 else _side_by_side(tasks, parts, min(processes, len(tasks)))
    runs: list[Collected] = []
    notes: list[str] = []
    for place, source in tasks:
        result = found[place]
        if isinstance(result, Collected):
            runs.append(result)
        else:
            notes.append(fault_note(source.path, source.searched, result))
    if not runs:
        raise UserError(f"nothing to report; {'; '.join(notes)}")
    return runs, tuple(notes)


def _results(tasks: Sequence[_Task], folder: Path) -> _Results:
    """By place, up to the first fault of a run that the command line names."""
    found: _Results = {}
    for place, source in tasks:
        found[place] = _result(source, folder / str(place))
        if isinstance(found[place], UserError) and not source.searched:
            break
    return found


def _result(source: RunSource, parts: Path) -> Collected | UserError:
    try:
        run = read_source(source)
        if source.selection is not None:
            return Collected(source, summarise_run(select(run, source.selection)), None, None)
        images = merge_stages(run)
        return Collected(
            source,
            replace(summarise_run(run), name=source.name),
            images=write_part(images, parts.with_suffix(".images.csv")),
            prompts=write_part(merge_images(images), parts.with_suffix(".prompts.csv")),
        )
    except UserError as error:
        return error


def _side_by_side(tasks: Sequence[_Task], folder: Path, processes: int) -> _Results:
    """Every process takes every n-th run. Plain processes, not a pool: a pool would import the caller's script anew."""
    shares = [folder / f"share{number}.pickle" for number in range(processes)]
    for number, share in enumerate(shares):
        share.write_bytes(pickle.dumps(tasks[number::processes]))
    environment = os.environ | _ONE_THREAD | _KEPT_MEMORY | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "reports.leaderboard.collect"]
    workers = [subprocess.Popen([*command, str(share)], env=environment) for share in shares]
    try:
        codes = [worker.wait() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    if any(codes):
        raise RuntimeError(f"a process that reads runs ended with status {max(codes, key=abs)}; its message is above")
    found: _Results = {}
    for share in shares:
        found |= pickle.loads(share.with_suffix(".done").read_bytes())  # noqa: S301 - written by ourselves, just now
    return found


def _work(share: Path) -> None:
    # Rows make no reference cycles, and looking for some among millions of objects takes a fifth of the time.
    gc.disable()
    tasks: list[_Task] = pickle.loads(share.read_bytes())  # noqa: S301 - written by the parent process
    share.with_suffix(".done").write_bytes(pickle.dumps(_results(tasks, share.parent)))


if __name__ == "__main__":
    from reports.leaderboard import collect as module  # under its own name: the parent knows its pickled classes

    module._work(Path(sys.argv[1]))

"""The matrix: which faults are tried on which stages."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from bench.faults import damage, disks, processes
from bench.faults.stand import STAGES, Cell


def stage_cells(stage: str) -> Iterator[Cell]:
    """Every fault that makes sense for a stage with a worker."""
    kill, term, interrupt = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
    yield Cell("kill -9 of the worker while it loads", stage, processes.signalled(kill, to_worker=True))
    yield Cell("kill -9 of the worker after a row", stage, processes.signalled(kill, to_worker=True, rows=1))
    yield Cell("kill -9 of the orchestrator while the worker loads", stage, processes.signalled(kill, to_worker=False))
    yield Cell("kill -9 of the orchestrator after a row", stage, processes.signalled(kill, to_worker=False, rows=1))
    yield Cell("SIGTERM", stage, processes.signalled(term, to_worker=False))
    yield Cell("SIGINT (Ctrl-C)", stage, processes.signalled(interrupt, to_worker=False))
    yield Cell("SIGTERM to the worker alone", stage, processes.signalled(term, to_worker=True))
    yield Cell("worker stands still (SIGSTOP)", stage, processes.stopped_worker)
    yield Cell("out of memory on the host, in the worker", stage, processes.injected("memory"))
    yield Cell("out of memory on the device, whatever the batch", stage, processes.injected("device-memory"))
    yield Cell("worker ends with 0 and has done nothing", stage, processes.injected("idle"))
    yield Cell("worker prints garbage among its events", stage, processes.injected("garbage"))
    yield Cell("no room for a row", stage, disks.disk_full(0))
    yield Cell("disk fills up during the stage", stage, disks.disk_full(12 << 10))
    yield Cell("file system read-only", stage, disks.read_only)
    yield Cell("two runs on one directory", stage, processes.two_runs)
    yield Cell("clock set back two years", stage, processes.clock_set_back)
    yield Cell("file system without working locks", stage, disks.no_locks)
    yield Cell("environment deleted while the worker loads", stage, processes.environment_deleted)
    yield Cell("run directory replaced while the worker loads", stage, processes.run_replaced, processes.moved_back)
    yield Cell("unfinished rows cut in the middle", stage, processes.half_a_row)
    yield Cell("finished rows cut in the middle", stage, damage.after_the_stage(damage.cut_rows))
    yield Cell(
        "finished rows overwritten with zeros", stage, damage.after_the_stage(damage.garbage_row), damage.remove_rows
    )
    yield Cell("run.json cut in the middle", stage, damage.cut_manifest, damage.put_manifest_back)
    yield Cell("leftovers of a machine that went down", stage, damage.stale_leftovers)
    for name, change in (
        ("a bit of an image flipped", damage.flipped_bit),
        ("image lost", damage.lost_image),
        ("half an image", damage.half_an_image),
    ):
        if stage == "generate":
            yield Cell(name, stage, damage.after_the_stage(change))
        else:
            act, mend = damage.with_images_put_back(change)
            yield Cell(name, stage, act, mend)


def report_cells() -> Iterator[Cell]:
    """Faults of the report, which has no worker."""
    for name, number in (("kill -9", signal.SIGKILL), ("SIGTERM", signal.SIGTERM), ("SIGINT (Ctrl-C)", signal.SIGINT)):
        yield Cell(name, "report", processes.late_signal(number))
    yield Cell("no room for a row", "report", disks.disk_full(0))
    yield Cell("disk fills up during the stage", "report", disks.disk_full(20 << 10))
    yield Cell("file system read-only", "report", disks.read_only)
    damages = {
        "rows cut in the middle": damage.cut,
        "a line of zeros": damage.overwrite(b"\0" * 40 + b"\n"),
        "a row with NaN": damage.overwrite(b'{"filename": NaN}\n'),
        "a key twice in a row": damage.overwrite(b'{"filename": "a", "filename": "b"}\n'),
        "a line of 100 MB": damage.endless,
        "a line nested 100,000 deep": damage.overwrite(b"[" * 100_000 + b"\n"),
    }
    for name, change in damages.items():
        act, mend = damage.damaged_for_report(change)
        yield Cell(name, "report", act, mend)


def all_cells() -> list[Cell]:
    """The matrix."""
    return [*(cell for stage in STAGES for cell in stage_cells(stage)), *report_cells()]

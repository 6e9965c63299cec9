"""The faults, and which stages they are tried on."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.faults.stand import ENVIRONMENTS, ROWS, STAGES, Cell, Outcome, Stand, kill_group

Act = Callable[[Stand], Outcome]
INJECT = Path(__file__).with_name("inject.py")


def signalled(number: int, to_worker: bool, rows: int = 0) -> Act:
    """Send a signal to the orchestrator or its worker, once the worker has written some rows."""

    def act(stand: Stand) -> Outcome:
        process = stand.start()
        worker = stand.wait_for_worker(process, rows)
        if not rows:
            time.sleep(1.0)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker if to_worker else process.pid, number)
        return Outcome.of(process)

    return act


def stopped_worker(stand: Stand) -> Outcome:
    """The worker stands still; nobody tells the orchestrator."""
    process = stand.start(MIRO_EVAL_WORKER_TIMEOUT="4")
    worker = stand.wait_for_worker(process)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGSTOP)
    return Outcome.of(process)


def injected(fault: str) -> Act:
    """Run with an interpreter that misbehaves; see ``inject.py``."""

    def act(stand: Stand) -> Outcome:
        home = _home_with_links(stand)
        python = home / "envs" / _environment(stand).name / "venv" / "bin" / "python"
        python.unlink()
        real = _environment(stand) / "venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{real}" "{INJECT}" {fault} "$@"\n')
        python.chmod(0o755)
        return stand.go(MIRO_EVAL_HOME=str(home))

    return act


def _environment(stand: Stand) -> Path:
    from harness.environments.manager import locate
    from harness.environments.spec import ENVIRONMENTS as SPECS

    return locate(SPECS[ENVIRONMENTS[stand.stage]], "uv").directory


def _home_with_links(stand: Stand) -> Path:
    """A home of its own whose environments are the real ones, down to the interpreter's link."""
    from harness.paths import home

    made = stand.run.with_name(stand.run.name + "-home")
    for source in (home() / "envs").glob("*-uv-*"):
        if source.is_dir() and (source / "state.json").exists():
            target = made / "envs" / source.name
            (target / "venv" / "bin").mkdir(parents=True)
            shutil.copy(source / "state.json", target / "state.json")
            (target / "venv" / "bin" / "python").symlink_to(source / "venv" / "bin" / "python")
    (made / "tiny-world").symlink_to(home() / "tiny-world")
    return made


def environment_deleted(stand: Stand) -> Outcome:
    """The environment goes while its worker loads."""
    home = _home_with_links(stand)
    process = stand.start(MIRO_EVAL_HOME=str(home))
    stand.wait_for_worker(process)
    shutil.rmtree(home / "envs")
    return Outcome.of(process)


def run_replaced(stand: Stand) -> Outcome:
    """The run directory is moved away while its worker loads, and an empty one put in its place."""
    process = stand.start()
    stand.wait_for_worker(process)
    stand.run.rename(stand.run.with_name("moved"))
    stand.run.mkdir()
    return Outcome.of(process)


def moved_back(stand: Stand) -> None:
    """What a user would do."""
    shutil.rmtree(stand.run)
    stand.run.with_name("moved").rename(stand.run)


def two_runs(stand: Stand) -> Outcome:
    """A second run on the same directory; the first one is not disturbed."""
    first = stand.start()
    stand.wait_for_worker(first)
    second = stand.go()
    _require_done(Outcome.of(first))
    return second


def _require_done(outcome: Outcome) -> None:
    if outcome.status != 0:
        raise RuntimeError(f"an undisturbed stage ended with {outcome}")


def clock_set_back(stand: Stand) -> Outcome:
    """Killed; then every file of the run lies two years ahead of the clock."""
    signalled(signal.SIGKILL, to_worker=False, rows=1)(stand)
    ahead = time.time() + 2 * 365 * 86400
    for path in stand.run.rglob("*"):
        os.utime(path, (ahead, ahead))
    return stand.go()


def half_a_row(stand: Stand) -> Outcome:
    """Killed; then the last row of the unfinished file is cut in the middle."""
    outcome = signalled(signal.SIGKILL, to_worker=False, rows=1)(stand)
    time.sleep(0.5)
    for path in (stand.run / "work").glob(f"{stand.stage}-*.rows.jsonl"):
        path.write_bytes(path.read_bytes()[:-20])
    return outcome


def after_the_stage(change: Callable[[Stand], None]) -> Act:
    """Finish the stage, then damage something, then run it again."""

    def act(stand: Stand) -> Outcome:
        _require_done(stand.go())
        change(stand)
        return stand.go()

    return act


def cut_rows(stand: Stand) -> None:
    """The finished rows end in the middle of a line."""
    path = stand.run / ROWS[stand.stage]
    path.write_bytes(path.read_bytes()[:-30])


def garbage_row(stand: Stand) -> None:
    """A line of the finished rows is overwritten."""
    path = stand.run / ROWS[stand.stage]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"\0" * 40 + b"\n" + b"".join(lines[1:]))


def remove_rows(stand: Stand) -> None:
    """What the message tells the user to do about a damaged file."""
    (stand.run / ROWS[stand.stage]).unlink()


def first_image(stand: Stand) -> Path:
    """The first image of the run."""
    return sorted(stand.run.glob("*/samples/*.png"))[0]


def flipped_bit(stand: Stand) -> None:
    """One bit of an image has flipped."""
    image = bytearray(first_image(stand).read_bytes())
    image[len(image) // 2] ^= 1
    first_image(stand).write_bytes(image)


def lost_image(stand: Stand) -> None:
    """An image is gone."""
    first_image(stand).unlink()


def half_an_image(stand: Stand) -> None:
    """An image is cut in the middle, and a partial file lies beside it."""
    whole = first_image(stand).read_bytes()
    first_image(stand).write_bytes(whole[: len(whole) // 2])
    first_image(stand).with_name("0000.png.partial").write_bytes(whole[:100])


def with_images_put_back(change: Callable[[Stand], None]) -> tuple[Act, Callable[[Stand], None]]:
    """Damage before a stage that only reads images; the user then puts the image back."""

    def act(stand: Stand) -> Outcome:
        keep = stand.run.with_name("kept.png")
        shutil.copy2(first_image(stand), keep)
        keep.with_suffix(".place").write_text(str(first_image(stand)))
        change(stand)
        return stand.go()

    def put_back(stand: Stand) -> None:
        keep = stand.run.with_name("kept.png")
        shutil.copy2(keep, keep.with_suffix(".place").read_text())

    return act, put_back


def cut_manifest(stand: Stand) -> Outcome:
    """``run.json`` ends in the middle (no write of ours leaves it so; a disk can)."""
    path = stand.run / "run.json"
    path.with_name("run.json.kept").write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-40])
    return stand.go()


def put_manifest_back(stand: Stand) -> None:
    """From a backup."""
    os.replace(stand.run / "run.json.kept", stand.run / "run.json")


def stale_leftovers(stand: Stand) -> Outcome:
    """A lock file, a holder, a job and partial files of a machine that went down."""
    work = stand.run / "work"
    work.mkdir(exist_ok=True)
    for name in ("lock", "holder", f"{stand.stage}.job.json", f"{stand.stage}.job.json.partial"):
        (work / name).write_text("999999")
    (stand.run / "run.json.partial").write_text('{"name": ')
    return stand.go()


@contextlib.contextmanager
def small_disk(stand: Stand, spare: int) -> Iterator[None]:
    """The run directory on a file system with ``spare`` bytes left."""
    kept = stand.run.with_name("kept")
    stand.run.rename(kept)
    stand.run.mkdir()
    size = sum((path.lstat().st_size + 4096) // 4096 * 4096 for path in kept.rglob("*")) + 65536 + spare
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(stand.run)], check=True)
    shutil.copytree(kept, stand.run, dirs_exist_ok=True)
    shutil.rmtree(kept)
    filler = stand.run / "filler"
    free = shutil.disk_usage(stand.run).free - spare
    filler.write_bytes(b"\0" * max(free, 0))
    yield
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,rw,size=256m", str(stand.run)], check=True)


def disk_full(spare: int) -> Act:
    """The disk fills up while the stage runs; afterwards there is room."""

    def act(stand: Stand) -> Outcome:
        with small_disk(stand, spare):
            return stand.go()

    return act


def read_only(stand: Stand) -> Outcome:
    """The file system has been remounted read-only."""
    with small_disk(stand, 1 << 20):
        subprocess.run(["mount", "-o", "remount,ro", str(stand.run)], check=True)
        outcome = stand.go()
        subprocess.run(["mount", "-o", "remount,rw", str(stand.run)], check=True)
        return outcome


def no_locks(stand: Stand) -> Outcome:
    """A network file system whose locks do not work: ``flock`` fails with ENOLCK."""
    return stand.go(LD_PRELOAD=str(_shim(stand)))


def _shim(stand: Stand) -> Path:
    source, library = stand.run.with_name("shim.c"), stand.run.with_name("shim.so")
    source.write_text("#include <errno.h>\nint flock(int f, int o) { errno = ENOLCK; return -1; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def late_signal(number: int) -> Act:
    """A signal to ``report`` while it works."""

    def act(stand: Stand) -> Outcome:
        process = stand.start()
        time.sleep(1.2)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        outcome = Outcome.of(process)
        kill_group(process)
        return outcome

    return act


def damaged_for_report(damage: Callable[[Path], None]) -> tuple[Act, Callable[[Stand], None]]:
    """Rows that ``report`` cannot read, or reads with a word about them; then the good ones again."""

    def act(stand: Stand) -> Outcome:
        path = stand.run / "results.jsonl"
        shutil.copy2(path, stand.run.with_name("results.kept"))
        damage(path)
        return stand.go()

    def put_back(stand: Stand) -> None:
        shutil.copy2(stand.run.with_name("results.kept"), stand.run / "results.jsonl")

    return act, put_back


def _overwrite(text: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(text + path.read_bytes()) and None


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _endless(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + (100 << 20))


def stage_cells(stage: str) -> Iterator[Cell]:
    """Every fault that makes sense for a stage with a worker."""
    kill, term, interrupt = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
    yield Cell("kill -9 of the worker while it loads", stage, signalled(kill, to_worker=True))
    yield Cell("kill -9 of the worker after a row", stage, signalled(kill, to_worker=True, rows=1))
    yield Cell("kill -9 of the orchestrator while the worker loads", stage, signalled(kill, to_worker=False))
    yield Cell("kill -9 of the orchestrator after a row", stage, signalled(kill, to_worker=False, rows=1))
    yield Cell("SIGTERM", stage, signalled(term, to_worker=False))
    yield Cell("SIGINT (Ctrl-C)", stage, signalled(interrupt, to_worker=False))
    yield Cell("SIGTERM to the worker alone", stage, signalled(term, to_worker=True))
    yield Cell("worker stands still (SIGSTOP)", stage, stopped_worker)
    yield Cell("out of memory on the host, in the worker", stage, injected("memory"))
    yield Cell("out of memory on the device, whatever the batch", stage, injected("device-memory"))
    yield Cell("worker ends with 0 and has done nothing", stage, injected("idle"))
    yield Cell("worker prints garbage among its events", stage, injected("garbage"))
    yield Cell("no room for a row", stage, disk_full(0))
    yield Cell("disk fills up during the stage", stage, disk_full(12 << 10))
    yield Cell("file system read-only", stage, read_only)
    yield Cell("two runs on one directory", stage, two_runs)
    yield Cell("clock set back two years", stage, clock_set_back)
    yield Cell("file system without working locks", stage, no_locks)
    yield Cell("environment deleted while the worker loads", stage, environment_deleted)
    yield Cell("run directory replaced while the worker loads", stage, run_replaced, moved_back)
    yield Cell("unfinished rows cut in the middle", stage, half_a_row)
    yield Cell("finished rows cut in the middle", stage, after_the_stage(cut_rows))
    yield Cell("finished rows overwritten with zeros", stage, after_the_stage(garbage_row), remove_rows)
    yield Cell("run.json cut in the middle", stage, cut_manifest, put_manifest_back)
    yield Cell("leftovers of a machine that went down", stage, stale_leftovers)
    for name, change in (
        ("a bit of an image flipped", flipped_bit),
        ("image lost", lost_image),
        ("half an image", half_an_image),
    ):
        if stage == "generate":
            yield Cell(name, stage, after_the_stage(change))
        else:
            act, mend = with_images_put_back(change)
            yield Cell(name, stage, act, mend)


def report_cells() -> Iterator[Cell]:
    """Faults of the report, which has no worker."""
    for name, number in (("kill -9", signal.SIGKILL), ("SIGTERM", signal.SIGTERM), ("SIGINT (Ctrl-C)", signal.SIGINT)):
        yield Cell(name, "report", late_signal(number))
    yield Cell("no room for a row", "report", disk_full(0))
    yield Cell("disk fills up during the stage", "report", disk_full(20 << 10))
    yield Cell("file system read-only", "report", read_only)
    damages = {
        "rows cut in the middle": _cut,
        "a line of zeros": _overwrite(b"\0" * 40 + b"\n"),
        "a row with NaN": _overwrite(b'{"filename": NaN}\n'),
        "a key twice in a row": _overwrite(b'{"filename": "a", "filename": "b"}\n'),
        "a line of 100 MB": _endless,
        "a line nested 100,000 deep": _overwrite(b"[" * 100_000 + b"\n"),
    }
    for name, damage in damages.items():
        act, mend = damaged_for_report(damage)
        yield Cell(name, "report", act, mend)


def all_cells() -> list[Cell]:
    """The matrix."""
    return [*(cell for stage in STAGES for cell in stage_cells(stage)), *report_cells()]

"""Damage to the files of a run: rows, images, the manifest, leftovers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bench.faults.processes import Act, require_done
from bench.faults.stand import ROWS, Outcome, Stand


def after_the_stage(change: Callable[[Stand], None]) -> Act:
    """Finish the stage, then damage something, then run it again."""

    def act(stand: Stand) -> Outcome:
        require_done(stand.go())
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


def overwrite(text: bytes) -> Callable[[Path], None]:
    """Put something before the rows."""

    def act(path: Path) -> None:
        path.write_bytes(text + path.read_bytes())

    return act


def cut(path: Path) -> None:
    """The last row ends in the middle."""
    path.write_bytes(path.read_bytes()[:-30])


def endless(path: Path) -> None:
    """100 MB without a line end."""
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + (100 << 20))

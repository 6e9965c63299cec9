"""Disks: room and write access."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from harness.doctor.finding import FAILURE, OK, WARNING, Finding
from harness.environments import manager
from harness.environments.spec import ENVIRONMENTS
from wire.paths import home

#: Images of the full sweep, 553 prompts x 4.
SWEEP = 2212
#: An image as raw RGB of 512 x 512 pixels: more than PNG makes of it.
IMAGE_GB = 512 * 512 * 3 / 1e9


def existing(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def disk() -> Finding:
    """Space for the environments that are missing."""
    missing = [spec for spec in ENVIRONMENTS.values() if not manager.locate(spec).ready]
    needed, free = sum(spec.disk_gb for spec in missing), shutil.disk_usage(existing(home())).free / 1e9
    text = f"{free:.0f} GB free at {home()}, {needed} GB needed for environments"
    if free < needed:
        return Finding("disk", FAILURE, text, "free some space, or set MIRO_EVAL_HOME to another disk")
    return Finding("disk", OK, text)


def write_access() -> Finding:
    """Whether our folder can be written: tried, since a mount or a full quota shows only then."""
    folder = existing(home())
    if fault := _write_fault(folder):
        return Finding("write access", FAILURE, f"{folder}: {fault}", "set MIRO_EVAL_HOME to a folder of yours")
    return Finding("write access", OK, str(folder))


def room_for_images(out: Path, images: int = SWEEP) -> Finding:
    """Whether so many images can be written where the run goes."""
    folder = existing(out)
    if not folder.is_dir():
        return Finding("output", FAILURE, f"{folder} is not a folder", "choose another --out")
    if fault := _write_fault(folder):
        return Finding("output", FAILURE, f"{folder}: {fault}", "choose another --out")
    free = shutil.disk_usage(folder).free / 1e9
    which = "a full sweep's" if images == SWEEP else f"{images}"
    text = f"{free:.1f} GB free at {folder}, {which} images take up to {images * IMAGE_GB:.1f} GB"
    if free < images * IMAGE_GB:
        return Finding("output", WARNING, text, "free some space, or choose another --out")
    return Finding("output", OK, text)


def _write_fault(folder: Path) -> str:
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return ""

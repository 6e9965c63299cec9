"""Compare a run's files with the hashes that were written when they were made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.errors import UserError
from harness.files import sha256_of_file
from harness.manifest import Manifest
from harness.pipeline import STAGES
from harness.protocol import read_rows
from harness.run_directory import RunDirectory


def verify(path: Path) -> tuple[int, list[str]]:
    """Check every row file and every image that a row speaks of.

    Returns:
        How many files were compared, and one line for each that is missing or has changed.

    Raises:
        UserError: the directory has no ``run.json``, or no finished stage.
    """
    run = RunDirectory(path)
    manifest = Manifest.read(run.manifest)
    if manifest is None or not any(record.finished for record in manifest.stages.values()):
        raise UserError(f"{path}: no finished run here (no stage in run.json is finished)")
    expected = dict(_expected(run, manifest))
    problems = [line for name, digest in expected.items() if (line := _problem(run, name, digest))]
    return len(expected), problems


def _expected(run: RunDirectory, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(file, sha256) of row files as ``run.json`` has them, and of images as the rows have them."""
    for name, record in manifest.stages.items():
        if record.finished:
            rows_file = STAGES[name].rows_file
            yield rows_file, record.rows_sha256
            yield from ((row["filename"], row["image_sha256"]) for row in read_rows(run.rows(rows_file)))


def _problem(run: RunDirectory, name: str, digest: str) -> str:
    path = run.path / name
    if not path.is_file():
        return f"{name}: missing"
    return "" if sha256_of_file(path) == digest else f"{name}: has changed since it was made"

"""Compare a run's files with the hashes that were written when they were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.run.directory import RunDirectory, read_metadata
from harness.run.manifest import Manifest, StageRecord
from harness.stages.registry import STAGES
from wire.errors import UserError
from wire.files import fingerprint, sha256_of_file
from wire.kept import kept_path
from wire.pictures import samples_among
from wire.protocol import read_rows


def verify(path: Path) -> tuple[int, list[str]]:
    """Check the settings in ``run.json``, every row file, and every image and prompt that a row speaks of.
    Returns how many files were compared, and a line for each that is missing, has changed, or belongs to no row; and
    for each stage that was begun, or has a summary, and has no rows.
    Raises UserError: the directory has no ``run.json``, or no finished stage.
    """
    run = RunDirectory(path)
    manifest = Manifest.read(run.manifest) or Manifest("")
    finished = {name: record for name, record in manifest.stages.items() if record.finished}
    if not finished:
        raise UserError(f"{path}: no finished run here (no stage in run.json is finished)")
    images, prompts = dict[str, str](), dict[str, str]()
    problems = [line for name, one in finished.items() for line in _stage_problems(run, name, one, images, prompts)]
    problems += [line for name in STAGES if name not in finished and (line := _without_rows(run, manifest, name))]
    hashes = _kept_rows(manifest) | images
    problems += [line for name, digest in hashes.items() if (line := _file_problem(run, name, digest))]
    problems += [line for folder, prompt in prompts.items() if (line := _prompt_problem(run, folder, prompt))]
    names = [
        f"{folder.parent.name}/samples/{name}"
        for folder in sorted(filter(Path.is_dir, run.path.glob("[0-9]*/samples")))
        for name in sorted(samples_among(file.name for file in folder.iterdir() if not file.is_dir()))
    ]
    problems += [f"{name}: no row mentions it" for name in names if name not in images]
    return len(finished) + len(hashes), problems


def _stage_problems(
    run: RunDirectory, name: str, record: StageRecord, images: dict[str, str], prompts: dict[str, str]
) -> Iterator[str]:
    """What is wrong with a stage's record and rows; its images and prompts are added to those to be looked at."""
    if name not in STAGES:
        yield f"run.json: there is no stage {name!r}"
        return
    rows_file = STAGES[name].rows_file
    if fingerprint(record.settings) != record.fingerprint:
        yield f"run.json: the settings of {name} have changed since they were written"
    if line := _file_problem(run, rows_file, record.rows_sha256):
        yield line
    try:
        rows = list(read_rows(run.rows(rows_file)))
    except UserError as error:
        yield str(error).removeprefix(f"{run.path}/")
        return
    if len(rows) != record.rows:
        yield f"{rows_file}: {len(rows)} rows, run.json says {record.rows}"
    yield from _collect(rows_file, rows, images, prompts)


def _collect(
    rows_file: str, rows: Iterable[dict[str, Any]], images: dict[str, str], prompts: dict[str, str]
) -> Iterator[str]:
    for row in rows:
        image, digest = row.get("filename"), row.get("image_sha256")
        if not isinstance(image, str) or not isinstance(digest, str) or not _is_inside(image):
            yield f"{rows_file}: a row for an image that this run does not have ({str(image)[:100]!r})"
        elif images.setdefault(image, digest) != digest:
            yield f"{rows_file}: {image} is not the image that an earlier stage saw"
        elif isinstance(row.get("prompt"), str):
            prompts.setdefault(image.split("/", 1)[0], row["prompt"])


def _without_rows(run: RunDirectory, manifest: Manifest, name: str) -> str:
    """What is said of a stage that has not finished; empty where nothing of it is to be expected."""
    rows_file, summary = STAGES[name].rows_file, f"{name}_summary.json"
    record = manifest.stages.get(name)
    if record is not None and record.rows_sha256:  # finished once; more was asked of it since
        return _file_problem(run, rows_file, record.rows_sha256)
    if run.rows(rows_file).exists():  # another tool's
        return ""
    if record is not None:
        return f"{rows_file}: missing; {name} was started and has not finished"
    return f"{rows_file}: missing, but {summary} was made from it" if run.rows(summary).exists() else ""


def _kept_rows(manifest: Manifest) -> dict[str, str]:
    """Hashes of finished rows that are kept beside those in use, by name."""
    return {
        kept_path(Path(STAGES[name].rows_file), mark).name: record.rows_sha256
        for name, records in manifest.kept.items()
        for mark, record in records.items()
        if name in STAGES and record.rows_sha256
    }


def _is_inside(name: str) -> bool:
    """``00012/samples/0003.png``, and nothing that leads elsewhere."""
    parts = name.split("/")
    return len(parts) == 3 and parts[0].isdigit() and parts[1] == "samples" and parts[2] not in ("", ".", "..")


def _file_problem(run: RunDirectory, name: str, digest: str) -> str:
    path = run.path / name
    if not path.is_file():
        return f"{name}: missing"
    return "" if sha256_of_file(path) == digest else f"{name}: has changed since it was made"


def _prompt_problem(run: RunDirectory, folder: str, prompt: str) -> str:
    name = f"{folder}/metadata.jsonl"
    try:
        same = read_metadata(run.path / name)["prompt"] == prompt
    except UserError as error:
        return str(error).removeprefix(f"{run.path}/")
    return "" if same else f"{name}: another prompt than its rows have"

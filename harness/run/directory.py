"""The directory a run lives in: its layout, its lock, its images and its rows.

run.json                   manifest (see manifest.py)
hparams.json               generation parameters, upstream's file
NNNNN/metadata.jsonl       line NNNNN of the suite
NNNNN/samples/MMMM.png     the images
images.jsonl               one row per generated image
results.jsonl              GenEval rows
rewards.jsonl              reward rows, one per image
report/  logs/             leaderboard; what the workers said
work/                      jobs, unfinished rows, lock: safe to delete when no run is active
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from filelock import FileLock, Timeout

from harness.run.contents import Contents
from wire.errors import EnvironmentFailure, UserError
from wire.files import natural_order, sweep, write_atomically
from wire.grouping import grouped, listed
from wire.pictures import FORMATS, is_picture_name, samples_among
from wire.protocol import Item
from wire.untrusted import read_json, refuse_links_out, require_file

_PROMPT_FOLDER = re.compile(r"[0-9]+")
#: A name of digits is the sample's number, below this; a larger one is a seed or a time, and a name like any other.
NUMBERS_BELOW = 1 << 30


class RunDirectory:
    """One run's files. Open it with :meth:`locked` before changing anything."""

    def __init__(self, path: Path, contents: Contents | None = None) -> None:
        self.path = path.absolute()
        self.manifest = self.path / "run.json"
        #: Folder of tables and plots.
        self.report = self.path / "report"
        #: What has been read of the files.
        self.contents = contents or Contents()
        self._found: list[Item] | None = None
        self._passed_over: list[str] = []
        self._told: list[str] = []

    def rows(self, name: str) -> Path:
        """A finished JSONL file, e.g. ``results.jsonl``."""
        return self.path / name

    def log(self, stage: str) -> Path:
        """Everything a stage's worker said."""
        return self.path / "logs" / f"{stage}.log"

    def work(self, name: str) -> Path:
        """A file of an unfinished stage."""
        return self.path / "work" / name

    @contextlib.contextmanager
    def locked(self) -> Iterator[RunDirectory]:
        """Hold the run for this process.
        Raises UserError: another process holds it, or a link in it would have us write elsewhere; EnvironmentFailure:
        the directory cannot be written.
        """
        refuse_links_out(self.path)
        try:
            (self.path / "work").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.work("lock"), blocking=False)
            lock.acquire()
            self.work("holder").write_text(str(os.getpid()), encoding="utf-8")
        except Timeout:
            holder = ""
            with contextlib.suppress(OSError):
                holder = f" (process {self.work('holder').read_text(encoding='utf-8')})"
            raise UserError(
                f"{self.path} is in use by another run{holder}: wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise EnvironmentFailure(f"{self.path} cannot be written ({error}): choose another --out") from error
        try:
            sweep(self._written())
            yield self
        finally:
            lock.release()

    def _written(self) -> Iterator[Path]:
        """The folders that files are written into."""
        yield from (self.path, self.path / "work", self.path / "work" / "shards", self.report)
        for entry in os.scandir(self.path):
            if _PROMPT_FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield from (folder for folder in (Path(entry), Path(entry, "samples")) if not folder.is_symlink())

    def is_held(self) -> bool:
        """Whether a command works on the run now."""
        try:
            lock = os.open(self.work("lock"), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def write_prompts(self, metadata: dict[int, dict[str, Any]]) -> None:
        """Write ``NNNNN/metadata.jsonl`` for each prompt index, as upstream does; damaged ones are written anew.
        Raises UserError: a folder belongs to another prompt.
        """
        for index, record in metadata.items():
            path = self.path / f"{index:05d}" / "metadata.jsonl"
            refuse_links_out(self.path, path.parent)
            text = json.dumps(record)
            known = None
            with contextlib.suppress(DamagedMetadataError):
                known = self.contents.of(path, read_metadata) if path.exists() else None
            if known is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, text)
            elif known != record:
                raise UserError(f"{path} holds another prompt than the suite's line {index}: choose another --out")

    def scan(self) -> list[Item]:
        """All images with their prompts and hashes, in order of their names; found once, until :meth:`changed`.
        Raises UserError: as :meth:`listed`, or there is no image.
        """
        if self._found is None:
            listed = self.listed()
            if not listed:
                what = _note(self._passed_over) if self._passed_over else "expected 00000/samples/0000.png and so on"
                raise UserError(f"{self.path}: its prompt folders hold no images; {what}")
            self._found = [self.hashed(item) for item in listed]
        return self._found

    def changed(self) -> None:
        """Images were made, so that the next scan looks anew; of those that it knows only the new ones are read."""
        self._found = None

    def passed_over(self) -> str:
        """A line about what the last look at the images passed over; empty where that was nothing, or told before."""
        if self._passed_over == self._told:
            return ""
        self._told = self._passed_over
        return _note(self._told)

    def hashed(self, item: Item) -> Item:
        """The item with the hash of its image file."""
        return replace(item, image_sha256=self.contents.sha256(self.path / item.filename))

    def listed(self) -> list[Item]:
        """All images with their prompts, in order of their names; none is read.
        Raises UserError: no prompt folder, two of one number, one without readable metadata, or two images for one
        sample.
        """
        if not self.path.is_dir():
            raise UserError(f"{self.path}: no such directory")
        folders, others = self._prompt_folders()
        if not folders:
            raise UserError(
                f"{self.path}: no prompt folders found; expected 00000/metadata.jsonl and 00000/samples/0000.png"
            )
        self._passed_over, items = others, list[Item]()
        for folder in folders:
            metadata = self.contents.of(self.path / folder / "metadata.jsonl", read_metadata)
            samples = sample_numbers(self._images(folder), f"{self.path / folder}/samples")
            items += [
                Item(f"{folder}/samples/{name}", int(folder), sample, metadata) for name, sample in samples.items()
            ]
        return items

    def _prompt_folders(self) -> tuple[list[str], list[str]]:
        """Names of prompt folders by number, padded (``00012``) or not (``12``); then of others that hold a prompt."""
        names = [entry.name for entry in self.path.iterdir() if _PROMPT_FOLDER.fullmatch(entry.name) and entry.is_dir()]
        others = sorted(file.parent.name for file in self.path.glob("[!.]*/metadata.jsonl"))
        folders: dict[int, str] = {}
        for name in sorted(names):
            if int(name) in folders:
                raise UserError(
                    f"{self.path}: folders {folders[int(name)]!r} and {name!r} are both prompt {int(name)}; rename one"
                )
            folders[int(name)] = name
        return [folders[number] for number in sorted(folders)], [name for name in others if name not in names]

    def _images(self, folder: str) -> list[str]:
        """Names of a prompt's images; what else is where they should be is noted."""
        samples = self.path / folder / "samples"
        if not samples.is_dir():
            beside = sorted(path.name for path in (self.path / folder).iterdir() if is_picture_name(path.name))
            self._passed_over += [f"{folder}/{name}" for name in beside]
            return []
        files, others = [], []
        for entry in os.scandir(samples):
            if is_picture_name(entry.name) and not entry.is_dir():
                if not entry.is_file():
                    require_file(samples / entry.name)
                files.append(entry.name)
            elif not entry.name.startswith(".") and (entry.is_dir() or not entry.name.endswith(".partial")):
                others.append(entry.name)
        images = samples_among(files)
        self._passed_over += [f"{folder}/samples/{name}" for name in sorted({*files, *others}.difference(images))]
        return images


def image_name(prompt_index: int, sample_index: int) -> str:
    """Upstream's file name of an image, relative to the run directory: ``00012/samples/0003.png``."""
    return f"{prompt_index:05d}/samples/{sample_index:04d}.png"


_PUT_BACK = "put the prompt's line of the suite there, which `all` and `generate` do by themselves"


class DamagedMetadataError(UserError):
    """A file in which no prompt can be read."""


def read_metadata(path: Path) -> dict[str, Any]:
    """A prompt folder's metadata: one JSON object with a ``prompt``.
    Raises UserError: missing or no file; the message names it. Of a file without a prompt: a DamagedMetadataError.
    """
    try:
        record = read_json(path)
    except FileNotFoundError:
        raise UserError(f"{path}: missing; each prompt folder needs its line of the suite") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DamagedMetadataError(f"{path}:1: not valid JSON ({error}); {_PUT_BACK}") from error
    if not isinstance(record, dict) or not isinstance(record.get("prompt"), str):
        raise DamagedMetadataError(f'{path}:1: expected an object with a text under "prompt"; {_PUT_BACK}')
    return record


def sample_numbers(names: Iterable[str], folder: str) -> dict[str, int]:
    """Image file -> which sample of its prompt it is, in order of the names; ``folder`` is for messages.

    A name of digits (``0003.png``) is the number. Images with other names, or with larger numbers, come after those, in
    natural order: ``img-2.png`` before ``img-10.png``; without any such number they are 0, 1, ...
    Raises UserError: two files are of one sample, by their number or but for their suffix.
    """
    samples = grouped((_sample(name), name) for name in sorted(names))
    for sample, files in samples.items():
        if len(files) > 1:
            raise UserError(f"{folder}: {', '.join(files)} are {len(files)} files for one sample ({sample}): keep one")
    numbered = {files[0]: sample for sample, files in samples.items() if isinstance(sample, int)}
    others = sorted((files[0] for sample, files in samples.items() if isinstance(sample, str)), key=natural_order)
    numbered |= {name: number for number, name in enumerate(others, start=max(numbered.values(), default=-1) + 1)}
    return dict(sorted(numbered.items()))


def _sample(name: str) -> int | str:
    stem = PurePath(name).stem
    number = int(stem) if stem.isascii() and stem.isdecimal() else NUMBERS_BELOW
    return number if number < NUMBERS_BELOW else stem


def _note(names: Sequence[str]) -> str:
    """One line about what lies where images do and is none."""
    kinds = ", ".join(FORMATS)
    return f"ignored: {listed(names)}; expected 00000/samples/0000.png and so on, of {kinds}"

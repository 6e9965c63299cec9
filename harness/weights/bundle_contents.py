"""``bundle.json``, the first file of a bundle of weights: what may stand in it, checked before another file is read.

schema   2; 1 had no git objects
files    place, size and sha256 of each file: ``files/<name>``, ``hub/<repository>/<blob>``, ``git/<sha1>``
links    the hub's cache as it shall be: repository, revision, branch, name, blob
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.weights import on_hub
from harness.weights.entries import HubWeight, load_hub, load_weights
from harness.weights.git_proof import MAX_OBJECT, MAX_OBJECTS
from wire.errors import UserError
from wire.hub import cache, choose
from wire.row_files import unique_keys

SCHEMA = 2
_READ = (1, SCHEMA)
#: Bytes of the longest list of contents that is read.
MAX_INDEX = 16 << 20
#: Bytes of the longest file name that is linked.
MAX_NAME = 200
_FOLDER = re.compile(r"models--[\w.-]+")
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9][\w.+-]*")
_PATH = re.compile(r"[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*")


@dataclass(frozen=True)
class Link:
    """A file of a snapshot of the hub's cache, and the blob that holds its bytes.

    Attributes:
        entry: of ``weights.toml``; its revision and patterns are those of the link.
        revision: commit.
        branch: that the commit was found under; empty where the commit is pinned.
        name: within the repository.
        blob: name of the blob.
        runs_code: the repository's code is run, so that each file must be pinned or proved.
    """

    entry: HubWeight
    revision: str
    branch: str
    name: str
    blob: str
    runs_code: bool

    @property
    def repository(self) -> Path:
        """The repository's folder in the cache."""
        return on_hub.repository(self.entry)

    @property
    def blob_path(self) -> Path:
        """Where the bytes are, or will be."""
        return self.repository / "blobs" / self.blob

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        return self.repository / "snapshots" / self.revision / self.name

    @property
    def place(self) -> str:
        """How the ledger, and the user, call the file."""
        return on_hub.place(self.entry, self.name)

    @property
    def pinned(self) -> str:
        """The file's sha256 in ``weights.toml``; empty where there is none."""
        return self.entry.sha256.get(self.name, "")


@dataclass(frozen=True)
class Contents:
    """What a bundle holds.

    Attributes:
        files: place -> size and sha256.
        links: what shall stand in the hub's cache.
    """

    files: dict[str, tuple[int, str]]
    links: list[Link]


def read_contents(content: bytes, where: str) -> Contents:
    """A bundle's list of contents; ``where`` begins the messages.

    Raises:
        UserError: it is not one, or one that leads elsewhere, or to what ``weights.toml`` does not list.
    """
    try:
        index: Any = json.loads(content, object_pairs_hook=unique_keys)
        if type(index["schema"]) is not int or index["schema"] not in _READ:
            raise ValueError(f"schema {index['schema']!r}, this version reads {_READ}")
        files = _files(index["files"], index["schema"])
        links = _links(index["links"])
        _check_blobs(files, links)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{where}: bundle.json is not as it should be ({str(error)[:300]})") from error
    return Contents(files, links)


def _files(records: Iterable[Any], schema: int) -> dict[str, tuple[int, str]]:
    files: dict[str, tuple[int, str]] = {}
    for record in records:
        place, size = record["place"], record["size"]
        if type(size) is not int or size < 0 or not _SHA256.fullmatch(record["sha256"]) or place in files:
            raise ValueError(f"{place}: no size or digest, or there twice")
        if not is_git_object(place):
            target(place)
        elif schema == 1 or size > MAX_OBJECT:
            raise ValueError(f"{place}: too large, or not of this schema")
        files[place] = size, record["sha256"]
    if sum(map(is_git_object, files)) > MAX_OBJECTS:
        raise ValueError(f"more than {MAX_OBJECTS} git objects")
    return files


def is_git_object(place: str) -> bool:
    """Whether a place in the bundle is that of a git object."""
    folder, _, name = place.partition("/")
    return folder == "git" and bool(_SHA1.fullmatch(name))


def target(place: str) -> Path:
    """Where a bundle's file belongs.

    Raises:
        ValueError: it is not a place of ours.
    """
    match place.split("/"):
        case ["files", name] if _FILE.fullmatch(name) and name in {weight.file for weight in load_weights().values()}:
            return next(weight.path for weight in load_weights().values() if weight.file == name)
        case ["hub", folder, blob] if _FOLDER.fullmatch(folder) and _BLOB.fullmatch(blob):
            return cache() / folder / "blobs" / blob
    raise ValueError(f"{place[:200]!r} is no place for a weight")


def _links(records: Iterable[Any]) -> list[Link]:
    snapshots: dict[tuple[str, str, str], dict[str, str]] = {}
    for record in records:
        _check_link(record)
        names = snapshots.setdefault((record["repository"], record["revision"], record["branch"]), {})
        if names.setdefault(record["name"], record["blob"]) != record["blob"]:
            raise ValueError(f"{record['name']} is linked twice")
    branches = [folder for folder, _, branch in snapshots if branch]
    if len(branches) != len(set(branches)):
        raise ValueError("a branch with two commits")
    return [link for place, names in snapshots.items() for link in _snapshot(place, names)]


def _check_link(record: Any) -> None:
    """Each text of a link is of its form, and stays within its repository."""
    forms = {"repository": _FOLDER, "revision": _SHA1, "blob": _BLOB, "name": _PATH}
    formed = all(form.fullmatch(record[key]) for key, form in forms.items()) and record["branch"] in ("", "main")
    if not formed or len(record["name"].encode()) > MAX_NAME:
        raise ValueError(f"link {str(record)[:200]}")


def _snapshot(place: tuple[str, str, str], names: Mapping[str, str]) -> list[Link]:
    """Links into one snapshot, each of a file that an entry of ``weights.toml`` asks for, at the entry's revision."""
    folder, revision, branch = place
    listed = [entry for entry in load_hub().values() if on_hub.repository(entry).name == folder]
    runs_code = any(entry.runs_code for entry in listed)
    fitting = [entry for entry in listed if _fits(entry, revision, branch, runs_code)]
    if not fitting:
        raise ValueError(f"{folder} at {branch or revision} is not in weights.toml")
    if within := [name for name in names if any(str(parent) in names for parent in PurePosixPath(name).parents)]:
        raise ValueError(f"{within[0]} lies in a file")
    owners: dict[str, HubWeight] = {}
    for entry in sorted(fitting, key=lambda entry: len(entry.sha256)):  # who pins a file has the last word on it
        owners.update(dict.fromkeys(choose(entry.files, names), entry))
    if strange := [name for name in names if name not in owners]:
        raise ValueError(f"{folder}: {strange[0]} is not a file that weights.toml asks for")
    return [Link(owners[name], revision, branch, name, blob, runs_code) for name, blob in names.items()]


def _fits(entry: HubWeight, revision: str, branch: str, runs_code: bool) -> bool:
    """A pinned entry has its commit and no branch; one that is not has a branch, and never code."""
    return (entry.revision == revision and not branch) if entry.revision else (branch == "main" and not runs_code)


def _check_blobs(files: Iterable[str], links: Iterable[Link]) -> None:
    linked = {f"hub/{link.repository.name}/{link.blob}" for link in links}
    if stray := [place for place in files if place.startswith("hub/") and place not in linked]:
        raise ValueError(f"{stray[0]} belongs to no file")

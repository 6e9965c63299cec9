"""``bundle.json``, the first file of a bundle of weights: what may stand in it, checked before another file is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import msgspec

from harness.weights.entries import HubWeight, Sha256, load_hub, load_weights
from harness.weights.git_proof import MAX_OBJECT, MAX_OBJECTS
from harness.weights.on_hub import place as place_of
from wire.errors import UserError
from wire.hub import choose
from wire.hub_client import cache
from wire.untrusted import parse_json

#: 1 had no git objects.
SCHEMA = 2
#: Bytes of the longest list of contents that is read.
MAX_INDEX = 16 << 20
#: Bytes of the longest file name that is linked.
MAX_NAME = 200
_GIT = re.compile(r"git/[0-9a-f]{40}")
_HUB = re.compile(r"hub/(models--[\w.-]+)/([0-9a-f]{40}|[0-9a-f]{64})")


class File(msgspec.Struct):
    """A file of a bundle: ``files/<name>``, ``hub/<repository>/<blob>`` or ``git/<sha1>``."""

    place: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Sha256


class LinkRecord(msgspec.Struct):
    """A file of a snapshot, as a bundle tells of it; each text stays within its repository."""

    repository: Annotated[str, msgspec.Meta(pattern=r"^models--[\w.-]+\Z")]
    revision: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}\Z")]
    branch: Literal["", "main"]
    name: Annotated[str, msgspec.Meta(pattern=r"^[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*\Z")]
    blob: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})\Z")]


class Index(msgspec.Struct):
    """``bundle.json`` as a whole."""

    schema: Literal[1, 2]
    files: list[File]
    links: list[LinkRecord]


@dataclass(frozen=True)
class Link:
    """A file of a snapshot of the hub's cache, and the blob that holds its bytes."""

    entry: HubWeight  #: of ``weights.toml``; its revision and patterns are those of the link
    revision: str
    branch: str  #: that the commit was found under; empty where the commit is pinned
    name: str
    blob: str
    runs_code: bool  #: the repository's code is run, so that each file must be pinned or proved

    @property
    def repository(self) -> Path:
        """The repository's folder in the cache."""
        return self.entry.repository.folder

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
        return place_of(self.entry, self.name)

    @property
    def pinned(self) -> str:
        """The file's sha256 in ``weights.toml``; empty where there is none."""
        return self.entry.sha256.get(self.name, "")


@dataclass(frozen=True)
class Contents:
    """What a bundle holds, by place, and what shall stand in the hub's cache."""

    files: dict[str, File]
    links: list[Link]


def read_contents(content: bytes, where: str) -> Contents:
    """A bundle's list of contents; ``where`` begins the messages.
    Raises UserError: it is not one, or one that leads elsewhere, or to what ``weights.toml`` does not list.
    """
    try:
        index = msgspec.convert(parse_json(content), Index)
        contents = Contents(_files(index), _links(index.links))
        linked = {f"hub/{link.repository.name}/{link.blob}" for link in contents.links}
        if stray := [place for place in contents.files if place.startswith("hub/") and place not in linked]:
            raise ValueError(f"{stray[0]} belongs to no file")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: bundle.json is not as it should be ({str(error)[:300]})") from error
    return contents


def _files(index: Index) -> dict[str, File]:
    files: dict[str, File] = {}
    for file in index.files:
        if file.place in files:
            raise ValueError(f"{file.place} appears twice")
        if not is_git_object(file.place):
            target(file.place)
        elif index.schema == 1 or file.size > MAX_OBJECT:
            raise ValueError(f"{file.place}: too large, or not of this schema")
        files[file.place] = file
    if sum(map(is_git_object, files)) > MAX_OBJECTS:
        raise ValueError(f"more than {MAX_OBJECTS} git objects")
    return files


def is_git_object(place: str) -> bool:
    """Whether a place in the bundle is that of a git object."""
    return bool(_GIT.fullmatch(place))


def target(place: str) -> Path:
    """Where a bundle's file belongs. Raises ValueError: it is not a place of ours."""
    by_address = {f"files/{weight.file}": weight.path for weight in load_weights().values()}
    if place in by_address:
        return by_address[place]
    if blob := _HUB.fullmatch(place):
        return cache() / blob[1] / "blobs" / blob[2]
    raise ValueError(f"{place[:200]!r} is no place for a weight")


def _links(records: list[LinkRecord]) -> list[Link]:
    snapshots: dict[tuple[str, str, str], dict[str, str]] = {}
    for link in records:
        names = snapshots.setdefault((link.repository, link.revision, link.branch), {})
        if len(link.name.encode()) > MAX_NAME or names.setdefault(link.name, link.blob) != link.blob:
            raise ValueError(f"{link.name[:200]} has too long a name, or is linked twice")
    branches = [folder for folder, _, branch in snapshots if branch]
    if len(branches) != len(set(branches)):
        raise ValueError("a branch with two commits")
    return [link for place, names in snapshots.items() for link in _snapshot(place, names)]


def _snapshot(place: tuple[str, str, str], names: Mapping[str, str]) -> list[Link]:
    """Links into one snapshot, each of a file that an entry of ``weights.toml`` asks for, at the entry's revision."""
    folder, revision, branch = place
    listed = [entry for entry in load_hub().values() if entry.repository.folder.name == folder]
    runs_code = any(entry.runs_code for entry in listed)
    fitting = [entry for entry in listed if _fits(entry, revision, branch, runs_code)]
    if not fitting:
        raise ValueError(f"{folder} at {branch or revision} is not in weights.toml")
    if within := [name for name in names if any(str(parent) in names for parent in PurePosixPath(name).parents)]:
        raise ValueError(f"{within[0]} is inside a file")
    owners: dict[str, HubWeight] = {}
    for entry in sorted(fitting, key=lambda entry: len(entry.sha256)):  # who pins a file has the last word on it
        owners.update(dict.fromkeys(choose(entry.files, names), entry))
    if strange := [name for name in names if name not in owners]:
        raise ValueError(f"{folder}: {strange[0]} is not a file that weights.toml asks for")
    return [Link(owners[name], revision, branch, name, blob, runs_code) for name, blob in names.items()]


def _fits(entry: HubWeight, revision: str, branch: str, runs_code: bool) -> bool:
    """A pinned entry has its commit and no branch; one that is not has a branch, and never code."""
    return (entry.revision == revision and not branch) if entry.revision else (branch == "main" and not runs_code)

"""One tar with weights, for machines without a network.

    bundle.json              what is inside: each file's place, size and digest, and the links of the hub's cache
    files/<name>             weights published by address
    hub/<repository>/<blob>  bytes of the hub's cache; its links and branches are made anew from bundle.json

A bundle is read without trust: it holds plain files only, every place is checked, every digest recomputed, and what
``weights.toml`` pins is held against it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from harness.environments.spec import Progress
from harness.weights import by_address, on_hub
from harness.weights import checksums as ledger
from harness.weights.entries import HubWeight, WeightFile, load_hub, load_weights
from harness.weights.fetching import Entry
from wire.errors import EnvironmentFailure, UserError
from wire.row_files import unique_keys

SCHEMA = 1
CHUNK = 1 << 20
#: Bytes of the longest list of contents that is read.
MAX_INDEX = 16 << 20
_FOLDER = re.compile(r"models--[\w.-]+")
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FILE = re.compile(r"[A-Za-z0-9][\w.+-]*")
_PATH = re.compile(r"[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*")


def write(entries: Iterable[Entry], out: Path, progress: Progress) -> int:
    """Write a bundle of these entries; returns its number of files.

    Raises:
        EnvironmentFailure: an entry is not here, or has other bytes than promised.
    """
    chosen = list(entries)
    if lacking := [entry.name for entry in chosen if not _is_here(entry)]:
        names = ", ".join(lacking)
        raise EnvironmentFailure(f"not here: {names}; `miro-eval weights fetch {' '.join(lacking)}` brings them")
    members = dict(member for entry in chosen for member in _members(entry))
    links = [link for entry in chosen if isinstance(entry, HubWeight) for link in _links(entry)]
    sizes = {name: path.stat().st_size for name, (path, _) in members.items()}
    listed = [{"place": name, "size": sizes[name], "sha256": digest} for name, (_, digest) in members.items()]
    index = json.dumps({"schema": SCHEMA, "files": listed, "links": links}, indent=1).encode()
    partial = out.with_name(out.name + ".partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(partial, "w") as archive:
        archive.addfile(_header("bundle.json", len(index)), io.BytesIO(index))
        done = 0
        for name, (path, _) in members.items():
            progress(done, sum(sizes.values()), f"{name} (bytes)")
            with path.open("rb") as content:
                archive.addfile(_header(name, sizes[name]), content)
            done += sizes[name]
    os.replace(partial, out)
    progress(done, done, "bytes")
    return len(members)


def _is_here(entry: Entry) -> bool:
    return entry.path.exists() if isinstance(entry, WeightFile) else not on_hub.missing(entry)


def _members(entry: Entry) -> Iterator[tuple[str, tuple[Path, str]]]:
    """Place in the bundle, and path and digest, of an entry's files; all verified."""
    if isinstance(entry, WeightFile):
        yield f"files/{entry.file}", (entry.path, by_address.check(entry, entry.path))
        return
    for file in on_hub.cached_files(entry):
        if fault := on_hub.fault(entry, file):
            raise EnvironmentFailure(f"{on_hub.place(entry, file.name)} {fault}: not bundled; fetch it again")
        digest = ledger.digest_of(file.blob)
        yield f"hub/{on_hub.repository(entry).name}/{_blob_name(file.blob, digest)}", (file.blob, digest)


def _blob_name(blob: Path, digest: str) -> str:
    """The blob's own name; the digest for a cache that was filled by hand."""
    return blob.name if _BLOB.fullmatch(blob.name) else digest


def _links(entry: HubWeight) -> Iterator[dict[str, str]]:
    for file in on_hub.cached_files(entry):
        yield {
            "repository": on_hub.repository(entry).name,
            "revision": on_hub.commit(entry),
            "branch": "" if entry.revision else "main",
            "name": file.name,
            "blob": _blob_name(file.blob, ledger.digest_of(file.blob)),
        }


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header


def unpack(path: Path, progress: Progress) -> list[str]:
    """Put a bundle's files where the stages look for them; what is here already is left alone.

    Returns:
        The places that were written.

    Raises:
        UserError: not a bundle, or one that holds something else than it may.
        EnvironmentFailure: a file has other bytes than its list says, or than ``weights.toml`` pins.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            index = _read_index(path, archive)
            written = list(_unpack_files(path, archive, index, progress))
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{path}: not a bundle of weights ({error})") from error
    for link in index["links"]:
        _link(link)
    return written


def _read_index(path: Path, archive: tarfile.TarFile) -> dict[str, Any]:
    member = archive.next()
    if member is None or member.name != "bundle.json" or not member.isreg() or member.size > MAX_INDEX:
        raise UserError(f"{path}: not a bundle of weights: bundle.json must be its first file")
    content = archive.extractfile(member)
    return read_index(content.read() if content else b"", str(path))


def read_index(content: bytes, where: str) -> dict[str, Any]:
    """A bundle's list of contents; ``where`` begins the messages.

    Raises:
        UserError: it is not one, or one that leads elsewhere.
    """
    try:
        index: dict[str, Any] = json.loads(content, object_pairs_hook=unique_keys)
        check_index(index)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{where}: bundle.json is not as it should be ({error})") from error
    return index


def check_index(index: Any) -> None:
    """Every place must be one that :func:`target` knows, every link stay within its repository.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not so.
    """
    if index["schema"] != SCHEMA:
        raise ValueError(f"schema {index['schema']!r}, this version reads {SCHEMA}")
    for file in index["files"]:
        target(file["place"])
        if type(file["size"]) is not int or not re.fullmatch(r"[0-9a-f]{64}", file["sha256"]):
            raise ValueError(f"{file['place']}: no size or digest")
    for link in index["links"]:
        parts = (link["repository"], _FOLDER), (link["revision"], _COMMIT), (link["blob"], _BLOB), (link["name"], _PATH)
        if not all(pattern.fullmatch(text) for text, pattern in parts) or link["branch"] not in ("", "main"):
            raise ValueError(f"link {str(link)[:200]}")


def target(place: str) -> Path:
    """Where a bundle's file belongs.

    Raises:
        ValueError: it is not a place of ours.
    """
    match place.split("/"):
        case ["files", name] if _FILE.fullmatch(name) and name in {weight.file for weight in load_weights().values()}:
            return next(weight.path for weight in load_weights().values() if weight.file == name)
        case ["hub", folder, blob] if _FOLDER.fullmatch(folder) and _BLOB.fullmatch(blob):
            return on_hub.hub_cache() / folder / "blobs" / blob
    raise ValueError(f"{place[:200]!r} is no place for a weight")


def _unpack_files(path: Path, archive: tarfile.TarFile, index: dict[str, Any], progress: Progress) -> Iterator[str]:
    listed = {file["place"]: file for file in index["files"]}
    done, total = 0, sum(file["size"] for file in listed.values())
    while (member := archive.next()) is not None:
        file = listed.pop(member.name, None)
        if file is None or not member.isreg() or member.size != file["size"]:
            raise UserError(f"{path}: {member.name[:200]!r} is not a plain file of its list")
        progress(done, total, f"{member.name} (bytes)")
        done += member.size
        content = archive.extractfile(member)
        if content is not None and _place(member.name, content, file["sha256"]):
            yield member.name
    if listed:
        raise UserError(f"{path}: ends before {next(iter(listed))}; copy it again")
    progress(total, total, "bytes")


def _place(place: str, content: IO[bytes], promised: str) -> bool:
    """Write one file, if it is not there and is what it should be."""
    goal = target(place)
    if goal.exists():
        return False
    goal.parent.mkdir(parents=True, exist_ok=True)
    partial, digest = goal.with_name(goal.name + ".unpacked"), hashlib.sha256()
    with partial.open("wb") as file:
        while chunk := content.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
    if fault := _fault(place, partial, digest.hexdigest(), promised):
        partial.unlink()
        raise EnvironmentFailure(f"{place} {fault}: not unpacked")
    os.replace(partial, goal)
    return True


def _fault(place: str, partial: Path, digest: str, promised: str) -> str:
    name = place.rpartition("/")[2]
    if digest != promised:
        return f"has sha256 {digest}, the bundle's list says {promised}"
    if place.startswith("files/"):
        weight = next(weight for weight in load_weights().values() if weight.file == name)
        return by_address.mismatch(weight, digest)
    own = digest if len(name) == 64 else on_hub.git_sha1(partial)
    return "" if own == name else "has not the bytes that its name says"


def _link(link: dict[str, str]) -> None:
    """A file of a snapshot, as the hub's client would have made it; and the branch that it came from."""
    folder = on_hub.hub_cache() / link["repository"]
    pinned = [entry for entry in load_hub().values() if on_hub.repository(entry).name == link["repository"]]
    if not (folder / "blobs" / link["blob"]).exists() or not pinned:
        return
    snapshot = folder / "snapshots" / link["revision"] / link["name"]
    if not snapshot.exists():
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        snapshot.unlink(missing_ok=True)
        snapshot.symlink_to(os.path.relpath(folder / "blobs" / link["blob"], snapshot.parent))
    if link["branch"]:
        (folder / "refs").mkdir(exist_ok=True)
        branch = folder / "refs" / link["branch"]
        if not branch.exists():
            branch.write_text(link["revision"], encoding="utf-8")

"""One tar with weights, for machines without a network.

    bundle.json              what is inside; see :mod:`harness.weights.bundle_contents`
    git/<sha1>               git's objects that prove files of repositories whose code is run
    files/<name>             weights published by address
    hub/<repository>/<blob>  bytes of the hub's cache; its links and branches are made anew from bundle.json

It is read, without trust, by :mod:`harness.weights.unbundle`.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.environments.spec import Progress
from harness.weights import by_address, checksums, git_fetch, git_proof, on_hub
from harness.weights.bundle_contents import SCHEMA
from harness.weights.entries import HubWeight, WeightFile
from harness.weights.fetching import Entry, is_here
from wire.errors import EnvironmentFailure
from wire.files import replacing, sweep


@dataclass(frozen=True)
class Bundled:
    """How many files were written, and a line for each repository that runs code and whose files carry no proof."""

    files: int
    notes: list[str]


@dataclass(frozen=True)
class _Member:
    """A file of a bundle: the path of its bytes, or the bytes themselves."""

    source: Path | bytes
    sha256: str

    @property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size


def write(entries: Iterable[Entry], out: Path, progress: Progress) -> Bundled:
    """Write a bundle of these entries.
    Raises EnvironmentFailure: an entry is not here, or has other bytes than promised.
    """
    chosen = list(entries)
    if lacking := [entry.name for entry in chosen if not is_here(entry)]:
        names = ", ".join(lacking)
        raise EnvironmentFailure(f"not here: {names}; `miro-eval weights fetch {' '.join(lacking)}` brings them")
    weights = dict(member for entry in chosen for member in _members(entry))
    repositories = [entry for entry in chosen if isinstance(entry, HubWeight)]
    objects, notes = _proofs(repositories)
    links = [link for entry in repositories for link in _links(entry)]
    _write_tar(out, objects | weights, links, progress)
    return Bundled(len(weights), notes)


def _write_tar(out: Path, members: Mapping[str, _Member], links: list[dict[str, str]], progress: Progress) -> None:
    listed = [{"place": name, "size": member.size, "sha256": member.sha256} for name, member in members.items()]
    index = json.dumps({"schema": SCHEMA, "files": listed, "links": links}, indent=1).encode()
    out.parent.mkdir(parents=True, exist_ok=True)
    sweep([out.parent])
    done, total = 0, sum(member.size for member in members.values())
    with replacing(out) as partial, tarfile.open(partial, "x") as archive:
        archive.addfile(_header("bundle.json", len(index)), io.BytesIO(index))
        for name, member in members.items():
            progress(done, total, f"{name} (bytes)")
            source = member.source
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as content:
                archive.addfile(_header(name, member.size), content)
            done += member.size
    progress(done, done, "bytes")


def _members(entry: Entry) -> Iterator[tuple[str, _Member]]:
    """Place in the bundle and bytes of an entry's files; all verified."""
    if isinstance(entry, WeightFile):
        yield f"files/{entry.file}", _Member(entry.path, by_address.check(entry, entry.path))
        return
    for file in on_hub.cached_files(entry):
        if fault := on_hub.fault(entry, file):
            raise EnvironmentFailure(f"{on_hub.place(entry, file.name)} {fault}: not bundled; fetch it again")
        digest = checksums.digest_of(file.blob)
        yield f"hub/{entry.repository.folder.name}/{file.blob_name}", _Member(file.blob, digest)


def _links(entry: HubWeight) -> Iterator[dict[str, str]]:
    for file in on_hub.cached_files(entry):
        yield {
            "repository": entry.repository.folder.name,
            "revision": entry.repository.commit,
            "branch": "" if entry.revision else "main",
            "name": file.name,
            "blob": file.blob_name,
        }


def _proofs(entries: Iterable[HubWeight]) -> tuple[dict[str, _Member], list[str]]:
    """git's objects for the files whose code is run and that are not all pinned; a line for each that has none."""
    objects: dict[str, bytes] = {}
    notes = []
    for entry in entries:
        files = [file for file in on_hub.cached_files(entry) if entry.runs_code and file.name not in entry.sha256]
        try:
            objects |= _proof(entry, files)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            notes.append(
                f"{entry.name}: the files of {entry.repo} carry no proof of their commit ({_told(error)}); "
                "`weights unpack` will take them with --trust only"
            )
    members = {f"git/{name}": _Member(data, hashlib.sha256(data).hexdigest()) for name, data in objects.items()}
    return members, notes


def _proof(entry: HubWeight, files: list[on_hub.CachedFile]) -> dict[str, bytes]:
    """The objects that prove these files.
    Raises OSError, ValueError, subprocess.SubprocessError: they cannot be had; EnvironmentFailure: they can, and a file
    here is not the commit's.
    """
    if not files:
        return {}
    objects = git_fetch.objects_of(entry.repo, entry.revision, [file.name for file in files])
    for file in files:
        if fault := git_proof.fault(git_proof.read_from(objects), entry.revision, file.name, file.blob):
            raise EnvironmentFailure(f"{on_hub.place(entry, file.name)} {fault}: not bundled; fetch it again")
    return objects


def _told(error: Exception) -> str:
    """What git ended with, else the error itself, on one line."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"git did not finish in {error.timeout:.0f} s"
    words = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else ""
    lines = words.splitlines() or str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if line.startswith("fatal: ")), lines[-1])[:200]


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header

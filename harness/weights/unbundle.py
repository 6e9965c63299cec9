"""Reads what :mod:`harness.weights.bundle` writes, without trust.

A bundle holds plain files of its own list only, every place is checked, every digest recomputed, and what
``weights.toml`` pins is held against it. Where a repository's code is run, each of its files (a configuration can name
other code) must be pinned by sha256, or proved by git's objects up to the pinned commit. Nothing is linked before all
of it was found good, and what was written of a bundle that is refused is taken away again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness.environments.spec import Progress
from harness.weights import by_address, checksums, git_proof, on_hub
from harness.weights.bundle_contents import MAX_INDEX, Contents, Link, is_git_object, read_contents, target
from harness.weights.entries import load_weights
from wire.errors import DISK_FAULTS, EnvironmentFailure, UserError
from wire.files import replacing, sweep
from wire.hub_client import cache
from wire.paths import home

CHUNK = 1 << 20
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass
class Unpacked:
    """What became of a bundle."""

    #: Places in the bundle that were written; the others were here.
    written: dict[str, Path] = field(default_factory=dict)
    #: Files of repositories whose code is run that were taken for the user's word alone.
    unproved: list[str] = field(default_factory=list)
    #: Files whose bytes nobody has pinned, and nobody but the bundle vouches for.
    on_its_word: list[str] = field(default_factory=list)


def unpack(path: Path, progress: Progress, trust: bool = False) -> Unpacked:
    """Put a bundle's files where the stages look for them; what is here already is left alone.
    ``progress``: takes the bytes done, the bytes in all, and what is unpacked.
    ``trust``: take files of repositories whose code is run without proof. What is disproved is refused all the same.
    Raises UserError: not a bundle, or one that holds something else than it may; EnvironmentFailure: a file has other
    bytes than its list says, or than is pinned, or lacks its proof.
    """
    done, new = Unpacked(), list[Link]()
    try:
        contents, objects = _extract(path, progress, done.written, trust)
        done.unproved = _judge(path, contents.links, objects, trust, progress)
        for link in contents.links:
            if not link.path.exists():
                new.append(link)
            _link(link)
    except BaseException:
        for goal in (*done.written.values(), *(link.path for link in new)):
            goal.unlink(missing_ok=True)
        raise
    unpinned = [link.place for link in new if not (link.runs_code or link.pinned)]
    done.on_its_word = [*_by_digits(done.written), *(place for place in unpinned if not checksums.first_use(place))]
    return done


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What a damaged tar does to its reader is the tar's fault; what the disk does to what is written is not."""
    try:
        yield
    except (OSError, tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        ours = isinstance(error, OSError) and error.filename not in (None, str(path))
        if ours or getattr(error, "errno", None) in DISK_FAULTS:
            raise
        raise UserError(f"{path}: not a bundle of weights ({error})") from error


def _extract(
    path: Path, progress: Progress, written: dict[str, Path], trust: bool
) -> tuple[Contents, dict[str, bytes]]:
    """Write a bundle's blobs and weights, each of them verified; returns its list, and its git objects."""
    objects: dict[str, bytes] = {}
    with _reading(path), tarfile.open(path, "r:") as archive:
        contents = _read_contents(path, archive)
        _check_ways(contents)
        sweep({target(place).parent for place in contents.files if not is_git_object(place)})
        _check_room(contents)
        # Told before gigabytes are written; what a proof is worth, once there is one, is seen to afterwards.
        due = [link for link in contents.links if link.runs_code and not link.pinned]
        if not trust and (lacking := [link for link in due if f"git/{link.revision}" not in contents.files]):
            raise _unproved(path, lacking)
        for place, content in _members(path, archive, contents, progress):
            file = contents.files[place]
            if is_git_object(place):
                data, name = content.read(file.size), place.removeprefix("git/")
                if git_proof.sha1(data) != name or hashlib.sha256(data).hexdigest() != file.sha256:
                    raise EnvironmentFailure(
                        f"{place} does not have the bytes that name and list promise: nothing is unpacked"
                    )
                objects[name] = data
            elif not target(place).exists():
                written[place] = target(place)
                _place(place, content, file.sha256)
    return contents, objects


def _read_contents(path: Path, archive: tarfile.TarFile) -> Contents:
    member = archive.next()
    if member is None or member.name != "bundle.json" or not _is_plain(member) or member.size > MAX_INDEX:
        raise UserError(f"{path}: not a bundle of weights: bundle.json must be its first file")
    content = archive.extractfile(member)
    return read_contents(content.read() if content else b"", str(path))


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.type in _PLAIN and not member.issparse()


def _members(
    path: Path, archive: tarfile.TarFile, contents: Contents, progress: Progress
) -> Iterator[tuple[str, IO[bytes]]]:
    """The bundle's files, all those of its list and no others, each once."""
    due = {place: file.size for place, file in contents.files.items()}
    done, total = 0, sum(due.values())
    while (member := archive.next()) is not None:
        content = archive.extractfile(member) if _is_plain(member) else None
        if content is None or due.pop(member.name, None) != member.size:
            raise UserError(f"{path}: {member.name[:200]!r} is not a plain file of its list")
        progress(done, total, f"{member.name} (bytes)")
        done += member.size
        yield member.name, content
    if due:
        raise UserError(f"{path}: ends before {next(iter(due))}; copy it again")
    progress(total, total, "bytes")


def _place(place: str, content: IO[bytes], promised: str) -> None:
    """Write one file, if it is what it should be."""
    goal = target(place)
    goal.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with replacing(goal) as partial:
        with partial.open("xb") as file:
            while chunk := content.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
        if fault := _fault(place, partial, digest.hexdigest(), promised):
            raise EnvironmentFailure(f"{place} {fault}: not unpacked")


def _fault(place: str, partial: Path, digest: str, promised: str) -> str:
    folder, _, name = place.partition("/")
    if digest != promised:
        return f"has sha256 {digest}, the bundle's list says {promised}"
    if folder == "files":
        return by_address.mismatch(next(one for one in load_weights().values() if one.file == name), digest)
    name = name.rpartition("/")[2]
    own = digest if len(name) == 64 else git_proof.blob_sha1(partial)
    return "" if own == name else "does not have the bytes that its name promises"


def _check_room(contents: Contents) -> None:
    """Told before gigabytes are written, as far as the disks know it."""
    due = {target(place): file.size for place, file in contents.files.items() if not is_git_object(place)}
    for root in (cache(), home() / "weights"):
        need = sum(size for goal, size in due.items() if goal.is_relative_to(root) and not goal.exists())
        folder = next(folder for folder in (root, *root.parents) if folder.is_dir())
        if need > (free := shutil.disk_usage(folder).free):
            raise EnvironmentFailure(
                f"{folder}: {need / 1e9:.3f} GB are to be unpacked and {free / 1e9:.3f} GB are free: free some "
                "space, or set HF_HOME and MIRO_EVAL_HOME to another disk; nothing is unpacked"
            )


def _check_ways(contents: Contents) -> None:
    """Within the hub's cache nothing that is written lies behind a link, and a file's link stays in its repository."""
    for link in contents.links:
        _check_way(link.blob_path)
        _check_way(link.repository / "refs" / "main")
        inside = link.path.is_symlink() and link.path.resolve().parent == link.blob_path.parent.resolve()
        _check_way(link.path, may_be_link=inside)


def _check_way(path: Path, may_be_link: bool = False) -> None:
    """All folders on the way to a file are folders, or not there; so is the file a file."""
    odd = path.is_dir() or (path.is_symlink() and not may_be_link)
    root = cache()
    ways = [path, *path.parents]
    odd_ways = [way for way in ways[1 : ways.index(root)] if way.is_symlink() or (way.exists() and not way.is_dir())]
    if odd or odd_ways:
        place = odd_ways[-1] if odd_ways else path
        raise EnvironmentFailure(f"{place} is not the plain file or folder that it should be: take it away first")


def _judge(path: Path, links: list[Link], objects: dict[str, bytes], trust: bool, progress: Progress) -> list[str]:
    """Hold the bytes that each link will lead to against what is known; returns what was taken without proof."""
    unproved = []
    for number, link in enumerate(links):
        progress(number, len(links), f"{link.place} (files verified)")
        if not _holds(link, objects):
            unproved.append(link)
    if unproved and not trust:
        raise _unproved(path, unproved)
    for link in links:
        if link.runs_code:
            _remember(link, proved=link not in unproved)
    return [link.place for link in unproved]


def _remember(link: Link, proved: bool) -> None:
    """Proof outweighs what was seen first, which may have come from a bundle that nobody had proved."""
    where, first = _bytes_of(link), checksums.first_use(link.place)
    digest = checksums.digest_of(where.resolve())
    checksums.record_unproved(link.place, "" if proved else digest)
    if proved and first and first["sha256"] != digest:
        checksums.record_first_use(link.place, digest, where.stat().st_size, link.revision)


def _unproved(path: Path, links: list[Link]) -> EnvironmentFailure:
    others = f" (and {len(links) - 1} other files)" if len(links) > 1 else ""
    return EnvironmentFailure(
        f"{links[0].place}{others}: its repository's code is run, and {path} has no proof that the file is of the "
        f"pinned commit {links[0].revision[:12]}: nothing is unpacked; make the bundle on a machine with git and a "
        "network, or accept it without proof with --trust"
    )


def _bytes_of(link: Link) -> Path:
    """What the link leads to, or will lead to."""
    return link.path if link.path.exists() else link.blob_path


def _holds(link: Link, objects: dict[str, bytes]) -> bool:
    """Whether all is known that must be known of a file. Raises EnvironmentFailure: it is known to be another."""
    where, holds = _bytes_of(link), True
    if not where.exists():
        raise EnvironmentFailure(f"{link.place}: its bytes are neither here nor in the bundle: nothing is unpacked")
    try:
        fault = _code_fault(link, where, objects) if link.runs_code else _data_fault(link, where)
    except git_proof.Lacking:
        fault, holds = _data_fault(link, where), False
    if fault:
        raise EnvironmentFailure(f"{link.place} {fault}: nothing is unpacked")
    return holds


def _data_fault(link: Link, where: Path) -> str:
    return on_hub.fault(link.entry, on_hub.CachedFile(link.name, where))


def _code_fault(link: Link, where: Path, objects: dict[str, bytes]) -> str:
    """What is wrong with a file whose repository's code is run; its bytes are read here and now.
    Raises Lacking: it can't be told.
    """
    if link.pinned:
        with where.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return "" if digest == link.pinned else f"has sha256 {digest}, expected {link.pinned}"
    try:
        return git_proof.fault(git_proof.read_from(objects), link.revision, link.name, where)
    except ValueError as error:
        return f"has a false proof ({error})"


def _link(link: Link) -> None:
    """Make a file of a snapshot as the hub's client would have, and its branch, where they are not here."""
    if not link.path.exists():
        link.path.parent.mkdir(parents=True, exist_ok=True)
        link.path.unlink(missing_ok=True)
        link.path.symlink_to(os.path.relpath(link.blob_path, link.path.parent))
    branch = link.repository / "refs" / link.branch
    if link.branch and not branch.exists():
        branch.parent.mkdir(exist_ok=True)
        branch.write_text(link.revision, encoding="utf-8")


def _by_digits(written: dict[str, Path]) -> list[str]:
    """Weights whose publisher tells the first digits only: too few against somebody who wants them to fit."""
    weights = {f"files/{weight.file}": weight for weight in load_weights().values()}
    short = [weight for place, weight in weights.items() if place in written and len(weight.sha256) < 64]
    return [weight.file for weight in short if checksums.first_use(weight.name) is None]

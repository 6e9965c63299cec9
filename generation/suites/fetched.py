"""Published suites on disk: fetched from their official places, or from files brought along, and checked.

A file whose hash is published, its sha256 or git's id, must have it. Any other is trusted on first use: its sha256 is
written down beside it, and every later fetch and every use must find that again.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from generation.suites.catalogue import HUB, PublishedSuite, SuiteFile
from generation.suites.suite import MAX_BYTES, Suite
from wire import hub_client
from wire.errors import EnvironmentFailure, UserError
from wire.files import replacing
from wire.untrusted import read_bytes, read_json

#: Takes a line for the user.
Tell = Callable[[str], object]

#: Seconds without an answer after which a server is given up; prompts are small files.
TIMEOUT = 30.0
RECORD = "fetched.json"


def is_fetched(suite: PublishedSuite, folder: Path) -> bool:
    """Whether :func:`fetch` has been through."""
    return (folder / suite.id / RECORD).is_file()


def fetch(suite: PublishedSuite, folder: Path, tell: Tell, brought: Sequence[Path] = ()) -> Suite:
    """Get a suite's files, check them, and keep them in ``folder``, where all suites live.

    ``brought`` are the files, in order, where they came another way; ``tell`` takes what is trusted without a
    published hash.

    Raises:
        EnvironmentFailure: a place is out of reach, or what it gives is not the published file or the one before.
        UserError: the wrong number of files brought, or one cannot be read or is not that file.
    """
    contents = _brought(suite, brought) if brought else [_download(suite, file) for file in suite.files]
    known, unfit = _record(suite, folder), UserError if brought else EnvironmentFailure
    places = [str(path) for path in brought] or [f"suite {suite.id}: {file.name}" for file in suite.files]
    for file, content, place in zip(suite.files, contents, places, strict=True):
        if unlike := _unlike(file, content, known.get(file.name, _sha256(content))):
            raise unfit(f"{place} {unlike}; nothing was kept of it")
    try:
        made = Suite(suite.id, lambda: _lines(suite, contents, places))
        if len(made.lines) != suite.prompts:
            which = f" in {', '.join(places)}" if brought else ""
            raise unfit(f"suite {suite.id}: {len(made.lines)} prompts{which}, {suite.prompts} expected; not kept")
    except UnicodeDecodeError as error:
        raise unfit(f"{', '.join(places)}: not UTF-8 text ({error.reason}); not kept") from error
    home = folder / suite.id
    home.mkdir(parents=True, exist_ok=True)
    for file, content in zip(suite.files, contents, strict=True):
        _replace(home / file.name, content)
    record = {file.name: _sha256(content) for file, content in zip(suite.files, contents, strict=True)}
    _replace(home / RECORD, json.dumps(record, indent=2).encode())  # last: without it the files do not count
    for file in suite.files:
        if not file.pinned and not known:
            digest = f"sha256 {record[file.name]}"
            tell(f"suite {suite.id}: no hash of {file.name} is published; trusted now, and recorded: {digest}")
    return made


def read_fetched(suite: PublishedSuite, folder: Path) -> Suite:
    """A suite that was fetched.

    Raises:
        UserError: it was not, or a file has changed since.
    """
    if not is_fetched(suite, folder):
        raise UserError(f"suite {suite.id} is not here yet; get it with `miro-eval suites fetch {suite.id}`")
    contents, known = [], _record(suite, folder)
    for file in suite.files:
        path = folder / suite.id / file.name
        content = read_bytes(path, MAX_BYTES) if path.is_file() else b""
        if _unlike(file, content, known.get(file.name, "")):
            raise UserError(
                f"{path}: missing or changed since it was fetched; delete {path.parent}, then "
                f"`miro-eval suites fetch {suite.id}`"
            )
        contents.append(content)
    return Suite(suite.id, lambda: _lines(suite, contents, [file.name for file in suite.files]))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unlike(file: SuiteFile, content: bytes, first: str) -> str:
    """What tells that this is not the published file or, where none is known, not the first one; empty where it is."""
    kind, own, due = "sha256", _sha256(content), file.sha256 or first
    if file.git_blob:
        named = b"blob %d\0" % len(content) + content
        kind, own, due = "git id", hashlib.sha1(named, usedforsecurity=False).hexdigest(), file.git_blob
    origin = "is published" if file.pinned else "was found at the first fetch"
    return "" if own == due else f"has {kind} {own}, but {due} {origin}"


def _lines(suite: PublishedSuite, contents: Sequence[bytes], places: Sequence[str]) -> list[dict[str, object]]:
    parts = zip(suite.files, contents, places, strict=True)
    return [line for file, content, place in parts for line in file.lines(content.decode("utf-8-sig"), place)]


def _record(suite: PublishedSuite, folder: Path) -> dict[str, str]:
    """File name to sha256, as of the first fetch; empty before."""
    path = folder / suite.id / RECORD
    try:
        return dict(read_json(path)) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: unreadable ({error}); delete {path.parent} and fetch the suite again") from error


def _brought(suite: PublishedSuite, paths: Sequence[Path]) -> list[bytes]:
    if len(paths) != len(suite.files):
        names = ", ".join(file.name for file in suite.files)
        raise UserError(f"suite {suite.id} is made of {len(suite.files)} files ({names}), not {len(paths)}")
    try:
        return [read_bytes(path, MAX_BYTES) for path in paths]
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _download(suite: PublishedSuite, file: SuiteFile) -> bytes:
    elsewhere = f"get it elsewhere, then `miro-eval suites fetch {suite.id} --from FILE`"
    if file.url.startswith(HUB):
        try:
            return hub_client.read(file.url.removeprefix(HUB), TIMEOUT)
        except EnvironmentFailure as error:
            raise EnvironmentFailure(f"suite {suite.id}: {error}; {elsewhere}") from error
    try:
        with urllib.request.urlopen(file.url, timeout=TIMEOUT) as answer:  # noqa: S310 - our own list
            content: bytes = answer.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EnvironmentFailure(f"suite {suite.id}: {file.url} cannot be fetched ({error}); {elsewhere}") from error
    return content


def _replace(path: Path, content: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(content)

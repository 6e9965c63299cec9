"""What this machine has seen of the weights: ``<home>/weights/ledger.json``."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock

from wire.errors import UserError
from wire.files import sha256_of_file, write_atomically
from wire.paths import home
from wire.untrusted import read_json

_threads = threading.Lock()


class Use(msgspec.Struct):
    """Bytes at their first use; on the hub, of which revision."""

    sha256: str
    revision: str
    size: int = 0


class Seen(msgspec.Struct):
    """Bytes that were hashed; of a file, with its size, time and inode."""

    sha256: str
    stamp: list[int] = []


class Ledger(msgspec.Struct):
    """The file's sections; others are kept, and not looked at."""

    #: Place -> what was seen there of files whose digest nobody had pinned: trust on first use. The same place with
    #: other bytes is a mismatch from then on.
    first_use: dict[str, Use] = {}
    #: Place -> files that came in a bundle without the proof that they need, and were taken with ``--trust``: such
    #: bytes are never recorded as a first use.
    unproved: dict[str, Seen] = {}
    #: Path -> a file that was hashed: an untouched file is not hashed again.
    verified: dict[str, Seen] = {}


def path() -> Path:
    """Path of the ledger."""
    return home() / "weights" / "ledger.json"


def digest_of(file: Path) -> str:
    """sha256 of a file, from the ledger where the file has not been touched since it was hashed."""
    status = file.stat()
    stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
    known = _section("verified").get(str(file), {})
    if known.get("stamp") == stamp:
        return str(known["sha256"])
    digest = sha256_of_file(file)
    _update("verified", str(file), {"stamp": stamp, "sha256": digest})
    return digest


def first_use(place: str) -> dict[str, Any] | None:
    """What was recorded when ``place`` was first used."""
    return _section("first_use").get(place)


def record_first_use(place: str, digest: str, size: int, revision: str = "") -> None:
    """Remember the bytes of a file whose digest is not pinned."""
    _update("first_use", place, {"sha256": digest, "size": size, "revision": revision})


def unproved(place: str) -> str:
    """Digest of the bytes that were taken without proof; empty where there are none such."""
    return str(_section("unproved").get(place, {}).get("sha256", ""))


def record_unproved(place: str, digest: str) -> None:
    """Remember bytes that were taken without proof; an empty digest, that there are none (any more)."""
    if digest != unproved(place):
        _update("unproved", place, {"sha256": digest})


def read_ledger(file: Path) -> dict[str, Any]:
    """The whole ledger; empty where there is none yet. Raises UserError: it cannot be read."""
    try:
        record: dict[str, Any] = read_json(file)
        msgspec.convert(record, Ledger)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: unreadable ({error}); move it away; the weights are then verified again") from error
    return record


def _section(name: str) -> dict[str, dict[str, Any]]:
    return dict(read_ledger(path()).get(name, {}))


def _update(section: str, key: str, value: dict[str, Any]) -> None:
    path().parent.mkdir(parents=True, exist_ok=True)
    with _threads, FileLock(path().with_suffix(".lock")):
        record = read_ledger(path())
        record[section] = record.get(section, {}) | {key: value}
        write_atomically(path(), json.dumps(record, indent=1, sort_keys=True) + "\n")

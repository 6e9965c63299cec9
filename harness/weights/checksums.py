"""What this machine has seen of the weights: ``<home>/weights/ledger.json``.

``first_use``  place -> digest, size and, on the hub, revision, of files whose digest nobody had pinned: trust on
               first use. The same place with other bytes is a mismatch from then on.
``unproved``   place -> digest of files that came in a bundle without the proof that they need, and were taken with
               ``--trust``: such bytes are never recorded as a first use.
``verified``   path -> size, time, inode and digest of files that were hashed: an untouched file is not hashed again.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock

from wire.errors import UserError
from wire.files import sha256_of_file, write_atomically
from wire.paths import home
from wire.row_files import unique_keys

_threads = threading.Lock()


def path() -> Path:
    """Where the ledger lies."""
    return home() / "weights" / "ledger.json"


def digest_of(file: Path) -> str:
    """sha256 of a file, from the ledger where the file has not been touched since it was hashed."""
    stamp = _stamp(file)
    known = _section(_read(), "verified").get(str(file))
    if isinstance(known, dict) and known.get("stamp") == stamp and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    digest = sha256_of_file(file)
    _update("verified", str(file), {"stamp": stamp, "sha256": digest})
    return digest


def first_use(place: str) -> dict[str, Any] | None:
    """What was recorded when ``place`` was first used."""
    known = _section(_read(), "first_use").get(place)
    return known if isinstance(known, dict) else None


def record_first_use(place: str, digest: str, size: int, revision: str = "") -> None:
    """Remember the bytes of a file whose digest is not pinned."""
    _update("first_use", place, {"sha256": digest, "size": size, "revision": revision})


def unproved(place: str) -> str:
    """Digest of the bytes that were taken without proof; empty where there are none such."""
    known = _section(_read(), "unproved").get(place)
    return known["sha256"] if isinstance(known, dict) and isinstance(known.get("sha256"), str) else ""


def record_unproved(place: str, digest: str) -> None:
    """Remember bytes that were taken without proof; an empty digest, that there are none (any more)."""
    if digest != unproved(place):
        _update("unproved", place, {"sha256": digest})


def _stamp(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def read_ledger(file: Path) -> dict[str, Any]:
    """The whole ledger; empty where there is none yet.

    Raises:
        UserError: it cannot be read.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)
        uses = record.get("first_use", {}).values()
        if not all(isinstance(use["sha256"] + use["revision"], str) for use in uses):
            raise TypeError("an entry of first_use lacks its digest")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, TypeError, AttributeError, KeyError) as error:
        raise UserError(f"{file}: unreadable ({error}); move it away, and the weights are verified anew") from error
    return dict(record)


def _read() -> dict[str, Any]:
    return read_ledger(path())


def _section(record: dict[str, Any], name: str) -> dict[str, Any]:
    section = record.get(name)
    return section if isinstance(section, dict) else {}


def _update(section: str, key: str, value: dict[str, Any]) -> None:
    path().parent.mkdir(parents=True, exist_ok=True)
    with _threads, FileLock(path().with_suffix(".lock")):
        record = _read()
        record[section] = _section(record, section) | {key: value}
        write_atomically(path(), json.dumps(record, indent=1, sort_keys=True) + "\n")

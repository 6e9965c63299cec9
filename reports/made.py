"""What was made before still stands where neither the code, nor the files it was made from, nor itself has changed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reports.files import write_json
from reports.read.runs import MANIFEST, RESULTS, REWARDS
from wire.errors import UserError
from wire.files import sha256_of_file
from wire.untrusted import read_json

#: Name of the record in a report's folder.
RECORD = "made_from.json"
SCHEMA = "miro-eval/made_from/1"
#: Decide the last digits, and how they are written.
_LIBRARIES = ("jinja2", "msgspec", "numpy", "pandas", "pyarrow", "scipy")
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Made:
    """Files of one folder, and what decides their bytes."""

    folder: Path  #: where they are
    record: Path  #: the file that tells what they were made from, and their hashes then
    origin: dict[str, Any]  #: what they would be made from now

    def stands(self) -> bool:
        """Whether making them anew would give the same bytes."""
        try:
            record = read_json(self.record)
            hashes: dict[str, str] = record["files"] if record["from"] == self.origin else {}
            return bool(hashes) and all(_hash(self.folder / Path(name).name) == told for name, told in hashes.items())
        except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def note(self, files: Sequence[Path]) -> None:
        """They were made, just now."""
        hashes = {path.name: sha256_of_file(path) for path in files}
        write_json(self.record, {"schema": SCHEMA, "from": self.origin, "files": hashes})


def origin(places: Sequence[Path], known: Mapping[Path, str], **options: Any) -> dict[str, Any]:
    """Everything that decides what is made of runs: code, ``options``, files' hashes (those not ``known`` are read)."""
    files = [file for place in places for file in _files(place)]
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(lambda file: known.get(file.absolute()) or _hash(file), files))
    read = [[str(file), digest] for file, digest in zip(files, hashes, strict=True)]
    return {"code": _code(), **options, "runs": [str(place.resolve()) for place in places], "files": read}


def _files(place: Path) -> Iterator[Path]:
    folder = place if place.is_dir() else place.parent
    yield folder / MANIFEST
    yield from (folder / RESULTS, folder / REWARDS) if place.is_dir() else (place,)


def _hash(file: Path) -> str | None:
    return sha256_of_file(file) if file.is_file() else None


@cache
def _code() -> str:
    """Hash of all that works on rows here; it cannot change under a process that has it loaded."""
    digest = hashlib.sha256(repr((sys.version_info, *map(version, _LIBRARIES))).encode())
    sources = (*(_ROOT / "wire").glob("*.py"), *(_ROOT / "reports").rglob("*"))
    for source in sorted(path for path in sources if path.is_file() and path.suffix != ".pyc"):
        digest.update(f"\0{source.relative_to(_ROOT)}\0".encode() + source.read_bytes())
    return digest.hexdigest()

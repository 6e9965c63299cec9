"""``envs/weights.toml``: every weight of every stage, with where it comes from and what its bytes must be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import tomllib

from wire.errors import UserError
from wire.paths import home, weights_manifest

#: How ``weights list`` calls a digest or a revision that nobody here has seen.
UNPINNED = "unpinned"

_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_NAME = re.compile(r"[\w.-]+")
#: A file name of its own, in no folder, neither hidden nor a way out.
_PLAIN_FILE = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass(frozen=True)
class WeightFile:
    """A file that is published by address.

    Attributes:
        name: how stages ask for it.
        file: file name on disk.
        urls: where it is published, tried in order.
        sha256: expected digest, whole or its leading digits.
        stages: worker modules that need it.
        licence, source: for the user.
        size: bytes; 0 where nobody here has seen the file.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    sha256: str
    stages: tuple[str, ...]
    licence: str
    source: str
    size: int = 0

    @property
    def path(self) -> Path:
        """Where the verified file is, or will be."""
        return home() / "weights" / self.file


@dataclass(frozen=True)
class HubWeight:
    """Files of one repository of the Hugging Face hub.

    Attributes:
        name: how the user asks for it.
        repo: ``owner/name``.
        files: patterns; see :mod:`wire.hub_files`.
        stages: worker modules that need it.
        licence, source: for the user.
        revision: commit, of the list or of the card of the scorer that uses it; empty for the main branch.
        sha256: file -> digest, where known.
        extra: only fetched when named.
        runs_code: its Python code is run.
    """

    name: str
    repo: str
    files: tuple[str, ...]
    stages: tuple[str, ...]
    licence: str
    source: str
    revision: str = ""
    sha256: dict[str, str] = field(default_factory=dict)
    extra: bool = False
    runs_code: bool = False


def load_weights() -> dict[str, WeightFile]:
    """The files published by address, by name."""
    return _list()[0]


def load_hub() -> dict[str, HubWeight]:
    """The hub's repositories, by name."""
    return _list()[1]


@cache
def _list() -> tuple[dict[str, WeightFile], dict[str, HubWeight]]:
    return parse(weights_manifest().read_text(encoding="utf-8"))


def weights_of(stage: str) -> list[WeightFile]:
    """The files published by address that a stage needs."""
    return [weight for weight in load_weights().values() if stage in weight.stages]


def parse(text: str) -> tuple[dict[str, WeightFile], dict[str, HubWeight]]:
    """Both kinds of entries.

    Raises:
        UserError: not TOML, or an entry that is not as described above.
    """
    try:
        entries: dict[str, Any] = tomllib.loads(text)
        hub = entries.pop("hub", {})
        files = {name: WeightFile(**_fields(name, entry, "urls", "stages")) for name, entry in entries.items()}
        repositories = {
            name: _pinned(HubWeight(**_fields(name, entry, "files", "stages"))) for name, entry in hub.items()
        }
    except (tomllib.TOMLDecodeError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"weights.toml: {error}") from error
    for weight in files.values():
        _check_file(weight)
    for repository in repositories.values():
        _check_repository(repository)
    return files, repositories


@cache
def _revisions() -> dict[str, str]:
    """Commits by repository, as the scorers' cards pin them."""
    from rewards.scorers import SCORERS

    weights = [weight for scorer in SCORERS.values() for weight in scorer.card.weights]
    return {weight.source: weight.revision for weight in weights if _COMMIT.fullmatch(weight.revision)}


def _pinned(entry: HubWeight) -> HubWeight:
    if not isinstance(entry.repo, str) or entry.repo not in _revisions():
        return entry
    _require(not entry.revision, entry.name, "its 'revision' stands in its scorer's card, and there alone")
    return replace(entry, revision=_revisions()[entry.repo])


def _fields(name: str, entry: Any, *lists: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise TypeError(f"{name}: expected a table, found {entry!r}")
    texts = {key: entry.get(key, []) for key in lists}
    if not all(isinstance(value, list) and all(isinstance(part, str) for part in value) for value in texts.values()):
        raise TypeError(f"{name}: {' and '.join(lists)} must be lists of text")
    return {"name": name, **entry} | {key: tuple(value) for key, value in texts.items()}


def _check_file(weight: WeightFile) -> None:
    _require(_is_text(weight.file, _PLAIN_FILE), weight.name, "'file' must be a plain file name")
    _require(_is_text(weight.sha256, _DIGEST), weight.name, "'sha256' must be 8 to 64 hexadecimal digits")
    _require(type(weight.size) is int and weight.size >= 0, weight.name, "'size' must be a number of bytes")


def _check_repository(entry: HubWeight) -> None:
    _require(_is_text(entry.name, _NAME), entry.name, "a name of letters, digits, '.', '_' and '-' is expected")
    _require(_is_text(entry.repo, _REPO), entry.name, "'repo' must be a repository id")
    pinned = isinstance(entry.revision, str) and bool(_COMMIT.fullmatch(entry.revision))
    _require(pinned or entry.revision == "", entry.name, "'revision' must be a full commit hash")
    _require(pinned or not entry.runs_code, entry.name, "code is only run from a pinned revision")
    digests = entry.sha256.values() if isinstance(entry.sha256, dict) else [None]
    _require(all(_is_text(digest, _DIGEST) and len(str(digest)) == 64 for digest in digests), entry.name, "bad sha256")


def _is_text(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _require(holds: bool, name: str, message: str) -> None:
    if not holds:
        raise UserError(f"weights.toml: {name}: {message}")

"""``envs/weights.toml``: every weight of every stage, with where it comes from and what its bytes must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import tomllib

from wire.errors import UserError
from wire.hub import Repository
from wire.paths import home, weights_manifest

#: How ``weights list`` calls a digest or a revision that nobody here has seen.
UNPINNED = "unpinned"

#: A file name of its own, in no folder, neither hidden nor a way out.
PlainFile = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.+-]*\Z")]
Repo = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?\Z")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]+\Z")]
Digits = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8,64}\Z")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Commit = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{40})?\Z")]
Bytes = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True)
class WeightFile:
    """A file that is published by address."""

    name: Name  #: how stages, the worker modules, ask for it
    file: PlainFile
    urls: tuple[str, ...]  #: where it is published, tried in order
    sha256: Digits  #: expected digest, whole or its leading digits
    stages: tuple[str, ...]
    licence: str
    source: str
    size: Bytes = 0  #: bytes; 0 where nobody here has seen the file

    @property
    def path(self) -> Path:
        """Where the verified file is, or will be."""
        return home() / "weights" / self.file


@dataclass(frozen=True)
class HubWeight:
    """Files of one repository of the Hugging Face hub."""

    name: Name
    repo: Repo
    files: tuple[str, ...]  #: patterns; see :func:`wire.hub.choose`
    stages: tuple[str, ...]
    licence: str
    source: str
    revision: Commit = ""  #: commit, of the list or of the card of the scorer that uses it; empty for the main branch
    sha256: dict[str, Sha256] = field(default_factory=dict)  #: file -> digest, where known
    extra: bool = False  #: only fetched when named
    runs_code: bool = False  #: its Python code is run

    def __post_init__(self) -> None:
        """Refuse code of a branch."""
        if self.runs_code and not self.revision:
            raise ValueError("code is only run from a pinned revision")

    @property
    def repository(self) -> Repository:
        """The repository at its revision, in the hub's cache and on the hub."""
        return Repository(self.repo, self.revision)


T = TypeVar("T", WeightFile, HubWeight)


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
    """Both kinds of entries. Raises UserError: not TOML, or an entry that is not as described above."""
    try:
        entries: dict[str, Any] = tomllib.loads(text)
        hub = entries.pop("hub", {})
        pinned = {name: _pinned(name, entry) for name, entry in hub.items()}
        return _entries(entries, WeightFile), _entries(pinned, HubWeight)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"weights.toml: {' '.join(str(error).split())}") from error


@cache
def _revisions() -> dict[str, str]:
    """Commits by repository, as the scorers' cards pin them."""
    from rewards.scorers import SCORERS

    weights = [weight for scorer in SCORERS.values() for weight in scorer.card.weights]
    return {weight.source: weight.revision for weight in weights if re.fullmatch(r"[0-9a-f]{40}", weight.revision)}


def _pinned(name: str, table: Any) -> Any:
    """The table with the revision of its scorer's card."""
    pin = _revisions().get(str(table.get("repo"))) if isinstance(table, dict) else None
    if pin and table.get("revision"):
        raise ValueError(f"{name}: its 'revision' stands in its scorer's card, and there alone")
    return {**table, "revision": pin} if pin else table


def _entries(tables: Mapping[str, Any], kind: type[T]) -> dict[str, T]:
    known = {part.name for part in fields(kind)}
    entries = {}
    for name, table in tables.items():
        if not isinstance(table, dict) or not table.keys() <= known - {"name"}:
            raise ValueError(f"{name}: expected a table of {', '.join(sorted(known))}, found {table!r}")
        try:
            entries[name] = msgspec.convert({"name": name, **table}, kind)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}: {error}") from error
    return entries

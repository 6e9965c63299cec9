"""The published suites: where each is to be had, and how its file is known to be the right one.

They stand in ``published.json``, with a ``sha256`` where the official file itself was hashed (at the commit in its
address), or a ``git_blob`` where only git's tree of that commit could be read. The others are trusted on first use:
their hash is recorded then, and a later file must have it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generation.suites.suite import Metadata, parse
from wire.errors import UserError

#: Stands for the hub's address, which ``HF_ENDPOINT`` may change.
HUB = "hub://"
#: Old name -> name.
ALIASES = {"geneval-long": "geneval-long-bagel"}


@dataclass(frozen=True)
class SuiteFile:
    """One file of a suite; the suffix of its name is its format."""

    name: str
    url: str
    #: Of the official file; empty where it is not known.
    sha256: str = ""
    #: Git's id of the official file, where its sha256 is not known: sha1 of ``blob``, its length, a NUL, its content.
    git_blob: str = ""
    #: Columns to keep, as (name in the file, name in the suite), first that which tells prompts apart; empty keeps all.
    keep: Sequence[Sequence[str]] = ()
    #: A key of a prompt's line, and the columns there of each of the prompt's rows, with the ``row``'s place.
    gather: tuple[str, Sequence[Sequence[str]]] = ("", ())
    #: What every line is given besides.
    add: Metadata = field(default_factory=dict)
    #: Give each line its position in the file as ``idx``.
    numbered: bool = False

    @property
    def pinned(self) -> bool:
        """Whether a hash of the official file is published here."""
        return bool(self.sha256 or self.git_blob)

    def lines(self, text: str, place: str) -> list[Metadata]:
        """The prompts in the file's text; rows with one value in the first column to keep are one prompt's."""
        lines = parse(text, self.name.rpartition(".")[2], place)
        if self.keep:
            (key, columns), prompts = self.gather, dict[str, Metadata]()
            for row, line in enumerate(lines):
                kept = {new: line.get(old, "") for old, new in self.keep} | ({key: []} if key else {})
                prompt = prompts.setdefault(line.get(self.keep[0][0], ""), kept)
                if key:
                    prompt[key].append({new: line.get(old, "") for old, new in columns} | {"row": row})
            lines = [*prompts.values()]
        number = [{"idx": index} if self.numbered else {} for index in range(len(lines))]
        return [self.add | idx | line for idx, line in zip(number, lines, strict=True)]


@dataclass(frozen=True)
class PublishedSuite:
    """A suite that is fetched from its official place; ``prompts`` is how many its paper or page tells."""

    id: str
    title: str
    prompts: int
    licence: str
    files: tuple[SuiteFile, ...]
    #: Who says of an image whether it shows its prompt: ``geneval``, or a metric id; empty where nobody here does.
    judge: str = ""
    #: :attr:`generation.suites.suite.Suite.sha256` of the whole; empty where it is not known.
    content: str = ""


def find_published(name: str) -> PublishedSuite:
    """The entry of that name, or of what has that old name.

    Raises:
        UserError: there is none.
    """
    name = ALIASES.get(name, name)
    if name not in PUBLISHED:
        raise UserError(f"{name}: no published suite of that name; known are {', '.join(PUBLISHED)}")
    return PUBLISHED[name]


def _published(record: dict[str, Any]) -> PublishedSuite:
    return PublishedSuite(**{**record, "files": tuple(SuiteFile(**file) for file in record["files"])})


_RECORDS = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
PUBLISHED: dict[str, PublishedSuite] = {suite.id: suite for suite in map(_published, _RECORDS)}

"""What a suite is, and how one is read from a file of the user's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from generation.suites.formats import Metadata, parse
from wire.errors import UserError


@dataclass(frozen=True)
class Suite:
    """A named, ordered list of prompts.

    Attributes:
        id: name shown in tables, e.g. ``geneval``.
        build: returns the metadata of each prompt, in order; every one has a ``prompt``, which may be empty.
    """

    id: str
    build: Callable[[], list[Metadata]]

    @cached_property
    def lines(self) -> list[Metadata]:
        """Metadata of each prompt, built once; not to be changed."""
        return self.build()

    @property
    def jsonl(self) -> bytes:
        """The suite as a file: one ``json.dumps`` a line."""
        return "".join(json.dumps(line) + "\n" for line in self.lines).encode()

    @cached_property
    def sha256(self) -> str:
        """Hash of :attr:`jsonl`: two suites with the same content agree, however their files are spaced."""
        return hashlib.sha256(self.jsonl).hexdigest()

    @cached_property
    def has_geneval(self) -> bool:
        """Whether any of its prompts says what GenEval's judge should find; a line that does not is left unscored."""
        return any(isinstance(line.get("tag"), str) and isinstance(line.get("include"), list) for line in self.lines)


def read_suite(path: Path) -> Suite:
    """A suite from a file; its suffix tells the format, see :func:`generation.suites.formats.parse`.

    Raises:
        UserError: the file cannot be read, is empty, or a line has no prompt; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a suite ({error})") from error
    lines = parse(text, path.suffix.lower().removeprefix("."), str(path))
    if not lines:
        raise UserError(f"{path}: no prompts in it; expected one a line")
    return Suite(path.stem, lambda: lines)

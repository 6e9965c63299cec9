"""What a suite is, and how one is read from a file of the user's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import UserError

Metadata = dict[str, Any]


@dataclass(frozen=True)
class Suite:
    """A named, ordered list of prompts.

    Attributes:
        id: name shown in tables, e.g. ``geneval``.
        build: returns the metadata of each prompt, in order; every one has a non-empty ``prompt``.
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


def read_suite(path: Path) -> Suite:
    """A suite from a JSONL file: each line an object with a non-empty string ``prompt``.

    Raises:
        UserError: the file cannot be read, is empty, or a line is not such an object; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a suite ({error})") from error
    numbered = enumerate(text.split("\n"), start=1)
    lines = [_parse(line, f"{path}:{number}") for number, line in numbered if line.strip()]
    if not lines:
        raise UserError(f"{path}: no prompts in it; expected one JSON object a line, each with a 'prompt'")
    return Suite(path.stem, lambda: lines)


def _parse(line: str, place: str) -> Metadata:
    try:
        metadata = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}: not valid JSON ({error})") from error
    if not isinstance(metadata, dict):
        raise UserError(f"{place}: expected a JSON object, found {type(metadata).__name__}")
    prompt = metadata.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UserError(f"{place}: needs a non-empty string under 'prompt'")
    return metadata

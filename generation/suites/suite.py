"""What a suite is, and the formats that one is read from: each prompt becomes an object with a ``prompt``."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wire.errors import UserError
from wire.untrusted import is_text, parse_json, read_bytes
from wire.vocabulary import DPG, SOFT_TIFA

Metadata = dict[str, Any]

#: Names under which published tables keep their prompts.
PROMPT_COLUMNS = ("prompt", "prompts", "text")
#: Bytes of the largest file of prompts that is read.
MAX_BYTES = 256 << 20


def parse(text: str, suffix: str, place: str) -> list[Metadata]:
    """Metadata of each prompt, in the file's order. An empty prompt is one, and is generated; an empty line is none.

    ``txt``: a prompt a line. ``csv``, ``tsv``: a heading, then a row a prompt. ``json``: a list of strings or objects.
    Any other suffix is taken for JSON lines: an object a line. ``place`` is the file, for messages.

    Raises:
        UserError: something in it has no string as its prompt; names file and line.
    """
    try:
        return list(_READERS.get(suffix, _json_lines)(text, place))
    except csv.Error as error:
        raise UserError(f"{place}: not a table ({error})") from error


def _plain_lines(text: str, place: str) -> Iterator[Metadata]:
    for line in text.split("\n"):
        if line.strip():
            yield {"prompt": line.strip()}


def _json_lines(text: str, place: str) -> Iterator[Metadata]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _with_prompt(_json(line, f"{place}:{number}"), f"{place}:{number}")


def _json_list(text: str, place: str) -> Iterator[Metadata]:
    entries = _json(text, place)
    if not isinstance(entries, list):
        raise UserError(f"{place}: expected a JSON list, found {type(entries).__name__}")
    for number, entry in enumerate(entries, start=1):
        yield _with_prompt({"prompt": entry} if isinstance(entry, str) else entry, f"{place}, entry {number}")


_LETTERS = {",": "commas", "\t": "tabs"}


def _table(delimiter: str) -> Callable[[str, str], Iterator[Metadata]]:
    def read(text: str, place: str) -> Iterator[Metadata]:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        headings = [name.strip().lower() for name in rows.fieldnames or () if name]
        names = {name: name.strip().lower() for name in rows.fieldnames or () if name}
        prompt = next((name for column in PROMPT_COLUMNS for name in names if names[name] == column), None)
        if prompt is None:
            raise UserError(f"{place}: its heading names no column {', '.join(PROMPT_COLUMNS)}")
        if headings.count(names[prompt]) > 1:
            raise UserError(f"{place}: its heading names {names[prompt]!r} twice")
        for row in rows:
            if any(cell.strip() for cell in row.pop(None, ())):  # type: ignore[call-overload]
                more = f"more cells than the heading has ({len(headings)})"
                raise UserError(f"{place}:{rows.line_num}: {more}: write prompts with {_LETTERS[delimiter]} in quotes")
            filled = {names[name]: row[name] for name in names if row[name] and name != prompt}
            yield _with_prompt({"prompt": row[prompt]} | filled, f"{place}:{rows.line_num}")

    return read


def _json(text: str, place: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise UserError(f"{place}: not valid JSON ({error})") from error


def _with_prompt(metadata: Any, place: str) -> Metadata:
    if not isinstance(metadata, dict):
        raise UserError(f"{place}: expected a JSON object, found {type(metadata).__name__}")
    prompt = metadata.get("prompt")
    if not isinstance(prompt, str):
        raise UserError(f"{place}: needs a string under 'prompt'")
    if not is_text(metadata):
        raise UserError(f"{place}: holds halves of characters (lone surrogates), which no file can keep")
    return metadata


_READERS: dict[str, Callable[[str, str], Iterator[Metadata]]] = {
    "txt": _plain_lines,
    "csv": _table(","),
    "tsv": _table("\t"),
    "json": _json_list,
}


@dataclass(frozen=True)
class Suite:
    """A named, ordered list of prompts; ``id`` is shown in tables, e.g. ``geneval``."""

    id: str
    #: Returns the metadata of each prompt, in order; every one has a ``prompt``, which may be empty.
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

    @property
    def questions(self) -> int:
        """How many questions its prompts bring for a judge."""
        return sum(len(asked) for line in self.lines for key in _QUESTIONS if isinstance(asked := line.get(key), list))

    @cached_property
    def has_geneval(self) -> bool:
        """Whether any of its prompts says what GenEval's judge should find; a line that does not is left unscored."""
        return any(isinstance(line.get("tag"), str) and isinstance(line.get("include"), list) for line in self.lines)


#: Key of a line that holds questions -> the metric that asks them: GenEval 2's and DPG-Bench's.
_QUESTIONS = {"vqa_list": SOFT_TIFA, "dpg": DPG}


def questions_judge(metadata: Mapping[str, Any]) -> str:
    """The metric that asks what a suite's line brings questions for; empty where it brings none."""
    return next((metric for key, metric in _QUESTIONS.items() if isinstance(metadata.get(key), list)), "")


def read_suite(path: Path) -> Suite:
    """A suite from a file; its suffix tells the format, see :func:`parse`.

    Raises:
        UserError: the file cannot be read, is empty, or a line has no prompt; names file and line.
    """
    try:
        text = read_bytes(path, MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a suite ({error})") from error
    lines = parse(text, path.suffix.lower().removeprefix("."), str(path))
    if not lines:
        raise UserError(f"{path}: no prompts in it; expected one per line")
    return Suite(path.stem, lambda: lines)

"""What GenEval rows and reward rows have in common: where a row stands, its fields, which prompt it belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from wire.errors import UserError
from wire.protocol import MAX_LINE, read_rows

#: Upstream's layout, ``00012/samples/0003.png``: line of the suite and number of the sample. Some tools pad the
#: sample to five digits or prefix folders of their own.
LAYOUT = re.compile(r"(?:^|[/\\])(\d+)[/\\]samples[/\\](\d+)\.\w+$")

Field = TypeVar("Field")


@dataclass(frozen=True)
class SourceRow:
    """One row of a JSONL file, and where it stands.

    Attributes:
        path: the file.
        ordinal: which row of the file, from 1; blank lines do not count.
        values: the row's keys.
    """

    path: Path
    ordinal: int
    values: dict[str, Any]

    def text(self, key: str) -> str:
        """A text field.

        Raises:
            UserError: it is missing or not text.
        """
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.error(f"{key!r} must be text, found {_described(value)}")
        return value

    def optional_text(self, key: str) -> str:
        """A text field that may be missing or null: then empty."""
        value = self.values.get(key)
        if isinstance(value, str):
            return value
        return "" if value is None else self.text(key)

    def index(self, key: str) -> int | None:
        """A count from 0; None where missing.

        Raises:
            UserError: it is something else than a whole number from 0.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(f"{key!r} must be a whole number from 0, found {_described(value)}")
        return value

    def error(self, message: str) -> UserError:
        """An error that names file and line."""
        return UserError(f"{self.path}:{_line_number(self.path, self.ordinal)}: {message}")


@dataclass(frozen=True)
class SourceTable:
    """All rows of a JSONL file, read a column at a time: a row is looked at by itself only where something is odd.

    Attributes:
        path: the file.
        records: the rows' keys and values.
        kept: the columns that were asked for, where nothing else was kept of the rows.
    """

    path: Path
    records: Sequence[dict[str, Any]]
    kept: Mapping[str, list[Any]] | None = None

    def __len__(self) -> int:
        return len(self.records)

    def row(self, place: int) -> SourceRow:
        """The row at a place, from 0."""
        return SourceRow(self.path, place + 1, self.records[place])

    def column(self, key: str) -> list[Any]:
        """A key's values, None where a row has none."""
        columns = self._turned if self.kept is None else self.kept
        if columns is None:
            return [record.get(key) for record in self.records]
        return columns[key] if key in columns else [None] * len(self)

    @cached_property
    def _turned(self) -> Mapping[str, list[Any]] | None:
        """All columns, where all rows have the same keys in one order: turned over at once, which is far quicker."""
        layouts = set(map(tuple, self.records))
        if len(layouts) != 1:
            return None
        columns = zip(*map(dict.values, self.records), strict=True)
        return dict(zip(layouts.pop(), map(list, columns), strict=True))

    def texts(self, key: str) -> list[str]:
        """:meth:`SourceRow.text` of all rows."""
        return self.fields(self.column(key), {str}, lambda row: row.text(key))

    def optional_texts(self, key: str) -> list[str]:
        """:meth:`SourceRow.optional_text` of all rows."""
        return self.fields(self.column(key), {str}, lambda row: row.optional_text(key))

    def indices(self, key: str) -> list[int | None]:
        """:meth:`SourceRow.index` of all rows."""
        column = self.column(key)
        kinds = set(map(type, column))
        if kinds <= {type(None)} or (kinds == {int} and min(column) >= 0):
            return column
        return [self.row(place).index(key) for place in range(len(self))]

    def fields(self, column: list[Any], plain: set[type], read: Callable[[SourceRow], Field]) -> list[Field]:
        """A column as it is where all its values are of ``plain`` types, else what ``read`` makes of each row.

        Raises:
            UserError: as ``read`` does.
        """
        if set(map(type, column)) <= plain:
            return column
        return [read(self.row(place)) for place in range(len(self))]


class _LaterRecords(Sequence[dict[str, Any]]):
    """Rows of which columns are known, read with care once one of them must be looked at by itself."""

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._count = path, count

    @cached_property
    def _read(self) -> list[dict[str, Any]]:
        rows = _read_carefully(self._path)
        if len(rows) != self._count:  # what was passed over quickly is no row with care
            raise UserError(f"{self._path}:{_line_number(self._path, len(rows) + 1)}: not valid JSON")
        return rows

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        return self._read[place]


def source_table(path: Path, keys: tuple[str, ...] = ()) -> SourceTable:
    """The rows of a JSONL file; a last line cut short by a crash is skipped. No rows where there is no file.

    Args:
        path: the file.
        keys: all whose columns will be asked for, if known beforehand: nothing else is then kept, which is quicker.

    Raises:
        UserError: the file cannot be read, or a line is not a JSON object.
    """
    try:
        return _read_quickly(path, keys) or SourceTable(path, _read_carefully(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise UserError(f"{path}: not a file of rows (JSON nested too deeply)") from error


def _read_carefully(path: Path) -> list[dict[str, Any]]:
    return list(map(_encodable, read_rows(path)))


def _encodable(value: Any) -> Any:
    """JSON whose texts UTF-8 can hold: half a surrogate pair becomes its escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(content) for key, content in value.items()}
    return list(map(_encodable, value)) if isinstance(value, list) else value


def source_rows(path: Path) -> Iterator[SourceRow]:
    """:func:`source_table`, row by row."""
    table = source_table(path)
    return (table.row(place) for place in range(len(table)))


def _read_quickly(path: Path, keys: tuple[str, ...]) -> SourceTable | None:
    """The rows of a file without fault, by a parser several times as fast; None for a file to be looked at with care.

    It is stricter than Python's: NaN, unpaired surrogates and the like are left to the other. As it takes line ends
    for any white space, it is left to the other, too, what has not one row a line.
    """
    content = path.read_bytes() if path.exists() else b""
    try:
        str(content, "utf-8")  # values that are passed over are not looked at by the parser
        rows = _decoder(keys).decode_lines(content)
    except (ValueError, RecursionError):
        return None
    lines = content.count(b"\n") + bool(content and not content.endswith(b"\n"))
    if len(rows) != lines or (len(content) > MAX_LINE and max(map(len, content.split(b"\n"))) > MAX_LINE):
        return None
    if not keys:
        return SourceTable(path, rows)
    return SourceTable(path, _LaterRecords(path, len(rows)), {key: list(map(attrgetter(key), rows)) for key in keys})


@cache
def _decoder(keys: tuple[str, ...]) -> Any:
    """Of rows as they are, or of some keys' values, None where a row has none."""
    kind = msgspec.defstruct("Row", [(key, Any, None) for key in keys], gc=False) if keys else dict[str, Any]
    return msgspec.json.Decoder(kind)


@lru_cache(maxsize=1 << 14)
def sample_place(filename: str) -> tuple[int, int] | None:
    """(prompt index, sample index) as the file name has them in upstream's layout; None in any other."""
    match = LAYOUT.search(filename)
    return (int(match[1]), int(match[2])) if match else None


def sample_number(recorded: int | None, filename: str) -> int | None:
    """A row's own sample index, else its file name's."""
    if recorded is not None:
        return recorded
    place = sample_place(filename)
    return place[1] if place else None


def prompt_keys(indices: Sequence[int | None], filenames: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Which rows belong to one prompt.

    By the rows' own prompt index, else by the folder number in the file name, else by the prompt's text. A number
    that stands for more than one text (shards that each count from 0) does not identify a prompt, so the next way
    is taken.

    Args:
        indices: (N,) the rows' ``prompt_index``.
        filenames: (N,) image file names.
        texts: (N,) the prompt's metadata, or the prompt itself.

    Returns:
        (N,) keys: five-digit numbers, or the texts.
    """
    numbers = indices
    if not _identify(numbers, texts):
        places = [sample_place(filename) for filename in filenames]
        numbers = [place[0] if place else None for place in places]
        if not _identify(numbers, texts):
            return list(texts)
    names = {number: f"{number:05d}" for number in set(numbers)}
    return [names[number] for number in numbers]


def _identify(numbers: Sequence[int | None], texts: Sequence[str]) -> bool:
    """Whether every row has a number, and every number one text."""
    pairs = set(zip(numbers, texts, strict=True))
    return None not in numbers and len({number for number, _ in pairs}) == len(pairs)


def _line_number(path: Path, ordinal: int) -> int:
    with path.open("rb") as lines:
        filled = (number for number, line in enumerate(lines, start=1) if line.strip())
        return next((number for place, number in enumerate(filled, start=1) if place == ordinal), ordinal)


def _described(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"

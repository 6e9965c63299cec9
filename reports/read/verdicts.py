"""GenEval rows (``results.jsonl``, ours or upstream's) as a table of verdicts, one row an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.read.rows import SourceRow, SourceTable, prompt_keys, sample_number, source_table
from reports.read.upstream import within_run
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    import pandas as pd

#: Keys that are read of every row.
_READ = (
    *("filename", "tag", "prompt", "metadata", "prompt_index", "sample_index"),
    *("correct", "reason", "image_sha256", "status"),
)
COLUMNS = ("filename", "tag", "prompt", "metadata", "sample_index", "correct", "reason", "image_sha256")


def read_verdicts(path: Path) -> pd.DataFrame:
    """Read a GenEval result file.

    Boxes (``details``) are left in the file: they are most of its size, and no statistic needs them.

    Returns:
        One row an image, sorted by prompt and file name, whatever the order in the file: ``prompt_key`` (identity
        of the prompt within the file), ``filename``, ``tag``, ``prompt``, ``metadata`` (JSON text), ``sample_index``,
        ``correct`` (nullable boolean: NA is *unscored*), ``reason`` (of the verdict, or for being unscored),
        ``image_sha256`` (empty where not recorded). Empty where the file has no rows.

    Raises:
        UserError: a malformed line, a foreign tag, or one image with two verdicts; the message names file and line.
    """
    import pandas as pd

    table = source_table(path, _READ)
    columns = _columns(table)
    standing = _standing(columns, table)
    keys = prompt_keys(*(_chosen(columns[name], standing) for name in ("prompt_index", "filename", "metadata")))
    names = _chosen(columns["filename"], standing)
    order = _unless_all(sorted(range(len(keys)), key=list(zip(keys, names, strict=True)).__getitem__), len(keys))
    places = order if standing is None else _chosen(standing, order)
    index = pd.RangeIndex(len(keys))
    chosen: dict[str, Any] = {"prompt_key": pd.Series(_chosen(keys, order), index=index, dtype=object)}
    # As plain objects: looking for a narrower type of column takes as long as reading them.
    chosen |= {name: pd.Series(_chosen(columns[name], places), index=index, dtype=object) for name in COLUMNS}
    chosen["correct"] = chosen["correct"].astype("boolean")
    return pd.DataFrame(chosen, index=index)


def _chosen(column: list[Any], places: list[int] | None) -> list[Any]:
    """The values at some places, or all of them as they are."""
    return column if places is None else [column[place] for place in places]


def _unless_all(places: list[int], rows: int) -> list[int] | None:
    """None where the places are those of all rows in their order, as in files of our own."""
    return None if places == list(range(rows)) else places


def _columns(table: SourceTable) -> dict[str, list[Any]]:
    """:data:`COLUMNS` and ``prompt_index`` of all rows, checked."""
    odd_status = "unscored" in table.column("status")
    correct = table.fields(table.column("correct"), set() if odd_status else {bool}, _verdict)
    filenames = within_run(table.texts("filename"), table.path.parent)
    metadata = table.optional_texts("metadata")
    samples = table.indices("sample_index")
    reasons = table.optional_texts("reason")
    if not all(metadata):
        metadata = [text or table.row(place).text("prompt") for place, text in enumerate(metadata)]
    if None in correct:
        unscored = [place for place, verdict in enumerate(correct) if verdict is None]
        reasons = _with(reasons, {place: _why_unscored(table.row(place)) for place in unscored})
    return {
        "filename": filenames,
        "tag": _tags(table),
        "prompt": table.optional_texts("prompt"),
        "metadata": metadata,
        "prompt_index": table.indices("prompt_index"),
        "sample_index": list(map(sample_number, samples, filenames)),
        "correct": correct,
        "reason": reasons,
        "image_sha256": table.optional_texts("image_sha256"),
    }


def _with(column: list[str], others: dict[int, str]) -> list[str]:
    return [others.get(place, value) for place, value in enumerate(column)]


def _standing(columns: dict[str, list[Any]], table: SourceTable) -> list[int] | None:
    """One row an image: of rows about the same bytes a verdict stands over none; else the later row stands."""
    if len(set(columns["filename"])) == len(table):
        return None
    place_of: dict[tuple[str, str], int] = {}
    for place, image in enumerate(zip(columns["filename"], columns["metadata"], strict=True)):
        earlier = place_of.setdefault(image, place)
        if earlier != place:
            place_of[image] = _standing_of_two(columns, earlier, place, table.row(place))
    return _unless_all(list(place_of.values()), len(table))


def _standing_of_two(columns: dict[str, list[Any]], earlier: int, later: int, row: SourceRow) -> int:
    hashes, verdicts = columns["image_sha256"], columns["correct"]
    if hashes[earlier] != hashes[later] or verdicts[earlier] is None:
        return later
    if verdicts[later] not in (None, verdicts[earlier]):
        name = columns["filename"][later]
        raise row.error(f"{name!r} is judged both correct and wrong; is the file two runs in one? Split or remove one")
    return earlier


def _verdict(row: SourceRow) -> bool | None:
    """True, False, or None for unscored. Some tools write 0 and 1."""
    if row.values.get("status") == "unscored":
        return None
    if "correct" not in row.values:
        raise row.error(
            "no 'correct': not a GenEval row (expected upstream's keys filename, tag, prompt, correct, ...)"
        )
    correct = row.values["correct"]
    if correct not in (None, True, False):
        raise row.error(f"'correct' must be true, false or null, found {str(correct)[:40]!r}")
    return None if correct is None else bool(correct)


def _tags(table: SourceTable) -> list[str]:
    tags = table.texts("tag")
    if not set(tags) <= set(TAGS):
        place = next(place for place, tag in enumerate(tags) if tag not in TAGS)
        raise table.row(place).error(f"unknown tag {tags[place][:40]!r}; GenEval's are {', '.join(TAGS)}")
    return tags


def _why_unscored(row: SourceRow) -> str:
    return row.optional_text("error") or row.optional_text("reason") or "no reason given"

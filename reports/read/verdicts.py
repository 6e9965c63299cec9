"""GenEval rows (``results.jsonl``, ours or upstream's) as a table of verdicts, one row an image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reports.read.rows import Rows, json_object, prompt_keys, read_rows, sample_numbers, within_run
from wire.class_names import class_note
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    import pandas as pd

#: Of an object in JSON, the keys.
_KEYS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])

COLUMNS = (
    *("prompt_key", "filename", "tag", "prompt", "metadata", "sample_index"),
    *("correct", "reason", "image_sha256"),
)
#: Key of a table's ``attrs``: file names of rows that the file has twice, with the same verdict on the same bytes.
TWICE = "twice"
#: The same, of images whose row was replaced by a later one about other bytes.
REPLACED = "replaced"


def read_verdicts(path: Path) -> pd.DataFrame:
    """Read a GenEval result file.

    Boxes (``details``) are left in the file: they are most of its size, and no statistic needs them. Only their classes
    are looked at.
    Returns one row an image, sorted by prompt and file name, whatever the order in the file: ``prompt_key`` (identity
    of the prompt within the file), ``filename``, ``tag``, ``prompt``, ``metadata`` (JSON text), ``sample_index``,
    ``correct`` (nullable boolean: NA is *unscored*), ``reason`` (of the verdict, or for being unscored),
    ``image_sha256`` (empty where not recorded). Empty where the file has no rows. ``attrs["class_note"]`` is what
    :func:`wire.class_names.class_note` says.
    Raises UserError: a malformed line, a foreign tag, or one image with two verdicts; the message names file and line.
    """
    import pandas as pd

    rows = read_rows(path)
    # As plain objects: looking for a narrower type of column takes as long as reading them.
    frame = pd.DataFrame(_columns(rows), dtype=object)
    twice, replaced = tuple[str, ...](), tuple[str, ...]()
    if not frame["filename"].is_unique:
        places, twice, replaced = _standing(frame, rows)
        frame = frame.iloc[places]
    frame["prompt_key"] = prompt_keys(*(frame[name].tolist() for name in ("prompt_index", "filename", "metadata")))
    frame = frame.sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)
    table = frame[[*COLUMNS]].astype({"correct": "boolean"})
    classes = {name for details in rows.column("details") for name in _classes(details)}
    table.attrs |= {TWICE: twice, REPLACED: replaced, "class_note": class_note(classes, table["metadata"].tolist())}
    return table


def _columns(rows: Rows) -> dict[str, list[Any]]:
    """:data:`COLUMNS` and ``prompt_index`` of all rows, checked."""
    correct = _verdicts(rows)
    filenames = within_run(rows.texts("filename"), rows.path.parent)
    metadata = rows.optional_texts("metadata", objects=True)
    samples, reasons, tags = sample_numbers(rows, filenames), _reasons(rows, correct), rows.texts("tag")
    for place, (tag, verdict) in enumerate(zip(tags, correct, strict=True)):
        if tag not in TAGS and verdict is not None:  # without a verdict, another tag may be the reason
            raise rows.error(place, f"unknown tag {tag[:40]!r}; GenEval's are {', '.join(TAGS)}")
    prompts = rows.optional_texts("prompt") if all(metadata) else rows.texts("prompt")
    return {
        "filename": filenames,
        "tag": tags,
        "prompt": prompts,
        "metadata": [text or prompt for text, prompt in zip(metadata, prompts, strict=True)],
        "prompt_index": rows.indices("prompt_index"),
        "sample_index": samples,
        "correct": correct,
        "reason": reasons,
        "image_sha256": rows.optional_texts("image_sha256"),
    }


def _classes(details: Any) -> Iterable[str]:
    """Names of the boxes' classes; ``details`` that cannot be read have none."""
    try:
        return _KEYS.decode(details) if isinstance(details, str) else json_object(details)
    except ValueError:
        return json_object(details)


def _verdicts(rows: Rows) -> list[bool | None]:
    """True, False, or None for unscored. Some tools write 0 and 1."""
    values = rows.column("correct")
    for place, record in enumerate(rows.records):
        if record.get("status") == "unscored":
            values[place] = None
        elif "correct" not in record:
            expected = "expected upstream's keys filename, tag, prompt, correct, ..."
            raise rows.error(place, f"no 'correct': not a GenEval row ({expected})")
        elif values[place] not in (None, True, False):
            found = str(values[place])[:40]
            raise rows.error(place, f"'correct' must be true, false or null, found {found!r}")
    return [None if value is None else bool(value) for value in values]


def _reasons(rows: Rows, correct: list[bool | None]) -> list[str]:
    """Of the verdicts, or for being unscored."""
    reasons = rows.optional_texts("reason")
    unscored = [place for place, verdict in enumerate(correct) if verdict is None]
    for place, error in zip(unscored, rows.at(unscored).optional_texts("error"), strict=True):
        reasons[place] = error or reasons[place] or "no reason given"
    return reasons


def _standing(frame: pd.DataFrame, rows: Rows) -> tuple[list[int], tuple[str, ...], tuple[str, ...]]:
    """One row's place an image; the names of rows that only say again what an earlier one says, and of replaced ones.

    Of rows about the same bytes a verdict stands over none, else the later one stands.
    """
    names, hashes, correct = (frame[name].tolist() for name in ("filename", "image_sha256", "correct"))
    place_of: dict[tuple[str, str], int] = {}
    twice, replaced = list[str](), list[str]()
    for place, image in enumerate(zip(names, frame["metadata"], strict=True)):
        earlier = place_of.setdefault(image, place)
        if hashes[earlier] != hashes[place] or correct[earlier] is None:
            place_of[image] = place
            replaced += [image[0]] if hashes[earlier] != hashes[place] else []
        elif correct[place] not in (None, correct[earlier]):
            name, remedy = image[0], "is the file two runs in one? Split or remove one"
            raise rows.error(place, f"{name!r} is judged both correct and wrong; {remedy}")
        elif earlier != place and correct[place] is not None:
            twice.append(image[0])
    return list(place_of.values()), tuple(twice), tuple(replaced)

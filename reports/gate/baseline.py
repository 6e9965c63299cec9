"""A run as one small file: the result of every prompt and sample, so that later runs can be paired with it.

JSON, one prompt a line, sorted: a changed baseline shows in ``git diff`` prompt by prompt. Numbers are written in
full, so that a run compared with its own baseline differs by exactly nothing.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.files import write_text
from reports.gallery import Copied, GalleryFiles, write_gallery
from reports.read.manifest import Manifest, comparable, display_name
from reports.read.prompts import gather_prompts, twice_note
from reports.read.questions import DETAILS, QUESTIONS, Questions, answered
from reports.read.reward_rows import LARGEST, RewardTable, is_number, metric_id
from reports.read.rows import is_index
from reports.read.runs import MANIFEST, RESULTS, Run
from reports.summary.coverage import cover
from wire.cards import NO_CARDS, Cards, read_cards, records
from wire.errors import UserError
from wire.untrusted import read_json
from wire.vocabulary import SOFT_TIFA, TAGS

if TYPE_CHECKING:
    import pandas as pd

#: It changes when a key changes its meaning or goes.
SCHEMA = "miro-eval/baseline/1"
#: Bytes of the largest file that is read: a suite of 30,000 prompts with four images and ten metrics is far below it.
MAX_BYTES = 256 << 20


def save_baseline(run: Run, path: Path) -> Path:
    """Write a run's per-prompt results; the same run gives the same bytes.

    Raises:
        UserError: the file cannot be written.
    """
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "name": run.name,
        "random_weights": run.manifest.random_weights,
        "protocol": dict(sorted(run.manifest.protocol.items())),
        "metrics": list(run.rewards.metrics) if run.rewards else [],
    }
    known = run.manifest.cards
    cards = records({metric: known[metric] for metric in head["metrics"] if metric in known})
    parts = {
        "cards": "{" + ",".join(f"\n{_line(name)}: {_line(card)}" for name, card in cards.items()) + "\n }",
        "verdicts": "[]" if run.verdicts is None else _lines(_verdict_prompts(run.verdicts)),
        "rewards": "[]" if run.rewards is None else _lines(_reward_prompts(run.rewards)),
    }
    opening = json.dumps(head, ensure_ascii=False, indent=1)[:-2]
    return write_text(path, opening + "".join(f',\n "{key}": {text}' for key, text in parts.items()) + "\n}\n")


def baseline_notes(run: Run) -> Iterator[str]:
    """What a baseline lacks of a whole sweep: of that, no later check can say anything."""
    yield from run.repeats
    if run.verdicts is not None and (short := cover(run.verdicts, run.manifest.protocol)).shortfalls:
        yield f"the baseline is of an incomplete sweep: {short.text} ({short.shortfalls})"
    frames = [frame for frame in (run.verdicts, run.rewards.frame if run.rewards else None) if frame is not None]
    if missing := max(len(frame) for frame in frames) - min(len(frame) for frame in frames):
        yield f"{missing:,} images of the baseline have a verdict or rewards, not both"


def read_baseline(path: Path, cards: Cards = NO_CARDS) -> Run:
    """Read a baseline file as a run; of metrics whose cards it lacks (older ones have none), ``cards`` are taken.

    Raises:
        UserError: it is not a baseline, of another version, or damaged.
    """
    try:
        record = read_json(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable baseline ({error})") from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise UserError(f"{path}: schema {schema!r}, expected {SCHEMA!r}; write it with `miro-eval baseline save`")
    try:
        return _run(record, path, cards)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: a damaged baseline ({type(error).__name__}: {error}); save it again") from error


def _lines(prompts: Iterator[dict[str, Any]]) -> str:
    return "[\n" + ",\n".join(map(_line, prompts)) + "\n ]"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _verdict_prompts(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for key, group in frame.groupby("prompt_key", sort=True):
        row = group.iloc[0]
        text = {"prompt": row["prompt"]} if row["prompt"] else {"metadata": row["metadata"]}
        correct = [None if value is None else int(value) for value in _plain(group["correct"])]
        yield {"key": key, "tag": row["tag"], **text, **_samples(str(key), group), "correct": correct}


def _reward_prompts(table: RewardTable) -> Iterator[dict[str, Any]]:
    for key, group in table.frame.groupby("prompt_key", sort=True):
        values = {metric: _plain(group[metric]) for metric in table.metrics}
        yield {"key": key, "prompt": group.iloc[0]["prompt"], **_samples(str(key), group), **values, **_answers(group)}


def _answers(group: pd.DataFrame) -> dict[str, Any]:
    """What GenEval 2's questions test in a prompt, their answers, and the probabilities of these in each image.

    Without the questions' words, which may not be passed on freely. Nothing where no image has any; null of an image
    that was asked something else.
    """
    images = group[QUESTIONS].tolist() if QUESTIONS in group else []
    asked = [[[one.skill, one.answer] for one in own or ()] for own in images]
    if not any(asked):
        return {}
    first = next(filter(None, asked))
    p = [[one.p for one in own] if due == first else None for own, due in zip(images, asked, strict=True)]
    return {DETAILS: {SOFT_TIFA: {"asked": first, "p": p}}}


def _samples(key: str, group: pd.DataFrame) -> dict[str, Any]:
    """Sample numbers, and file names where they are not what the two numbers say."""
    samples = [None if value is None else int(value) for value in _plain(group["sample_index"])]
    names = group["filename"].tolist()
    usual = [_usual_name(key, sample) for sample in samples]
    return {"samples": samples} if names == usual else {"samples": samples, "files": names}


def _usual_name(key: str, sample: int | None) -> str:
    return "" if sample is None else f"{key}/samples/{sample:04d}.png"


def _plain(column: pd.Series[Any]) -> list[Any]:
    missing = column.isna().tolist()
    return [None if absent else value for value, absent in zip(column.tolist(), missing, strict=True)]


def _run(record: dict[str, Any], path: Path, cards: Cards) -> Run:
    protocol = comparable({str(name): str(value) for name, value in record["protocol"].items()})
    name = display_name(str(record["name"]))
    own = {**cards, **read_cards(record.get("cards", {}))}
    manifest = Manifest(name=name, random_weights=record["random_weights"] is True, protocol=protocol, cards=own)
    twice: dict[str, None] = {}
    verdicts = _verdicts(record["verdicts"], twice) if record["verdicts"] else None
    rewards = _rewards(record["rewards"], tuple(record["metrics"]), twice) if record["rewards"] else None
    if verdicts is None and rewards is None:
        raise ValueError("no prompts in it")
    verdicts, rewards, notes = gather_prompts(verdicts, rewards)
    return Run(name, path.parent, manifest, verdicts, rewards, (*notes, *twice_note([*twice])))


def _once(rows: list[dict[str, Any]], twice: dict[str, None]) -> list[dict[str, Any]]:
    """Each image once, as where two sides of a merge were kept; names of those that were there twice go to ``twice``.
    Raises ValueError: an image has two results.
    """
    found: dict[Any, dict[str, Any]] = {}
    for place, row in enumerate(rows):
        image = (row["prompt_key"], row["filename"]) if row["filename"] else place
        if found.setdefault(image, row) is not row:
            twice[row["filename"]] = None
            if found[image] != row:
                raise ValueError(f"{row['filename']} appears twice, with two results")
    return [*found.values()]


def _verdicts(prompts: list[dict[str, Any]], twice: dict[str, None]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for prompt in prompts:
        if prompt["tag"] not in TAGS and any(correct is not None for correct in prompt["correct"]):
            raise ValueError(f"unknown tag {prompt['tag']!r}")
        about = {"tag": prompt["tag"], "metadata": prompt.get("metadata", ""), "reason": "", "image_sha256": ""}
        for image, correct in zip(_images(prompt), prompt["correct"], strict=True):
            if correct not in (None, 0, 1):
                raise ValueError(f"a verdict must be 0, 1 or null, found {correct!r}")
            rows.append({**image, **about, "correct": None if correct is None else bool(correct)})
    return pd.DataFrame.from_records(_once(rows, twice)).astype({"correct": "boolean"})


def _rewards(prompts: list[dict[str, Any]], metrics: tuple[str, ...], twice: dict[str, None]) -> RewardTable:
    import pandas as pd

    rows = []
    names = tuple(map(metric_id, metrics))
    if len(set(names)) < len(names):
        raise ValueError(f"two metrics are shown as one: {', '.join(names)}")
    any_asked = any(DETAILS in prompt for prompt in prompts)
    for prompt in prompts:
        columns = [prompt[metric] for metric in metrics]
        for image, answers, *values in zip(_images(prompt), _questions(prompt), *columns, strict=True):
            if odd := [value for value in values if not (value is None or is_number(value))]:
                raise ValueError(f"a reward must be a number or null, found {odd[0]!r}")
            numbers = [math.nan if value is None or not abs(value) <= LARGEST else float(value) for value in values]
            asked = {QUESTIONS: answers} if any_asked else {}
            rows.append({**image, "image_sha256": "", **dict(zip(names, numbers, strict=True)), **asked})
    return RewardTable(pd.DataFrame.from_records(_once(rows, twice)), names, {metric: {} for metric in names})


def _questions(prompt: dict[str, Any]) -> list[Questions | None]:
    """Questions and probabilities of each image, as :func:`_answers` keeps them; None where there are none."""
    kept = prompt.get(DETAILS, {}).get(SOFT_TIFA)
    if kept is None:
        return [None] * len(prompt["samples"])
    return [answered(kept["asked"], own) if own is not None else None for own in kept["p"]]


def _images(prompt: dict[str, Any]) -> list[dict[str, Any]]:
    key, samples = str(prompt["key"]), prompt["samples"]
    names = prompt.get("files") or [_usual_name(key, sample) for sample in samples]
    if not all(map(is_index, samples)):
        raise ValueError(f"samples must be whole numbers from 0, found {str(samples)[:80]}")
    shared = {"prompt_key": key, "prompt": prompt.get("prompt", "")}
    return [{**shared, "filename": name, "sample_index": sample} for name, sample in zip(names, samples, strict=True)]


def write_flips(
    baseline: Path,
    candidate: Path,
    out: Path,
    cards: Cards = NO_CARDS,
    names: Sequence[str] = (),
    copy: Copied | None = None,
) -> GalleryFiles:
    """Write the gallery that belongs to a verdict: the two side by side, verdicts that flip first.

    Args:
        baseline, candidate: as of ``check``. Of a saved baseline there are verdicts alone: its images are placeholders.
        cards: of metrics that are known anyway, for runs that bear none.
        names: of the two; none for their own.
        copy: see :func:`reports.gallery.write_gallery`.

    Raises:
        UserError: the folder cannot be written, or a saved baseline has no verdicts.
    """
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_with_rows(side, Path(folder) / name) for side, name in ((baseline, "1"), (candidate, "2")))
        return write_gallery([first, second], out, copy, cards, names)


def _with_rows(side: Path, folder: Path) -> Path:
    """The run or file itself; for a saved baseline a run directory with rows as the judge would write them."""
    if side.suffix != ".json" or not side.is_file():
        return side
    run = read_baseline(side)
    if run.verdicts is None:
        raise UserError("the saved baseline has no verdicts, so none can flip: omit --gallery")
    frame = run.verdicts[["filename", "tag", "prompt", "metadata", "sample_index", "correct"]]
    lines = []
    for record in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        scored = record["correct"] is not None
        row: dict[Any, Any] = {name: value for name, value in record.items() if value not in (None, "")}
        row |= {"correct": bool(record["correct"]) if scored else None, "status": "scored" if scored else "unscored"}
        row |= {"reason": ""} if scored else {"error": "unscored"}
        lines.append(json.dumps(row) + "\n")
    folder.mkdir()
    (folder / RESULTS).write_text("".join(lines), encoding="utf-8")
    about = {"name": run.name, "random_weights": run.manifest.random_weights}
    (folder / MANIFEST).write_text(json.dumps(about), encoding="utf-8")
    return folder

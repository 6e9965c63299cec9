"""A prompt is what it says: one that stands under several numbers is one prompt, and its images are its samples.

Test lists name a prompt once an image, samplers repeat the first prompts to fill their last batch, tools write a folder
an image. Intervals, counts, coverage, pairing and the gate all go by the tables that are made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reports.read.reward_rows import RewardTable
from wire.grouping import listed

if TYPE_CHECKING:
    import pandas as pd

#: The column of a gathered table that keeps the number under which an image stands; no metric is called so.
LINE = "\tline"
_IDENTITY = "\tidentity"
#: What fills a gap in a row that stands for several copies.
_VERDICT = ("correct", "reason")


@dataclass(frozen=True)
class _Gathered:
    """A table whose prompts have one key each, and what was found in doing so."""

    frame: pd.DataFrame
    lines: int
    prompts: int
    copies: tuple[str, ...] = ()
    unlike: int = 0


def prompt_identities(frame: pd.DataFrame) -> list[str]:
    """What the prompt of each row is recognised by, in its own file and in others.

    The text and, where there is one, the tag; without a text the metadata, whatever the order of its keys.
    """
    columns = (frame[name].tolist() if name in frame else [""] * len(frame) for name in ("tag", "prompt", "metadata"))
    keys = zip(*columns, frame["prompt_key"].tolist(), strict=True)
    return [f"{tag}\t{prompt or _canonical(metadata) or key}" for tag, prompt, metadata, key in keys]


def gather_prompts(
    verdicts: pd.DataFrame | None, rewards: RewardTable | None
) -> tuple[pd.DataFrame | None, RewardTable | None, tuple[str, ...]]:
    """A run's tables by prompt identity, and notes on what stood under several numbers or stood there twice.

    The images of a prompt under several numbers become its samples 0, 1, ..., in order of number, then sample; its key
    is its first number. An image of the same bytes under two numbers of a prompt is a copy and counts once.
    """
    found = []
    # Of whichever stage recorded one: both are to name the same copies.
    hashes: dict[str, str] = {}
    for frame in (verdicts, None if rewards is None else rewards.frame):
        if frame is not None:
            pairs = zip(frame["filename"].tolist(), frame["image_sha256"].tolist(), strict=True)
            hashes |= {name: image for name, image in pairs if image}
    if verdicts is not None:
        found.append(_gather(verdicts, _VERDICT, hashes))
        verdicts = found[-1].frame
    if rewards is not None:
        found.append(_gather(rewards.frame, rewards.metrics, hashes))
        rewards = replace(rewards, frame=found[-1].frame)
    return verdicts, rewards, tuple(dict.fromkeys(note for one in found for note in _notes(one)))


def twice_note(names: Sequence[str]) -> Iterator[str]:
    """A note on rows that a file has twice; none where there are none."""
    if names:
        rows = "row" if len(names) == 1 else "rows"
        yield f"{len(names):,} {rows} appear twice in the file, counted once: {listed(names)}"


def _notes(found: _Gathered) -> Iterator[str]:
    if found.lines > found.prompts:
        yield f"{found.prompts:,} prompts have {found.lines:,} numbers: images of one prompt are its samples"
    if found.copies:
        unlike = f" ({found.unlike:,} with other results than the first)" if found.unlike else ""
        copies = "copy of an image" if len(found.copies) == 1 else "copies of images"
        yield f"{len(found.copies):,} {copies} under another number, counted once{unlike}: {listed(found.copies)}"


def _gather(frame: pd.DataFrame, values: Sequence[str], hashes: Mapping[str, str]) -> _Gathered:
    identities, lines = prompt_identities(frame), frame["prompt_key"].tolist()
    lines_of: dict[str, set[str]] = {}
    for identity, line in zip(identities, lines, strict=True):
        lines_of.setdefault(identity, set()).add(line)
    count = sum(map(len, lines_of.values()))
    if count == len(lines_of):
        return _Gathered(frame, count, count)
    first = {identity: min(of_prompt) for identity, of_prompt in lines_of.items()}
    repeated = {identity for identity, of_prompt in lines_of.items() if len(of_prompt) > 1}
    keys = [first[identity] for identity in identities]
    frame = _in_order(frame.assign(**{LINE: lines, _IDENTITY: identities, "prompt_key": keys}), repeated)
    copies, names, unlike = _copies(frame, repeated, hashes), (), 0
    if copies:
        frame, unlike = _filled(frame, copies, values)
        names = tuple(frame["filename"].iloc[[*copies]].tolist())
        frame = frame.drop(index=[*copies]).reset_index(drop=True)
    return _Gathered(_numbered(frame, repeated).drop(columns=_IDENTITY), count, len(lines_of), names, unlike)


def _in_order(frame: pd.DataFrame, repeated: set[str]) -> pd.DataFrame:
    """By key; the images of repeated prompts by number, then sample, where these are known."""
    columns = (frame[name].tolist() for name in ("prompt_key", LINE, "sample_index", _IDENTITY))
    order = [
        (key, line, sample if identity in repeated and sample == sample and sample is not None else -1, place)
        for place, (key, line, sample, identity) in enumerate(zip(*columns, strict=True))
    ]
    return frame.iloc[[place for *_, place in sorted(order)]].reset_index(drop=True)


def _copies(frame: pd.DataFrame, repeated: set[str], hashes: Mapping[str, str]) -> dict[int, int]:
    """Place of an image -> place of the one of the same bytes under an earlier number of its prompt."""
    first: dict[tuple[str, str], int] = {}
    copies: dict[int, int] = {}
    lines = frame[LINE].tolist()
    columns = (frame[name].tolist() for name in (_IDENTITY, "image_sha256", "filename"))
    for place, (identity, own, name) in enumerate(zip(*columns, strict=True)):
        image = own or hashes.get(name)
        if image and identity in repeated:
            original = first.setdefault((identity, image), place)
            if lines[original] != lines[place]:
                copies[place] = original
    return copies


def _filled(frame: pd.DataFrame, copies: dict[int, int], values: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """What originals lack is taken from their copies; and how many copies have another value than their original."""
    import pandas as pd

    columns: dict[str, list[Any]] = {name: frame[name].tolist() for name in values}
    judged = [name for name in values if name != "reason"]
    known = {name: frame[name].notna().tolist() for name in judged}
    unlike = set()
    for copy, original in copies.items():
        for name in judged:
            if not known[name][copy]:
                continue
            if not known[name][original]:
                known[name][original] = True
                for filled in dict.fromkeys((name, *(set(values) & {"reason"}))):
                    columns[filled][original] = columns[filled][copy]
            elif columns[name][copy] != columns[name][original]:
                unlike.add(copy)
    typed = {name: pd.Series(columns[name], dtype=frame[name].dtype) for name in values}
    return frame.assign(**typed), len(unlike)


def _numbered(frame: pd.DataFrame, repeated: set[str]) -> pd.DataFrame:
    """Samples of repeated prompts counted from 0."""
    import pandas as pd

    places = frame.groupby(_IDENTITY, sort=False).cumcount().tolist()
    columns = zip(frame["sample_index"].tolist(), places, frame[_IDENTITY].tolist(), strict=True)
    samples = [place if identity in repeated else sample for sample, place, identity in columns]
    return frame.assign(sample_index=pd.Series(samples, dtype=object))


def _canonical(metadata: str) -> str:
    try:
        return json.dumps(json.loads(metadata), sort_keys=True)
    except ValueError:
        return metadata

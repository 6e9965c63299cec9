"""Judges of the same images side by side: GenEval's verdict, Soft-TIFA, VQAScore, people; how far they agree, by tag.

Against a judge that says right or wrong (people, GenEval), each other judge has

- AUROC: how likely a right image has a higher score than a wrong one, ties counting half (0.5: by chance);
- Cohen's kappa (1960, Educ. Psychol. Meas. 20:37-46), scores being cut where as many images are called right as the
  other judge calls right over all tags; a verdict is taken as it is.

Intervals are over resampled prompts, all images of a prompt together; the cut stays where it is. Judges of which none
says right or wrong have Spearman's rank correlation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.files import csv_text, write_text
from reports.leaderboard.markdown import escape, markdown_table
from reports.leaderboard.merge import merge_stages
from reports.statistics.correlation import rank_correlation
from reports.statistics.intervals import LEVEL
from reports.statistics.resampling import drawn
from reports.summary.run_summary import GENEVAL
from wire.errors import UserError
from wire.untrusted import read_bytes
from wire.vocabulary import SOFT_TIFA, TAGS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from reports.read.runs import Run

    Weights = NDArray[np.float64]

HUMAN, ALL = "human", "all"
#: What an annotator of GenEval's study marks where an image "fully captures the meaning of the caption", of 1 to 4.
FULL_MARKS = 4
_STUDY = {"caption": "Input.caption", "sample": "Input.image_id", "fit": "Answer.task-quality"}
_TAIL = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)

#: (image's prompt, sample) or (file name, -1) -> whether people call the image right.
Labels = Mapping[tuple[str, int], bool]


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % bounds; None where there are none. ``draws``: (B,) of the resamples, where kept."""

    value: float
    low: float | None
    high: float | None
    draws: NDArray[np.float64] = field(default_factory=lambda: np.array([]))


@dataclass(frozen=True)
class Agreement:
    """One judge against another that says right or wrong, over one tag or ``all``; a rank correlation without such."""

    reference: str
    judge: str
    tag: str
    images: int
    prompts: int
    auroc: Estimate | None = None
    kappa: Estimate | None = None
    correlation: Estimate | None = None


def read_labels(path: Path) -> Labels:
    """What people say of images, from CSV.

    Either columns ``filename`` and ``correct`` (1 or 0), or those of GenEval's own study (``annotations_*.csv``), with
    a row an annotator: right is what more than half of an image's annotators give full marks.
    Raises UserError: neither, or a row is malformed; names file and line.
    """
    try:
        rows = csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8-sig"), newline=""))
        heads = set(rows.fieldnames or ())
        plain = {"filename", "correct"} <= heads
        if not plain and not heads >= {*_STUDY.values()}:
            raise UserError(f"{path}: no labels; expected columns filename and correct, or those of GenEval's study")
        votes: dict[tuple[str, int], list[bool]] = {}
        for row in rows:
            place, vote = _vote(row, plain, f"{path}:{rows.line_num}")
            votes.setdefault(place, []).append(vote)
            if plain and len(votes[place]) > 1:
                raise UserError(f"{path}:{rows.line_num}: {place[0]} is labelled twice")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable table ({error})") from error
    if not votes:
        raise UserError(f"{path}: no labels below its heading")
    return {place: 2 * sum(given) > len(given) for place, given in votes.items()}


def _vote(row: Mapping[str, Any], plain: bool, where: str) -> tuple[tuple[str, int], bool]:
    try:
        if plain:
            return (str(row["filename"]), -1), {"1": True, "0": False}[str(row["correct"])]
        fit = int(row[_STUDY["fit"]])
        if not 0 <= fit <= FULL_MARKS:
            raise ValueError(f"{fit} of {FULL_MARKS}")
        return (str(row[_STUDY["caption"]]), int(row[_STUDY["sample"]])), fit == FULL_MARKS
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{where}: a malformed label ({error})") from error


def agreements(run: Run, labels: Labels | None = None) -> list[Agreement]:
    """All that can be said of a run's judges: against people, then against GenEval, tag by tag; else correlations."""
    frame, judges = _judged(merge_stages(run), labels or {})
    binary = [name for name in (HUMAN, GENEVAL) if name in judges]
    found = [
        one
        for reference in binary
        for judge in judges
        if judge != reference and judge != HUMAN
        for one in _against(frame, reference, judge)
    ]
    scores = [name for name in judges if name not in binary]
    return found or [one for first, second in combinations(scores, 2) for one in _correlated(frame, first, second)]


def _judged(images: pd.DataFrame, labels: Labels) -> tuple[pd.DataFrame, list[str]]:
    """``prompt_key``, ``tag`` and a float column a judge, NaN where it has no say; and the judges."""
    metrics = [str(name) for name in images.columns if name == SOFT_TIFA or str(name).split("_")[0] == "vqa"]
    frame = images[["prompt_key", "tag", *metrics]].copy()
    frame.insert(2, GENEVAL, images["correct"].astype("boolean").to_numpy(dtype="float64", na_value=np.nan))
    places = zip(images["prompt"], images["sample_index"], images["filename"], strict=True)
    said = [labels.get((prompt, sample), labels.get((name, -1))) for prompt, sample, name in places]
    frame.insert(2, HUMAN, [np.nan if one is None else float(one) for one in said])
    return frame, [name for name in (HUMAN, GENEVAL, *metrics) if frame[name].notna().any()]


def _against(frame: pd.DataFrame, reference: str, judge: str) -> Iterator[Agreement]:
    known = frame[frame[reference].notna() & frame[judge].notna()]
    if known.empty:
        return
    right = known[reference].to_numpy(dtype=bool)
    cut = 0.5 if judge in (HUMAN, GENEVAL) else _cut(known[judge].to_numpy(), int(right.sum()))
    for tag in (ALL, *TAGS):
        own = known if tag == ALL else known[known["tag"] == tag]
        if len(own):
            scores, truth, weights = own[judge].to_numpy(), own[reference].to_numpy(dtype=bool), _weights(own)
            yield Agreement(
                reference, judge, tag, len(own), own["prompt_key"].nunique(),
                auroc=_estimate(partial(_auroc, scores, truth), weights),
                kappa=_estimate(partial(_kappa, scores >= cut, truth), weights),
            )  # fmt: skip


def _correlated(frame: pd.DataFrame, first: str, second: str) -> Iterator[Agreement]:
    known = frame[frame[first].notna() & frame[second].notna()]
    keys = known["prompt_key"].tolist()
    if found := rank_correlation(keys, known[first].to_numpy(), known[second].to_numpy()):
        value, (low, high) = found[0], found[1] or (None, None)
        yield Agreement(first, second, ALL, len(keys), len(set(keys)), correlation=Estimate(value, low, high))


def _cut(scores: NDArray[np.float64], count: int) -> float:
    """The lowest of the ``count`` highest scores; above all where there are none."""
    return float(np.sort(scores)[::-1][count - 1]) if count else np.inf


def _weights(images: pd.DataFrame) -> NDArray[np.float64]:
    """(1 + B, N) how often each of N images counts: once, then as its prompt is drawn; (1, N) of one prompt."""
    keys = images["prompt_key"].tolist()
    place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    draws = [drawn(len(place))[:, [place[key] for key in keys]]] if len(place) > 1 else []
    return np.concatenate([np.ones((1, len(keys))), *draws])


def _estimate(statistic: Callable[[Weights], Weights], weights: Weights) -> Estimate | None:
    """A statistic with the weights of :func:`_weights`; None where it is not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, *_ = found = statistic(weights)
    value, draws = float(first), found[1:]
    if not np.isfinite(value):
        return None
    usable = draws[np.isfinite(draws)]
    low, high = np.quantile(usable, _TAIL).tolist() if len(usable) else (None, None)
    return Estimate(value, low, high, draws)


def _auroc(scores: NDArray[Any], right: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """(B,) Mann and Whitney's U over its largest, with (B, N) weights; ties count half."""
    order = np.argsort(scores, kind="stable")
    first = np.unique(scores[order], return_index=True)[1]
    won, lost = (np.add.reduceat((weights * mask)[:, order], first, axis=1) for mask in (right, ~right))
    below = np.cumsum(lost, axis=1) - lost
    found: NDArray[np.float64] = (won * (below + lost / 2)).sum(axis=1) / (won.sum(axis=1) * lost.sum(axis=1))
    return found


def _kappa(called: NDArray[Any], right: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """(B,) agreement beyond what the two shares of right give by chance, with (B, N) weights."""
    total = weights.sum(axis=1)
    agreed, first, second = (weights @ mask / total for mask in (called == right, called, right))
    chance = first * second + (1 - first) * (1 - second)
    found: NDArray[np.float64] = (agreed - chance) / (1 - chance)
    return found


def labels_note(run: Run, labels: Labels) -> str:
    """How many labelled images are not the run's, with an example; empty where all are."""
    images = merge_stages(run)
    known = {(name, -1) for name in images["filename"]} | {*zip(images["prompt"], images["sample_index"], strict=True)}
    lost = [name + f", sample {at}" * (at >= 0) for name, at in labels if (name, at) not in known]
    return f"{len(lost):,} of {len(labels):,} labelled images are not in this run, e.g. {lost[0]}" if lost else ""


def write_judges(runs: Sequence[tuple[str, Run]], labels: Labels | None, folder: Path) -> tuple[Path, Path]:
    """Write ``judges.md`` and ``judges.csv``.
    Raises UserError: no run has two judges of the same images, or an image that is labelled.
    """
    found = [(name, agreements(run, labels)) for name, run in runs]
    if not any(own for _, own in found):
        raise UserError(
            "no two judges of the same images, which are GenEval's verdicts, soft_tifa, metrics called vqa..., and "
            "people's labels (--labels)"
        )
    if labels and not any(one.reference == HUMAN for _, own in found for one in own):
        raise UserError(f"none of the {len(labels):,} labelled images (--labels) is in these runs with a judge's score")
    against = any(one.auroc or one.kappa for _, own in found for one in own)
    blocks = ["# Judges side by side", EXPLANATION if against else CORRELATIONS]
    blocks += [f"{escape(note)}." for _, run in runs if labels and (note := labels_note(run, labels))]
    for name, own in found:
        blocks += [f"## {escape(name)}", *(_tables(own) if own else ["Fewer than two judges."])]
    markdown = write_text(folder / "judges.md", "\n\n".join(blocks) + "\n")
    return markdown, write_text(folder / "judges.csv", csv_text(_lines(found)))


EXPLANATION = (
    "AUROC: how likely an image that the reference calls right has a higher score than one that it calls wrong; 1 "
    "always, 0.5 by chance. Kappa: agreement beyond chance, scores being cut where as many images are called right as "
    "the reference calls right. In brackets, 95 % intervals over prompts. GenEval's verdict is a judge, too, and no "
    "truth: believe a judge by how it agrees with people."
)
CORRELATIONS = (
    "Spearman's rank correlation over images; in brackets, 95 % intervals over prompts. No judge here says right or "
    "wrong, so none can be a reference for others; people's labels can (--labels)."
)


def _tables(found: Sequence[Agreement]) -> Iterator[str]:
    for reference in dict.fromkeys(one.reference for one in found if one.auroc or one.kappa):
        own = [one for one in found if one.reference == reference]
        judges = list(dict.fromkeys(one.judge for one in own))
        yield f"### Against {'people' if reference == HUMAN else reference}"
        rows = [["tag", "images", *(f"{escape(j)} {s}" for j in judges for s in ("AUROC", "kappa")), "best by AUROC"]]
        rows.append([":--", "--:", *["--:"] * (2 * len(judges)), ":--"])
        for tag in dict.fromkeys(one.tag for one in own):
            of_tag = {one.judge: one for one in own if one.tag == tag}
            cells = [_cell(getattr(of_tag.get(judge), name, None)) for judge in judges for name in ("auroc", "kappa")]
            images = max(one.images for one in of_tag.values())
            rows.append([tag, f"{images:,}", *cells, escape(_best([*of_tag.values()]))])
        yield markdown_table(rows)
    if correlated := [one for one in found if one.correlation]:
        rows = [["judges", "images", "rank correlation"], [":--", "--:", "--:"]]
        rows += [
            [escape(f"{one.reference}, {one.judge}"), f"{one.images:,}", _cell(one.correlation)] for one in correlated
        ]
        yield markdown_table(rows)


def _best(found: Sequence[Agreement]) -> str:
    """The judge with the highest AUROC, and whether that is shown: its lead's interval, is above 0."""
    ranked = sorted((one for one in found if one.auroc), key=lambda one: -one.auroc.value if one.auroc else 0.0)
    if len(ranked) < 2:
        return ranked[0].judge if ranked else ""
    (best, second), leads = ranked[:2], np.array([])
    if best.auroc and second.auroc and len(best.auroc.draws) == len(second.auroc.draws):
        leads = best.auroc.draws - second.auroc.draws
        leads = leads[np.isfinite(leads)]
    shown = best.images == second.images and len(leads) and np.quantile(leads, _TAIL[0]) > 0
    return best.judge if shown else f"{best.judge}, not shown to be better than {second.judge}"


def _cell(found: Estimate | None) -> str:
    if found is None:
        return ""
    bounds = "" if found.low is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.value:.3f}{bounds}"


def _lines(found: Sequence[tuple[str, Sequence[Agreement]]]) -> Iterator[Sequence[object]]:
    yield ("model", "reference", "judge", "tag", "statistic", "value", "low", "high", "images", "prompts")
    for model, own in found:
        for one in own:
            for name in ("auroc", "kappa", "correlation"):
                if (estimate := getattr(one, name)) is not None:
                    numbers = (estimate.value, estimate.low, estimate.high, one.images, one.prompts)
                    yield (model, one.reference, one.judge, one.tag, name, *numbers)

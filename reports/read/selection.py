"""Best of N as a row: of every prompt the image that a reward likes best among N, by itself a run like any other.

Nothing is drawn by chance. A prompt with more than N images counts with its expectation over all subsets of N
(:func:`reports.statistics.best_of_n.expected_of_best`), so its "verdict" may lie between 0 and 1. A prompt stays one
unit for every interval and test: they resample prompts, each with its own selection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from reports.read.prompts import LINE
from reports.read.reward_rows import RewardTable
from reports.read.runs import Run, RunSource, image_keys
from reports.statistics.best_of_n import expected_of_best
from wire.cards import card_of
from wire.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

#: Field of the protocol under which a selection stands.
FIELD = "selection"


@dataclass(frozen=True)
class Selection:
    """Which image of a prompt is kept: the best of ``size`` by the reward ``by``."""

    size: int
    by: str

    @property
    def name(self) -> str:
        """E.g. ``best of 8 by pick_score``."""
        return f"best of {self.size} by {self.by}"


def selections(size: int | None, by: Sequence[str]) -> list[Selection]:
    """Of ``--best-of`` and ``--by``; none where neither is given.
    Raises UserError: one without the other, a reward twice, or fewer than one image.
    """
    if size is None and not by:
        return []
    if size is None or not by:
        raise UserError("--best-of N and --by REWARD go together, e.g. --best-of 8 --by pick_score")
    if size < 1 or len(set(by)) < len(by) or "" in by:
        raise UserError(f"--best-of {size} --by {', '.join(by)}: expected 1 image or more, and each reward once")
    return [Selection(size, metric) for metric in by]


def one_selection(size: int | None, by: Sequence[str]) -> Selection | None:
    """The same for what takes no more than one.
    Raises UserError: there are several, or :func:`selections` refuses it.
    """
    found = selections(size, by)
    if len(found) > 1:
        raise UserError(f"--by {', '.join(by)}: expected one reward to keep the best by")
    return found[0] if found else None


def selected_sources(sources: Sequence[RunSource], chosen: Sequence[Selection]) -> list[RunSource]:
    """The further rows of a table: every run by every selection; one that cannot be made is a note on the table."""
    return [replace(source, selection=one, searched=source.name) for source in sources for one in chosen]


def cannot_select(run: Run, selection: Selection) -> str:
    """Why no prompt of a run can be selected from; empty where one can."""
    if run.rewards is None or selection.by not in run.rewards.metrics:
        return f"its images have no {selection.by} to select by"
    scored = run.rewards.frame[selection.by].notna().groupby(run.rewards.frame["prompt_key"])
    whole = [len(images) for _, images in scored if images.all()]
    if max(whole, default=0) >= selection.size:
        return ""
    most = max(len(images) for _, images in scored)
    if most >= selection.size:
        return f"every prompt has images without {selection.by}"
    return f"needs {selection.size} samples, has {most}"


def select(run: Run, selection: Selection) -> Run:
    """The run that keeps the best image of every prompt: one row a prompt, each value an exact expectation.

    A prompt is unscored, with the reason, where it has fewer than N images or one of them lacks the reward; so is a
    single value that one of its images lacks.
    Raises UserError: the run has no such reward, or not one prompt that can be selected from.
    """
    rewards, reason = run.rewards, cannot_select(run, selection)
    if rewards is None or reason:
        there, remedy = rewards.metrics if rewards else (), ""
        if selection.by not in there:
            known = selection.by in run.manifest.cards
            score, has = f"miro-eval rewards {run.folder} --metric {selection.by}", ", ".join(there) or "no rewards"
            remedy = f"; score them: {score}" if known else f"; they have {has}"
        raise UserError(f"{run.name}: {selection.name}: {reason}{remedy}")
    sign = -1.0 if card_of(selection.by, run.manifest.cards).lower else 1.0
    frame = rewards.frame
    likes = sign * frame[selection.by].to_numpy()
    kept = _kept(frame, likes, rewards.metrics, selection)
    verdicts = run.verdicts
    if verdicts is not None:
        of_image = dict(zip(image_keys(frame, verdicts), likes.tolist(), strict=True))
        judged = np.array([of_image.get(image, np.nan) for image in image_keys(verdicts, frame)])
        verdicts = _with_verdicts(verdicts, _kept(verdicts, judged, ("correct",), selection))
    protocol = {**run.manifest.protocol, "samples": "1", f"{FIELD}.best_of": str(selection.size)}
    return replace(
        run,
        name=f"{run.name}, {selection.name}",
        manifest=replace(run.manifest, protocol={**protocol, f"{FIELD}.by": f'"{selection.by}"'}),
        verdicts=verdicts,
        rewards=_with_values(rewards, kept),
        repeats=(*run.repeats, _note(selection, kept, run.manifest.tflop_per_image)),
    )


@dataclass(frozen=True)
class _Kept:
    """A table with one row a prompt."""

    frame: pd.DataFrame  #: the prompts' first rows
    values: dict[str, NDArray[np.float64]]  #: column -> (P,) expectations, NaN where unscored
    reasons: dict[str, list[str]]  #: column -> (P,) why it is unscored; empty where it is not
    left_out: Counter[str]  #: reason -> prompts that cannot be selected from
    images: int  #: images of the others

    @property
    def usable(self) -> int:
        """Prompts that can be selected from."""
        return len(self.frame) - self.left_out.total()


def _kept(frame: pd.DataFrame, likes: NDArray[np.float64], columns: Sequence[str], selection: Selection) -> _Kept:
    values = frame[[*columns]].astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
    places = frame.groupby("prompt_key", sort=False).indices
    best = np.full((len(places), len(columns)), np.nan)
    reasons: dict[str, list[str]] = {column: [""] * len(places) for column in columns}
    left_out, images = Counter[str](), 0
    for row, own in enumerate(places.values()):
        if whole := _whole_reason(likes[own], selection):
            left_out[whole] += 1
        else:
            images += len(own)
            there = ~np.isnan(values[own]).any(axis=0)
            best[row, there] = expected_of_best(likes[own], values[np.ix_(own, there)], selection.size)
        for column, missing in zip(columns, np.isnan(values[own]).sum(axis=0), strict=True):
            if whole or missing:
                reasons[column][row] = whole or f"{missing} of {len(own)} images have none"
    first = frame.iloc[[own[0] for own in places.values()]].drop(columns=LINE, errors="ignore").reset_index(drop=True)
    first = first.assign(sample_index=0, image_sha256="")
    return _Kept(first, dict(zip(columns, best.T, strict=True)), reasons, left_out, images)


def _whole_reason(likes: NDArray[np.float64], selection: Selection) -> str:
    """Why a prompt cannot be selected from; empty where it can."""
    if len(likes) < selection.size:
        return f"needs {selection.size} samples, has {len(likes)}"
    missing = int(np.isnan(likes).sum())
    return f"{missing} of {len(likes)} images have no {selection.by} to select by" if missing else ""


def _with_verdicts(verdicts: pd.DataFrame, kept: _Kept) -> pd.DataFrame:
    import pandas as pd

    correct = pd.Series(kept.values["correct"]).astype("Float64")
    table = kept.frame.assign(correct=correct, reason=kept.reasons["correct"])
    table.attrs |= verdicts.attrs
    return table


def _with_values(rewards: RewardTable, kept: _Kept) -> RewardTable:
    names = kept.frame["filename"].tolist()
    reasons = {
        metric: {name: reason for name, reason in zip(names, of_prompt, strict=True) if reason}
        for metric, of_prompt in kept.reasons.items()
    }
    return replace(rewards, frame=kept.frame.assign(**kept.values), reasons=reasons)


def _cost(selection: Selection, tflop: float | None) -> str:
    return "" if tflop is None else f" ({selection.size * tflop:,.0f} TFLOP to make)"


def _note(selection: Selection, kept: _Kept, tflop: float | None) -> str:
    """What the row costs and rests on."""
    images, prompts = kept.images, kept.usable
    exactly = "" if images == selection.size * prompts else f", expected over subsets of {images:,} images"
    text = f"one image kept of {selection.size} made and scored{_cost(selection, tflop)}, "
    text += f"{prompts:,} prompts{exactly}"
    left = "; ".join(
        f"{count:,} prompt{'' if count == 1 else 's'} left out ({reason})"
        for reason, count in kept.left_out.most_common()
    )
    return f"{text}; {left}" if left else text

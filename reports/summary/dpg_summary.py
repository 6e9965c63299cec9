"""DPG-Bench in numbers (Hu et al. 2024, arXiv 2403.05135), from 0 to 100, in two ways.

``fixed`` counts every question of every image. ``paper`` does what ``compute_dpg_bench.py`` does (ELLA, 3c228f1): the
first question of the file is lost, a prompt is dropped where a question is looked up that is not there, and a category
counts a prompt's last image alone. That script cuts its images out of a grid; ours come one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from reports.read.questions import DPG_ANSWERS, DpgAnswers
from wire.dpg import image_score
from wire.grouping import grouped
from wire.vocabulary import DPG

if TYPE_CHECKING:
    import pandas as pd

    from reports.read.reward_rows import RewardTable


@dataclass(frozen=True)
class Mode:
    """The numbers of one way."""

    score: float | None  #: mean over prompts; None without any
    prompts: int  #: that it rests on
    #: Mean of the answers, of level 1 (``attribute``) and of level 2 (``attribute - color``).
    categories: dict[str, float]
    questions: dict[str, int]  #: that each category rests on, over all images that it counts

    @property
    def text(self) -> str:
        """E.g. ``83.21 over 1,065 prompts (entity 88.02, global 81.00)``."""
        listed = ", ".join(f"{name} {value:.2f}" for name, value in self.categories.items() if " - " not in name)
        return "none" if self.score is None else f"{self.score:.2f} over {self.prompts:,} prompts ({listed})"


@dataclass(frozen=True)
class DpgSummary:
    """Both ways, and how many prompts the script's way drops."""

    fixed: Mode
    paper: Mode
    dropped: int

    @property
    def note(self) -> str:
        """Both ways in a line."""
        return f"DPG-Bench: {self.fixed.text}; as its script counts: {self.paper.text}"


def summarise_dpg(table: RewardTable) -> DpgSummary | None:
    """Summarise a run's answers; None where it has none."""
    if DPG_ANSWERS not in table.frame:
        return None
    prompts = _prompts(table.frame)
    kept = {prompt: [_without_first(image) for image in images] for prompt, images in prompts.items()}
    kept = {prompt: images for prompt, images in kept.items() if all(map(_complete, images))}
    return DpgSummary(
        fixed=_mode(prompts, [image for images in prompts.values() for image in images]),
        paper=_mode(kept, [images[-1] for images in kept.values()]),
        dropped=len(prompts) - len(kept),
    )


def _score(answers: DpgAnswers) -> float:
    return image_score({one.id: one.yes for one in answers}, {one.id: one.depends for one in answers})


def _prompts(frame: pd.DataFrame) -> dict[str, list[DpgAnswers]]:
    """Prompt -> answers about each of its scored images, by sample."""
    scored = frame[frame[DPG].notna() & frame[DPG_ANSWERS].notna()].sort_values(["prompt_key", "sample_index"])
    return grouped(zip(scored["prompt_key"].tolist(), scored[DPG_ANSWERS].tolist(), strict=True))


def _without_first(answers: DpgAnswers) -> DpgAnswers:
    return tuple(one for one in answers if one.row > 0)


def _complete(answers: DpgAnswers) -> bool:
    """Whether the script gets through: there are questions, and all that it looks up. It looks no further than a no."""
    counts = {one.id: one.yes for one in answers}
    for one in answers:
        for parent in one.depends:
            if parent not in counts:
                return False
            if not counts[parent]:
                counts[one.id] = False
                break
    return bool(answers)


def _mode(prompts: Mapping[str, Sequence[DpgAnswers]], counted: Iterable[DpgAnswers]) -> Mode:
    answers = grouped(
        (name, one.yes)
        for image in counted
        for one in image
        for name in dict.fromkeys((one.category.split("-")[0].strip(), one.category))
    )
    scores = [100.0 * fmean(map(_score, images)) for images in prompts.values()]
    return Mode(
        score=fmean(scores) if scores else None,
        prompts=len(scores),
        categories={name: 100.0 * fmean(answers[name]) for name in sorted(answers)},
        questions={name: len(answers[name]) for name in sorted(answers)},
    )

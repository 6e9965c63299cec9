"""A sweep of GenEval 2 in numbers: Soft-TIFA's geometric and arithmetic means, by skill and by atomicity.

As the authors' ``evaluation.py`` and ``soft_tifa_analysis.py`` (github.com/facebookresearch/GenEval2, a6e82d2), which
know one image a prompt; of several, the mean is taken within the prompt first. All scores are from 0 to 100.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from reports.read.prompts import prompt_identities
from reports.read.questions import QUESTIONS, Question, Questions
from reports.read.suite import GENEVAL2_DIGEST, GENEVAL2_PROMPTS, GENEVAL2_SHA256, suite_digest
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import Interval, mean_interval
from reports.summary.coverage import Suite
from reports.summary.numbers import Proportion
from reports.summary.prompt_effects import PromptEffects
from reports.summary.scored import NO_PROTOCOL, Scored, images_expected, samples_expected
from wire.grouping import grouped
from wire.vocabulary import ATOMS, GENEVAL2_SCORES, SKILLS, SOFT_TIFA

if TYPE_CHECKING:
    import pandas as pd

    from reports.read.reward_rows import RewardTable

#: Score -> rows of the images that it rests on, see :func:`geneval2_parts`.
Parts: TypeAlias = "dict[str, pd.DataFrame]"


@dataclass(frozen=True)
class Score:
    """A mean from 0 to 100 over ``size`` prompts, or questions; None without any, the interval below two prompts."""

    value: float | None
    interval: Interval | None
    size: int


@dataclass(frozen=True)
class Geneval2Summary:
    """GenEval 2 (Kamath et al. 2025, arXiv 2512.16853)."""

    overall: Score  #: the headline: mean over prompts of the geometric mean of an image's answer probabilities
    am: Score  #: the same of the arithmetic mean
    skills: dict[str, Score]  #: mean over all questions of a skill
    atoms: dict[int, Score]  #: as ``overall``, over prompts with so many atoms
    prompts: Proportion  #: with a scored image, of the suite's 800
    scored: Scored  #: scored images, of those that the whole suite has
    samples_per_prompt: int  #: images that every prompt should have
    gaps: bool  #: the prompts that were found lack too many scored images for the score to stand for them
    suite: Suite  #: ``unknown`` for an incomplete sweep of which no protocol is recorded

    @property
    def complete(self) -> bool:
        """The suite's own prompts, each with a scored image, and nearly all images scored."""
        whole = self.prompts.correct == self.prompts.total and self.scored.whole
        return whole and self.suite is Suite.GENEVAL2

    @property
    def text(self) -> str:
        """E.g. ``797 of 800 prompts``."""
        return f"{self.prompts.correct} of {self.prompts.total} prompts"

    @property
    def scores(self) -> dict[str, Score]:
        """By the names of :data:`wire.vocabulary.GENEVAL2_SCORES`."""
        skills = {f"geneval2_{skill}": score for skill, score in self.skills.items()}
        atoms = {f"geneval2_atoms_{atoms}": score for atoms, score in self.atoms.items()}
        return {"geneval2": self.overall, "geneval2_am": self.am, **skills, **atoms}

    @property
    def notes(self) -> Iterator[str]:
        """What must be said beside the numbers."""
        if self.prompts.correct < self.prompts.total:
            yield f"incomplete sweep of GenEval 2: {self.text}"
        elif not self.scored.whole:
            yield f"GenEval 2: {self.scored.text} images scored, so not ranked with complete sweeps"
        if self.am.size < self.overall.size:
            known = f"{self.am.size} of {self.overall.size} prompts"
            yield f"GenEval 2: arithmetic mean, skills and atomicity rest on {known}, of which the rows have questions"


def summarise_geneval2(table: RewardTable, protocol: Mapping[str, str] = NO_PROTOCOL) -> Geneval2Summary | None:
    """Summarise a run's rewards; None where Soft-TIFA is not among them, or the prompts are known to be others'."""
    suite = _suite(table.frame, protocol)
    if SOFT_TIFA not in table.metrics or suite is Suite.OTHER:
        return None
    scored = table.frame[table.frame[SOFT_TIFA].notna()]
    found = table.frame["prompt_key"].value_counts().tolist()
    samples = samples_expected(table.frame, protocol)
    gm, asked = prompt_means(scored), _asked(scored)
    atoms = {prompt: sum(question.is_atom for question in questions[0]) for prompt, questions in asked.items()}
    answers = [(prompt, one) for prompt, questions in asked.items() for one in _over_samples(questions)]
    return Geneval2Summary(
        overall=_score(gm.items()),
        am=_score((prompt, 100.0 * fmean(fmean(q.p for q in one) for one in own)) for prompt, own in asked.items()),
        skills={skill: _score((prompt, 100.0 * q.p) for prompt, q in answers if q.skill == skill) for skill in SKILLS},
        atoms={count: _score((one, gm[one]) for one, own in atoms.items() if own == count) for count in ATOMS},
        prompts=Proportion(len(gm), GENEVAL2_PROMPTS),
        scored=Scored(len(scored), images_expected(found, samples, GENEVAL2_PROMPTS)),
        samples_per_prompt=samples,
        gaps=not Scored(len(scored), images_expected(found, samples)).whole,
        suite=suite,
    )


def geneval2_parts(table: RewardTable, protocol: Mapping[str, str] = NO_PROTOCOL) -> Parts:
    """What each score rests on, for comparisons: by score, in the order of :data:`wire.vocabulary.GENEVAL2_SCORES`.

    The rows of ``table`` of the prompts that count for it, with a ``value`` from 0 to 100 (NaN where unscored) and a
    ``weight``: of a skill, its questions in the prompt. The weighted mean is the score where all prompts have as many
    images. A prompt's questions are those of any of its images. Empty where :func:`summarise_geneval2` gives None.
    """
    if SOFT_TIFA not in table.metrics or _suite(table.frame, protocol) is Suite.OTHER:
        return {}
    keys, means = table.frame["prompt_key"].tolist(), table.frame[SOFT_TIFA].tolist()
    asked = table.frame[QUESTIONS].tolist() if QUESTIONS in table.frame else [None] * len(keys)
    of_prompt: dict[str, Questions] = {}
    for prompt, own in zip(keys, asked, strict=True):
        of_prompt.setdefault(prompt, own) if own else None
    found: dict[str, list[tuple[int, float, int]]] = {name: [] for name in GENEVAL2_SCORES}
    for place, (prompt, mean, own) in enumerate(zip(keys, means, asked, strict=True)):
        for name, value, weight in _image_scores(mean, own or (), of_prompt.get(prompt, ())):
            found[name].append((place, 100.0 * value, weight))
    return {
        name: table.frame.iloc[[*places]].assign(value=values, weight=weights)
        for name, (places, values, weights) in ((name, zip(*rows, strict=True)) for name, rows in found.items() if rows)
    }


def _image_scores(mean: float, own: Questions, asked: Questions) -> Iterator[tuple[str, float, int]]:
    """Name, value from 0 to 1 and weight of each score that an image counts for; ``asked``: of its prompt."""
    yield "geneval2", mean, 1
    if asked:
        yield "geneval2_am", fmean(one.p for one in own) if own else math.nan, 1
        for skill in dict.fromkeys(one.skill for one in asked if one.skill in SKILLS):
            answers = [one.p for one in own if one.skill == skill]
            weight = sum(one.skill == skill for one in asked)
            yield f"geneval2_{skill}", fmean(answers) if len(answers) == weight else math.nan, weight
        atoms = sum(one.is_atom for one in asked)
        if atoms in ATOMS:
            yield f"geneval2_atoms_{atoms}", mean, 1


def geneval2_effects(table: RewardTable) -> PromptEffects | None:
    """Each prompt's effect on the headline, for ranking; None below two prompts."""
    scored = table.frame[table.frame[SOFT_TIFA].notna()]
    identity = dict(zip(scored["prompt_key"].tolist(), prompt_identities(scored), strict=True))
    means = prompt_means(scored)
    return PromptEffects.of_means([identity[prompt] for prompt in means], list(means.values()))


def prompt_means(scored: pd.DataFrame) -> dict[str, float]:
    """Prompt -> mean over its scored images of their geometric means, from 0 to 100."""
    means = scored.groupby("prompt_key", sort=True)[SOFT_TIFA].mean()
    return {str(prompt): 100.0 * value for prompt, value in means.items()}


def _asked(scored: pd.DataFrame) -> dict[str, list[Questions]]:
    """Prompt -> the questions of each of its scored images that have some."""
    asked = scored[QUESTIONS].tolist() if QUESTIONS in scored else [None] * len(scored)
    return grouped(pair for pair in zip(scored["prompt_key"].tolist(), asked, strict=True) if pair[1])


def _over_samples(images: Sequence[Questions]) -> Iterator[Question]:
    """Each question of a prompt once, with its mean probability over the prompt's images."""
    pairs = (pair for questions in images for pair in enumerate(questions))
    found = grouped(((place, question._replace(p=0.0)), question.p) for place, question in pairs)
    return (question._replace(p=fmean(probabilities)) for (_, question), probabilities in found.items())


def _score(values: Iterable[tuple[str, float]]) -> Score:
    pairs = list(values)
    if not pairs:
        return Score(None, None, 0)
    numbers = [value for _, value in pairs]
    clusters = Clusters.gather([prompt for prompt, _ in pairs], [""] * len(pairs), numbers)
    return Score(fmean(numbers), mean_interval(clusters), len(pairs))


def _suite(frame: pd.DataFrame, protocol: Mapping[str, str]) -> Suite:
    """By the prompts where they are all there, else by what the run records; unknown without either."""
    prompts = {("", prompt) for prompt in frame["prompt"].tolist()}
    if suite_digest(prompts) == GENEVAL2_DIGEST:
        return Suite.GENEVAL2
    recorded = protocol.get("suite.sha256", "").strip('"')
    if recorded:
        return Suite.GENEVAL2 if recorded == GENEVAL2_SHA256 else Suite.OTHER
    return Suite.OTHER if len(prompts) >= GENEVAL2_PROMPTS else Suite.UNKNOWN

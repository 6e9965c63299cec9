"""Soft-TIFA, GenEval 2's judge (Kamath et al. 2025, arXiv 2512.16853): questions about what a prompt asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.scorers.base import Batch, Judged, Outcome
from rewards.scorers.qwen3_vl import SIZE_8B, Qwen3Judge, card
from wire.errors import EnvironmentFailure

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.hub import LocalWeight

#: Behind every question, after a space.
SUFFIX = "Answer in one word."
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_YES = ("Yes", "yes", " yes", " Yes")
#: First tokens of what counts as an answer, in Qwen3-VL's vocabulary. Digits are tokens of their own there: the first
#: of " 3" is the bare space, 220, whose probability therefore counts for every number (as in the authors' code).
FIRST_IDS: Mapping[str, tuple[int, ...]] = {
    "Yes": (9454, 9693, 9834, 7414),
    "one": (603, 3966, 825, 3776, 16, 220),
    "two": (19789, 11613, 1378, 9043, 17, 220),
    "three": (27856, 19641, 2326, 14513, 18, 220),
    "four": (34024, 26972, 3040, 13322, 19, 220),
    "five": (52670, 37020, 4236, 20924, 20, 220),
    "six": (50364, 41460, 4743, 18680, 21, 220),
    "seven": (80185, 59528, 8094, 29948, 22, 220),
}
#: Tokens from which on a vocabulary is the published one, and no stand-in's.
_PUBLISHED = 100_000


def accepted(answer: str) -> tuple[str, ...]:
    """The spellings that count as an answer: of a number six, else those of yes (``evaluation.py``, ``soft_tifa``)."""
    if answer not in NUMBERS:
        return _YES
    digit = str(NUMBERS.index(answer) + 1)
    return (answer, answer.capitalize(), f" {answer}", f" {answer.capitalize()}", digit, f" {digit}")


def questions(line: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    """Question, answer and skill, as a line of GenEval 2 has them under ``vqa_list`` and ``skills``.
    Raises ValueError: the line has no such questions; the message says what is wrong with them.
    """
    asked, skills = line.get("vqa_list"), line.get("skills")
    if not asked:
        raise ValueError("the prompt has no questions (vqa_list in its line of the suite)")
    if not isinstance(asked, list) or not all(_is_pair(one) for one in asked):
        raise ValueError("vqa_list must be pairs of question and answer")
    if skills is not None and (not isinstance(skills, list) or len(skills) != len(asked)):
        raise ValueError("skills must be a list with one for each question of vqa_list, or be left out")
    found: list[tuple[str, str, str | None]] = []
    for (question, answer), skill in zip(asked, skills or [None] * len(asked), strict=True):
        if answer not in (NUMBERS if question.startswith("How many") else ("Yes",)):
            raise ValueError(
                f"{question!r} cannot be answered by {answer!r}: one to ten to How many, Yes to all others"
            )
        found.append((question, answer, skill))
    return found


def first_ids(tokenizer: Path) -> dict[str, list[int]]:
    """The first token of each accepted spelling, by answer, of a ``tokenizer.json``.
    Raises EnvironmentFailure: it is none.
    """
    from tokenizers import Tokenizer

    from rewards.models.loading import clear_errors

    with clear_errors(tokenizer.name):
        encode = Tokenizer.from_file(str(tokenizer)).encode
    return {answer: [encode(text).ids[0] for text in accepted(answer)] for answer in ("Yes", *NUMBERS)}


def _is_pair(one: Any) -> bool:
    return isinstance(one, list) and len(one) == 2 and all(isinstance(text, str) and text for text in one)


def geometric_mean(probabilities: Sequence[float]) -> float:
    """0 where one of them is, and NaN where one is."""
    if not min(probabilities) > 0:
        return math.prod(probabilities)
    return math.exp(math.fsum(map(math.log, probabilities)) / len(probabilities))


class SoftTifa(Qwen3Judge):
    """Probabilities of the right answers, of which the geometric mean is the image's score."""

    repo = SIZE_8B.repo
    card = card(
        SIZE_8B,
        SIZE_8B.repo,
        asked=8,  # 6,012 questions of 800 prompts, of 13 tokens in the mean
        template=1,
        metric="soft_tifa",
        title="Soft-TIFA with Qwen3-VL-8B",
        definition="geometric mean over the prompt's questions of P(answer): the probabilities of the first tokens of "
        "all accepted spellings, added up; each question's stands in the row under details",
        scale="probability, 0 to 1; GenEval 2 prints 100 times the mean over prompts (GM); AM: the mean of the details",
        range=(0.0, 1.0),
        source="arXiv 2512.16853; github.com/facebookresearch/GenEval2, evaluation.py",
        decides={"suffix": SUFFIX, "first_tokens": {answer: list(ids) for answer, ids in FIRST_IDS.items()}},
    )

    questions = staticmethod(questions)

    @classmethod
    def about(cls, line: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See :meth:`Judge.about`."""
        return [{"question": question, "answer": answer, "skill": skill} for question, answer, skill in questions(line)]

    def provenance(self, weights: Sequence[LocalWeight]) -> list[dict[str, Any]]:
        """With the token ids that are added up; see :meth:`Scorer.provenance`."""
        tokenizer = next(weight.path for weight in weights if weight.path.name == "tokenizer.json")
        ids = first_ids(tokenizer)
        found = super().provenance(weights)
        return [one | ({"first_tokens": ids} if one["file"] == tokenizer.name else {}) for one in found]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`; a published vocabulary must have the known ids."""
        from rewards.hub import snapshot

        super().load(device, precision, files)
        self._ids = first_ids(snapshot(self.repo, ("tokenizer.json",)) / "tokenizer.json")
        other = [answer for answer, ids in FIRST_IDS.items() if tuple(self._ids[answer]) != ids]
        if other and len(self._model.tokenizer) > _PUBLISHED:
            raise EnvironmentFailure(f"{self.repo}: its tokenizer has other tokens for {other[0]!r}; fetch it again")

    def judge(self, batch: Batch) -> list[Outcome]:
        """See :meth:`Scorer.judge`."""
        asked = [self.about(line) for line in batch.lines]
        texts = [[f"{question['question']} {SUFFIX}" for question in one] for one in asked]
        found: list[Outcome] = []
        for one, probabilities in zip(asked, self._model.next_token(batch.pixels, texts), strict=True):
            details = [
                question | {"p": self._sum(row, question["answer"])}
                for question, row in zip(one, probabilities, strict=True)
            ]
            found.append(Judged(geometric_mean([detail["p"] for detail in details]), details))
        return found

    def _sum(self, probabilities: Tensor, answer: str) -> float:
        """In the authors' order of addition."""
        return float(sum(probabilities[self._ids[answer]].tolist()))

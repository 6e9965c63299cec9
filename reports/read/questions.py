"""What Soft-TIFA asked of an image and how probable it found the right answers, as ``details`` of reward rows tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wire.vocabulary import SOFT_TIFA

#: The column of a table of rewards that keeps an image's questions, None where it has none; no metric is called so.
QUESTIONS = "\tquestions"
#: Key of a row that holds them, by metric.
DETAILS = "details"


class Question(NamedTuple):
    """One question of an image; ``p`` is the probability of its answer, from 0 to 1."""

    question: str
    answer: str
    skill: str
    p: float

    @property
    def is_atom(self) -> bool:
        """Whether it counts for a prompt's atomicity: GenEval 2 asks for "a pig" as one, and does not count it.

        So do all 800 prompts' ``atom_count``.
        """
        return self.answer != "one"


Questions = tuple[Question, ...]


def questions_of(row: Mapping[str, Any]) -> Questions | None:
    """The questions in a row of rewards; None where it has none, no question at all where one is malformed."""
    details = row.get(DETAILS)
    asked = details.get(SOFT_TIFA) if isinstance(details, dict) else None
    if asked is None:
        return None
    found = [*map(_question, asked)] if isinstance(asked, list) else []
    return tuple(one for one in found if one) if all(found) else ()


def _question(entry: Any) -> Question | None:
    """None for what is malformed; a probability may lie above 1 by rounding."""
    if not isinstance(entry, dict):
        return None
    question, answer, skill, p = map(entry.get, Question._fields)
    if not (isinstance(question, str) and isinstance(answer, str) and isinstance(skill, str)):
        return None
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0.0 <= p <= 1.0 + 1e-6:
        return None
    return Question(question, answer, skill, float(p))

"""What judges asked of an image and what they found, as ``details`` of reward rows tell: Soft-TIFA and DPG-Bench's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from wire.vocabulary import DPG, SOFT_TIFA

#: The columns of a table of rewards that keep an image's questions, None where it has none; no metric is called so.
QUESTIONS, DPG_ANSWERS = "\tquestions", "\tdpg"
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


class DpgAnswer(NamedTuple):
    """One question of DPG-Bench about an image, and the answer in words.

    ``depends`` are ids of the questions that it rests on, ``category`` is e.g. ``attribute - color``, ``row`` its place
    in the published file.
    """

    id: int
    depends: tuple[int, ...]
    category: str
    question: str
    answer: str
    row: int

    @property
    def yes(self) -> bool:
        """Whether it counts."""
        return self.answer == "yes"


Questions = tuple[Question, ...]
DpgAnswers = tuple[DpgAnswer, ...]


def _question(entry: Mapping[str, Any]) -> Question | None:
    """None for what is malformed; a probability may lie above 1 by rounding."""
    question, answer, skill, p = map(entry.get, Question._fields)
    skill = "" if skill is None else skill  # the suite tells none
    if not (isinstance(question, str) and isinstance(answer, str) and isinstance(skill, str)):
        return None
    if not isinstance(p, (int, float)) or isinstance(p, bool) or not 0.0 <= p <= 1.0 + 1e-6:
        return None
    return Question(question, answer, skill, float(p))


def answered(asked: Sequence[Sequence[str]], probabilities: Sequence[float]) -> Questions:
    """Questions without their words, of (skill, answer) and probability.
    Raises ValueError: they are malformed.
    """
    pairs = zip(asked, probabilities, strict=True)
    found = [_question({"question": "", "answer": answer, "skill": skill, "p": p}) for (skill, answer), p in pairs]
    if None in found:
        raise ValueError(f"answers of {SOFT_TIFA} must be a skill, an answer and a number from 0 to 1")
    return tuple(one for one in found if one)


def _dpg_answer(entry: Mapping[str, Any]) -> DpgAnswer | None:
    numbers, words = [entry.get("id"), entry.get("row")], [entry.get(key) for key in ("category", "question", "answer")]
    depends = entry.get("depends")
    if not isinstance(depends, list) or not all(type(one) is int for one in (*numbers, *depends)):
        return None
    if not all(isinstance(word, str) for word in words):
        return None
    return DpgAnswer(**{key: entry[key] for key in DpgAnswer._fields if key != "depends"}, depends=tuple(depends))


#: The column and the reader of an entry, by metric.
ASKED: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {
    SOFT_TIFA: (QUESTIONS, _question),
    DPG: (DPG_ANSWERS, _dpg_answer),
}


def asked_of(row: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """The questions in a row of rewards by column; no question at all where one is malformed."""
    details = row.get(DETAILS)
    if not isinstance(details, dict):
        return {}
    return {
        column: _all(details[metric], read)
        for metric, (column, read) in ASKED.items()
        if details.get(metric) is not None
    }


def _all(entries: Any, read: Callable[[Mapping[str, Any]], Any]) -> tuple[Any, ...]:
    found = [read(one) if isinstance(one, dict) else None for one in entries] if isinstance(entries, list) else []
    return tuple(found) if all(found) else ()

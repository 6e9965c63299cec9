"""Runs of GenEval 2 with random answers: real questions where the published data are here, else some of its kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import gmean

from tests.reports.builders import Row, rewards, write_rows
from tests.shared_data import shared
from wire.vocabulary import ATOMS, SKILLS


def published_lines() -> list[Row]:
    """The suite's own lines; the calling test is skipped where they are not here."""
    return [*map(json.loads, shared("data/geneval2/geneval2_data.jsonl").read_text().splitlines())]


def made_up_lines(prompts: int = 16) -> list[Row]:
    """Lines in the suite's form: 3 to 10 atoms in turn, each prompt with one question more than it has atoms."""
    lines = []
    for number in range(prompts):
        atoms = ATOMS[number % len(ATOMS)]
        asked = [[f"Is it so, {number}.{place}?", "Yes"] for place in range(atoms)] + [["How many are there?", "one"]]
        skills = [SKILLS[place % len(SKILLS)] for place in range(atoms)] + ["count"]
        lines.append({"prompt": f"thing {number}", "atom_count": atoms, "vqa_list": asked, "skills": skills})
    return lines


def random_answers(lines: Sequence[Row], samples: int, seed: int = 0, power: float = 1.0) -> list[list[list[float]]]:
    """Of each prompt, of each of its images, the probabilities of the answers."""
    rng = np.random.default_rng(seed)
    return [[(rng.random(len(line["vqa_list"])) ** power).tolist() for _ in range(samples)] for line in lines]


def rows_of(lines: Sequence[Row], answers: Sequence[Sequence[Sequence[float]]]) -> list[Row]:
    """Rows of rewards as the stage writes them."""
    rows = []
    for number, (line, images) in enumerate(zip(lines, answers, strict=True)):
        asked = [[*question, skill] for question, skill in zip(line["vqa_list"], line["skills"], strict=True)]
        for sample, probabilities in enumerate(images):
            questions = [
                {"question": question, "answer": answer, "skill": skill, "p": p}
                for (question, answer, skill), p in zip(asked, probabilities, strict=True)
            ]
            row = rewards(number, sample, {"soft_tifa": float(gmean(probabilities))}, details={"soft_tifa": questions})
            rows.append(row | {"prompt": line["prompt"]})
    return rows


def write_run(folder: Path, lines: Sequence[Row], answers: Any, **record: Any) -> Path:
    """A run directory; ``record`` goes into its manifest."""
    write_rows(folder / "rewards.jsonl", rows_of(lines, answers))
    (folder / "run.json").write_text(json.dumps({"name": folder.name, **record}))
    return folder

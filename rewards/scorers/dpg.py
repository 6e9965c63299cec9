"""DPG-Bench's judge (Hu et al. 2024, arXiv 2403.05135): mPLUG answers the questions that a prompt brings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rewards.memory import Network, require_memory
from rewards.scorers.base import Batch, Judge, Judged, Outcome
from rewards.scorers.card import SpecCard, Tolerance, Weight
from wire.dpg import image_score
from wire.vocabulary import DPG

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

REPO = "diffusion-bench/mplug_visual-question-answering_coco_large_en"
_FILES = ("*.json", "*.yaml", "*.txt")
_WEIGHTS = "pytorch_model.bin"


class Asked(NamedTuple):
    """A question of a prompt: its number, those that it rests on, its category, its words, its place in the file."""

    id: int
    depends: tuple[int, ...]
    category: str
    question: str
    row: int


def questions(line: Mapping[str, Any]) -> list[Asked]:
    """The questions in a line of the suite, in their file's order; of two with one number the later counts.
    Raises ValueError: the line has none, or they are malformed; the message says what is wrong.
    """
    entries = line.get("dpg")
    if not isinstance(entries, list) or not entries:
        raise ValueError("the prompt has no questions of DPG-Bench (dpg in its line of the suite)")
    return list({one.id: one for one in map(_asked, entries)}.values())


def _asked(entry: Any) -> Asked:
    try:
        number, row, question, category = int(entry["id"]), int(entry["row"]), entry["question"], entry["tuple"]
        depends = tuple(int(parent) for parent in str(entry["depends"]).split(",") if int(parent))
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"not a question of DPG-Bench: {entry!r}") from error
    if not (isinstance(question, str) and question.strip() and isinstance(category, str)):
        raise ValueError(f"not a question of DPG-Bench: {entry!r}")
    return Asked(number, depends, category.split("(")[0].strip(), question, row)


class Dpg(Judge):
    """Answers that are the word yes count; each stands in the row under details."""

    dtypes: Mapping[str, str] = {"reference": "float32", "fast": "float32"}
    one_by_one = True
    card = SpecCard(
        metric=DPG,
        title="DPG-Bench's judge, mPLUG-large",
        definition="share of the prompt's questions answered yes, and all that they rest on too; answers under details",
        scale="share, 0 to 1; DPG-Bench prints 100 times the mean over prompts of the mean over four images",
        range=(0.0, 1.0),
        higher_is_better=True,
        miro_normalised="not a MIRO reward",
        preprocessing="bicubic to the network's square (504 px); question in lower case, cut to 25 tokens; beam of 5",
        reference_dtype="float32",
        weights=(Weight(REPO, f"{_WEIGHTS}; configuration and vocabulary"),),
        licence="Apache-2.0",
        tolerance=Tolerance(0.0, 0.0),
        source="arXiv 2403.05135; github.com/TencentQQGYLab/ELLA, dpg_bench/compute_dpg_bench.py; arXiv 2205.12005",
        network=Network((504 // 14) ** 2 + 1, 1024, 2 * 4096, 16),  # its CLIP ViT-L/14; the published file has the rest
        env="mplug",
    )

    questions = staticmethod(questions)

    @classmethod
    def about(cls, line: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See :meth:`Judge.about`."""
        return [one._asdict() | {"depends": list(one.depends)} for one in questions(line)]

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import LocalWeight, hub_file, snapshot

        folder = snapshot(REPO, _FILES)
        small = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".yaml", ".txt"))
        return [hub_file(REPO, _WEIGHTS), *(LocalWeight(REPO, folder.name, path) for path in small)]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        from rewards.models.mplug import Mplug

        weights = self.resolve(files)
        require_memory(weights)
        self._judge: Any = Mplug(weights[0].path.parent, device)

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """See :meth:`Scorer.pixel_key`."""
        return ("mplug", self._judge.edge)

    def prepare_image(self, image: Image) -> Tensor:
        """(3, edge, edge); see :meth:`Scorer.prepare_image`."""
        return self._judge.pixels(image)  # type: ignore[no-any-return]

    def judge(self, batch: Batch) -> list[Outcome]:
        """See :meth:`Scorer.judge`."""
        return [self._judged(pixels, questions(line)) for pixels, line in zip(batch.pixels, batch.lines, strict=True)]

    def _judged(self, pixels: Tensor, asked: Sequence[Asked]) -> Judged:
        answers = self._judge.answers(pixels, [one.question for one in asked])
        details = [one._asdict() | {"answer": answer} for one, answer in zip(asked, answers, strict=True)]
        yes = {one.id: answer == "yes" for one, answer in zip(asked, answers, strict=True)}
        return Judged(image_score(yes, {one.id: one.depends for one in asked}), details)

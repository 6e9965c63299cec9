"""DPG-Bench's judge against modelscope's own class, a question at a time, on the same random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("modelscope", reason="runs in the environment mplug")
import torch
from torchvision import transforms
from transformers import BertTokenizer

from rewards.models.mplug import MAX_TOKENS, WEIGHTS, Mplug
from rewards.scorers.base import Batch
from rewards.scorers.dpg import Dpg, questions
from wire.errors import EnvironmentFailure

QUESTIONS = (
    "Is there a red car?",
    "Are there three cats in the image?",
    "Is the dog on the left of a bench?",
    "Is there a blue boat?",
    "Is the cake green, and is " + "the bench " * 20 + "red?",  # more than 25 tokens
)
LINE = {
    "prompt": "a red car",
    "dpg": [
        {
            "row": number,
            "id": str(number),
            "depends": "0" if number == 1 else "1",
            "tuple": "entity - whole (car)",
            "question": text,
        }
        for number, text in enumerate(QUESTIONS, start=1)
    ],
}


@pytest.fixture(scope="module")
def judge(place: Path) -> Mplug:
    return Mplug(place, "cpu")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    draw = np.random.default_rng(5)
    shapes = [(64, 64), (200, 130), (31, 90), (1, 1)] * 3
    return [Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8).repeat(2, axis=0)) for size in shapes]


def reference(place: Path, pictures: list[Image.Image]) -> list[list[str]]:
    """What modelscope's pipeline comes to: ``MPlugPreprocessor``'s steps, then the class's forward, one by one."""
    from modelscope.models.multi_modal.mplug import MPlug

    network: Any = MPlug.from_pretrained(str(place)).eval()
    tokenizer = BertTokenizer.from_pretrained(place)
    view = transforms.Compose([
        transforms.Resize((56, 56), interpolation=Image.Resampling.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])  # fmt: skip

    def answer(picture: Image.Image, question: str) -> str:
        asked = tokenizer(
            question.lower(), padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        found, _ = network(view(picture.convert("RGB")).unsqueeze(0), asked, train=False)
        return str(tokenizer.decode(found[0][0], skip_special_tokens=True))

    with torch.no_grad():
        return [[answer(picture, question) for question in QUESTIONS] for picture in pictures]


def test_answers_are_those_of_the_authors_class(place: Path, judge: Mplug, pictures: list[Image.Image]) -> None:
    with torch.no_grad():
        ours = [judge.answers(judge.pixels(picture), QUESTIONS) for picture in pictures]
    assert ours == reference(place, pictures)
    words = {answer for answers in ours for answer in answers}
    assert {"yes", "no"} <= words
    assert len({tuple(answers) for answers in ours}) > 1  # the image matters
    assert any(len(set(answers)) > 1 for answers in ours)  # and so does the question


def test_a_question_s_answer_does_not_depend_on_the_others(judge: Mplug, pictures: list[Image.Image]) -> None:
    pixels = judge.pixels(pictures[1])
    with torch.no_grad():
        together = judge.answers(pixels, QUESTIONS)
        assert [judge.answers(pixels, [question])[0] for question in QUESTIONS] == together
        assert judge.answers(pixels, QUESTIONS[::-1]) == together[::-1]


def test_the_scorer_keeps_every_answer(judge: Mplug, pictures: list[Image.Image]) -> None:
    scorer = Dpg()
    scorer.load("cpu", "reference", {})
    pixels = [scorer.prepare_image(picture) for picture in pictures]
    with torch.no_grad():
        batch = Batch(pixels, [LINE["prompt"]] * len(pixels), lines=[LINE] * len(pixels))  # type: ignore[list-item]
        judged = scorer.judge(batch)
        assert scorer.score(batch).tolist() == pytest.approx([one.value for one in judged])  # type: ignore[union-attr]
    for one in judged:
        answers = [detail["answer"] for detail in one.details]  # type: ignore[union-attr]
        assert [detail["question"] for detail in one.details] == list(QUESTIONS)  # type: ignore[union-attr]
        yes = [answer == "yes" for answer in answers]
        expected = sum(yes) if yes[0] else 0  # all rest on the first
        assert one.value == expected / len(QUESTIONS)  # type: ignore[union-attr]


def test_a_lacking_weight_is_an_error_and_not_a_random_one(place: Path, tmp_path: Path) -> None:
    for file in place.iterdir():
        (tmp_path / file.name).symlink_to(file.resolve())
    state = torch.load(place / WEIGHTS, weights_only=True)
    state["model"].pop(next(name for name in state["model"] if name.startswith("fusion_encoder")))
    (tmp_path / WEIGHTS).unlink()
    torch.save(state, tmp_path / WEIGHTS)
    with pytest.raises(EnvironmentFailure, match="1 keys missing"):
        Mplug(tmp_path, "cpu")


def test_heads_of_other_tasks_in_the_file_do_no_harm(place: Path, tmp_path: Path, pictures: list[Image.Image]) -> None:
    for file in place.iterdir():
        (tmp_path / file.name).symlink_to(file.resolve())
    state = torch.load(place / WEIGHTS, weights_only=True)
    (tmp_path / WEIGHTS).unlink()
    wrapped = {f"model.{name}": value for name, value in state["model"].items()} | {"itm_head.weight": torch.ones(2)}
    torch.save({"module": wrapped}, tmp_path / WEIGHTS)
    with torch.no_grad():
        judges = (Mplug(tmp_path, "cpu"), Mplug(place, "cpu"))
        found = [one.answers(one.pixels(pictures[0]), QUESTIONS) for one in judges]
    assert found[0] == found[1]


def test_questions_of_a_line() -> None:
    assert [one.depends for one in questions(LINE)] == [(), (1,), (1,), (1,), (1,)]
    assert questions(LINE)[0].category == "entity - whole"
    assert "no questions" in Dpg.refusal({"prompt": "a cat"})
    assert "not a question" in Dpg.refusal(
        {"dpg": [{"id": "x", "depends": "0", "tuple": "a", "question": "b?", "row": 1}]}
    )
    assert Dpg.refusal(LINE) == ""

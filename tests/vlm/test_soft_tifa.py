from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from scipy.stats import gmean

from rewards.scorers.soft_tifa import FIRST_IDS, NUMBERS, SoftTifa, accepted, first_ids, geometric_mean, questions
from rewards.scorers.unified_reward import UnifiedReward4b
from rewards.scorers.vqa_qwen3vl import VqaQwen3Vl
from tests.rewards.jobs import done_cells, image_items, make_job, run_job
from tests.rewards.pairs import picture
from tests.shared_data import shared
from tests.vlm.pairs import LINES, count, images, judge, line, one_by_one, probabilities, yes
from tests.vlm.references import Generated
from wire.errors import EnvironmentFailure

AUTHORS = (
    "https://raw.githubusercontent.com/facebookresearch/GenEval2/a6e82d2289e8d418f27f0adee77908b07060eea3/evaluation.py"
)
AUTHORS_SHA256 = "90791e35321a1a2bf65366517dd60f39037f90435490eb122c0027b52d42cda9"


@pytest.fixture(scope="module")
def generated(world: Path) -> Generated:
    return Generated(SoftTifa.repo)


def asked(lines: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    return [(place, question, answer) for place, one in enumerate(lines) for question, answer in one["vqa_list"]]


def test_probabilities_are_those_of_one_generation_a_question(load: Callable[..., Any], generated: Generated) -> None:
    pictures = images()
    found = probabilities(one_by_one(load("soft_tifa"), pictures, LINES))
    theirs = [generated.soft_tifa(pictures[place], question, answer) for place, question, answer in asked(LINES)]
    assert found == pytest.approx(theirs, abs=1e-5)
    assert len(found) == 35
    assert max(found) > 0.1
    assert min(found) < 0.03


def test_half_precision_moves_them_within_the_card_s_tolerance(load: Callable[..., Any], world: Path) -> None:
    scorer, pictures = load("soft_tifa", "reference"), images()
    found = probabilities(one_by_one(scorer, pictures, LINES))
    half = Generated(SoftTifa.repo, torch.bfloat16)
    theirs = [half.soft_tifa(pictures[place], question, answer) for place, question, answer in asked(LINES)]
    assert found == pytest.approx(theirs, abs=scorer.card.tolerance.reference)
    assert sum(found) / len(found) == pytest.approx(sum(theirs) / len(theirs), abs=1e-3)


def test_the_authors_own_script_gives_the_same(
    load: Callable[..., Any], published: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as it is, but for ``device_map``, which needs another package, and in float32."""
    source = published(AUTHORS, AUTHORS_SHA256).read_text(encoding="utf-8")
    real = transformers.Qwen3VLForConditionalGeneration.from_pretrained
    script: dict[str, Any] = {"__name__": "evaluation"}
    with monkeypatch.context() as while_it_loads:
        while_it_loads.setattr(
            transformers.Qwen3VLForConditionalGeneration,
            "from_pretrained",
            lambda name, **_: real(name, dtype=torch.float32),
        )
        exec(compile(source, "evaluation.py", "exec"), script)
    pictures, lists = images(), []
    for number, (image, one) in enumerate(zip(pictures, LINES, strict=True)):
        image.save(tmp_path / f"{number}.png")
        lists.append(script["soft_tifa"](one["vqa_list"], str(tmp_path / f"{number}.png"))[1])
    found = one_by_one(load("soft_tifa"), pictures, LINES)
    assert probabilities(found) == pytest.approx([p for scores in lists for p in scores], abs=1e-5)
    assert [one.value for one in found] == pytest.approx([float(gmean(scores)) for scores in lists], abs=1e-5)


def test_neither_batch_nor_order_nor_company_matters(load: Callable[..., Any]) -> None:
    scorer, pictures = load("soft_tifa"), images()
    alone = one_by_one(scorer, pictures, LINES)
    assert one_by_one(scorer, pictures, LINES) == alone
    together = judge(scorer, pictures, LINES)
    backwards = judge(scorer, pictures[::-1], LINES[::-1])[::-1]
    assert probabilities(together) == pytest.approx(probabilities(alone), abs=1e-5)
    assert probabilities(backwards) == pytest.approx(probabilities(alone), abs=1e-5)
    one = line("two dogs", LINES[0]["vqa_list"][1])
    assert judge(scorer, pictures[:1], [one])[0].details[0]["p"] == pytest.approx(alone[0].details[1]["p"], abs=1e-5)


def test_details_tell_of_every_question_and_the_score_is_their_geometric_mean(load: Callable[..., Any]) -> None:
    (outcome,) = judge(load("soft_tifa"), images()[:1], LINES[:1])
    assert [list(detail) for detail in outcome.details] == [["question", "answer", "skill", "p"]] * 3
    assert [(d["question"], d["answer"], d["skill"]) for d in outcome.details] == [
        (question, answer, skill)
        for (question, answer), skill in zip(LINES[0]["vqa_list"], LINES[0]["skills"], strict=True)
    ]
    assert outcome.value == pytest.approx(float(gmean([detail["p"] for detail in outcome.details])), rel=1e-12)
    assert geometric_mean([0.5, 0.0]) == 0.0
    nan = float("nan")
    assert all(math.isnan(geometric_mean(one)) for one in ([0.5, nan, 0.0], [nan, 0.0], [0.5, nan]))
    assert json.loads(json.dumps(outcome.details)) == outcome.details


def test_the_image_decides(load: Callable[..., Any]) -> None:
    scorer = load("soft_tifa")
    values = [judge(scorer, [picture(seed)], LINES[:1])[0].value for seed in range(4)]
    assert len(set(values)) == 4


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (5, 3), (4096, 32)])
def test_images_of_any_size(size: tuple[int, int], load: Callable[..., Any], generated: Generated) -> None:
    image = picture(3, size)
    found = probabilities(judge(load("soft_tifa"), [image], LINES[:1]))
    assert found == pytest.approx([generated.soft_tifa(image, *pair) for pair in LINES[0]["vqa_list"]], abs=1e-5)


def test_control_tokens_in_a_question_are_letters(load: Callable[..., Any]) -> None:
    scorer = load("soft_tifa")
    odd = line("odd", yes("Is there <|image_pad|> here?<|im_end|>"), yes("Is there <|vision_start|><|image_pad|>?"))
    (outcome,) = judge(scorer, images()[:1], [odd])
    assert all(0 < detail["p"] < 1 for detail in outcome.details)
    ids = scorer._model._tail("<|image_pad|><|im_end|> <|endoftext|>")
    control = {scorer._model.tokenizer.convert_tokens_to_ids(t) for t in ("<|image_pad|>", "<|endoftext|>")}
    assert not control & {*ids}
    end = scorer._model.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert ids.count(end) == 1


def test_without_control_tokens_the_tokens_are_those_of_the_whole_turn(
    load: Callable[..., Any], generated: Generated
) -> None:
    scorer = load("soft_tifa")
    for text in ("How many dogs?", "", "  two  ", "\n\nﬁne Café e\u0301", "<think> 10 dogs", "don't\tpanic \U0001f600"):
        inputs = generated.inputs(images()[0], text)["input_ids"][0].tolist()
        tail = scorer._model._tail(text)
        assert inputs[-len(tail) :] == tail, text


def test_spellings_and_their_tokens(world: Path) -> None:
    assert accepted("three") == ("three", "Three", " three", " Three", "3", " 3")
    assert accepted("Yes") == ("Yes", "yes", " yes", " Yes")
    ids = first_ids(next(world.glob("hub/models--Qwen--Qwen3-VL-8B-Instruct/snapshots/*/tokenizer.json")))
    assert list(ids) == ["Yes", *NUMBERS]
    space = ids["one"][5]
    assert {tokens[5] for answer, tokens in ids.items() if answer != "Yes"} == {space}
    assert all(len({*tokens}) == len(tokens) for answer, tokens in ids.items() if answer != "ten")
    assert all(tokens[5] == 220 for answer, tokens in FIRST_IDS.items() if answer != "Yes")


def test_a_published_vocabulary_must_have_the_known_tokens(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewards.scorers.soft_tifa._PUBLISHED", 500)
    with pytest.raises(EnvironmentFailure, match="its tokenizer has other tokens for 'Yes'"):
        SoftTifa().load("cpu", "reference", {})


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (None, "the prompt has no questions"),
        ([], "the prompt has no questions"),
        ("How many?", "vqa_list must be pairs"),
        ([["Is it?"]], "vqa_list must be pairs"),
        ([["Is it?", 1]], "vqa_list must be pairs"),
        ([["Is it?", "No"]], "'Is it\\?' cannot be answered by 'No'"),
        ([["How many?", "eleven"]], "'How many\\?' cannot be answered by 'eleven'"),
        ([["How many?", "Yes"]], "'How many\\?' cannot be answered by 'Yes'"),
    ],
)
def test_a_line_without_fit_questions_is_refused(asked: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        questions({"prompt": "x", "vqa_list": asked})
    assert SoftTifa.refusal({"prompt": "x", "vqa_list": asked})


@pytest.mark.parametrize("skills", [[], ["count"], ["count", "object", "object"], "ab"])
def test_skills_of_other_questions_are_refused(skills: Any) -> None:
    line = {"prompt": "x", "vqa_list": [["How many?", "one"], ["Is it?", "Yes"]]}
    assert [skill for *_, skill in questions(line)] == [None, None]
    assert SoftTifa.refusal(line | {"skills": skills}).startswith("skills must be a list with one for each question")


def test_published_questions_are_taken_as_they_are() -> None:
    lines = [json.loads(text) for text in shared("data/geneval2/geneval2_data.jsonl").read_text().splitlines()]
    assert [SoftTifa.refusal(one) for one in lines] == [""] * 800
    assert sum(len(questions(one)) for one in lines) == 6012


def test_a_worker_s_rows_and_what_it_says_of_its_weights(world: Path, tmp_path: Path) -> None:
    items = image_items(tmp_path / "run", prompts=2)
    for item in items[:3]:
        item.metadata.update(
            vqa_list=[list(count("dogs", "two")), list(yes("Are there dogs?"))], skills=["count", "object"]
        )
    parameters = {"metrics": ["soft_tifa", "vqa_qwen3vl"], "batch_size": 3, "device": "cpu"}
    rows, (started, *_, finished) = run_job(make_job(tmp_path, items, parameters))
    rows_of_it = [row for row in rows if row["metric"] == "soft_tifa"]
    assert [len(row.get("details", [])) for row in rows_of_it] == [2, 2, 2, 0]
    assert rows_of_it[3]["error"] == "the prompt has no questions (vqa_list in its line of the suite)"
    assert not any("details" in row for row in rows if row["metric"] == "vqa_qwen3vl")
    assert finished["unscored"] == 1
    (tokenizer,) = [one for one in started["weights"] if "first_tokens" in one]
    assert tokenizer["metric"] == "soft_tifa"
    assert tokenizer["file"] == "tokenizer.json"
    assert len(tokenizer["sha256"]) == 64
    assert len(tokenizer["first_tokens"]["seven"]) == 6
    (tmp_path / "cells.jsonl").unlink()
    some = done_cells([rows[0], rows[5]])
    again, _ = run_job(make_job(tmp_path, items, parameters, done=some))
    assert sorted(map(str, [rows[0], rows[5], *again])) == sorted(map(str, rows))


def test_a_judge_without_its_weights_leaves_its_own_column_unscored(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SoftTifa, "repo", "Qwen/Qwen3-VL-99B-Instruct")
    items = image_items(tmp_path / "run", prompts=1)
    parameters = {"metrics": ["soft_tifa", "vqa_qwen3vl"], "batch_size": 2, "device": "cpu"}
    rows, _ = run_job(make_job(tmp_path, items, parameters))
    reasons = {row["metric"]: row["error"] for row in rows}
    assert reasons["vqa_qwen3vl"] is None
    assert reasons["soft_tifa"].startswith("Qwen/Qwen3-VL-99B-Instruct")
    with pytest.raises(EnvironmentFailure, match="soft_tifa: Qwen/Qwen3-VL-99B-Instruct"):
        run_job(make_job(tmp_path / "alone", items, parameters | {"metrics": ["soft_tifa"]}))


def test_two_judges_share_a_model_and_the_second_takes_no_memory(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load("soft_tifa", "reference")._model
    monkeypatch.setattr("rewards.memory.memory", lambda: 0)
    second = VqaQwen3Vl()
    second.load("cpu", "reference", {})
    assert second._model is first
    with pytest.raises(EnvironmentFailure, match="GB of this machine's memory while it is loaded, and 0 are free"):
        UnifiedReward4b().load("cpu", "reference", {})

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from generation.flops import miro_flops
from harness.plan.cost import HARDWARE, Hardware, find_hardware, sweep_cost
from harness.run.settings import GenerationSettings, RewardSettings
from tests.harness.plan.test_selection import hub_layout, model
from tests.harness.test_cli import run
from wire.errors import UserError

MIRO = GenerationSettings("miro")


def test_the_released_model_s_sweep() -> None:
    cost = sweep_cost(model(MIRO), RewardSettings())
    assert (cost.prompts, cost.images, cost.stages) == (553, 2212, ["generate", "geneval", "rewards"])
    # The paper's 50 steps of 83.2 GMAC, twice for guidance: 17.3 TFLOP per image with the conditioning.
    assert cost.flops("generate") / cost.images == pytest.approx(17.3e12 + 0.62e12, rel=0.01)
    assert cost.image_bytes == 2212 * 256 * 256 * 3


def test_samples_and_steps_scale_what_depends_on_them() -> None:
    one, four = (sweep_cost(model(replace(MIRO, samples=samples)), RewardSettings()) for samples in (1, 4))
    text = 553 * miro_flops().text
    assert (four.flops("generate") - text) / (one.flops("generate") - text) == pytest.approx(4)
    assert one.flops("geneval") < four.flops("geneval")
    half = sweep_cost(model(replace(MIRO, steps=25)), RewardSettings())
    assert half.flops("generate") < 0.6 * four.flops("generate")
    short = sweep_cost(model(replace(MIRO, precision="pipeline")), RewardSettings())
    assert (short.flops("generate") - text) / short.images == pytest.approx(17.4e12, rel=0.01)  # as in run.json


def test_prompts_without_geneval_metadata_have_no_verdicts_to_pay_for(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("a\nb\n")
    cost = sweep_cost(model(replace(MIRO, suite=str(tmp_path / "mine.txt"))), RewardSettings(("aesthetic",)))
    assert cost.stages == ["generate", "rewards"]


@pytest.mark.parametrize(
    "odd",
    ['{"prompt": "a"}', '{"prompt": "a", "tag": "colors"}', '{"prompt": "a", "tag": "colors", "include": null}',
     '{"prompt": "a", "tag": "colors", "include": [{"color": "red"}]}', '{"prompt": "a", "include": [7]}',
     '{"prompt": "a", "tag": "colors", "include": [{"class": "bench", "count": "2", "color": "red"}]}'],
)  # fmt: skip
def test_lines_that_cannot_be_judged_cost_no_verdict(tmp_path: Path, odd: str) -> None:
    good = '{"prompt": "b", "tag": "colors", "include": [{"class": "bench", "count": 1.0, "color": "red"}]}'
    costs = []
    for lines in ([good], [good, odd], [odd, good]):
        (tmp_path / "mine.jsonl").write_text("\n".join(lines))
        settings = replace(MIRO, suite=str(tmp_path / "mine.jsonl"))
        costs.append(sweep_cost(model(settings), RewardSettings(("aesthetic",))).flops("geneval"))
    assert costs[0] > 0
    assert costs == [costs[0]] * 3


def test_time_is_arithmetic_over_the_rate_that_is_reached() -> None:
    cost = sweep_cost(model(MIRO), RewardSettings(("vqa",)))
    assert cost.seconds("rewards", Hardware(bf16=1.0, fp32=0.1), 0.5) == pytest.approx(cost.flops("rewards") / 5e11)
    fp32 = sweep_cost(model(MIRO), RewardSettings(("sciscore",)))
    assert fp32.seconds("rewards", Hardware(bf16=1.0, fp32=0.1), 0.5) == pytest.approx(fp32.flops("rewards") / 5e10)


def test_what_other_generators_cost_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    cost = sweep_cost(model(replace(MIRO, checkpoint=str(tmp_path))), RewardSettings())
    assert cost.stages == ["geneval", "rewards"]
    assert "not counted" in cost.notes[0]


def test_unknown_hardware_is_answered_with_the_known() -> None:
    assert find_hardware("H200") is HARDWARE["h200"]
    with pytest.raises(UserError, match=r"h200, h100, a100.*--tflops"):
        find_hardware("tpu")


def test_the_verb_says_what_binds(tmp_path: Path) -> None:
    for name in ("a", "b"):
        hub_layout(tmp_path / name)
    answer = run("plan", tmp_path / "a", tmp_path / "b", "--limit", "10", "--samples", "2", "--tflops", "100")
    assert answer.returncode == 0, answer.stderr
    assert "checkpoints: 2, prompts: 10, images: 40" in answer.stdout
    assert "bottleneck: generate" in answer.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name not in "ab"] == []

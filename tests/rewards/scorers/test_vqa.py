"""VQAScore against the formula, spelled out image by image on plain transformers modules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn import functional
from transformers import CLIPImageProcessor, CLIPVisionModel, T5Config, T5ForConditionalGeneration, T5Tokenizer

from rewards.hub import LocalWeight, snapshot
from rewards.memory import require_memory
from rewards.scorers import SCORERS, Scorer
from tests.rewards.jobs import image_items, make_job, run_job
from tests.rewards.pairs import PROMPTS, picture, pictures, scores
from wire.errors import EnvironmentFailure
from wire.protocol import read_rows

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)
SIZES = pytest.mark.parametrize(("metric", "size"), [("vqa", "xxl"), ("vqa_xl", "xl")])


class Reference:
    """One image and one text at a time: prompt tokens around image tokens, and the answer's mean cross-entropy."""

    def __init__(self, size: str) -> None:
        folder = snapshot(f"zhiqiulin/clip-flant5-{size}")
        vision = snapshot("openai/clip-vit-large-patch14-336")
        state = torch.load(folder / "pytorch_model.bin", weights_only=True)
        self.projector = {key: value.float() for key, value in state.items() if key.startswith("mm_projector")}
        self.tokenizer: Any = T5Tokenizer.from_pretrained(snapshot(f"google/flan-t5-{size}"), legacy=True)
        self.t5: Any = T5ForConditionalGeneration(T5Config(**json.loads((folder / "config.json").read_text())))
        self.t5.load_state_dict({key: value for key, value in state.items() if not key.startswith(("mm_", "vision_"))})
        self.t5.resize_token_embeddings(len(self.tokenizer))
        self.t5.eval()
        self.tower: Any = CLIPVisionModel.from_pretrained(vision, torch_dtype=torch.float32).eval()
        self.processor: Any = CLIPImageProcessor.from_pretrained(vision)

    def image_tokens(self, image: Image.Image) -> torch.Tensor:
        edge = max(image.size)
        square = Image.new("RGB", (edge, edge), (122, 116, 104))
        square.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
        pixels = self.processor(square, return_tensors="pt")["pixel_values"]
        patches = self.tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        p = self.projector
        hidden = functional.gelu(functional.linear(patches, p["mm_projector.0.weight"], p["mm_projector.0.bias"]))
        return functional.linear(hidden, p["mm_projector.2.weight"], p["mm_projector.2.bias"])

    @torch.no_grad()
    def answer(self, image: Image.Image, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (2, vocabulary) at the answer's tokens, and those tokens (2,)."""
        question = f'{SYSTEM} USER: <image>\nDoes this figure show "{prompt}"? Please answer yes or no. ASSISTANT: '
        before, after = (self.tokenizer(half, return_tensors="pt").input_ids for half in question.split("<image>"))
        embed = self.t5.shared
        inputs = torch.cat([embed(before), self.image_tokens(image), embed(after)], dim=1)
        labels = self.tokenizer("Yes", return_tensors="pt").input_ids
        mask = torch.ones(inputs.shape[:2])
        mask[:, inputs.shape[1] - after.shape[1] :] = after.ne(self.tokenizer.pad_token_id)  # as the authors have it
        logits = self.t5(inputs_embeds=inputs, attention_mask=mask, labels=labels).logits
        return logits[0], labels[0]

    def score(self, image: Image.Image, prompt: str) -> float:
        """The authors' exp(-mean cross-entropy)."""
        return float((-functional.cross_entropy(*self.answer(image, prompt))).exp())

    def probabilities(self, image: Image.Image, prompt: str) -> list[float]:
        """P(Yes), P(end | Yes)."""
        logits, labels = self.answer(image, prompt)
        return logits.softmax(-1).gather(-1, labels[:, None]).squeeze(-1).tolist()


@SIZES
def test_equals_the_formula(metric: str, size: str, load: Callable[..., Scorer]) -> None:
    scorer, reference = load(metric), Reference(size)
    prompts = [prompt[:200] for prompt in PROMPTS]
    images = [*pictures(4), picture(7, (300, 200)), picture(8, (227, 340))]
    expected = torch.tensor([reference.score(image, text) for image, text in zip(images, prompts, strict=True)])
    torch.testing.assert_close(scores(scorer, images, prompts), expected, rtol=1e-5, atol=0)


#: Prompts that spell out special tokens; the authors mask padding wherever it stands.
SPELLED_OUT = [
    "<pad>",
    "a <pad> dog",
    "<pad>" * 40 + " a red bench",
    "a photo</s> of <unk> <extra_id_0> two<pad>clocks",
]


@SIZES
def test_special_tokens_in_a_prompt_are_masked_as_the_authors_mask_them(
    metric: str, size: str, load: Callable[..., Scorer]
) -> None:
    scorer, reference = load(metric), Reference(size)
    expected = torch.tensor(
        [reference.score(image, text) for image, text in zip(pictures(4), SPELLED_OUT, strict=True)]
    )
    torch.testing.assert_close(scores(scorer, pictures(4), SPELLED_OUT), expected, rtol=1e-5, atol=0)


@SIZES
def test_bf16_stays_within_five_percent_of_float32(metric: str, size: str, load: Callable[..., Scorer]) -> None:
    half = scores(load(metric, "reference"), pictures(6), PROMPTS)
    torch.testing.assert_close(half, scores(load(metric), pictures(6), PROMPTS), rtol=0.05, atol=0)


def test_the_value_is_the_root_of_two_probabilities_not_p_yes(load: Callable[..., Scorer]) -> None:
    reference = Reference("xxl")
    yes, end = reference.probabilities(pictures(1)[0], PROMPTS[0])
    found = scores(load("vqa"), pictures(1), PROMPTS[:1]).item()
    assert found == pytest.approx((yes * end) ** 0.5, rel=1e-5)
    assert abs(found - yes) > 0.1 * yes


def test_a_question_is_cut_to_the_context(load: Callable[..., Scorer]) -> None:
    scorer: Any = load("vqa")
    before, after, mask = scorer._question.tokens(["red " * 5000, "red"])
    assert len(before) + 1 + mask[0].sum() == 2048
    assert after.shape[1] % 32 == 0
    assert mask[1].sum() < 64


def cached(hub: Path, repo: str, files: Mapping[str, str]) -> None:
    folder = hub / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("c0ffee")
    for name, content in files.items():
        path = folder / "snapshots" / "c0ffee" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@SIZES
@pytest.mark.parametrize("key", ["vision_tower.vision_tower.vision_model.post_layernorm.weight", "mm_projector.0.bias"])
def test_clips_own_weights_are_asked_for_only_where_the_shards_lack_the_tower(
    key: str, metric: str, size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    index = json.dumps({"weight_map": {"shared.weight": "pytorch_model-1.bin", key: "pytorch_model-2.bin"}})
    shards = dict.fromkeys(("pytorch_model-1.bin", "pytorch_model-2.bin"), "")
    cached(tmp_path, f"zhiqiulin/clip-flant5-{size}", {"pytorch_model.bin.index.json": index, **shards})
    cached(tmp_path, f"google/flan-t5-{size}", {"spiece.model": ""})
    cached(tmp_path, "openai/clip-vit-large-patch14-336", {"config.json": "{}"})
    if key.startswith("vision"):
        assert [weight.path.name for weight in SCORERS[metric]().resolve({})] == list(shards)
        return
    with pytest.raises(EnvironmentFailure, match="openai/clip-vit-large-patch14-336: not in the hub cache"):
        SCORERS[metric]().resolve({})


def test_a_model_that_the_machine_s_memory_does_not_hold_costs_its_own_cells_alone(
    files: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = max(weight.size for weight in SCORERS["vqa"]().resolve(files))
    monkeypatch.setattr("rewards.memory.memory", lambda: largest)
    job = make_job(tmp_path, image_items(tmp_path / "run", 1), {"files": files, "metrics": ["vqa", "sciscore"]})
    run_job(job)
    rows = {row["metric"]: row for row in read_rows(Path(job.output))}
    assert rows["sciscore"]["value"] is not None
    assert rows["vqa"]["value"] is None
    assert "GB of this machine's memory while it is loaded, and 0 are free; use a machine" in str(rows["vqa"])


def test_what_loading_takes_is_the_model_and_its_largest_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [tmp_path / name for name in ("1.bin", "2.bin", "3.bin")]
    for shard, size in zip(shards, (10, 9, 4), strict=True):
        with shard.open("wb") as file:
            file.truncate(size * 10**9)  # holes: they take no disk
    weights = [LocalWeight("xxl", None, shard) for shard in shards]
    monkeypatch.setattr("rewards.memory.memory", lambda: 33 * 10**9)
    require_memory(weights)
    monkeypatch.setattr("rewards.memory.memory", lambda: 32 * 10**9)
    with pytest.raises(EnvironmentFailure, match="its model takes 33 GB of this machine's memory"):
        require_memory(weights)

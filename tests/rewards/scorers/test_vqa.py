"""VQAScore against the formula, spelled out image by image on plain transformers modules."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn import functional
from transformers import CLIPImageProcessor, CLIPVisionModel, T5Config, T5ForConditionalGeneration, T5Tokenizer

from rewards.hub import snapshot
from rewards.scorers import Scorer
from tests.rewards.pairs import PROMPTS, picture, pictures, scores

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
        logits = self.t5(inputs_embeds=inputs, attention_mask=torch.ones(inputs.shape[:2]), labels=labels).logits
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

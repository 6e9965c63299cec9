"""The judges written a second time, as their authors' code goes about it: slowly, one text and one image at a time.

Nothing of ours is used here but the authors' words.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoConfig, AutoProcessor, Qwen2VLForConditionalGeneration, Qwen3VLForConditionalGeneration

DIGITS = dict(zip(("one", "two", "three", "four", "five", "six", "seven"), "1234567", strict=True))


class Generated:
    """A Qwen3-VL model as ``generate`` runs it."""

    def __init__(self, repo: str, dtype: torch.dtype = torch.float32) -> None:
        self.processor: Any = AutoProcessor.from_pretrained(repo)
        self.model: Any = Qwen3VLForConditionalGeneration.from_pretrained(repo, dtype=dtype).eval()

    def inputs(self, image: Image.Image, text: str) -> Any:
        turn = [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": text}]}]
        return self.processor.apply_chat_template(
            turn, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )

    def scores(self, inputs: Any) -> torch.Tensor:
        """Probabilities of the first token."""
        made = self.model.generate(
            **inputs, max_new_tokens=1, do_sample=False, output_scores=True, return_dict_in_generate=True
        )
        return made.scores[0].softmax(-1)[0]

    def soft_tifa(self, image: Image.Image, question: str, answer: str) -> float:
        """GenEval 2, ``evaluation.py``."""
        found = self.scores(self.inputs(image, f"{question} Answer in one word."))
        spelled = ["Yes", "yes", " yes", " Yes"]
        if question.startswith("How many"):
            spelled = [answer, answer.capitalize(), " " + answer, " " + answer.capitalize(), DIGITS[answer]]
            spelled.append(" " + DIGITS[answer])
        return sum(found[self.processor.tokenizer.encode(text)[0]].item() for text in spelled)

    def vqa(self, image: Image.Image, prompt: str) -> float:
        """t2v_metrics 3.1, ``qwen3vl_model.py``, with qwen-vl-utils' sizes worked out again."""
        width, height = image.size
        sides = [max(32, round(side / 32) * 32) for side in (height, width)]
        if sides[0] * sides[1] < 4096:
            beta = math.sqrt(4096 / (height * width))
            sides = [math.ceil(side * beta / 32) * 32 for side in (height, width)]
        text = self.processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {
                "type": "text", "text": f'Does this figure show "{prompt}"? Please answer Yes or No.'
            }]}], tokenize=False, add_generation_prompt=True,
        )  # fmt: skip
        resized = image.resize((sides[1], sides[0]), Image.Resampling.BICUBIC)
        inputs = self.processor(text=[text], images=[resized], do_resize=False, padding=True, return_tensors="pt")
        return float(self.scores(inputs)[self.processor.tokenizer.encode("Yes")[0]])

    def reply(self, image: Image.Image, text: str, limit: int) -> str:
        """The likeliest, token by token."""
        inputs = self.inputs(image, text)
        made = self.model.generate(**inputs, max_new_tokens=limit, do_sample=False)
        tokens = made[0, inputs["input_ids"].shape[1] :]
        return str(self.processor.tokenizer.decode(tokens, skip_special_tokens=True))


class Hpsv3:
    """The package's forward pass, in a loop over pairs: embeddings, image features put in, 28 layers, head."""

    def __init__(self, world: Path, dtype: torch.dtype = torch.float32) -> None:
        base = "Qwen/Qwen2-VL-7B-Instruct"
        texts = json.loads((Path(__file__).parents[2] / "rewards/models/official_texts.json").read_text())["hpsv3"]
        self.before, self.behind = texts["instruction"], texts["ending"]
        self.processor: Any = AutoProcessor.from_pretrained(base, use_fast=False)
        self.processor.tokenizer.add_special_tokens({"additional_special_tokens": ["<|Reward|>"]})
        state = load_file(next(world.glob("hub/models--MizzenAI--HPSv3/snapshots/*/HPSv3.safetensors")))
        head = {key.removeprefix("rm_head."): value for key, value in state.items() if key.startswith("rm_head.")}
        self.head = [(head[f"{i}.weight"].float(), head[f"{i}.bias"].float()) for i in (0, 3, 5)]
        config = AutoConfig.from_pretrained(base)
        self.model: Any = Qwen2VLForConditionalGeneration(config).eval()
        named = {
            key.replace("visual.", "model.visual.") if key.startswith("visual.") else
            key.replace("model.", "model.language_model.", 1): value.to(dtype)
            for key, value in state.items() if not key.startswith("rm_head.")
        }  # fmt: skip
        self.model.load_state_dict(named)
        self.model.to(dtype)

    def inputs(self, image: Image.Image, prompt: str) -> Any:
        width, height = image.size
        sides = [max(28, round(side / 28) * 28) for side in (height, width)]
        if sides[0] * sides[1] > 200_704:
            beta = math.sqrt(height * width / 200_704)
            sides = [math.floor(side / beta / 28) * 28 for side in (height, width)]
        elif sides[0] * sides[1] < 200_704:
            beta = math.sqrt(200_704 / (height * width))
            sides = [math.ceil(side * beta / 28) * 28 for side in (height, width)]
        text = self.before.format(text_prompt=prompt) + self.behind
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        whole = self.processor.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        resized = image.convert("RGB").resize((sides[1], sides[0]), Image.Resampling.BICUBIC)
        return self.processor(text=[whole], images=[resized], padding=True, return_tensors="pt")

    @torch.inference_mode()
    def __call__(self, image: Image.Image, prompt: str, flat: bool = True) -> float:
        inputs = self.inputs(image, prompt)
        ids = inputs["input_ids"]
        pixels = inputs["pixel_values"].to(self.model.dtype)
        embedded = self.model.get_input_embeddings()(ids)
        features = self.model.model.visual(pixels, grid_thw=inputs["image_grid_thw"])
        place = (ids == self.model.config.image_token_id)[..., None].expand_as(embedded)
        positions, _ = self.model.model.get_rope_index(ids, inputs["image_grid_thw"], None, inputs["attention_mask"])
        hidden = self.model.model.language_model(
            inputs_embeds=embedded.masked_scatter(place, features.to(embedded.dtype)),
            attention_mask=inputs["attention_mask"],
            position_ids=torch.arange(ids.shape[1]).expand(3, 1, -1) if flat else positions,
        ).last_hidden_state
        reward = self.processor.tokenizer.convert_tokens_to_ids("<|Reward|>")
        (values,) = hidden[ids == reward].float()
        for number, (weight, bias) in enumerate(self.head):
            values = weight @ (values.relu() if number else values) + bias
        return float(values[0])

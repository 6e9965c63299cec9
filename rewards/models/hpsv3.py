"""HPSv3's network (package hpsv3 1.0.0, ``model/qwen2vl_trainer.py``) on transformers' Qwen2-VL.

Its authors train and score on transformers 4.45, where their forward pass counts positions through text and image
alike, the same on all three axes. Later versions give the image rows and columns instead, unasked, and scores move by
a quarter of their spread: positions are therefore given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoProcessor, Qwen2VLModel
from transformers.modeling_utils import no_init_weights

from rewards.models.loading import clear_errors, frozen, load_strictly
from rewards.models.official_texts import official_texts
from rewards.preprocessing import smart_size
from wire.errors import EnvironmentFailure

#: Every image is brought to this many pixels at most, and near it; sides are multiples of :data:`SIDE`.
PIXELS = 256 * 28 * 28
SIDE = 28
REWARD = "<|Reward|>"
#: Width of the head's first layer.
_HEAD = 1024


class Hpsv3:
    """Body, head in float32, and the authors' words around a prompt.
    ``base``: snapshot with Qwen2-VL-7B's configuration, tokenizer and chat template.
    ``weights``: ``HPSv3.safetensors``.
    Raises EnvironmentFailure: the files do not belong to this model, or to each other.
    """

    def __init__(self, base: Path, weights: Path, dtype: torch.dtype, device: str) -> None:
        what = weights.name
        with clear_errors(what):
            processor = AutoProcessor.from_pretrained(base, use_fast=True)
            config, state = AutoConfig.from_pretrained(base), load_file(weights)
        self._tokenizer: Any = processor.tokenizer
        self._tokenizer.add_tokens([REWARD], special_tokens=True)
        self._reward: int = self._tokenizer.convert_tokens_to_ids(REWARD)
        config.text_config.vocab_size = self._rows(state, what)
        with no_init_weights(), clear_errors(what):
            body = Qwen2VLModel._from_config(config, dtype=dtype)
        width = config.text_config.hidden_size
        head = nn.Sequential(
            nn.Linear(width, _HEAD), nn.ReLU(), nn.Identity(), nn.Linear(_HEAD, 16), nn.ReLU(), nn.Linear(16, 2)
        )
        parts = split_state(state, what)
        self._body: Any = frozen(load_strictly(body, parts["body"], what, assign=True), device, dtype)
        self._head = frozen(load_strictly(head, parts["head"], what), device, torch.float32)
        self._device, self._dtype = device, dtype
        self._images: Any = processor.image_processor
        self._image_id: int = config.image_token_id
        words = official_texts("hpsv3")
        self._instruction = words["instruction"]
        self._text, self._turn = words["ending"], self._template(processor, what)

    def _rows(self, state: dict[str, Tensor], what: str) -> int:
        """Rows of the embedding: one for each token, the reward's the last."""
        rows = len(state.get("model.embed_tokens.weight", ()))
        if not rows == len(self._tokenizer) == self._reward + 1:
            raise EnvironmentFailure(
                f"{what}: {rows} embeddings for a tokenizer of {len(self._tokenizer)}: not files of one model; "
                "fetch them again"
            )
        return rows

    def _template(self, processor: Any, what: str) -> tuple[str, str, str]:
        """The chat template's text before the image token, between it and the user's text, and behind that."""
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "TEXT"}]}]
        with clear_errors(what):
            text = processor.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        before, _, rest = text.partition("<|image_pad|>")
        between, _, after = rest.partition("TEXT")
        if between != "<|vision_end|>":
            raise EnvironmentFailure(f"{what}: its chat template does not put the image right before the text")
        return before, between, after

    def pixels(self, image: Image.Image) -> Tensor:
        """(rows, columns, values) float32: patches of the image at the fixed budget, by PIL's bicubic filter."""
        resized = image.resize(smart_size(image.size, SIDE, PIXELS, PIXELS), Image.Resampling.BICUBIC)
        made = self._images(images=resized, do_resize=False, return_tensors="pt")
        _, rows, columns = made["image_grid_thw"][0].tolist()
        return made["pixel_values"].reshape(rows, columns, -1)

    def tokens(self, prompt: str, image_tokens: int) -> Tensor:
        """The whole turn; control tokens that the prompt spells out are letters, so that there is one reward token."""
        before, between, after = self._turn
        said, _, rest = (self._instruction.replace("{text_prompt}", prompt) + self._text).rpartition(REWARD)

        def ids(text: str, plain: bool = False) -> list[int]:
            return list(self._tokenizer(text, split_special_tokens=plain)["input_ids"])

        image = [self._image_id] * image_tokens
        return torch.tensor(
            [*ids(before), *image, *ids(between), *ids(said, True), self._reward, *ids(rest, True), *ids(after)]
        )

    def __call__(self, images: Sequence[Tensor], prompts: Sequence[str]) -> Tensor:
        """Mean and deviation of the preference for each pair, (N, 2) float32 on the device."""
        merged = self._images.merge_size**2
        sizes = [image.shape[:2].numel() // merged for image in images]
        turns = list(map(self.tokens, prompts, sizes))
        ids = pad_sequence(turns, batch_first=True, padding_value=self._tokenizer.pad_token_id).to(self._device)
        mask = pad_sequence([torch.ones_like(turn) for turn in turns], batch_first=True).to(self._device)
        hidden = self._body(
            input_ids=ids,
            attention_mask=mask,
            position_ids=torch.arange(ids.shape[1], device=self._device).expand(3, *ids.shape),
            pixel_values=torch.cat([image.flatten(0, 1) for image in images]).to(self._device, self._dtype),
            image_grid_thw=torch.tensor([[1, *image.shape[:2]] for image in images], device=self._device),
            use_cache=False,
        ).last_hidden_state
        return self._head(hidden[ids == self._reward].float())


def split_state(state: dict[str, Tensor], what: str) -> dict[str, dict[str, Tensor]]:
    """The checkpoint's tensors for body and head, under the names that transformers gives them since 4.52.
    Raises EnvironmentFailure: a tensor of neither.
    """
    names = {"rm_head.": ("head", ""), "model.": ("body", "language_model."), "visual.": ("body", "visual.")}
    parts: dict[str, dict[str, Tensor]] = {"head": {}, "body": {}}
    for name, value in state.items():
        found = next((one for one in names if name.startswith(one)), None)
        if found:
            part, begins = names[found]
            parts[part][begins + name.removeprefix(found)] = value
        elif name != "lm_head.weight":  # which makes words, of no use here
            raise EnvironmentFailure(f"{what}: the weights are not this model's (unknown {name!r}); fetch them again")
    return parts

"""Qwen3-VL as a judge: an image is read once, whatever is asked of it, and questions are read behind it.

What goes wrong silently in transformers 4.57 is held by ``tests/vlm/test_silent_errors.py``: attention without mask and
cache is cut at every image token; image processors without torchvision overlook the published sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from rewards.models.loading import clear_errors, frozen, load_pretrained
from wire.errors import EnvironmentFailure
from wire.grouping import grouped

#: Stands for the text of a turn while the chat template is taken apart.
_TEXT = "TEXT"
_IMAGE = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
#: Settings of ``generation_config.json`` that would make ``generate``'s scores other numbers than the model's logits.
_PLAIN: dict[str, Any] = {
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "min_length": 0,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "bad_words_ids": None,
    "sequence_bias": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "min_new_tokens": None,
    "guidance_scale": None,
}


class Qwen3VL:
    """A model with its processor and chat template: one user turn, the image before the text.

    The text is the user's: control tokens spelled out in it are read as letters, so that none ends the turn or stands
    for an image. Without such spellings its tokens are those of the whole turn tokenised at once.
    """

    def __init__(self, folder: Path, dtype: torch.dtype, device: str, what: str) -> None:
        with clear_errors(what):
            processor = AutoProcessor.from_pretrained(folder)
        model = load_pretrained(Qwen3VLForConditionalGeneration, folder, what, dtype)
        require_plain_scores(model.generation_config, what)
        self._model: Any = frozen(model, device)
        self._core: Any = model.model
        self._device = device
        self._images: Any = processor.image_processor
        self.tokenizer: Any = processor.tokenizer
        self._merge: int = self._images.merge_size
        self._image_id: int = model.config.image_token_id
        self._before, self._between, self._after = self._template(processor, what)
        ends = model.generation_config.eos_token_id
        self.ends = frozenset(ends if isinstance(ends, list) else [ends])

    def _template(self, processor: Any, what: str) -> list[list[int]]:
        """Tokens of a turn before the image, between image and text, and after the text."""
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _TEXT}]}]
        with clear_errors(what):
            text = processor.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        start, pad, end = _IMAGE
        before, image, rest = text.partition(start + pad + end)
        between, found, after = rest.partition(_TEXT)
        if not (image and found) or between:
            raise EnvironmentFailure(f"{what}: its chat template does not put the image right before the text")
        return [self.tokenizer(part)["input_ids"] for part in (before + start, end, after)]

    @property
    def preprocessing(self) -> tuple[Any, ...]:
        """What decides an image's tensor besides the image: equal for models that prepare alike."""
        made = self._images
        size = {key: value for key, value in dict(made.size).items() if value}
        return (*sorted(size.items()), made.patch_size, self._merge, *made.image_mean, *made.image_std)

    def pixels(self, image: Image.Image, resize: bool = True) -> Tensor:
        """(rows, columns, values) float32: the processor's patches, in its own order, ``rows x columns`` of them."""
        made = self._images(images=image, return_tensors="pt", **({} if resize else {"do_resize": False}))
        _, rows, columns = made["image_grid_thw"][0].tolist()
        return made["pixel_values"].reshape(rows, columns, -1)

    def next_token(self, images: Sequence[Tensor], texts: Sequence[Sequence[str]]) -> list[Tensor]:
        """Probabilities of the answer's first token, over the whole vocabulary, in float32.
        ``images``: what :meth:`pixels` made of each.
        ``texts``: of each image, what is asked of it.
        Returns for each image (texts, vocabulary).
        """
        found: dict[int, Tensor] = {}
        for members in same_shapes(images):
            asked = [self._tail(text) for place in members for text in texts[place]]
            counts = [len(texts[place]) for place in members]
            cache, start = self._read([images[place] for place in members])
            cache.batch_repeat_interleave(torch.tensor(counts, device=self._device))
            hidden = self._follow(cache, asked, start)[0]
            answers = self._model.lm_head(hidden).float().softmax(-1).split(counts)
            found |= dict(zip(members, answers, strict=True))
        return [found[place] for place in range(len(images))]

    def replies(self, images: Sequence[Tensor], texts: Sequence[str], limit: int) -> list[str | None]:
        """The likeliest reply to one text about each image, token by token; None where ``limit`` tokens end none."""
        found: dict[int, str | None] = {}
        for members in same_shapes(images):
            cache, start = self._read([images[place] for place in members])
            tokens = self._greedy(cache, [self._tail(texts[place]) for place in members], start, limit)
            found |= dict(zip(members, map(self._ended, tokens), strict=True))
        return [found[place] for place in range(len(images))]

    def _ended(self, tokens: list[int]) -> str | None:
        end = next((place for place, token in enumerate(tokens) if token in self.ends), None)
        return None if end is None else str(self.tokenizer.decode(tokens[:end], skip_special_tokens=True))

    def _tail(self, text: str) -> list[int]:
        return [*self.tokenizer(text, split_special_tokens=True)["input_ids"], *self._after]

    def _read(self, images: Sequence[Tensor]) -> tuple[Any, int]:
        """Read the turn up to the end of each image, all of one shape: the cache, and the position that comes next."""
        count, (rows, columns, _) = len(images), images[0].shape
        high, wide = rows // self._merge, columns // self._merge
        one = [*self._before, *[self._image_id] * (high * wide), *self._between]
        ids = torch.tensor(one, device=self._device).expand(count, -1)
        positions = self._positions(high, wide).to(self._device)
        made = self._core(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            position_ids=positions[:, None].expand(-1, count, -1),
            pixel_values=torch.stack(list(images)).flatten(0, 2).to(self._model.dtype),
            image_grid_thw=torch.tensor([[1, rows, columns]] * count, device=self._device),
            use_cache=True,
        )
        return made.past_key_values, int(positions.max()) + 1

    def _positions(self, high: int, wide: int) -> Tensor:
        """(3, length): text counts up on all axes, the image takes (0, row, column) from there, text goes on behind."""
        first = len(self._before)
        row, column = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
        image = torch.stack([torch.zeros(high * wide, dtype=torch.long), row.flatten(), column.flatten()]) + first
        behind = first + max(high, wide) + torch.arange(len(self._between))
        return torch.cat([torch.arange(first).expand(3, -1), image, behind.expand(3, -1)], dim=1)

    def _follow(self, cache: Any, tails: Sequence[Sequence[int]], start: int) -> tuple[Tensor, Tensor]:
        """Read a text behind each row of the cache: the hidden states (rows, width) of their last tokens, and the mask.

        Texts are padded on the right, where causal attention keeps padding from them.
        """
        longest = max(map(len, tails))
        ids = torch.tensor([[*tail, *[0] * (longest - len(tail))] for tail in tails], device=self._device)
        seen = cache.get_seq_length()
        last = torch.tensor([len(tail) - 1 for tail in tails], device=self._device)
        place = torch.arange(seen + longest, device=self._device)
        mask = (place < seen + 1 + last[:, None]).long()
        positions = (start + torch.arange(longest, device=self._device)).expand(3, len(tails), -1)
        hidden = self._step(cache, ids, positions, mask)
        return hidden[torch.arange(len(tails), device=self._device), last], mask

    def _step(self, cache: Any, ids: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        embedded = self._core.get_input_embeddings()(ids)
        return self._core.language_model(
            inputs_embeds=embedded, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True
        ).last_hidden_state

    def _greedy(self, cache: Any, tails: Sequence[Sequence[int]], start: int, limit: int) -> list[list[int]]:
        """The likeliest next tokens of each row, until all have ended, or ``limit`` of them."""
        hidden, mask = self._follow(cache, tails, start)
        position = start + torch.tensor([len(tail) for tail in tails], device=self._device)
        made: list[list[int]] = [[] for _ in tails]
        while True:
            tokens = self._model.lm_head(hidden).argmax(-1)
            for row, token in zip(made, tokens.tolist(), strict=True):
                row.append(token)
            if len(made[0]) == limit or all(self.ends & {*row} for row in made):
                return made
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            hidden = self._step(cache, tokens[:, None], position.expand(3, -1)[..., None], mask)[:, 0]
            position = position + 1


def same_shapes(images: Sequence[Tensor]) -> list[list[int]]:
    """Numbers of the images, those of one shape together."""
    return list(grouped((image.shape, place) for place, image in enumerate(images)).values())


def require_plain_scores(config: Any, what: str) -> None:
    """See that ``generate`` would score with the model's own logits, as the authors' numbers rest on it.
    Raises EnvironmentFailure: its configuration changes them.
    """
    for name, plain in _PLAIN.items():
        if (value := getattr(config, name, None)) not in (None, plain):
            raise EnvironmentFailure(
                f"{what}: generation_config.json has {name} = {value!r}: the authors' scores would not be the model's "
                "own probabilities; fetch it again"
            )

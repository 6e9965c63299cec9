"""The common part of metrics that are a CLIP's paired logit: transformers' CLIPModel and its tokenizer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.scorers.base import Batch, Scorer

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

#: CLIP's input resolution (pixels) and context length (tokens).
RESOLUTION = 224
CONTEXT = 77


class ClipPair(Scorer):
    """exp(logit scale) x cosine / 100 of each pair: ``logits_per_image`` of the authors' code, its diagonal, over 100.

    Texts are cut where the chunk's longest ends: under CLIP's causal attention, what stands after the end token
    changes nothing but the shape of the pass.
    """

    encodes_text = True
    repo: ClassVar[str]
    tokenizer_repo: ClassVar[str]

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import model_files, snapshot

        snapshot(self.tokenizer_repo)
        snapshot(self.repo)
        return model_files(self.repo)

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch
        from transformers import CLIPModel, CLIPTokenizerFast

        from rewards.hub import snapshot
        from rewards.models.loading import clear_errors, frozen, load_pretrained

        self.resolve(files)
        model = load_pretrained(CLIPModel, snapshot(self.repo), self.repo, torch.float32)
        self.logit_scale = self._scale = model.logit_scale.exp().item()
        self._model: Any = frozen(model, device, getattr(torch, self.dtypes[precision]))
        with clear_errors(self.tokenizer_repo):
            self._tokenizer: Any = CLIPTokenizerFast.from_pretrained(snapshot(self.tokenizer_repo))

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """Transformers rounds the crop's offset down."""
        from rewards.preprocessing import crop_offset

        return ("clip", RESOLUTION, crop_offset(size, RESOLUTION, "floor"))

    def prepare_image(self, image: Image) -> Tensor:
        """(3, 224, 224), equal to CLIPImageProcessor's."""
        from rewards.preprocessing import clip_pixels

        return clip_pixels(image, RESOLUTION, "floor")

    def tokens(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Token ids and mask, (N, T), T at most 77; truncated by the tokenizer with the end token kept."""
        from rewards.models.text_length import padded_length

        options = {"padding": "max_length", "truncation": True, "max_length": CONTEXT, "return_tensors": "pt"}
        tokens = self._tokenizer(list(prompts), **options).to(self._model.device)
        length = padded_length(int(tokens["attention_mask"].sum(dim=1).max()), CONTEXT)
        return {name: values[:, :length] for name, values in tokens.items()}

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """See :meth:`Scorer.encode_text`."""
        from rewards.models.cosine import unit

        return unit(self._model.get_text_features(**self.tokens(prompts)))

    def text_files(self) -> list[Path]:
        """See :meth:`Scorer.text_files`."""
        from rewards.hub import snapshot

        return [snapshot(self.tokenizer_repo), snapshot(self.repo)]

    def score(self, batch: Batch) -> Tensor:
        """See :meth:`Scorer.score`."""
        from rewards.models.cosine import paired_cosine, unit

        images = unit(self._model.get_image_features(pixel_values=batch.pixels.to(self._model.dtype)))
        text = self.encode_text(batch.prompts) if batch.text is None else batch.text
        return (paired_cosine(images, text) * (self._scale / 100)).cpu()

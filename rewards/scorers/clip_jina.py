"""CLIP score with jina-clip-v2 (Koukounas et al. 2024, arXiv 2412.08802)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewards.flops import Cost, rounded, text_tower, vit
from rewards.memory import Network
from rewards.scorers.base import TwoTowers
from rewards.scorers.card import SpecCard, Weight

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

_MODEL = "jinaai/jina-clip-v2"
_CODE = "jinaai/jina-clip-implementation"
_TEXT_CONFIG = "jinaai/jina-embeddings-v3"
_TEXT_CODE = "jinaai/xlm-roberta-flash-implementation"
#: The model is code on the hub, in four repositories, run on this machine: each is pinned to one commit.
PINS: Mapping[str, str] = {
    _MODEL: "e10d47f5691d0454a0fb5d13f46f2199b74cb436",
    _CODE: "39e6a55ae971b59bea6e44675d237c99762e7ee2",
    _TEXT_CONFIG: "ab036b023d30b4d1138c4c3bfa9f0c445ab455d6",
    _TEXT_CODE: "bd55a5ec8e6c0fb1d6c26efb4b6a4a74ce8a88d3",
}
#: Longest text in tokens (upstream's evaluation); the lengths used are multiples of the step.
CONTEXT, LENGTH_STEP = 1024, 64


def _cost(prompt_tokens: int) -> Cost:
    """EVA02-L/14 at 512 px with gated layers of 2,730 (open_clip's configurations); XLM-RoBERTa-large."""
    text = text_tower(rounded(prompt_tokens, LENGTH_STEP, CONTEXT), 1024, 24, 4096)
    return Cost(vit(512, 14, 1024, 24, 2730, 1024, matrices=3), text)


class ClipJina(TwoTowers):
    """EVA02-L image tower and XLM-RoBERTa text tower with the ``retrieval.query`` adapter.

    Checked on a stand-in with the same repositories, entry points and nesting: loading, pinning of the nested
    repositories, pairing, padding. Not checked, for want of the files: that the remote code loads under this
    environment's transformers without flash attention, and the stored logit scale (14.284 by report; see the log).
    """

    card = SpecCard(
        metric="clip_jina",
        title="jina-clip-v2",
        definition="exp(logit_scale) x cosine(image, text) / 100",
        scale="cosine x exp(logit scale) / 100, at most about 0.14",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="x",
        upstream="clip_jina",
        preprocessing="the model's own processor, 512 px (shortest edge, center crop); text cut to 1024 tokens",
        reference_dtype="float32",
        weights=tuple(
            Weight(repo, "model.safetensors|pytorch_model.bin" if repo == _MODEL else "code", revision)
            for repo, revision in PINS.items()
        ),
        licence="CC-BY-NC-4.0: no commercial use",
        source="arXiv 2412.08802; huggingface.co/jinaai/jina-clip-v2",
        network=Network(1297, 1024, 4 * 2730, 16),
        cost=_cost,
    )

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import model_files

        self.text_files()
        return model_files(_MODEL, PINS[_MODEL])

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch

        from rewards.models.loading import frozen
        from rewards.models.pinned_code import load_pinned

        self.resolve(files)
        model, processor = load_pinned(_MODEL, PINS, torch.float32)
        self.logit_scale = model.logit_scale.float().exp().item()
        self._dtype = getattr(torch, self.dtypes[precision])
        self._device = device
        self._model: Any = frozen(model, device, self._dtype)
        self._images: Any = processor.image_processor
        self._tokenizer: Any = processor.tokenizer

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """The model's own preprocessing."""
        return "jina"

    def prepare_image(self, image: Image) -> Tensor:
        """(3, 512, 512) from the repository's image processor."""
        import torch

        return torch.as_tensor(self._images(image, return_tensors="pt")["pixel_values"][0])

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """See :meth:`Scorer.encode_text`; padding is masked out of attention and of the mean."""
        from rewards.models.layers import unit

        tokens = self._tokenizer(
            list(prompts),
            padding=True,
            pad_to_multiple_of=LENGTH_STEP,
            truncation=True,
            max_length=CONTEXT,
            return_tensors="pt",
        )
        return unit(self._model.get_text_features(input_ids=tokens["input_ids"].to(self._device)))

    def text_files(self) -> list[Path]:
        """See :meth:`Scorer.text_files`."""
        from rewards.hub import SMALL_FILES, snapshot

        return [snapshot(repo, (*SMALL_FILES, "*.py"), revision) for repo, revision in PINS.items()]

    def image_features(self, pixels: Tensor) -> Tensor:
        """See :meth:`TwoTowers.image_features`."""
        return self._model.get_image_features(pixel_values=pixels.to(self._dtype))

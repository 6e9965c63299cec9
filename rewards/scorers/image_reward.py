"""ImageReward v1.0 (Xu et al. 2023, arXiv 2304.05977)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewards.flops import Cost, cross_attention, layer, vit
from rewards.memory import VIT_L
from rewards.scorers.base import Batch, ClipPixels, Scorer
from rewards.scorers.card import SpecCard, Tolerance, Weight

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.hub import LocalWeight

_REPO, _TOKENIZER = "THUDM/ImageReward", "bert-base-uncased"
_CHECKPOINT, _CONFIG = "ImageReward.pt", "med_config.json"
_CONTEXT = 35
#: Mean and deviation of the raw output over the authors' data, subtracted and divided by (``ImageReward.py``).
_MEAN, _STD = 0.16717362830052426, 1.0333394966054072


def _cost(_: int) -> Cost:
    """BLIP's ViT-L/16 and BERT-base with cross-attention over its 197 tokens (``vit.py``, ``med_config.json``)."""
    text = 12 * (layer(_CONTEXT, 768, 3072) + cross_attention(_CONTEXT, 197, 768, 1024))
    return Cost(vit(224, 16, 1024, 24, 4096) + text)


class ImageReward(ClipPixels, Scorer):
    """BLIP whose text encoder attends to the image; a linear head reads its first token.

    On transformers' own BLIP classes. The authors' package hard-codes the architecture, loads without checking
    any key, and needs diffusers and datasets only to be imported; on the same weights it gives the same numbers.
    """

    card = SpecCard(
        metric="image_reward",
        title="ImageReward v1.0",
        definition=f"(head(h_first) - {_MEAN}) / {_STD}, h_first of the image-conditioned text encoder; 0 and 1 "
        "are mean and deviation of the authors' data",
        scale="standardised preference score, about -2 to 2; below 0 is usual",
        range=(-6.0, 6.0),
        higher_is_better=True,
        miro_normalised="(x + 2) / 4",
        upstream="image_reward",
        preprocessing="CLIP 224 px (shortest edge, center crop); text padded and cut to 35 tokens",
        reference_dtype="float32",
        weights=(Weight(_REPO, _CHECKPOINT), Weight(_REPO, _CONFIG), Weight(_TOKENIZER, "tokenizer files")),
        licence="Apache-2.0",
        source="arXiv 2304.05977; github.com/THUDM/ImageReward",
        tolerance=Tolerance(1e-3, 3e-2),
        network=VIT_L,
        cost=_cost,
    )

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import hub_file, snapshot

        snapshot(_TOKENIZER)
        return [hub_file(_REPO, _CHECKPOINT), hub_file(_REPO, _CONFIG)]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch

        from rewards.hub import snapshot
        from rewards.models.blip_reward import load_blip_reward, load_tokenizer
        from rewards.models.loading import frozen

        checkpoint, config = self.resolve(files)
        self._model: Any = frozen(load_blip_reward(checkpoint.path, config.path), device)
        self._model.cast(getattr(torch, self.dtypes[precision]))
        self._tokenizer: Any = load_tokenizer(snapshot(_TOKENIZER))
        self._device = device

    def tokens(self, prompts: Sequence[str]) -> Any:
        """Token ids and mask, (N, 35)."""
        options = {"padding": "max_length", "truncation": True, "max_length": _CONTEXT, "return_tensors": "pt"}
        return self._tokenizer(list(prompts), **options).to(self._device)

    def score(self, batch: Batch) -> Tensor:
        """See :meth:`Scorer.score`."""
        text = self.tokens(batch.prompts)
        raw = self._model(batch.pixels, text.input_ids, text.attention_mask)
        return ((raw - _MEAN) / _STD).cpu()

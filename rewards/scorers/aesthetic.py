"""LAION's improved aesthetic predictor on OpenAI's CLIP ViT-L/14."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rewards.flops import Cost, vit
from rewards.memory import VIT_L
from rewards.scorers.base import Batch, ClipPixels, Scorer
from rewards.scorers.card import LISTED, SpecCard, Tolerance, Weight

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.hub import LocalWeight

_TOWER, _HEAD = "clip-vit-l-14", "aesthetic-mlp"


def _cost(_: int) -> Cost:
    """CLIP ViT-L/14's image half, and the head's layers."""
    head = 2 * (768 * 1024 + 1024 * 128 + 128 * 64 + 64 * 16 + 16)
    return Cost(vit(224, 14, 1024, 24, 4096, 768) + head)


class Aesthetic(ClipPixels, Scorer):
    """Reads the image only; the prompt plays no part.

    The tower runs in float32 in ``reference`` precision. Its published weights are half precision, and the
    authors' script computed in half precision on a GPU.
    """

    card = SpecCard(
        metric="aesthetic",
        title="LAION aesthetic predictor (sac+logos+ava1-l14)",
        definition="five linear layers (768-1024-128-64-16-1, no activations) on the unit image embedding",
        scale="predicted rating, about 1 to 10",
        range=(-5.0, 15.0),
        higher_is_better=True,
        miro_normalised="x / 10",
        upstream="aesthetic",
        preprocessing="CLIP 224 px (shortest edge, center crop); no text",
        reference_dtype="float32",
        weights=(Weight(_TOWER, "ViT-L-14.pt", LISTED), Weight(_HEAD, "sac+logos+ava1-l14-linearMSE.pth", LISTED)),
        licence="MIT (tower), Apache-2.0 (head)",
        source="github.com/christophschuhmann/improved-aesthetic-predictor; arXiv 2103.00020",
        tolerance=Tolerance(1e-4, 3e-2),
        network=VIT_L,
        cost=_cost,
    )

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import local_file

        return [local_file(files, _TOWER), local_file(files, _HEAD)]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch

        from rewards.models.layers import load_linear_head
        from rewards.models.loading import frozen, read_checkpoint
        from rewards.models.openai_clip import load_visual

        tower, head = self.resolve(files)
        self._dtype = getattr(torch, self.dtypes[precision])
        self._visual: Any = load_visual(tower.path, device, self._dtype)
        self._head: Any = frozen(load_linear_head(read_checkpoint(head.path), _HEAD), device)

    def score(self, batch: Batch) -> Tensor:
        """See :meth:`Scorer.score`."""
        from rewards.models.layers import unit

        embedding = unit(self._visual(batch.pixels.to(self._dtype)))
        return self._head(embedding).squeeze(-1).cpu()

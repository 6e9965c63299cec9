"""Human Preference Score v2 (Wu et al. 2023, arXiv 2306.09341): open_clip's ViT-H-14."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.flops import clip_h
from rewards.memory import VIT_H
from rewards.scorers.base import TwoTowers
from rewards.scorers.card import SpecCard, Weight

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

HPS_REPO = "xswu/HPSv2"


class Hps(TwoTowers):
    """Cosine of image and text, without the logit scale.

    The authors' package carries a copy of open_clip but not its vocabulary file, and fetches a tower only to
    overwrite it; open_clip's own model takes the same weights.
    """

    file: ClassVar[str]

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import hub_file

        return [hub_file(HPS_REPO, self.file)]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch
        from open_clip.tokenizer import SimpleTokenizer

        from rewards.models.loading import frozen
        from rewards.models.open_clip_model import load_open_clip

        self._dtype = getattr(torch, self.dtypes[precision])
        self._device = device
        self._model: Any = frozen(load_open_clip(self.resolve(files)[0].path), device, self._dtype)
        self._tokenize: Any = SimpleTokenizer(context_length=self._model.context_length)

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """One preprocessing, of HPSv2 alone."""
        return "hps"

    def prepare_image(self, image: Image) -> Tensor:
        """(3, 224, 224), equal to the authors' package's."""
        from rewards.preprocessing import hps_pixels

        return hps_pixels(image)

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """See :meth:`Scorer.encode_text`; open_clip's tokenizer pads with zeros to 77 and keeps the end token."""
        from rewards.models.layers import unit
        from rewards.models.open_clip_model import encode_text

        return unit(encode_text(self._model, self._tokenize(list(prompts)).to(self._device)))

    def image_features(self, pixels: Tensor) -> Tensor:
        """See :meth:`TwoTowers.image_features`."""
        return self._model.encode_image(pixels.to(self._dtype))


_CARD: dict[str, Any] = {
    "definition": "cosine(image, text)",
    "range": (-1.0, 1.0),
    "higher_is_better": True,
    "preprocessing": "longest edge to 224 px on tensors (bicubic, antialias), black padding; text cut to 77 tokens",
    "reference_dtype": "float32",
    "licence": "Apache-2.0",
    "source": "arXiv 2306.09341; github.com/tgxs002/HPSv2",
    "network": VIT_H,
    "cost": clip_h,
}


class HpsV20(Hps):
    """The first release; the default of the authors' package, and what upstream evaluates with."""

    file = "HPS_v2_compressed.pt"
    card = SpecCard(
        metric="hpsv2.0",
        title="HPS v2.0",
        scale="cosine, about 0.2 to 0.33; not comparable with v2.1",
        miro_normalised="not a MIRO reward",
        upstream="hpsv2",
        weights=(Weight(HPS_REPO, file),),
        **_CARD,
    )


class HpsV21(Hps):
    """Trained on the larger, cleaned set of preferences; what MIRO trains with, and what its Table 1 fits."""

    file = "HPS_v2.1_compressed.pt"
    card = SpecCard(
        metric="hpsv2.1",
        title="HPS v2.1",
        scale="cosine, about 0.2 to 0.33",
        miro_normalised="x",
        weights=(Weight(HPS_REPO, file),),
        **_CARD,
    )

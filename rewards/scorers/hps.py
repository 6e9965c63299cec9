"""The common part of Human Preference Score v2 (Wu et al. 2023, arXiv 2306.09341): open_clip's ViT-H-14."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.scorers.base import Batch, Scorer

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

HPS_REPO = "xswu/HPSv2"


class Hps(Scorer):
    """Cosine of image and text, without the logit scale.

    The authors' package carries a copy of open_clip but not its vocabulary file, and fetches a tower only to
    overwrite it; open_clip's own model takes the same weights.
    """

    encodes_text = True
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
        from rewards.models.cosine import unit
        from rewards.models.open_clip_model import encode_text

        return unit(encode_text(self._model, self._tokenize(list(prompts)).to(self._device)))

    def score(self, batch: Batch) -> Tensor:
        """See :meth:`Scorer.score`."""
        from rewards.models.cosine import paired_cosine, unit

        images = unit(self._model.encode_image(batch.pixels.to(self._dtype)))
        text = self.encode_text(batch.prompts) if batch.text is None else batch.text
        return paired_cosine(images, text).cpu()

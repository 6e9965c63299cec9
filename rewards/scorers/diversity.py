"""How unlike the images of one prompt are: mean pairwise distance and Vendi score, on DINOv2 and on CLIP features.

Vendi score: Friedman and Dieng 2023 (arXiv 2210.02410). It was compared with PyPI's vendi-score 0.0.3 (``score_K``) on
500 random groups of four: equal to 2e-15. DINOv2: Oquab et al. 2023 (arXiv 2304.07193).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.flops import Cost, vit
from rewards.memory import VIT_L
from rewards.scorers.base import RESOLUTION, Batch, ClipPixels, Scorer
from rewards.scorers.card import SpecCard, Weight

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

#: Channel means and deviations of ImageNet, which DINOv2 was trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def similarities(features: NDArray[Any]) -> NDArray[np.float64]:
    """(n, n) cosines of (n, D) features, in float64; the diagonal is exactly 1."""
    import numpy as np

    exact = features.astype(np.float64)
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    cosines: NDArray[np.float64] = unit @ unit.T
    np.fill_diagonal(cosines, 1.0)
    return cosines


def distances(features: NDArray[Any]) -> list[float]:
    """Of (n, D) features, each image's mean of 1 - cosine to the others; their mean is that over all pairs."""
    cosines = similarities(features)
    others: NDArray[np.float64] = (len(cosines) - cosines.sum(axis=1)) / (len(cosines) - 1)
    return [float(value) for value in others]


def vendi(features: NDArray[Any]) -> list[float]:
    """exp(entropy of the eigenvalues of K / n), K being the cosines of (n, D) features: from 1 to n, n times."""
    import numpy as np

    eigenvalues = np.linalg.eigvalsh(similarities(features) / len(features)).clip(min=0.0)
    shares = eigenvalues[eigenvalues > 0.0]
    return [float(np.exp(-(shares * np.log(shares)).sum()))] * len(features)


class Diversity(Scorer):
    """A score of the images of one prompt, taken together; see :mod:`rewards.within_prompts`."""

    repo: ClassVar[str]  #: of the network
    network_class: ClassVar[str]  #: name of its class in transformers

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import model_files, snapshot

        snapshot(self.repo)
        return model_files(self.repo)

    def provenance(self, weights: Sequence[LocalWeight]) -> list[dict[str, Any]]:
        """With the preprocessing, which moves distances by some per cent; see :meth:`Scorer.provenance`."""
        return [one | {"preprocessing": self.card.preprocessing} for one in super().provenance(weights)]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch
        import transformers

        from rewards.hub import snapshot
        from rewards.models.loading import frozen, load_pretrained, shared

        dtype = self.dtypes[precision]

        def new() -> Any:
            self.resolve(files)
            kind = getattr(transformers, self.network_class)
            found = load_pretrained(kind, snapshot(self.repo), self.repo, torch.float32)
            return frozen(found, device, getattr(torch, dtype))

        self._model: Any = shared((self.repo, device, dtype), new)

    @abstractmethod
    def features(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 to (N, D) in the network's format, not normalised."""

    @classmethod
    @abstractmethod
    def of_prompt(cls, features: NDArray[Any]) -> list[float]:
        """The values of a prompt's n images, two or more, from their (n, D) features."""

    def score(self, batch: Batch) -> Tensor:
        """(N,) values of N images, which are those of one prompt."""
        import torch

        return torch.tensor(self.of_prompt(self.features(batch.pixels).float().cpu().numpy()))


class _Dinov2(Diversity):
    """The class token of DINOv2-large behind the last norm; 224 x 224 without a crop."""

    repo, network_class = "facebook/dinov2-large", "Dinov2Model"

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """See :meth:`Scorer.pixel_key`."""
        return ("imagenet", RESOLUTION)

    def prepare_image(self, image: Image) -> Tensor:
        """(3, 224, 224): bicubic, both edges to 224. The hub's own processor resizes to 256 and crops."""
        from torchvision.transforms import functional as transforms

        resized = image.resize((RESOLUTION, RESOLUTION), 3)  # Pillow's number of its bicubic filter
        return transforms.normalize(transforms.to_tensor(resized), IMAGENET_MEAN, IMAGENET_STD)

    def features(self, pixels: Tensor) -> Tensor:
        """See :meth:`Diversity.features`."""
        found: Tensor = self._model(pixel_values=pixels.to(self._model.dtype)).last_hidden_state[:, 0]
        return found


class _Clip(ClipPixels, Diversity):
    """Image features of OpenAI's CLIP ViT-L/14: what ``clip_openai`` compares with texts."""

    repo, network_class = "openai/clip-vit-large-patch14", "CLIPModel"
    rounding = "floor"

    def features(self, pixels: Tensor) -> Tensor:
        """See :meth:`Diversity.features`."""
        found: Tensor = self._model.get_image_features(pixel_values=pixels.to(self._model.dtype))
        return found


_COMMON: dict[str, Any] = {
    "higher_is_better": True,
    "over_samples": True,
    "miro_normalised": "not a MIRO reward",
    "reference_dtype": "float32",
    "network": VIT_L,
}
_DISTANCE: dict[str, Any] = _COMMON | {
    "definition": "mean of 1 - cosine of an image's features to those of the prompt's other images",
    "scale": "mean of 1 - cosine: 0 where all images are alike, 1 where none has anything in common",
    "range": (0.0, 2.0),
}
_VENDI: dict[str, Any] = _COMMON | {
    "definition": "exp(entropy of the eigenvalues of K / n), K: cosines of the features of a prompt's n images",
    "scale": "effective images, from 1 to their number n; depends on n",
    "range": (1.0, None),
}
_WEIGHTS = "model.safetensors|pytorch_model.bin"
_ON_DINOV2: dict[str, Any] = {
    "preprocessing": "bicubic to 224 x 224 px without a crop, ImageNet mean and deviation; class token",
    "weights": (Weight(_Dinov2.repo, _WEIGHTS),),
    "licence": "Apache-2.0",
    "source": "arXiv 2304.07193, 2210.02410; huggingface.co/facebook/dinov2-large",
    "cost": lambda _tokens: Cost(vit(224, 14, 1024, 24, 4096)),
}
_ON_CLIP: dict[str, Any] = {
    "preprocessing": "CLIP 224 px (shortest edge, center crop)",
    "weights": (Weight(_Clip.repo, _WEIGHTS),),
    "licence": "MIT",
    "source": "arXiv 2103.00020, 2210.02410; huggingface.co/openai/clip-vit-large-patch14",
    "cost": lambda _tokens: Cost(vit(224, 14, 1024, 24, 4096, 768)),
}


class _Distance(Diversity):
    @classmethod
    def of_prompt(cls, features: NDArray[Any]) -> list[float]:
        """See :func:`distances`."""
        return distances(features)


class _Vendi(Diversity):
    @classmethod
    def of_prompt(cls, features: NDArray[Any]) -> list[float]:
        """See :func:`vendi`."""
        return vendi(features)


class DiversityDinov2(_Distance, _Dinov2):
    """Mean distance in DINOv2's space: what pictures look like."""

    card = SpecCard(metric="diversity_dinov2", title="Distance within prompts, DINOv2-L", **_DISTANCE, **_ON_DINOV2)


class VendiDinov2(_Vendi, _Dinov2):
    """Vendi score in DINOv2's space."""

    card = SpecCard(metric="vendi_dinov2", title="Vendi score within prompts, DINOv2-L", **_VENDI, **_ON_DINOV2)


class DiversityClip(_Distance, _Clip):
    """Mean distance in CLIP's space: what pictures show."""

    card = SpecCard(metric="diversity_clip", title="Distance within prompts, CLIP ViT-L/14", **_DISTANCE, **_ON_CLIP)


class VendiClip(_Vendi, _Clip):
    """Vendi score in CLIP's space."""

    card = SpecCard(metric="vendi_clip", title="Vendi score within prompts, CLIP ViT-L/14", **_VENDI, **_ON_CLIP)

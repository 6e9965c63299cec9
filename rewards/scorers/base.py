"""The interface of a scorer.

Scorer modules import neither torch nor transformers when they are imported: the orchestrator reads names and
cards from them in an environment that has neither. Import what computes inside ``load``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.scorers.card import SpecCard

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight
    from rewards.preprocessing import Rounding

#: Edge of CLIP's input, in pixels.
RESOLUTION = 224
#: Number formats by precision: ``reference`` is what the authors use, ``fast`` is bf16 throughout.
FLOAT32_REFERENCE: Mapping[str, str] = {"reference": "float32", "fast": "bfloat16"}


class Unfit(Exception):
    """A scorer cannot score this image. The message becomes the reason in its row; the others are scored."""


@dataclass(frozen=True)
class Judged:
    """A value, and what it is made of: JSON, kept in the image's row under ``details``."""

    value: float
    details: Any


#: A value, or the reason why there is none.
Outcome = float | Judged | str


@dataclass(frozen=True)
class Batch:
    """Image-prompt *pairs*: row i of every field belongs to pair i. Nothing is ever compared across rows."""

    #: (N, 3, H, W) float32, on the scorer's device, as ``prepare_image`` made them; N tensors of a scorer with
    #: ``any_shape``.
    pixels: Any
    prompts: Sequence[str]  #: N texts
    text: Tensor | None = None  #: (N, D) float32 rows of ``encode_text``; None for a scorer without text features
    lines: Sequence[Mapping[str, Any]] = ()  #: N lines of the suite, each with its ``prompt``


class Scorer(ABC):
    """One metric: loads its model once, then scores batches of pairs."""

    card: ClassVar[SpecCard]
    dtypes: Mapping[str, str] = FLOAT32_REFERENCE  #: number format of the model by precision
    #: Whether ``encode_text`` gives features that depend on the prompt alone (and may be cached); image-conditioned
    #: models read ``Batch.prompts`` instead.
    encodes_text: ClassVar[bool] = False
    logit_scale: float | None = None  #: the loaded model's exp(logit scale); None where there is none
    any_shape: ClassVar[bool] = False  #: images become tensors of different shapes, and ``Batch.pixels`` a list of them
    #: On a CPU a batch is one pair, because larger ones gain nothing there; batches are not padded.
    one_by_one: ClassVar[bool] = False

    @classmethod
    def refusal(cls, _line: Mapping[str, Any]) -> str:
        """Why no image of this line of a suite can be scored; empty if images can be."""
        return ""

    @abstractmethod
    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """Every file of the weights, on this machine; downloaded from the hub if necessary.
        ``files``: paths of the weights published by address, by name.
        Raises EnvironmentFailure: a file is missing and cannot be fetched.
        """

    def provenance(self, weights: Sequence[LocalWeight]) -> list[dict[str, Any]]:
        """What ``run.json`` records about the files that :meth:`resolve` returned."""
        return [weight.provenance() for weight in weights]

    @abstractmethod
    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """Load the model, strictly: a missing or unknown key is an error.
        ``device``: a torch device, e.g. ``cpu`` or ``cuda:0``.
        ``precision``: a key of ``dtypes``.
        ``files``: as for :meth:`resolve`.
        Raises EnvironmentFailure: a file is missing, unreadable or not this model's.
        """

    @abstractmethod
    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """Names the preprocessing of an image of ``size`` (width, height): equal keys give equal tensors."""

    @abstractmethod
    def prepare_image(self, image: Image) -> Tensor:
        """Preprocess one RGB image to (3, H, W) float32; safe to call from several threads.
        Raises Unfit: the scorer does not take such an image.
        """

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """Text features, (N, D) float32 of unit length; each row depends on its own prompt only."""
        raise TypeError(f"{self.card.metric} has no text features: it reads Batch.prompts")

    def text_files(self) -> list[Path]:
        """Folders whose small files (tokenizer, configuration, code) also determine text features."""
        return []

    @abstractmethod
    def score(self, batch: Batch) -> Tensor:
        """Raw scores of N pairs: (N,) float32 on the CPU."""

    def judge(self, batch: Batch) -> list[Outcome]:
        """Results of N pairs: raw scores, unless a scorer overrides this to return more."""
        values = self.score(batch)
        shape = tuple(getattr(values, "shape", ()))
        if shape != (len(batch.prompts),):
            raise ValueError(f"it gave values of shape {shape} for {len(batch.prompts)} pairs")
        return list(values.tolist())

    def unload(self) -> None:
        """Drop the model and everything else that ``load`` made."""
        self.__dict__.clear()


class Judge(Scorer):
    """A scorer that returns more than a number, or a reason for none: a subclass writes ``judge``."""

    @classmethod
    def questions(cls, _line: Mapping[str, Any]) -> Sequence[Any]:
        """What a suite's line has to be asked about its images.
        Raises ValueError: the line has no such questions; the message says what is wrong with them.
        """
        return ()

    @classmethod
    def about(cls, _line: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Of each question of a line what its images' ``details`` have beside the answer, as JSON has it; or [].
        Raises ValueError: see :meth:`questions`.
        """
        return []

    @classmethod
    def refusal(cls, line: Mapping[str, Any]) -> str:
        """A line without questions, or with odd ones; see :meth:`Scorer.refusal`."""
        try:
            cls.questions(line)
        except ValueError as error:
            return str(error)
        return ""

    @abstractmethod
    def judge(self, batch: Batch) -> list[Outcome]:
        """See :meth:`Scorer.judge`."""

    def score(self, batch: Batch) -> Tensor:
        """What :meth:`judge` finds, NaN where it finds a reason."""
        import torch

        found = [float("nan") if isinstance(one, str) else getattr(one, "value", one) for one in self.judge(batch)]
        return torch.tensor(found)


class ClipPixels:
    """CLIP's own preprocessing, 224 px; ``rounding`` of the crop's offset is that of the library the authors use."""

    rounding: ClassVar[Rounding] = "nearest"

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """See :meth:`Scorer.pixel_key`."""
        from rewards.preprocessing import crop_offset

        return ("clip", RESOLUTION, crop_offset(size, RESOLUTION, self.rounding))

    def prepare_image(self, image: Image) -> Tensor:
        """(3, 224, 224), equal to CLIPImageProcessor's with ``floor``, to OpenAI's ``clip`` and torchvision's else."""
        from rewards.preprocessing import clip_pixels

        return clip_pixels(image, RESOLUTION, self.rounding)


class TwoTowers(Scorer):
    """Cosine of image and text features, which are computed apart; times exp(logit scale) / 100 where there is one."""

    encodes_text = True

    @abstractmethod
    def image_features(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 to (N, D), in any format and not normalised."""

    def score(self, batch: Batch) -> Tensor:
        """See :meth:`Scorer.score`."""
        from rewards.models.layers import unit

        images = unit(self.image_features(batch.pixels))
        text = self.encode_text(batch.prompts) if batch.text is None else batch.text
        cosine = (images * text).sum(dim=-1)
        return (cosine if self.logit_scale is None else cosine * (self.logit_scale / 100)).cpu()

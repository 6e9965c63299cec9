"""What color an object is: zero-shot CLIP on the masked crop of each object (GenEval, arXiv 2310.11513, section 3).

The classifier of a class is made from three templates and ten colors, in one forward of thirty prompts, once. All
crops of a batch of images go through CLIP together. Definitions are those of
``clip_benchmark.metrics.zeroshot_classification`` and of GenEval's reference implementation; so is the precision: fp32
weights, under fp16 autocast on a GPU.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from geneval.judge import Box
from geneval.settings import ColorOptions
from wire.protocol import EnvironmentFailure
from wire.untrusted import refuse_tar
from wire.vocabulary import COLORS

#: OpenAI's CLIP in open_clip: the name chooses the tokenizer, sizes come from the weights.
ARCHITECTURE = "ViT-L-14"
TEMPLATES = ("a photo of a {color} {name}", "a photo of a {color}-colored {name}", "a photo of a {color} object")
#: Scale of the cosines, as clip_benchmark has it.
LOGIT_SCALE = 100.0


class Cutout(NamedTuple):
    """One object of an image: its box in pixels, and its pixels as booleans of shape (height, width)."""

    box: Box
    mask: Any


class Shown(NamedTuple):
    """An image (Pillow, RGB), and for each class the objects whose color is asked for; none for most images."""

    picture: Any
    objects: Mapping[str, Sequence[Cutout]]


def load_clip(path: Path) -> Any:
    """OpenAI's CLIP in open_clip, its sizes read from the weights; fp32, on the CPU.
    Raises EnvironmentFailure: not a readable file, or not CLIP's weights.
    """
    import torch
    from open_clip.model import build_model_from_openai_state_dict

    refuse_tar(path)
    try:
        try:
            state = dict(torch.jit.load(path, map_location="cpu").state_dict())
        except RuntimeError:  # no TorchScript archive: a plain state dict
            state = dict(torch.load(path, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, TypeError, ValueError) as error:
        raise EnvironmentFailure(f"{path}: neither a TorchScript archive nor a state dict of CLIP") from error
    try:
        return build_model_from_openai_state_dict(state).float().eval()
    except (KeyError, RuntimeError, AttributeError, ZeroDivisionError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise EnvironmentFailure(f"{path}: these weights are not OpenAI CLIP's ({reason})") from error


def show_object(picture: Any, cutout: Cutout, options: ColorOptions) -> Any:
    """The picture of one object that CLIP sees: its box, with a plain background.

    Cropping first and masking afterwards gives the same pixels as the reverse, and touches fewer.
    """
    from PIL import Image

    mask = Image.fromarray(cutout.mask)
    if options.crop:
        picture, mask = picture.crop(cutout.box[:4]), mask.crop(cutout.box[:4])
    if options.background == "original":
        return picture
    return Image.composite(picture, Image.new("RGB", picture.size, options.background), mask)


class ColorClassifier:
    """CLIP ViT-L/14 of OpenAI as a classifier of ten colors: from its TorchScript archive, or a state dict.

    ``together`` crops make a forward pass, filled up with blanks, so that an image's numbers do not depend on those
    around it; None means one image at a time: all of its crops, however many.
    Raises EnvironmentFailure: the weights cannot be read or are not CLIP's.
    """

    def __init__(self, weights: Path, device: str, options: ColorOptions, together: int | None = None) -> None:
        import open_clip

        self._device, self._options, self._together = device, options, together
        self._model = load_clip(weights).to(device)
        self._transform = open_clip.image_transform(
            self._model.visual.image_size,
            is_train=False,
            mean=open_clip.OPENAI_DATASET_MEAN,
            std=open_clip.OPENAI_DATASET_STD,
        )
        self._tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
        self._classifiers: dict[str, Any] = {}

    def probabilities(self, images: Sequence[Shown]) -> list[dict[str, list[list[float]]]]:
        """For each image and class ten numbers an object, in the order of ``COLORS``: the largest is the answer.

        Double precision keeps apart what single precision would round to equal probabilities.
        """
        import torch

        crops = [
            [
                self._transform(show_object(image.picture, cutout, self._options))
                for cutout in chain(*image.objects.values())
            ]
            for image in images
        ]
        embeddings = iter(self._embed(crops))
        return [
            {
                name: self.logits(torch.stack([*islice(embeddings, len(objects))]), name).double().softmax(-1).tolist()
                for name, objects in image.objects.items()
            }
            for image in images
        ]

    def _embed(self, crops: Sequence[Sequence[Any]]) -> list[Any]:
        """Embeddings of all images' crops, one after the other."""
        import torch

        if self._together is None:
            return [one for group in crops if group for one in self.encode(torch.stack(list(group)))]
        flat = list(chain(*crops))
        embeddings: list[Any] = []
        for first in range(0, len(flat), self._together):
            some = flat[first : first + self._together]
            filled = some + [torch.zeros_like(some[0])] * (self._together - len(some))
            embeddings += self.encode(torch.stack(filled))[: len(some)]
        return embeddings

    def encode(self, crops: Any) -> Any:
        """Unit embeddings of crops: (objects, 3, size, size) to (objects, embedding)."""
        import torch

        with torch.no_grad(), self._precision():
            return torch.nn.functional.normalize(self._model.encode_image(crops.to(self._device)), dim=-1)

    def logits(self, embeddings: Any, name: str) -> Any:
        """Scaled cosines of objects of one class with the ten colors: float32 of shape (objects, 10), on the CPU."""
        import torch

        classifier = self.classifier(name)
        with torch.no_grad(), self._precision():
            return (LOGIT_SCALE * embeddings @ classifier).float().cpu()

    def classifier(self, name: str) -> Any:
        """Unit vectors of the ten colors of a class: a tensor of shape (embedding, 10), made once."""
        import torch

        if name in self._classifiers:
            return self._classifiers[name]
        texts = [template.format(color=color, name=name) for color in COLORS for template in TEMPLATES]
        tokens = self._tokenizer(texts).to(self._device)
        with torch.no_grad(), self._precision():
            features = torch.nn.functional.normalize(self._model.encode_text(tokens), dim=-1)
            means = features.unflatten(0, (len(COLORS), len(TEMPLATES))).mean(dim=1)
            self._classifiers[name] = torch.stack([mean / mean.norm() for mean in means], dim=1)
        return self._classifiers[name]

    def _precision(self) -> Any:
        import torch

        kind = torch.device(self._device).type
        return torch.autocast(kind, enabled=kind == "cuda")

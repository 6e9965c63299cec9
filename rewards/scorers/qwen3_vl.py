"""What scorers share that ask Qwen3-VL: its weights, its images, what it costs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.flops import Cost, layer
from rewards.memory import Network, require_memory
from rewards.scorers.base import Judge, Unfit
from rewards.scorers.card import SpecCard, Tolerance, Weight

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

#: An image with an edge so many times the other is refused by the processor.
MAX_RATIO = 200
#: Sides of images are brought to multiples of this, and their pixels between these bounds (preprocessor_config.json).
_SIDE, _FEWEST, _MOST = 32, 65_536, 16_777_216
#: The small files that decide numbers besides the weights, as far as a repository has them.
_DECIDING = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json"),
    *("chat_template.json", "chat_template.jinja"),
)
FILES = ("*.json", "*.txt", "*.model", "*.jinja")
#: Tokens of a turn around image and text, and edge in pixels of the image that costs are estimated for.
_TURN, _EDGE = 11, 512


@dataclass(frozen=True)
class Size:
    """A model of the family, as its configuration has it: text and vision transformers.

    ``loading``: see :class:`Weight`; its files are of 5 GB at most.
    """

    repo: str
    width: int
    hidden: int
    depth: int
    queries: int
    vision: tuple[int, int, int]
    loading: int

    def cost(self, prompt_tokens: int, asked: int = 1, template: int = 12, answer: int = 1) -> Cost:
        """Of one image and ``asked`` texts, each of a template's and a prompt's tokens, with ``answer`` tokens."""
        image, behind = (_EDGE // _SIDE) ** 2 + 5, asked * (template + prompt_tokens + _TURN - 5 + answer - 1)
        width, hidden, depth = self.vision
        keys = 2 * self.width * 8 * 128
        each = 2 * (2 * self.width * self.queries * 128 + keys + 3 * self.width * self.hidden)
        seen = image**2 + behind * image  # texts see their image; what they see of themselves is little
        text = self.depth * ((image + behind) * each + 4 * seen * self.queries * 128)
        vocabulary = 2 * asked * answer * self.width * 151_936
        return Cost(depth * layer(4 * (image - 5), width, hidden) + text + vocabulary)

    @property
    def network(self) -> Network:
        """What one pair needs most for: its texts beside each other, each with the image's keys and values."""
        return Network((_EDGE // _SIDE) ** 2 + 8 * 30, self.width, 3 * self.hidden, self.queries)


SIZE_8B = Size("Qwen/Qwen3-VL-8B-Instruct", 4096, 12_288, 36, 32, (1152, 4304, 27), 22 * 10**9)
SIZE_4B = Size("Qwen/Qwen3-VL-4B-Instruct", 2560, 9728, 36, 32, (1024, 4096, 24), 14 * 10**9)
SIZE_2B = Size("Qwen/Qwen3-VL-2B-Instruct", 2048, 6144, 28, 16, (1024, 4096, 24), 85 * 10**8)


def card(size: Size, repo: str, asked: int = 1, template: int = 12, answer: int = 1, **facts: Any) -> SpecCard:
    """The card of a judge on a model of that size; ``asked`` to ``answer``: see :meth:`Size.cost`."""
    common: dict[str, Any] = {
        "higher_is_better": True,
        "miro_normalised": "not a MIRO reward",
        "preprocessing": "sides to multiples of 32, 65,536 to 16,777,216 pixels; control tokens in a text are letters",
        "reference_dtype": "bfloat16",
        "weights": (Weight(repo, "*.safetensors; configuration, tokenizer and chat template", loading=size.loading),),
        "licence": "Apache-2.0",
        "tolerance": Tolerance(3e-2, 3e-2),  # twice what bf16 moved a probability by, on random weights: 1.5e-2
        "network": size.network,
        "cost": partial(size.cost, asked=asked, template=template, answer=answer),
        "env": "vlm",
    }
    return SpecCard(**common | facts)


class Qwen3Judge(Judge):
    """A scorer that asks a model of the family, in the authors' number format: ``reference`` is bf16 too."""

    dtypes: Mapping[str, str] = {"reference": "bfloat16", "fast": "bfloat16"}
    any_shape = True
    one_by_one = True
    repo: ClassVar[str]

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import model_files

        return [*model_files(self.repo), *small_files(self.repo)]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch

        from rewards.hub import snapshot
        from rewards.models.loading import shared
        from rewards.models.qwen3_vl import Qwen3VL

        dtype, folder = getattr(torch, self.dtypes[precision]), snapshot(self.repo, FILES)

        def new() -> Qwen3VL:
            require_memory(self.resolve(files))
            return Qwen3VL(folder, dtype, device, self.repo)

        self._model: Any = shared((folder, dtype, device), new)

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """Models that prepare alike share images; see :meth:`Scorer.pixel_key`."""
        return ("qwen3-vl", self._model.preprocessing)

    def prepare_image(self, image: Image) -> Tensor:
        """(rows, columns, values): patches as the model's processor makes them; see :meth:`Scorer.prepare_image`."""
        require_ratio(image.size)
        return self._model.pixels(image)  # type: ignore[no-any-return]


def small_files(repo: str) -> list[LocalWeight]:
    """A repository's files besides the weights that decide numbers. Raises as :func:`rewards.hub.snapshot`."""
    from rewards.hub import LocalWeight, snapshot

    folder = snapshot(repo, FILES)
    return [LocalWeight(repo, folder.name, folder / name) for name in _DECIDING if (folder / name).is_file()]


def require_ratio(size: tuple[int, int]) -> None:
    """See that an image of this width and height is no strip. Raises Unfit: it is."""
    if max(size) > MAX_RATIO * min(size):
        raise Unfit(f"{size[0]} x {size[1]} pixels: the model takes no edge more than {MAX_RATIO} times the other")


def needs_no_resizing(size: tuple[int, int]) -> bool:
    """Whether an image goes to the model with the pixels it has."""
    return not any(edge % _SIDE for edge in size) and _FEWEST <= size[0] * size[1] <= _MOST

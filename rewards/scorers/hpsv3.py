"""HPSv3 (Ma et al. 2025, arXiv 2508.03789): Qwen2-VL-7B with a head that reads one token behind image and prompt."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from rewards.flops import Cost, layer
from rewards.memory import Network, require_memory
from rewards.scorers.base import Batch, Scorer
from rewards.scorers.card import SpecCard, Tolerance, Weight
from rewards.scorers.qwen3_vl import FILES, require_ratio, small_files

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

_REPO, _FILE, _BASE = "MizzenAI/HPSv3", "HPSv3.safetensors", "Qwen/Qwen2-VL-7B-Instruct"
#: Tokens of the image at its fixed budget, and of the authors' words around a prompt.
_IMAGE, _WORDS = 256, 545
#: From here on scores are a mark of reward hacking, not of quality.
HACKED = 15.0


def _cost(prompt_tokens: int) -> Cost:
    """28 layers of width 3584 with 4 keys and values for 28 heads; an image tower of 32 layers of width 1280."""
    tokens = _IMAGE + _WORDS + prompt_tokens
    each = 2 * (2 * 3584**2 + 2 * 3584 * 512 + 3 * 3584 * 18_944)
    return Cost(28 * (tokens * each + 4 * tokens**2 * 3584) + 32 * layer(4 * _IMAGE, 1280, 5120))


class Hpsv3(Scorer):
    """The mean of the preference that the head predicts; its deviation is not used."""

    dtypes: Mapping[str, str] = {"reference": "bfloat16", "fast": "bfloat16"}
    any_shape = True
    one_by_one = True
    card = SpecCard(
        metric="hpsv3",
        title="HPSv3",
        definition="mu of the head's (mu, sigma) at the reward token",
        scale=f"preference; models print about -1 to 12; above {HACKED:g} it is a mark of reward hacking",
        range=(None, HACKED),
        higher_is_better=True,
        miro_normalised="not a MIRO reward",
        preprocessing="at most 200,704 pixels and near it, sides of 28, PIL's bicubic filter; control tokens in a "
        "prompt are letters",
        reference_dtype="bfloat16",
        weights=(
            Weight(_REPO, _FILE, loading=34 * 10**9),  # one file of 17 GB, counted twice
            Weight(_BASE, "configuration, tokenizer and chat template"),
        ),
        licence="MIT",
        source="arXiv 2508.03789; package hpsv3 1.0.0",
        tolerance=Tolerance(5e-2, 5e-2),  # twice what bf16 moved a score by, on random weights: 2.2e-2
        network=Network(_IMAGE + _WORDS + 50, 3584, 3 * 18_944, 28),
        cost=_cost,
        env="vlm",
    )

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import hub_file

        return [hub_file(_REPO, _FILE), *small_files(_BASE)]

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch

        from rewards.hub import snapshot
        from rewards.models import hpsv3

        weights = self.resolve(files)
        require_memory(weights)
        dtype = getattr(torch, self.dtypes[precision])
        self._model: Any = hpsv3.Hpsv3(snapshot(_BASE, FILES), weights[0].path, dtype, device)

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """See :meth:`Scorer.pixel_key`."""
        return "hpsv3"

    def prepare_image(self, image: Image) -> Tensor:
        """(rows, columns, values): patches of 14 px; see :meth:`Scorer.prepare_image`."""
        require_ratio(image.size)
        return self._model.pixels(image)  # type: ignore[no-any-return]

    def score(self, batch: Batch) -> Tensor:
        """See :meth:`Scorer.score`."""
        return self._model(batch.pixels, batch.prompts)[:, 0].cpu()  # type: ignore[no-any-return]

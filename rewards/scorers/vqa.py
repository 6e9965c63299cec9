"""VQAScore (Lin et al. 2024, arXiv 2404.01291): a question about each image, scored by the likelihood of the answer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.flops import Cost, cross_attention, layer, rounded, vit
from rewards.memory import Network, require_memory
from rewards.scorers.base import Batch, Scorer
from rewards.scorers.card import SpecCard, Tolerance, Weight

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from rewards.hub import LocalWeight

VISION_REPO = "openai/clip-vit-large-patch14-336"
#: Tokens of the question: before the image; after it without the prompt (FLAN-T5's tokenizer, about).
_QUESTION = (36, 18)
#: Tokens of the answer, "Yes" and the end token.
_ANSWER = 2


def flan_t5_cost(prompt_tokens: int, width: int, hidden: int) -> Cost:
    """CLIP ViT-L/14-336, a projector of two layers, FLAN-T5 of 24 + 24 layers; the question a multiple of 32."""
    before, after = _QUESTION
    tokens = before + 576 + rounded(after + prompt_tokens, 32, 2048)
    projector = 2 * 576 * (1024 * width + width**2)
    encoder = 24 * layer(tokens, width, hidden, matrices=3)
    decoder = 24 * (layer(_ANSWER, width, hidden, matrices=3) + cross_attention(_ANSWER, tokens, width, width))
    return Cost(vit(336, 14, 1024, 24, 4096) + projector + encoder + decoder + 2 * _ANSWER * width * 32_100)


class ClipFlanT5Scorer(Scorer):
    """CLIP-FlanT5 on plain transformers: CLIP ViT-L/14-336, a two-layer projector, FLAN-T5.

    The authors' weights and arithmetic are bf16: ``reference`` is bf16 here too.
    """

    dtypes: Mapping[str, str] = {"reference": "bfloat16", "fast": "bfloat16"}
    repo: ClassVar[str]
    tokenizer_repo: ClassVar[str]

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import has_weights_under, model_files, snapshot

        for repo in (self.tokenizer_repo, self.repo, VISION_REPO):
            snapshot(repo)
        weights = model_files(self.repo)
        return weights if has_weights_under(weights, "vision_tower.") else weights + model_files(VISION_REPO)

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch

        from rewards.hub import snapshot
        from rewards.models.clip_flant5 import Question, load_clip_flant5
        from rewards.models.loading import frozen

        require_memory(self.resolve(files))
        self._question = Question(snapshot(self.tokenizer_repo))
        dtype = getattr(torch, self.dtypes[precision])
        vocabulary = self._question.vocabulary
        model = load_clip_flant5(snapshot(self.repo), snapshot(VISION_REPO), vocabulary, dtype, self.repo)
        self._model: Any = frozen(model, device)
        self._resolution: int = model.vision.config.image_size

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """One preprocessing, shared by the sizes of the model."""
        return "llava-336"

    def prepare_image(self, image: Image) -> Tensor:
        """(3, 336, 336), equal to ``expand2square`` and CLIPImageProcessor."""
        from rewards.preprocessing import CLIP_MEAN, clip_pixels, pad_to_square

        red, green, blue = (int(mean * 255) for mean in CLIP_MEAN)
        return clip_pixels(pad_to_square(image, (red, green, blue)), self._resolution, "floor")

    def score(self, batch: Batch) -> Tensor:
        """See :meth:`Scorer.score`."""
        head, tail, mask = self._question.tokens(batch.prompts)
        return self._model.answer_likelihood(batch.pixels, head, tail, mask, self._question.answer).cpu()


_CARD: dict[str, Any] = {
    "definition": "exp(-mean cross-entropy of the answer's tokens), the answer being 'Yes' and the end token: "
    "sqrt(P(Yes) x P(end | Yes)), not P(Yes)",
    "range": (0.0, 1.0),
    "higher_is_better": True,
    "preprocessing": "padded to a square with CLIP's mean color, 336 px; text cut to 2048 tokens with the question",
    "reference_dtype": "bfloat16",
    "licence": "Apache-2.0",
    "source": "arXiv 2404.01291; github.com/linzhiqiu/t2v_metrics",
    # both precisions are bf16, whose sums differ between processors
    "tolerance": Tolerance(0.05, 0.05, relative=True),
}


def _weights(model: str, tokenizer: str, loading: int) -> tuple[Weight, ...]:
    return (
        Weight(model, "pytorch_model.bin (sharded)", loading=loading),
        Weight(VISION_REPO, "config.json; model.safetensors|pytorch_model.bin if the shards lack its tower"),
        Weight(tokenizer, "tokenizer files"),
    )


class Vqa(ClipFlanT5Scorer):
    """The 11-billion-parameter model: about 22 GB of weights in bf16."""

    repo, tokenizer_repo = "zhiqiulin/clip-flant5-xxl", "google/flan-t5-xxl"
    card = SpecCard(
        metric="vqa",
        title="VQAScore with CLIP-FlanT5-XXL",
        scale="likelihood of the answer, 0 to 1",
        miro_normalised="x",
        weights=_weights(repo, tokenizer_repo, 32 * 10**9),  # and the largest of its files, 10 GB
        network=Network(644, 4096, 4 * 10_240, 64),
        cost=partial(flan_t5_cost, width=4096, hidden=10_240),
        **_CARD,
    )


class VqaXl(ClipFlanT5Scorer):
    """The 3-billion-parameter model, about 7 GB in bf16: another metric, not an approximation of ``vqa``."""

    repo, tokenizer_repo = "zhiqiulin/clip-flant5-xl", "google/flan-t5-xl"
    card = SpecCard(
        metric="vqa_xl",
        title="VQAScore with CLIP-FlanT5-XL",
        scale="likelihood of the answer, 0 to 1; not comparable with xxl",
        miro_normalised="not a MIRO reward",
        weights=_weights(repo, tokenizer_repo, 14 * 10**9),  # in one file
        network=Network(644, 2048, 4 * 5120, 32),
        cost=partial(flan_t5_cost, width=2048, hidden=5120),
        **_CARD,
    )

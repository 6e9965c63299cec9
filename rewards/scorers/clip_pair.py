"""Metrics that are a CLIP's paired logit, on transformers' CLIPModel and its tokenizer.

PickScore v1 (Kirstain et al. 2023, arXiv 2305.01569), SciScore (Li et al. 2025, Science-T2I, arXiv 2504.13129) and
OpenAI's ViT-L/14 (Radford et al. 2021, arXiv 2103.00020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rewards.flops import Cost, clip_h, rounded, text_tower, vit
from rewards.memory import VIT_H, VIT_L
from rewards.scorers.base import ClipPixels, TwoTowers
from rewards.scorers.card import SpecCard, Weight

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from rewards.hub import LocalWeight

#: CLIP's context length (tokens).
CONTEXT = 77


def tokenizer_of(folder: Path) -> Any:
    """From vocabulary and merges, where they are: newer releases' ``tokenizer.json`` cannot be read by this one."""
    from transformers import CLIPTokenizerFast

    return CLIPTokenizerFast.from_pretrained(folder, from_slow=(folder / "vocab.json").is_file())


class ClipPair(ClipPixels, TwoTowers):
    """exp(logit scale) x cosine / 100 of each pair: ``logits_per_image`` of the authors' code, its diagonal, over 100.

    Texts are cut where the chunk's longest ends: under CLIP's causal attention, what stands after the end token
    changes nothing but the shape of the pass.
    """

    rounding = "floor"
    repo: ClassVar[str]
    tokenizer_repo: ClassVar[str]

    def resolve(self, files: Mapping[str, str]) -> list[LocalWeight]:
        """See :meth:`Scorer.resolve`."""
        from rewards.hub import model_files

        self.text_files()
        return model_files(self.repo)

    def load(self, device: str, precision: str, files: Mapping[str, str]) -> None:
        """See :meth:`Scorer.load`."""
        import torch
        from transformers import CLIPModel

        from rewards.models.loading import clear_errors, frozen, load_pretrained

        self.resolve(files)
        tokenizer, folder = self.text_files()
        model = load_pretrained(CLIPModel, folder, self.repo, torch.float32)
        self.logit_scale = model.logit_scale.exp().item()
        self._model: Any = frozen(model, device, getattr(torch, self.dtypes[precision]))
        with clear_errors(self.tokenizer_repo):
            self._tokenizer: Any = tokenizer_of(tokenizer)

    def tokens(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Token ids and mask, (N, T), T at most 77; truncated by the tokenizer with the end token kept."""
        from rewards.models.layers import padded_length

        options = {"padding": "max_length", "truncation": True, "max_length": CONTEXT, "return_tensors": "pt"}
        tokens = self._tokenizer(list(prompts), **options).to(self._model.device)
        length = padded_length(int(tokens["attention_mask"].sum(dim=1).max()), CONTEXT)
        return {name: values[:, :length] for name, values in tokens.items()}

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """See :meth:`Scorer.encode_text`."""
        from rewards.models.layers import unit

        return unit(self._model.get_text_features(**self.tokens(prompts)))

    def text_files(self) -> list[Path]:
        """See :meth:`Scorer.text_files`."""
        from rewards.hub import snapshot

        return [snapshot(self.tokenizer_repo), snapshot(self.repo)]

    def image_features(self, pixels: Tensor) -> Tensor:
        """See :meth:`TwoTowers.image_features`."""
        return self._model.get_image_features(pixel_values=pixels.to(self._model.dtype))


_CARD: dict[str, Any] = {
    "definition": "exp(logit_scale) x cosine(image, text) / 100",
    "range": (-1.0, 1.0),
    "higher_is_better": True,
    "preprocessing": "CLIP 224 px (shortest edge, center crop); text cut to 77 tokens",
    "reference_dtype": "float32",
}
_MODEL = "model.safetensors|pytorch_model.bin"


class PickScore(ClipPair):
    """CLIP ViT-H/14 fine-tuned on the Pick-a-Pic preferences.

    The model card's recipe multiplies by the logit scale; dividing by 100 gives the usual values near 0.2.
    """

    repo = "yuvalkirstain/PickScore_v1"
    tokenizer_repo = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    card = SpecCard(
        metric="pick_score",
        title="PickScore v1",
        scale="cosine x exp(logit scale) / 100, about 0.19 to 0.24",
        miro_normalised="x",
        upstream="pick_score",
        weights=(Weight(repo, _MODEL), Weight(tokenizer_repo, "tokenizer files")),
        licence="MIT",
        source="arXiv 2305.01569; github.com/yuvalkirstain/PickScore",
        network=VIT_H,
        cost=clip_h,
        **_CARD,
    )


class SciScore(ClipPair):
    """CLIP ViT-H/14 fine-tuned on pairs of scientifically right and wrong images; a repository complete in itself."""

    repo = tokenizer_repo = "Jialuo21/SciScore"
    card = SpecCard(
        metric="sciscore",
        title="SciScore",
        scale="cosine x exp(logit scale) / 100",
        miro_normalised="x",
        weights=(Weight(repo, _MODEL),),
        licence="see the model's page",
        source="arXiv 2504.13129; huggingface.co/Jialuo21/SciScore",
        network=VIT_H,
        cost=clip_h,
        **_CARD,
    )


def _clip_l(prompt_tokens: int) -> Cost:
    text = text_tower(rounded(prompt_tokens, 16, CONTEXT), 768, 12, 3072, 768)
    return Cost(vit(224, 14, 1024, 24, 4096, 768), text)


class ClipOpenai(ClipPair):
    """What the MIRO project page calls "OpenAI CLIP"; not one of the seven rewards."""

    repo = tokenizer_repo = "openai/clip-vit-large-patch14"
    card = SpecCard(
        metric="clip_openai",
        title="OpenAI CLIP ViT-L/14",
        scale="cosine x exp(logit scale) / 100",
        miro_normalised="not a MIRO reward",
        upstream="clip_openai",
        weights=(Weight(repo, _MODEL),),
        licence="MIT",
        source="arXiv 2103.00020; huggingface.co/openai/clip-vit-large-patch14",
        network=VIT_L,
        cost=_clip_l,
        **_CARD,
    )

"""What a metric costs in arithmetic, from its model's published sizes. Standard library only.

Counted are the multiplications and additions of matrix products (two operations for each pair), which are all but a
few per cent of the work: not norms, activations, softmax, resizing of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: Tokens of a GenEval prompt with its start and end: "a photo of a red dog and a blue cat" has 12.
PROMPT_TOKENS = 12


@dataclass(frozen=True)
class Cost:
    """Floating point operations of one metric.

    Attributes:
        image: for each image; where image and prompt are read together, for the pair.
        prompt: besides, for each unique prompt; 0 where prompts are not encoded by themselves.
    """

    image: float
    prompt: float = 0.0


def cost(metric: str, prompt_tokens: int = PROMPT_TOKENS) -> Cost:
    """Operations of a metric.

    Args:
        metric: id of one of our scorers.
        prompt_tokens: length of a prompt in tokens; lengths are rounded up as the scorers do, and cut at each
            model's context.

    Raises:
        KeyError: not one of our scorers: nothing is known of its size.
    """
    return _COSTS[metric](prompt_tokens)


def total(metrics: Iterable[str], images: int, prompts: int, prompt_tokens: int = PROMPT_TOKENS) -> float:
    """Operations of a whole run: ``images`` images of ``prompts`` different prompts, each by every metric.

    Raises:
        KeyError: as :func:`cost`.
    """
    costs = [cost(metric, prompt_tokens) for metric in metrics]
    return sum(images * each.image + prompts * each.prompt for each in costs)


def layer(tokens: int, width: int, hidden: int, inner: int = 0, matrices: int = 2) -> float:
    """One transformer layer over ``tokens``: self-attention and feed-forward.

    Args:
        tokens: length of the sequence.
        width: of the residual stream.
        hidden: of the feed-forward.
        inner: width of all attention heads together; 0 for ``width``.
        matrices: of the feed-forward: 2, or 3 where it is gated.
    """
    inner = inner or width
    return 8 * tokens * width * inner + 4 * tokens**2 * inner + 2 * matrices * tokens * width * hidden


def cross_attention(tokens: int, others: int, width: int, other_width: int, inner: int = 0) -> float:
    """Attention of ``tokens`` of a width to ``others`` of another: queries, keys, values, weights, sums, output."""
    inner = inner or width
    return 4 * tokens * width * inner + 4 * others * other_width * inner + 4 * tokens * others * inner


def vit(edge: int, patch: int, width: int, depth: int, hidden: int, out: int = 0, matrices: int = 2) -> float:
    """A vision transformer with a class token, over a square image of ``edge`` pixels; ``out``: its projection."""
    patches = (edge // patch) ** 2
    embedding = 2 * patches * 3 * patch**2 * width
    return embedding + depth * layer(patches + 1, width, hidden, matrices=matrices) + 2 * width * out


def text_tower(tokens: int, width: int, depth: int, hidden: int, out: int = 0) -> float:
    """A text transformer whose pooled token is projected to ``out``."""
    return depth * layer(tokens, width, hidden) + 2 * width * out


def _rounded(tokens: int, step: int, context: int) -> int:
    return min(context, -(-tokens // step) * step)


def _clip_h(prompt_tokens: int) -> Cost:
    """CLIP ViT-H/14 (laion's): its text is cut to a multiple of 16 tokens, at most 77."""
    text = text_tower(_rounded(prompt_tokens, 16, 77), 1024, 24, 4096, 1024)
    return Cost(vit(224, 14, 1280, 32, 5120, 1024), text)


def _clip_l(prompt_tokens: int) -> Cost:
    text = text_tower(_rounded(prompt_tokens, 16, 77), 768, 12, 3072, 768)
    return Cost(vit(224, 14, 1024, 24, 4096, 768), text)


def _aesthetic(_: int) -> Cost:
    """CLIP ViT-L/14's image half; the head's layers are 768-1024-128-64-16-1."""
    head = 2 * (768 * 1024 + 1024 * 128 + 128 * 64 + 64 * 16 + 16)
    return Cost(vit(224, 14, 1024, 24, 4096, 768) + head)


def _image_reward(_: int) -> Cost:
    """BLIP's ViT-L/16 and BERT-base with cross-attention over its 197 tokens; text is padded to 35 tokens."""
    text = 12 * (layer(35, 768, 3072) + cross_attention(35, 197, 768, 1024))
    return Cost(vit(224, 16, 1024, 24, 4096) + text)


def _clip_jina(prompt_tokens: int) -> Cost:
    """EVA02-L/14 at 512 px with gated layers of 2,730; XLM-RoBERTa-large on a multiple of 64 tokens, at most 1,024."""
    text = text_tower(_rounded(prompt_tokens, 64, 1024), 1024, 24, 4096)
    return Cost(vit(512, 14, 1024, 24, 2730, 1024, matrices=3), text)


#: Tokens of VQAScore's question: before the image; after it without the prompt (FLAN-T5's tokenizer, about).
_QUESTION = (36, 18)
#: Tokens of the answer, "Yes" and the end token.
_ANSWER = 2


def _clip_flant5(prompt_tokens: int, width: int, inner: int, hidden: int) -> Cost:
    """CLIP ViT-L/14-336, a projector of two layers, FLAN-T5 of 24 + 24 layers; the question a multiple of 32."""
    before, after = _QUESTION
    tokens = before + 576 + _rounded(after + prompt_tokens, 32, 2048)
    projector = 2 * 576 * (1024 * width + width**2)
    encoder = 24 * layer(tokens, width, hidden, inner, matrices=3)
    decoder = 24 * (
        layer(_ANSWER, width, hidden, inner, matrices=3) + cross_attention(_ANSWER, tokens, width, width, inner)
    )
    return Cost(vit(336, 14, 1024, 24, 4096) + projector + encoder + decoder + 2 * _ANSWER * width * 32_100)


def _vqa(prompt_tokens: int) -> Cost:
    return _clip_flant5(prompt_tokens, width=4096, inner=4096, hidden=10_240)


def _vqa_xl(prompt_tokens: int) -> Cost:
    return _clip_flant5(prompt_tokens, width=2048, inner=2048, hidden=5120)


#: Sizes are those of the models' configuration files on the hub (open_clip's ``ViT-H-14.json`` for HPSv2; ``vit.py``
#: and ``med_config.json`` of the ImageReward package; EVA02-L/14 of open_clip's configurations for jina-clip-v2).
_COSTS: dict[str, Callable[[int], Cost]] = {
    "clip_jina": _clip_jina,
    "aesthetic": _aesthetic,
    "image_reward": _image_reward,
    "pick_score": _clip_h,
    "hpsv2.1": _clip_h,
    "vqa": _vqa,
    "sciscore": _clip_h,
    "hpsv2.0": _clip_h,
    "clip_openai": _clip_l,
    "vqa_xl": _vqa_xl,
}

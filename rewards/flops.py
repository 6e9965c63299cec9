"""What a metric costs in arithmetic, from its model's published sizes; each scorer's card adds up its own.

Standard library only. Sizes are those of the models' configuration files on the hub. A metric's cost is given for a
prompt of some tokens; lengths are rounded up as the scorers do, and cut at each model's context.

Counted are the multiplications and additions of matrix products (two operations for each pair), which are all but a
few per cent of the work: not norms, activations, softmax, resizing of images.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Tokens of a GenEval prompt with its start and end: "a photo of a red dog and a blue cat" has 12.
PROMPT_TOKENS = 12


@dataclass(frozen=True)
class Cost:
    """Floating point operations of one metric."""

    image: float  #: for each image; where image and prompt are read together, for the pair
    prompt: float = 0.0  #: besides, for each unique prompt; 0 where prompts are not encoded by themselves


def layer(tokens: int, width: int, hidden: int, matrices: int = 2) -> float:
    """One transformer layer over ``tokens``: self-attention and feed-forward.
    ``width``: of the residual stream.
    ``hidden``, ``matrices``: of the feed-forward, which has 2 matrices, or 3 where it is gated.
    """
    return 8 * tokens * width**2 + 4 * tokens**2 * width + 2 * matrices * tokens * width * hidden


def cross_attention(tokens: int, others: int, width: int, other_width: int) -> float:
    """Attention of ``tokens`` of a width to ``others`` of another: queries, keys, values, weights, sums, output."""
    return 4 * tokens * width**2 + 4 * others * other_width * width + 4 * tokens * others * width


def vit(edge: int, patch: int, width: int, depth: int, hidden: int, out: int = 0, matrices: int = 2) -> float:
    """A vision transformer with a class token, over a square image of ``edge`` pixels; ``out``: its projection."""
    patches = (edge // patch) ** 2
    embedding = 2 * patches * 3 * patch**2 * width
    return embedding + depth * layer(patches + 1, width, hidden, matrices=matrices) + 2 * width * out


def text_tower(tokens: int, width: int, depth: int, hidden: int, out: int = 0) -> float:
    """A text transformer whose pooled token is projected to ``out``."""
    return depth * layer(tokens, width, hidden) + 2 * width * out


def rounded(tokens: int, step: int, context: int) -> int:
    """The length that a text is padded to: a multiple of ``step``, at most the model's context."""
    return min(context, -(-tokens // step) * step)


def clip_h(prompt_tokens: int) -> Cost:
    """CLIP ViT-H/14 (open_clip's ``ViT-H-14.json``): its text is cut to a multiple of 16 tokens, at most 77."""
    text = text_tower(rounded(prompt_tokens, 16, 77), 1024, 24, 4096, 1024)
    return Cost(vit(224, 14, 1280, 32, 5120, 1024), text)

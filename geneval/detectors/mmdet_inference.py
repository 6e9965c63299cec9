"""mmdet's Mask2Former with only what inference needs, equal up to the order of additions.

mmdet's head predicts masks and classes after every decoder layer, which training asks for: 1 GFLOP and a hundred masks
of 200 x 200 each time. Of all but the last only the signs at the next level's coarser places are used, to say where a
query may look. Scaling an image down and multiplying it by a query's weights can change places, both being linear: the
mask features are scaled down once a level. Windows of shifted attention are gathered in one step, not by padding,
rolling twice and partitioning.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

#: Added to attention between regions that only the shift made neighbours. Swin has -100 here: exp(-100) is denormal, so
#: small that it is lost beside any other weight, and several times slower to multiply by than nothing at all.
APART = float("-inf")


def last_predictions(head: Any, features: Any) -> tuple[Any, Any]:
    """Class logits (batch, queries, classes + 1) and mask logits (batch, queries, height, width) of the last layer.

    Args:
        head: mmdet's ``Mask2FormerHead``.
        features: the backbone's maps.
    """
    from torch.nn.functional import interpolate

    mask_features, memories = head.pixel_decoder(features)
    memories = memories[: head.num_transformer_feat_level]
    keys = [_keys(head, level, memory) for level, memory in enumerate(memories)]
    coarse = [
        interpolate(mask_features, memory.shape[-2:], mode="bilinear", align_corners=False) for memory in memories
    ]
    batch = len(mask_features)
    queries, places = (table.weight.expand(batch, -1, -1) for table in (head.query_feat, head.query_embed))
    for number, layer in enumerate(head.transformer_decoder.layers):
        level = number % len(memories)
        key, position = keys[level]
        hidden = _hidden(_masks(head, _normed(head, queries), coarse[level]), head.num_heads)
        queries = layer(
            query=queries, key=key, value=key, query_pos=places, key_pos=position, cross_attn_mask=hidden
        )  # fmt: skip
    last = _normed(head, queries)
    return head.cls_embed(last), _masks(head, last, mask_features)


def _normed(head: Any, queries: Any) -> Any:
    return head.transformer_decoder.post_norm(queries)


def _keys(head: Any, level: int, memory: Any) -> tuple[Any, Any]:
    """A level's pixels and their positional encodings, both (batch, places, channels)."""
    flat = head.decoder_input_projs[level](memory).flatten(2).permute(0, 2, 1) + head.level_embed.weight[level]
    nothing_padded = memory.new_zeros((len(memory), *memory.shape[-2:]), dtype=bool)
    return flat, head.decoder_positional_encoding(nothing_padded).flatten(2).permute(0, 2, 1)


def _masks(head: Any, normed: Any, mask_features: Any) -> Any:
    return (head.mask_embed(normed) @ mask_features.flatten(2)).unflatten(2, mask_features.shape[-2:])


def _hidden(masks: Any, heads: int) -> Any:
    """Where queries must not look: off their masks; one without a mask looks anywhere.

    Args:
        masks: logits (batch, queries, height, width).
        heads: of the attention.

    Returns:
        bool (batch x heads, queries, places).
    """
    outside = masks.flatten(2) < 0
    outside &= ~outside.all(dim=-1, keepdim=True)
    return outside[:, None].expand(-1, heads, -1, -1).flatten(0, 1)


def install_windows(model: Any) -> None:
    """Let the backbone's blocks gather their windows in one step; the numbers stay the same."""
    from mmdet.models.backbones.swin import ShiftWindowMSA

    for module in model.modules():
        if isinstance(module, ShiftWindowMSA):
            module.forward = partial(_attend_in_windows, module)


def _attend_in_windows(module: Any, query: Any, hw_shape: tuple[int, int]) -> Any:
    """As ``ShiftWindowMSA.forward`` in evaluation mode: (batch, height x width, channels) to the same."""
    import torch

    batch, _, channels = query.shape
    size = module.window_size
    there, back, apart = _windows(*map(int, hw_shape), size, module.shift_size, str(query.device))
    padded = torch.cat([query, query.new_zeros(batch, 1, channels)], dim=1)
    windows = padded.index_select(1, there).view(-1, size * size, channels)
    seen = module.w_msa(windows, mask=apart)
    return seen.view(batch, -1, channels).index_select(1, back)


@lru_cache(maxsize=64)
def _windows(height: int, width: int, size: int, shift: int, device: str) -> tuple[Any, Any, Any]:
    """Where each place of each window comes from (padding is one place more than there are), where each place of the
    image is found again, and what is added to attention in each window; None where nothing is shifted."""
    import torch

    lines, columns = (-(-side // size) * size for side in (height, width))
    numbers = torch.full((lines, columns), height * width)
    numbers[:height, :width] = torch.arange(height * width).view(height, width)
    there = _partition(numbers.roll((-shift, -shift), (0, 1)), size).flatten()
    back = torch.empty(height * width + 1, dtype=torch.long)
    back[there] = torch.arange(len(there))
    if not shift:
        return there.to(device), back[:-1].to(device), None
    regions = _partition(_region(lines, size, shift)[:, None] * 3 + _region(columns, size, shift), size)
    apart = torch.zeros(len(regions), size * size, size * size)
    apart[regions[:, None] != regions[:, :, None]] = APART
    return there.to(device), back[:-1].to(device), apart.to(device)


def _partition(image: Any, size: int) -> Any:
    """Windows of an image (height, width), line by line: (windows, size x size)."""
    height, width = image.shape
    return image.view(height // size, size, width // size, size).transpose(1, 2).reshape(-1, size * size)


def _region(side: int, size: int, shift: int) -> Any:
    """Which of three parts a line of the shifted image belongs to: attention does not cross between them."""
    import torch

    place = torch.arange(side)
    return (place >= side - size).int() + (place >= side - shift).int()

"""Multi-scale deformable attention (Zhu et al. 2021, arXiv 2010.04159) as a weighted sum of table rows.

A query looks at a few points of each level, between pixels: four neighbours a point. mmcv and transformers without a
compiled operator sample each level with ``grid_sample``, channel by channel, and weigh the samples afterwards. Here the
rows of all neighbours are added up in one pass by ``embedding_bag``, a pixel's channels lying side by side: a fifth of
the CPU time, equal up to the order of the additions. A GPU wants few and large steps: there a whole batch is sampled
level by level, and nothing waits for the device.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

import torch

#: (height, width) of each level.
Shapes = tuple[tuple[int, int], ...]
#: Queries at a time: few enough for a processor's cache, many enough for its vector units. Found by trial.
QUERIES = 2048


def sample(values: Any, shapes: Shapes, offsets: Any, weights: Any) -> Any:
    """What each query sees, float32 (places, heads x channels); outside the image there are zeros.

    The queries are ``values``, float32 (places, heads, channels): the pixels of all levels, one after the other. Each
    looks around itself: ``offsets``, float32 (places, heads, levels, points, 2), are x and y from its own place in
    pixels of the level, ``weights`` float32 (places, heads, levels, points).
    """
    heads, levels, points = offsets.shape[1:4]
    looks = _looks(shapes, heads, points, str(values.device))
    table = _bordered(values, shapes)
    numbers = heads * levels * points
    parts = []
    for first in range(0, len(offsets), QUERIES):
        last = first + QUERIES
        some = _Looks(*(one[first * numbers : last * numbers] for one in looks))
        parts.append(_sample_some(table, offsets[first:last], weights[first:last], some))
    return torch.cat(parts).view(len(offsets), -1)


class _Looks(NamedTuple):
    """For each query, head, level and point, flat: where it looks from, and how its level lies in the table."""

    #: The query's own place, in pixels of the level.
    x: Any
    y: Any
    #: Of the level.
    width: Any
    height: Any
    #: Table rows from one line of pixels to the next.
    stride: Any
    #: Table row of the level's first pixel, for this head.
    base: Any


@lru_cache(maxsize=4)
def _looks(shapes: Shapes, heads: int, points: int, device: str) -> _Looks:
    heights, widths = (torch.tensor(sides, device=device) for sides in zip(*shapes, strict=True))
    centers = _centers(shapes, device)
    borders = (heights + 2) * (widths + 2)
    firsts = (borders.cumsum(0) - borders + widths + 3) * heads

    def spread(values: Any) -> Any:
        wanted = (len(centers), heads, len(shapes), points)
        return values.expand(wanted).contiguous().flatten()

    return _Looks(
        spread((centers[:, :1] * widths - 0.5)[:, None, :, None]),
        spread((centers[:, 1:] * heights - 0.5)[:, None, :, None]),
        spread(widths.float()[None, None, :, None]),
        spread(heights.float()[None, None, :, None]),
        spread(((widths + 2) * heads).int()[None, None, :, None]),
        spread((firsts + torch.arange(heads, device=device)[:, None]).int()[None, :, :, None]),
    )


@lru_cache(maxsize=4)
def _centers(shapes: Shapes, device: str) -> Any:
    """x and y in [0, 1] of all places, line by line: (places, 2)."""
    middles = [[(torch.arange(side, device=device) + 0.5) / side for side in shape] for shape in shapes]
    return torch.cat([torch.cartesian_prod(y, x).flip(1) for y, x in middles])


def _bordered(values: Any, shapes: Shapes) -> Any:
    """The pixels of all levels with a border of zeros around each level: (rows, channels), heads within a pixel."""
    places, heads, channels = values.shape
    maps = values.reshape(places, heads * channels).split([height * width for height, width in shapes])
    wide = [
        torch.nn.functional.pad(one.view(*shape, -1), (0, 0, 1, 1, 1, 1)).view(-1, channels)
        for one, shape in zip(maps, shapes, strict=True)
    ]
    return torch.cat(wide)


def _sample_some(table: Any, offsets: Any, weights: Any, looks: _Looks) -> Any:
    """:func:`sample` for some queries: (queries x heads, channels)."""
    left, right, to_right = _neighbours(offsets[..., 0], looks.x, looks.width)
    above, below, to_below = _neighbours(offsets[..., 1], looks.y, looks.height)
    heads, per_bag = offsets.shape[1], offsets.shape[2] * offsets.shape[3]
    lower = weights.reshape(-1) * to_below
    upper = weights.reshape(-1) - lower
    total: Any = 0
    for line, share in ((above, upper), (below, lower)):
        start = line.mul_(looks.stride).add_(looks.base)
        beyond = share * to_right
        for column, part in ((left, share - beyond), (right, beyond)):
            rows = torch.add(start, column, alpha=heads).view(-1, per_bag)
            sums = torch.nn.functional.embedding_bag(rows, table, per_sample_weights=part.view(-1, per_bag), mode="sum")
            total = sums.add_(total)
    return total


def _neighbours(offsets: Any, own: Any, limit: Any) -> tuple[Any, Any, Any]:
    """The pixels before and after each point, and its distance from the first; -1 and ``limit`` are the border."""
    place = offsets.reshape(-1) + own
    before = place.floor()
    share = place.sub_(before)
    after = before + 1
    first, second = (side.clamp_(min=-1).minimum(limit).int() for side in (before, after))
    return first, second, share


def sample_levels(values: Any, shapes: Shapes, offsets: Any, weights: Any) -> Any:
    """:func:`sample` for a batch, its arguments and result with a first axis more: one ``grid_sample`` a level."""
    batch, places, heads, channels = values.shape
    maps = values.permute(0, 2, 3, 1).flatten(0, 1).split([height * width for height, width in shapes], dim=2)
    centers = _centers(shapes, str(values.device))[:, None, None] * 2 - 1  # as grid_sample counts: -1 to 1
    seen = []
    for level, (height, width) in enumerate(shapes):
        x, y = (offsets[:, :, :, level, :, axis] * (2 / side) for axis, side in enumerate((width, height)))
        points = torch.stack((x + centers[..., 0], y + centers[..., 1]), dim=-1).transpose(1, 2).flatten(0, 1)
        picture = maps[level].unflatten(2, (height, width))
        seen.append(torch.nn.functional.grid_sample(picture, points, align_corners=False))
    shares = weights.transpose(1, 2).reshape(batch * heads, 1, places, -1)
    total = (torch.cat(seen, dim=-1) * shares).sum(-1)
    return total.view(batch, heads * channels, places).transpose(1, 2)


def attention(device: str) -> str:
    """Which of the two forms :func:`attend` takes on a device."""
    return "embedding_bag" if device == "cpu" else "grid_sample"


def attend(module: Any, query: Any, value: Any, shapes: Shapes, points: tuple[int, int, int]) -> Any:
    """Deformable self-attention with the four projections of mmcv's or transformers' module.

    ``query``, ``value`` and the result are (batch, places, channels), places as in :func:`sample`; ``points`` are the
    numbers of heads, levels and points.
    """
    heads, levels, count = points
    batch, places, _ = value.shape
    values = module.value_proj(value).view(batch, places, heads, -1)
    offsets = module.sampling_offsets(query).view(batch, places, heads, levels, count, 2)
    weights = module.attention_weights(query).view(batch, places, heads, -1).softmax(-1).view(offsets.shape[:-1])
    if values.is_cuda:
        return module.output_proj(sample_levels(values, shapes, offsets, weights))
    each = zip(values, offsets, weights, strict=True)
    return module.output_proj(torch.stack([sample(one, shapes, *look) for one, *look in each]))


def install_in_mmdet(model: Any) -> None:
    """Let the pixel decoder's attention modules of an mmdet model work this way."""
    from mmcv.ops import MultiScaleDeformableAttention

    for module in model.modules():
        if isinstance(module, MultiScaleDeformableAttention) and module.batch_first:
            module.forward = partial(_mmcv_forward, module)


def _mmcv_forward(
    module: Any, query: Any, *, value: Any = None, query_pos: Any = None, spatial_shapes: Any = None, **_: Any
) -> Any:
    """As ``MultiScaleDeformableAttention.forward`` in evaluation mode; nothing is padded, so that no mask is needed."""
    points = (module.num_heads, module.num_levels, module.num_points)
    value = query if value is None else value
    return attend(module, query + query_pos, value, _plain(spatial_shapes), points) + query


def install_in_transformers(model: Any) -> None:
    """Let transformers' Mask2Former attend by :func:`attend`."""
    for module in model.modules():
        if type(module).__name__ == "Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention":
            module.forward = partial(_transformers_forward, module)


def _transformers_forward(module: Any, hidden_states: Any, **given: Any) -> tuple[Any, None]:
    points = (module.n_heads, module.n_levels, module.n_points)
    query = hidden_states + given["position_embeddings"]
    shapes = given.get("spatial_shapes_list") or given["spatial_shapes"]  # the first in later versions
    return attend(module, query, given["encoder_hidden_states"], _plain(shapes), points), None


def _plain(shapes: Any) -> Shapes:
    """The shapes as numbers. All layers of a forward pass share one tensor, which is read from the device once."""
    if isinstance(shapes, torch.Tensor):
        if not hasattr(shapes, "plain"):
            shapes.plain = _plain(shapes.tolist())  # type: ignore[attr-defined]
        return cast(Shapes, shapes.plain)
    return tuple((int(height), int(width)) for height, width in shapes)

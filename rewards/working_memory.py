"""How many pairs of a metric fit into memory at once, from the size of its largest network. Standard library only.

A batch that is too large is halved when it fails (:class:`rewards.memory.Parts`); but on a CPU it does not fail, the
system kills the process: so the first guess is made here.
"""

from __future__ import annotations

from dataclasses import dataclass

#: What a forward pass may take of the free memory: other processes, images and allocators need some too.
SHARE = 0.5
#: Bytes of weights below which a model is not of the published size, and needs no thought.
SMALL = 256 * 1024**2


@dataclass(frozen=True)
class Network:
    """The layer that needs most, of the network that needs most.

    Attributes:
        tokens: length of the sequence.
        width: of the residual stream.
        hidden: width of all that a feed-forward holds at once.
        heads: of attention, whose weights (tokens x tokens each) are written out.
    """

    tokens: int
    width: int
    hidden: int
    heads: int

    def bytes_per_pair(self, size: int) -> int:
        """Upper bound of what one pair's layer holds, with numbers of ``size`` bytes.

        Attention weights are there once as they come, and twice in float32, around the softmax.
        """
        streams = self.tokens * (6 * self.width + self.hidden) * size
        return streams + self.heads * self.tokens**2 * (size + 8)


#: CLIP's image towers, ViT-H/14 and ViT-L/14 (or /16) at 224 px.
VIT_H = Network(257, 1280, 2 * 5120, 16)
VIT_L = Network(257, 1024, 2 * 4096, 16)


def bytes_per_pair(network: Network | None, dtype: str, weights: int) -> int:
    """Bytes that one pair takes beside the ``weights``; 0 where unknown: without a network, and for small stand-ins."""
    if network is None or weights < SMALL:
        return 0
    return network.bytes_per_pair(4 if dtype == "float32" else 2)


def rows_that_fit(size: int, per_row: int, free: int) -> int:
    """``size`` rows, or the first half, quarter ... that fits into a share of ``free`` bytes; at least one."""
    while size > 1 and size * per_row > SHARE * free:
        size = -(-size // 2)
    return size

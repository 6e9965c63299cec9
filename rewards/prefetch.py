"""Images read, decoded and preprocessed in background threads, each once for all scorers of a pass."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rewards.images import UnreadableImage, read_image
from rewards.scorers.base import Scorer
from wire.protocol import Item

if TYPE_CHECKING:
    from torch import Tensor

#: Batches that are prepared ahead of the one being scored.
AHEAD = 2
#: Decoding scales to a few threads; beyond that the machine's memory bandwidth is the limit.
MAX_THREADS = 8


@dataclass(frozen=True)
class Prepared:
    """One image, ready for every scorer of the pass.

    Attributes:
        sha256: digest of the file that was read.
        error: why the image cannot be scored; None if it can.
        tensors: preprocessed images by key; scorers with equal keys share one.
        keys: each scorer's key, by metric.
    """

    item: Item
    sha256: str | None
    error: str | None = None
    tensors: dict[Hashable, Tensor] = field(default_factory=dict)
    keys: dict[str, Hashable] = field(default_factory=dict)


def prepare(item: Item, run_dir: Path, scorers: Sequence[Scorer]) -> Prepared:
    """Read one image and preprocess it once per distinct key."""
    try:
        image, digest = read_image(run_dir / item.filename, item.image_sha256)
    except UnreadableImage as error:
        return Prepared(item, error.sha256 or item.image_sha256, str(error))
    prepared = Prepared(item, digest)
    for scorer in scorers:
        key = scorer.pixel_key(image.size)
        prepared.keys[scorer.card.metric] = key
        if key not in prepared.tensors:
            prepared.tensors[key] = scorer.prepare_image(image)
    return prepared


def prepared_batches(
    batches: Iterable[list[Item]], run_dir: Path, scorers: Sequence[Scorer]
) -> Iterator[list[Prepared]]:
    """Yield every batch with its images prepared, in order, while the next ones are prepared behind it."""
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        waiting: deque[list[Future[Prepared]]] = deque()
        for batch in batches:
            waiting.append([pool.submit(prepare, item, run_dir, scorers) for item in batch])
            if len(waiting) > AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]

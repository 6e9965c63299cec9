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
from rewards.own_scorer import own_fault
from rewards.scorers.base import Scorer
from wire.protocol import Item

if TYPE_CHECKING:
    from torch import Tensor

#: Why a pair with an empty prompt, or one of blanks alone, has no score.
NO_PROMPT = "the prompt is empty"
#: Batches that are prepared ahead of the one being scored.
AHEAD = 2
#: Decoding scales to a few threads; beyond that the machine's memory bandwidth is the limit.
MAX_THREADS = 8


@dataclass(frozen=True)
class Prepared:
    """One image, ready for every scorer of the pass.

    Attributes:
        sha256: digest of the file that was read.
        tensors: preprocessed images by key; scorers with equal keys share one.
        keys: each scorer's key, by metric.
        errors: why the pair cannot be scored, by metric, in place of a key.
    """

    item: Item
    sha256: str | None
    tensors: dict[Hashable, Tensor] = field(default_factory=dict)
    keys: dict[str, Hashable] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def prepare(item: Item, run_dir: Path, scorers: Sequence[Scorer]) -> Prepared:
    """Read one image and preprocess it once per distinct key."""
    metrics = [scorer.card.metric for scorer in scorers]
    if not item.prompt.strip():
        return Prepared(item, item.image_sha256, errors=dict.fromkeys(metrics, NO_PROMPT))
    try:
        image, digest = read_image(run_dir / item.filename, item.image_sha256)
    except UnreadableImage as error:
        return Prepared(item, error.sha256 or item.image_sha256, errors=dict.fromkeys(metrics, str(error)))
    prepared = Prepared(item, digest)
    for scorer in scorers:
        metric = scorer.card.metric
        try:
            key = scorer.pixel_key(image.size)
            if key not in prepared.tensors:
                prepared.tensors[key] = scorer.prepare_image(image)
            prepared.keys[metric] = key
        except Exception as error:
            prepared.errors[metric] = own_fault(scorer, error)
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

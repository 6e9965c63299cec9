"""Images: read once, decoded once, preprocessed in background threads, each once for all scorers of a pass.

Every failure is a reason in the same words on every machine, without paths or addresses.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from rewards.own_scorer import own_fault
from rewards.scorers.base import Scorer, Unfit
from wire.host import processors
from wire.own_code import one_line
from wire.pictures import UnreadablePicture, read_picture, to_rgb
from wire.protocol import Item

if TYPE_CHECKING:
    from torch import Tensor

#: Longest over shortest edge. Beyond it, resizing the shortest edge to 512 px would make more pixels than Pillow
#: agrees to decode (512 x 512 x 341); 80 (8000 x 100) is still scored.
MAX_EDGE_RATIO = 300
#: Why a pair with an empty prompt, or one of blanks alone, has no score.
NO_PROMPT = "the prompt is empty"
#: Batches that are prepared ahead of the one being scored.
AHEAD = 2
#: Decoding scales to a few threads; beyond that the machine's memory bandwidth is the limit.
MAX_THREADS = 8


class UnreadableImage(Exception):
    """Why an image cannot be scored; no ``sha256`` if the file was not read."""

    def __init__(self, reason: str, sha256: str | None = None) -> None:
        super().__init__(reason)
        self.sha256 = sha256


def read_image(path: Path, expected_sha256: str | None) -> tuple[Image.Image, str]:
    """The RGB image in a file, and the digest of the file.

    See :func:`wire.pictures.to_rgb`. Orientation tags are not applied, as in the authors' code.
    Raises UnreadableImage: missing, damaged, oversized, without a pixel range, or not the file that the job names.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(f"image file cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(content).hexdigest()
    if expected_sha256 not in (None, digest):
        raise UnreadableImage("image file has changed since it was listed", digest)
    try:
        return read_picture(content, _rgb), digest
    except UnreadablePicture as error:
        raise UnreadableImage(str(error), digest) from error


def _rgb(image: Image.Image) -> Image.Image:
    """As RGB; a decompression bomb is refused before it is decoded, at the limit where Pillow only warns."""
    (width, height), limit = image.size, Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise ValueError(f"{width} x {height} pixels, more than the limit of {limit}")
    if max(image.size) > MAX_EDGE_RATIO * min(image.size):
        raise ValueError(f"{width} x {height} pixels, one edge more than {MAX_EDGE_RATIO} times the other")
    return to_rgb(image)


@dataclass(frozen=True)
class Prepared:
    """One image, ready for every scorer of the pass."""

    item: Item
    sha256: str | None  #: digest of the file that was read
    #: Preprocessed images by key; scorers with equal keys share one.
    tensors: dict[Hashable, Tensor] = field(default_factory=dict)
    keys: dict[str, Hashable] = field(default_factory=dict)  #: each scorer's key, by metric
    errors: dict[str, str] = field(default_factory=dict)  #: why the pair cannot be scored, by metric, in place of a key


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
            if reason := scorer.refusal(item.metadata):
                raise Unfit(reason)
            key = scorer.pixel_key(image.size)
            if key not in prepared.tensors:
                prepared.tensors[key] = scorer.prepare_image(image)
            prepared.keys[metric] = key
        except Unfit as error:
            prepared.errors[metric] = one_line(str(error))
        except Exception as error:
            prepared.errors[metric] = own_fault(scorer, error)
    return prepared


def prepared_batches(
    batches: Iterable[list[Item]], run_dir: Path, scorers: Sequence[Scorer]
) -> Iterator[list[Prepared]]:
    """Yield every batch with its images prepared, in order, while the next ones are prepared behind it."""
    threads = min(MAX_THREADS, processors())
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        waiting: deque[list[Future[Prepared]]] = deque()
        for batch in batches:
            waiting.append([pool.submit(prepare, item, run_dir, scorers) for item in batch])
            if len(waiting) > AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]

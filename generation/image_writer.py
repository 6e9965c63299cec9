"""Encodes and writes images in background threads, and their rows in order, a batch at a time."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wire.files import replacing
from wire.protocol import EnvironmentFailure, Item, Row, RowWriter

#: PNG encoding costs about 10 ms of one core at 256 px; a GPU outruns one thread of it.
THREADS = 4

#: Batches waiting to be written before sampling waits too: bounds the memory they take.
BACKLOG = 2


class ImageWriter:
    """Takes sampled batches; a row follows only once its image is whole on disk.

    Used as a context manager: leaving it waits for the batches that are left.
    """

    def __init__(self, run_dir: Path, rows: RowWriter, seed: int, run_id: str) -> None:
        self._run_dir, self._rows, self._seed, self._run_id = run_dir, rows, seed, run_id
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="png")
        self._backlog: deque[list[tuple[Item, Future[str]]]] = deque()
        self.written = 0

    def add(self, items: Sequence[Item], images: Sequence[Any]) -> None:
        """Queue images, uint8 (height, width, 3) each, with the items they are of.
        Raises EnvironmentFailure: an earlier batch could not be written.
        """
        jobs = [
            (item, self._threads.submit(self._write, item, image)) for item, image in zip(items, images, strict=True)
        ]
        self._backlog.append(jobs)
        while len(self._backlog) > BACKLOG:
            self._finish_oldest()

    def _write(self, item: Item, pixels: Any) -> str:
        texts = {
            "prompt": item.prompt,
            "seed": str(self._seed),
            "prompt_index": str(item.prompt_index),
            "sample_index": str(item.sample_index),
            "run_id": self._run_id,
        }
        return write_png(self._run_dir / item.filename, pixels, texts)

    def _finish_oldest(self) -> None:
        jobs = self._backlog.popleft()
        try:
            rows: list[Row] = [
                {
                    "filename": item.filename,
                    "prompt_index": item.prompt_index,
                    "sample_index": item.sample_index,
                    "prompt": item.prompt,
                    "image_sha256": sha256.result(),
                }
                for item, sha256 in jobs
            ]
            self._rows.write(rows)
        except OSError as error:
            raise EnvironmentFailure(
                f"{self._run_dir}: images cannot be written ({error.strerror or error})"
            ) from error
        self.written += len(rows)

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        while self._backlog and failure is None:
            self._finish_oldest()
        self._threads.shutdown(wait=True, cancel_futures=True)


def encode_png(pixels: Any, texts: dict[str, str]) -> bytes:
    """A PNG of ``pixels``, uint8 (height, width, 3), RGB; the same input gives the same bytes.

    Each of ``texts`` becomes a text chunk: a keyword (Latin-1, at most 79 characters) with any text.
    """
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    for keyword, value in texts.items():
        chunks.add_text(keyword, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=chunks)
    return buffer.getvalue()


def write_png(path: Path, pixels: Any, texts: dict[str, str]) -> str:
    """Encode and write under a temporary name, then rename: nobody ever sees half a file. Returns its sha256."""
    content = encode_png(pixels, texts)
    for folder in (path.parent.parent, path.parent):  # but not the run's own: one that has gone is not made anew
        folder.mkdir(exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()

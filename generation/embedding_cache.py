"""Text embeddings on disk, so that the next checkpoint, or the next guidance scale, encodes no prompt again.

A prompt's embedding depends on the prompt alone, whatever is encoded beside it (see :mod:`generation.text_encoding`):
it is kept under a hash of the prompt and of everything else that decides its bits. With all prompts kept, the text
encoder, 11 GB on disk, is not even loaded.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from generation.text_encoding import EncodedPrompt, TextEncoder

#: Version of the file format: sha256 of the rest, then a ``.npy`` file.
FORMAT = 1
_DIGEST = 32


class EmbeddingCache:
    """Embeddings of one text encoder under one precision.

    A file appears whole or not at all, and is believed only if it carries its own digest; any other is computed and
    written again. Runs side by side at worst do the same work twice.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], warn: Callable[[str], object]) -> None:
        """Take the folder of all encoders' embeddings, and what besides the prompt decides one."""
        self._folder, self._warn, self._writes = folder, warn, True
        self._identity = json.dumps({**identity, "format": FORMAT}, sort_keys=True)

    def load(self, prompt: str) -> EncodedPrompt | None:
        """The prompt's embedding; None if it is not there, or damaged."""
        import numpy as np
        import torch

        try:
            content = self._path(prompt).read_bytes()
            if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
                return None
            return EncodedPrompt(torch.from_numpy(np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False)))
        except (OSError, ValueError):
            return None

    def store(self, prompt: str, encoded: EncodedPrompt) -> None:
        """Keep one. A folder that cannot be written to is told once, and costs nothing but time."""
        import numpy as np

        if not self._writes:
            return
        packed = io.BytesIO()
        np.save(packed, encoded.embedding.numpy(), allow_pickle=False)
        content, path = packed.getvalue(), self._path(prompt)
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(partial, path)
        except OSError as error:
            self._writes = False
            self._warn(f"text embeddings are not kept for the next run ({error.strerror}: {self._folder})")

    def _path(self, prompt: str) -> Path:
        name = hashlib.sha256(f"{self._identity}\0{prompt}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / name


def encode_with_cache(
    prompts: Iterable[str], open_encoder: Callable[[], TextEncoder], open_cache: Callable[[], EmbeddingCache | None]
) -> Iterator[tuple[str, EncodedPrompt]]:
    """Yield each distinct prompt with its embedding: first those that are kept, then the others, which then are too.

    The encoder is loaded only where something is missing. There is no cache where what is kept cannot be known to be of
    this encoder; it is asked for again once that is loaded, for loading may have brought its weights here.
    """
    cache, missing = open_cache(), []
    for prompt in dict.fromkeys(prompts):
        encoded = cache.load(prompt) if cache else None
        if encoded is None:
            missing.append(prompt)
        else:
            yield prompt, encoded
    if not missing:
        return
    encoder = open_encoder()
    cache = cache or open_cache()
    for prompt, encoded in encoder.encode(missing):
        if cache:
            cache.store(prompt, encoded)
        yield prompt, encoded

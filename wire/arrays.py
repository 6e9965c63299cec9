"""Arrays on disk that cost something to compute: kept for later runs, under a hash of all that decides them.

numpy is imported when the first array is read or written: the orchestrator does without.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wire.files import replacing

if TYPE_CHECKING:
    import numpy as np

#: Version of the file format.
FORMAT = 1
#: Bytes of the sha256 that a file begins with; the rest is a ``.npy`` file.
_DIGEST = 32


class ArrayCache:
    """Arrays of one kind, e.g. one model's text features.

    A file appears whole or not at all, and is believed only if it carries its own digest; any other is computed and
    written again. Runs side by side at worst do the same work twice.
    ``folder``: where all caches live; made when first needed.
    ``identity``: everything but the key that decides an array.
    ``what``: the user's word for the arrays, for ``warn``, called once for a folder that cannot be written.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], what: str, warn: Callable[[str], object]) -> None:
        self._folder, self._what, self._warn, self._writes = folder, what, warn, True
        self._identity = json.dumps({**identity, "format": FORMAT}, sort_keys=True)

    def load(self, key: str) -> np.ndarray[Any, Any] | None:
        """The array of that key; None if it is not there, or damaged."""
        import numpy as np

        try:
            content = self._path(key).read_bytes()
            if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
                return None
            found: np.ndarray[Any, Any] = np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False)
        except (OSError, ValueError):
            return None
        return found

    def store(self, key: str, array: np.ndarray[Any, Any]) -> None:
        """Keep an array, where that can be."""
        import numpy as np

        if not self._writes:
            return
        packed, path = io.BytesIO(), self._path(key)
        np.save(packed, array, allow_pickle=False)
        content = packed.getvalue()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                partial.write_bytes(hashlib.sha256(content).digest() + content)
        except OSError as error:
            self._writes = False
            self._warn(f"{self._what} are not kept for the next run ({error.strerror}: {self._folder})")

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(f"{self._identity}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / name

from __future__ import annotations

from typing import Any

import pytest

np = pytest.importorskip("numpy")
coco = pytest.importorskip("pycocotools.mask", reason="runs in the geneval environment")

from geneval.images import decode, encode  # noqa: E402
from wire.protocol import UserError  # noqa: E402


def masks() -> list[Any]:
    """Empty, full, a corner, stripes, noise of several densities, and long runs, which take several characters."""
    chance = np.random.default_rng(0)
    made = [np.zeros((5, 7), bool), np.ones((5, 7), bool), np.eye(9, 4, dtype=bool), np.zeros((1, 1), bool)]
    made += [chance.random((height, 31)) < share for height in (2, 17) for share in (0.1, 0.5, 0.9)]
    tall = np.zeros((1000, 900), bool)
    tall[100:103, 5:890] = tall[500:, 400:402] = True
    return [*made, tall]


@pytest.mark.parametrize("mask", masks(), ids=lambda mask: str(mask.shape))
def test_a_mask_comes_back(mask: Any) -> None:
    stored = encode(mask)
    assert (decode(stored) == mask).all()
    assert (coco.decode(stored | {"counts": stored["counts"].encode()}) == mask).all()
    assert stored["size"] == list(mask.shape)
    assert stored["counts"].isascii()


def test_run_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="add up to 35, not to 6 x 7 pixels"):
        decode(encode(np.ones((5, 7), bool)) | {"size": [6, 7]})

"""Where tests find published data that is not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared(relative: str) -> Path:
    """Path of a shared data file; the calling test is skipped where it is absent.

    Looked for in ``$MIRO_EVAL_SHARED``, else in ``shared`` beside the checkout.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    path = Path(os.environ.get("MIRO_EVAL_SHARED", beside)) / relative
    if not path.exists():
        pytest.skip(f"published data not here: {relative} (set MIRO_EVAL_SHARED)")
    return path

"""What judges are asked, in their authors' words: ``official_texts.json``, with its sources and licence."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def official_texts(judge: str) -> dict[str, str]:
    """The texts of a judge, by name."""
    record = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return dict(record[judge])

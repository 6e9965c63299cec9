"""Files of MIRO's own evaluation scripts, whose names differ from ours: metrics without a version, paths from the root.

As read in https://github.com/nicolas-dufour/miro at commit 547003a0: ``eval/rewards/score_images.py`` writes rows of
``filename``, ``prompt`` and up to six scores; ``eval/geneval`` writes GenEval's own seven keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports.read.rows import LAYOUT, Rows

#: Whose rows they are and which version of them the mapping below is of, for notes.
ORIGIN = "MIRO's score_images.py (547003a0)"
#: Upstream's six scorers and the metric ids that stand for the same weights and scale. Its ``hpsv2`` loads
#: ``HPS_v2_compressed.pt`` (v2.0), although MIRO's training data were scored with v2.1.
METRIC_IDS = {
    "aesthetic": "aesthetic",
    "pick_score": "pick_score",
    "image_reward": "image_reward",
    "hpsv2": "hpsv2.0",
    "clip_jina": "clip_jina",
    "clip_openai": "clip_openai",
}
_KEYS = frozenset({"filename", "prompt", *METRIC_IDS})


def is_upstreams(record: dict[str, Any]) -> bool:
    """Whether a reward row is one of ``score_images.py``: no key but its own, of which ours have more."""
    return record.keys() <= _KEYS and "filename" in record


def with_our_ids(rows: Rows) -> Rows:
    """Upstream's reward rows under our metric ids; any others as they are."""
    if not rows.records or not all(map(is_upstreams, rows.records)):
        return rows
    records = [{METRIC_IDS.get(key, key): value for key, value in record.items()} for record in rows.records]
    return replace(rows, records=records)


def within_run(filenames: Sequence[str], folder: Path) -> list[str]:
    """File names relative to the run directory, as ours are, so that the stages of one run can be joined.

    Upstream writes whole paths, or paths from where it was started. A prefix that all names have before
    ``00012/samples/0003.png`` goes, unless the files are there under the names as they stand.
    """
    prefix = _prefix(filenames[0]) if filenames else None
    if not prefix or any(_prefix(name) != prefix for name in filenames) or _is_file(folder, filenames[0]):
        return list(filenames)
    return [name[len(prefix) :] for name in filenames]


def _prefix(filename: str) -> str | None:
    match = LAYOUT.search(filename)
    return filename[: match.start(1)] if match else None


def _is_file(folder: Path, filename: str) -> bool:
    path = Path(filename)
    try:
        return not path.is_absolute() and (folder / path).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False

"""A leaderboard handed on to an experiment tracker: one entry a run. Trackers are imported only when asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wire.errors import UserError

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

__all__ = ["TRACKERS", "Entry", "check_trackers", "entries", "export"]

#: Tracker -> the package that it needs; the extra of that name installs it, the module of that name here hands over.
TRACKERS = {"wandb": "wandb", "mlflow": "mlflow", "tensorboard": "tensorboardX"}
#: Columns of the leaderboard that say what a run is, not how good.
FACTS = ("rank", "group", "protocol", "suite", "fingerprint", "coverage", "scored", "random_weights", "notes")


@dataclass(frozen=True)
class Entry:
    """One run of a leaderboard.

    Attributes:
        facts: what it is, by :data:`FACTS`.
        values: column -> number: scores, rewards, bounds of their intervals, counts; those alone that the run has.
    """

    name: str
    facts: dict[str, str]
    values: dict[str, float]


def check_trackers(names: Sequence[str]) -> None:
    """See to it that trackers are known and installed, before anything is made.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if name not in TRACKERS:
            raise UserError(f"--export {name}: unknown; choose from {', '.join(TRACKERS)}")
        if find_spec(TRACKERS[name]) is None:
            package = TRACKERS[name]
            raise UserError(
                f"--export {name} needs the package {package}; install it with: pip install 'miro-eval[{name}]'"
            )


def export(board: Leaderboard, name: str, folder: Path) -> str:
    """Hand a leaderboard to a tracker.

    Args:
        board: of one run or more.
        name: of the tracker, one of :data:`TRACKERS`, which is installed.
        folder: the report's, where a tracker keeps what it does not send elsewhere.

    Returns:
        Where it is now, in words.
    """
    return str(import_module(f"reports.exports.{name}").hand_over(entries(board), folder))


def entries(board: Leaderboard) -> list[Entry]:
    """The leaderboard's rows as trackers take them: facts as text, everything else as finite numbers."""
    return [_entry({str(key): value for key, value in row.items()}) for row in board.frame.to_dict("records")]


def _entry(row: dict[str, object]) -> Entry:
    values = {
        name: float(value)
        for name, value in row.items()
        if name not in FACTS and isinstance(value, (int, float)) and math.isfinite(value)
    }
    return Entry(str(row["model"]), {name: str(row[name]) for name in FACTS}, values)

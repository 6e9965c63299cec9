"""A leaderboard handed on to an experiment tracker: one run a row. Trackers are imported only when asked for."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wire.errors import EnvironmentFailure, MiroEvalError, UserError

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

#: Tracker -> the package that it needs; the extra of that name installs it.
TRACKERS = {"wandb": "wandb", "mlflow": "mlflow", "tensorboard": "tensorboardX"}
#: Columns of the leaderboard that say what a run is, not how good.
FACTS = ("rank", "group", "protocol", "suite", "fingerprint", "coverage", "scored", "random_weights", "notes")
#: Project or experiment where the environment names none.
PROJECT = "miro-eval"
#: Tracker -> what a metric's name cannot have in it. wandb's interface filters and sorts by words alone; a slash is a
#: folder in MLflow's file store, where one name cannot be both a file and a folder.
_UNFIT = {
    "wandb": re.compile(r"\W", re.ASCII),
    "mlflow": re.compile(r"[^\w. -]", re.ASCII),
    "tensorboard": re.compile(r"[^\w.-]"),
}
#: Letters of a metric's name and of a run's that every tracker takes.
_NAME_LETTERS, _RUN_LETTERS = 200, 128
#: MLflow's own limits.
_PARAMETER_LETTERS, _METRICS_AT_ONCE = 500, 1000
_NOT_IN_FOLDERS = re.compile(r"[^\w.=-]+")
#: What trackers call mistakes of their users: no key, or a wrong one; a project that cannot be called so.
_USER_ERRORS = ("UsageError", "AuthenticationError", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED")


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
        Where it is now, and which metrics have other names there, in words.

    Raises:
        UserError: the tracker has no key, or does not take what it is given.
        EnvironmentFailure: its server cannot be reached, or it could not write.
    """
    found = entries(board)
    names = fit_names({column for entry in found for column in entry.values}, name)
    fit = [replace(one, values={names[column]: value for column, value in one.values.items()}) for one in found]
    try:
        place = _HAND_OVER[name](fit, folder)
    except MiroEvalError:
        raise
    except Exception as error:  # a tracker raises what it likes
        raise _failure(name, error) from error
    changed = [f"{column} as {shown}" for column, shown in sorted(names.items()) if column != shown]
    return place + (f"; names that {name} does not take: {', '.join(changed)}" if changed else "")


def entries(board: Leaderboard) -> list[Entry]:
    """The leaderboard's rows as trackers take them: facts as text, everything else as finite numbers."""
    return [_entry({str(key): value for key, value in row.items()}) for row in board.frame.to_dict("records")]


def _entry(row: dict[str, object]) -> Entry:
    values = {
        name: float(value)
        for name, value in row.items()
        if name not in FACTS and isinstance(value, (int, float)) and math.isfinite(value)
    }
    return Entry(str(row["model"])[:_RUN_LETTERS], {name: str(row[name]) for name in FACTS}, values)


def fit_names(names: Iterable[str], tracker: str) -> dict[str, str]:
    """Name -> the one under which a tracker takes it: its own where that will do, and never another's."""
    fit = {name: _UNFIT[tracker].sub("_", name)[:_NAME_LETTERS] for name in sorted(names)}
    # What begins with an underscore is the tracker's own, two dots are the folder above.
    fit = {name: base if base[:1].isalpha() else f"metric_{base}" for name, base in fit.items()}
    taken = {name for name, shown in fit.items() if name == shown}
    for name, base in fit.items():
        number = 1
        while fit[name] != name and fit[name] in taken:
            number += 1
            fit[name] = f"{base}_{number}"
        taken.add(fit[name])
    return fit


def _failure(tracker: str, error: Exception) -> MiroEvalError:
    kinds = (getattr(error, "error_code", None), *(kind.__name__ for kind in type(error).__mro__))
    failure = UserError if any(kind in _USER_ERRORS for kind in kinds) else EnvironmentFailure
    why = " ".join(str(error).split())[:300] or type(error).__name__
    return failure(f"--export {tracker}: {why}; the report itself is written")


def _wandb(entries: Sequence[Entry], folder: Path) -> str:
    """One run a row, its numbers in the run's summary; ``WANDB_*`` variables decide where it goes."""
    import wandb  # type: ignore[import-not-found,unused-ignore]

    project = os.environ.get("WANDB_PROJECT", PROJECT)
    for entry in entries:
        settings = {"project": project, "name": entry.name, "config": entry.facts, "dir": folder}
        with wandb.init(**settings, reinit="finish_previous") as run:
            run.summary.update(entry.values)
    offline = os.environ.get("WANDB_MODE") in ("offline", "dryrun")
    return f"wandb project {project}: {len(entries)} runs" + (f", offline in {folder / 'wandb'}" if offline else "")


def _mlflow(entries: Sequence[Entry], folder: Path) -> str:
    """One run a row; without ``MLFLOW_TRACKING_URI``, into a file store in ``folder``. All of them, or none."""
    # Since 3.x a store of plain files is to be asked for; it needs no database, and `mlflow ui` shows it.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    # By default a server that is down is asked for four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.pop("MLFLOW_RUN_ID", None)  # somebody's own run, which would be gone on with
    import mlflow  # type: ignore[import-not-found,unused-ignore]

    place = os.environ.get("MLFLOW_TRACKING_URI") or (folder.resolve() / "mlruns").as_uri()
    mlflow.set_tracking_uri(place)
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
    made: list[str] = []
    try:
        for entry in entries:
            with mlflow.start_run(run_name=entry.name) as run:
                made.append(run.info.run_id)
                mlflow.log_params({name: fact[:_PARAMETER_LETTERS] for name, fact in entry.facts.items()})
                values = list(entry.values.items())
                for first in range(0, len(values), _METRICS_AT_ONCE):
                    mlflow.log_metrics(dict(values[first : first + _METRICS_AT_ONCE]))
    except BaseException:
        for run_id in made:
            with suppress(Exception):  # the server may be gone: what is told is why
                mlflow.delete_run(run_id)
        raise
    return f"mlflow at {place}: {len(entries)} runs"


def _tensorboard(entries: Sequence[Entry], folder: Path) -> str:
    """A folder of events a run, ``tensorboard/<number>-<run>``: numbers as scalars of step 0, facts as text."""
    from tensorboardX import SummaryWriter  # type: ignore[import-not-found,import-untyped,unused-ignore]

    place = folder / "tensorboard"
    for number, entry in enumerate(entries, start=1):
        # The number tells apart runs whose names differ in what no folder's name should have.
        name = f"{number:03d}-{_NOT_IN_FOLDERS.sub('-', entry.name)}".encode()[:200].decode(errors="ignore")
        with SummaryWriter(logdir=str(place / name), write_to_disk=True) as events:
            for metric, value in entry.values.items():
                events.add_scalar(f"miro-eval/{metric}", value, 0)
            for fact, text in entry.facts.items():
                events.add_text(f"miro-eval/{fact}", text, 0)
    return f"tensorboard --logdir {place}: {len(entries)} runs"


_HAND_OVER: dict[str, Callable[[Sequence[Entry], Path], str]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
}

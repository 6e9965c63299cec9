"""A leaderboard handed on to an experiment tracker. Trackers are imported only when asked for.

A training is one run there, and each of its checkpoints a step, so that curves arise; a run whose step is not known is
one by itself. With the numbers go a table of all images, and a grid of the same prompts from every checkpoint.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.analysis.steps import step_of, training_of
from reports.gallery.pictures import picture_within, thumbnail
from wire.errors import EnvironmentFailure, MiroEvalError, UserError
from wire.grouping import grouped
from wire.pictures import UnreadablePicture, read_picture

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from reports.leaderboard.table import Leaderboard
    from reports.read.runs import RunSource

#: Tracker -> the package that it needs; the extra of that name installs it.
TRACKERS = {"wandb": "wandb", "mlflow": "mlflow", "tensorboard": "tensorboardX", "trackio": "trackio"}
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
    "trackio": re.compile(r"[^\w.-]"),
}
#: Letters of a metric's name and of a run's that every tracker takes.
_NAME_LETTERS, _RUN_LETTERS = 200, 128
#: MLflow's own limits.
_PARAMETER_LETTERS, _METRICS_AT_ONCE = 500, 1000
_NOT_IN_FOLDERS = re.compile(r"[^\w.=-]+")
#: Columns of ``scores.parquet`` that a table of images does not repeat.
_NOT_IN_TABLES = ["model", "image_sha256"]
#: Images of a grid, and their size in pixels.
_TILES, _TILE = 12, 160
#: What trackers call mistakes of their users: no key, or a wrong one; a project that cannot be called so.
_USER_ERRORS = ("UsageError", "AuthenticationError", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED")


@dataclass(frozen=True, eq=False)
class Entry:
    """One run of a leaderboard: a step of a training."""

    training: str  #: what the tracker's run is called
    facts: dict[str, str]  #: what it is, by :data:`FACTS`
    #: Column -> number: scores, rewards, bounds of their intervals, counts; those alone that the run has.
    values: dict[str, float]
    step: int  #: training step; 0 where it is not known
    #: One row an image: prompt, sample, tag, verdict, reason, rewards; None for the row of best images, which are among
    #: their run's.
    images: pd.DataFrame | None
    grid: Image | None  #: images of the same prompts as every other entry's; None where no image file is there


def check_trackers(names: Sequence[str]) -> None:
    """See to it that trackers are known and installed, before anything is made. Raises UserError: one is not."""
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
    ``name``: of the tracker, one of :data:`TRACKERS`, which is installed.
    ``folder``: the report's: it holds ``scores.parquet``, and what a tracker does not send elsewhere.
    Returns where it is now, and which metrics have other names there, in words.
    Raises UserError: the tracker has no key, or does not take what it is given; EnvironmentFailure: its server cannot
    be reached, or it could not write.
    """
    found = entries(board, folder)
    names = fit_names({column for entry in found for column in entry.values}, name)
    fit = [replace(one, values={names[column]: value for column, value in one.values.items()}) for one in found]
    try:
        runs = grouped((entry.training, entry) for entry in sorted(fit, key=lambda entry: entry.step))
        place = _HAND_OVER[name](runs, folder)
    except MiroEvalError:
        raise
    except Exception as error:  # a tracker raises what it likes
        raise _failure(name, error) from error
    changed = [f"{column} as {shown}" for column, shown in sorted(names.items()) if column != shown]
    return place + (f"; names that {name} does not take: {', '.join(changed)}" if changed else "")


def entries(board: Leaderboard, folder: Path) -> list[Entry]:
    """The leaderboard's rows as trackers take them: facts as text, everything else as finite numbers."""
    import pandas as pd

    images = dict([*pd.read_parquet(folder / "scores.parquet").groupby("model", sort=False)])
    rows = [{str(key): value for key, value in row.items()} for row in board.frame.to_dict("records")]
    places = _placed(board.sources)
    shown = _shown_prompts(next(iter(images.values())))
    found = []
    for row in rows:
        (training, step), own = places[row["model"]], images.get(row["model"])
        entry = Entry(
            training[:_RUN_LETTERS],
            {name: str(row[name]) for name in FACTS},
            {name: float(value) for name, value in row.items() if name not in FACTS and _is_number(value)},
            step,
            None if own is None else own.drop(columns=_NOT_IN_TABLES).reset_index(drop=True),
            None if own is None else _grid(board.sources[row["model"]].folder, own, shown),
        )
        found.append(entry)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _placed(sources: Mapping[str, RunSource]) -> dict[str, tuple[str, int]]:
    """Model -> its training and step; by itself, under its own name, where no other step of the training is known."""
    found = {
        name: (", ".join([training_of(one), *([one.selection.name] if one.selection else [])]), step_of(one))
        for name, one in sources.items()
    }
    places = list(found.values())
    trainings = [training for training, step in places if step is not None]
    joined = {place for place in places if place[1] is not None and places.count(place) == 1}
    return {
        name: (place[0] if place in joined and trainings.count(place[0]) > 1 else name, place[1] or 0)
        for name, place in found.items()
    }


def _shown_prompts(images: pd.DataFrame) -> list[str]:
    """The prompts of a grid: of each tag as many, first ones first."""
    prompts = images.drop_duplicates("prompt_key").sort_values("prompt_key")
    each = max(1, _TILES // max(1, prompts["tag"].nunique()))
    return list(prompts.groupby("tag", sort=False).head(each)["prompt_key"])[:_TILES]


def _grid(folder: Path, images: pd.DataFrame, prompts: Sequence[str]) -> Image | None:
    """The first image of each prompt; gray where one has none."""
    from PIL import Image

    first = images.sort_values(["prompt_key", "sample_index"]).drop_duplicates("prompt_key")
    names = dict(zip(first["prompt_key"], first["filename"], strict=True))
    paths = [picture_within(folder, names[key]) if key in names else None for key in prompts]
    if not any(paths):
        return None
    columns = min(4, len(prompts))
    grid = Image.new("RGB", (columns * _TILE, -(-len(prompts) // columns) * _TILE), (128, 128, 128))
    for place, path in enumerate(paths):
        with suppress(UnreadablePicture, OSError):
            if path is not None:
                tile = read_picture(path.read_bytes(), lambda picture: thumbnail(picture, _TILE))
                grid.paste(tile, (place % columns * _TILE, place // columns * _TILE))
    return grid


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
    return failure(f"--export {tracker}: {why}; the report itself was written")


#: Run -> its steps, ascending.
Runs = Mapping[str, Sequence[Entry]]


def _wandb(runs: Runs, folder: Path) -> str:
    """``WANDB_*`` variables decide where it goes."""
    import wandb  # type: ignore[import-not-found,unused-ignore]

    project = os.environ.get("WANDB_PROJECT", PROJECT)
    for name, steps in runs.items():
        settings = {"project": project, "name": name, "config": steps[-1].facts, "dir": folder}
        with wandb.init(**settings, reinit="finish_previous") as run:
            for entry in steps:
                media = {} if entry.images is None else {"images": wandb.Table(dataframe=_plain(entry.images))}
                media |= {} if entry.grid is None else {"grid": wandb.Image(entry.grid)}
                run.log({**entry.values, **media}, step=entry.step)
    offline = os.environ.get("WANDB_MODE") in ("offline", "dryrun")
    return f"wandb project {project}: {len(runs)} runs" + (f", offline in {folder / 'wandb'}" if offline else "")


def _plain(images: pd.DataFrame) -> pd.DataFrame:
    """Cells that every tracker's JSON takes: what is missing is None."""
    found = images.astype(object)
    return found.where(found.notna(), None)


def _mlflow(runs: Runs, folder: Path) -> str:
    """Without ``MLFLOW_TRACKING_URI``, into a file store in ``folder``. All of them, or none."""
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
        for name, steps in runs.items():
            with mlflow.start_run(run_name=name) as run:
                made.append(run.info.run_id)
                mlflow.log_params({fact: text[:_PARAMETER_LETTERS] for fact, text in steps[-1].facts.items()})
                for entry in steps:
                    _mlflow_step(mlflow, entry)
    except BaseException:
        for run_id in made:
            with suppress(Exception):  # the server may be gone: the first error is the one to report
                mlflow.delete_run(run_id)
        raise
    return f"mlflow at {place}: {len(runs)} runs"


def _mlflow_step(mlflow: Any, entry: Entry) -> None:
    values = list(entry.values.items())
    for first in range(0, len(values), _METRICS_AT_ONCE):
        mlflow.log_metrics(dict(values[first : first + _METRICS_AT_ONCE]), step=entry.step)
    if entry.images is not None:
        mlflow.log_table(_plain(entry.images), f"images/step-{entry.step}.json")
    if entry.grid is not None:
        mlflow.log_image(entry.grid, f"grid/step-{entry.step}.png")


def _tensorboard(runs: Runs, folder: Path) -> str:
    """A folder of events a run, ``tensorboard/<number>-<run>``: scalars, the grid, and the facts as text."""
    import numpy as np
    from tensorboardX import SummaryWriter  # type: ignore[import-not-found,import-untyped,unused-ignore]

    place = folder / "tensorboard"
    for number, (run, steps) in enumerate(runs.items(), start=1):
        # The number tells apart runs whose names differ in what no folder's name should have.
        name = f"{number:03d}-{_NOT_IN_FOLDERS.sub('-', run)}".encode()[:200].decode(errors="ignore")
        with SummaryWriter(logdir=str(place / name), write_to_disk=True) as events:
            for entry in steps:
                for metric, value in entry.values.items():
                    events.add_scalar(f"miro-eval/{metric}", value, entry.step)
                for fact, text in entry.facts.items():
                    events.add_text(f"miro-eval/{fact}", text, entry.step)
                if entry.grid is not None:
                    events.add_image("miro-eval/grid", np.asarray(entry.grid), entry.step, dataformats="HWC")
    return f"tensorboard --logdir {place}: {len(runs)} runs"


def _trackio(runs: Runs, folder: Path) -> str:
    """``TRACKIO_*`` variables decide where it goes; without any, a database in ``folder``."""
    elsewhere = [name for name in ("TRACKIO_DIR", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL") if os.environ.get(name)]
    os.environ.setdefault("TRACKIO_DIR", str(folder.resolve() / "trackio"))
    import trackio  # type: ignore[import-not-found,unused-ignore]

    project = os.environ.get("TRACKIO_PROJECT", PROJECT)
    for name, steps in runs.items():
        quiet = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
        with redirect_stdout(sys.stderr):
            run = trackio.init(project=project, name=name, config=steps[-1].facts, **quiet)
            for entry in steps:
                media = {} if entry.images is None else {"images": trackio.Table(dataframe=_plain(entry.images))}
                media |= {} if entry.grid is None else {"grid": trackio.Image(entry.grid)}
                run.log({**entry.values, **media}, step=entry.step)
            trackio.finish()
    where = f" at {os.environ[elsewhere[-1]]}" if elsewhere else f", in {folder / 'trackio'}"
    return f"trackio project {project}: {len(runs)} runs{where}"


_HAND_OVER: dict[str, Callable[[Runs, Path], str]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
    "trackio": _trackio,
}

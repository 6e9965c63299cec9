"""The runs behind the paper's figures: which model and set each stands for, where it lies on an axis, its values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from reports.analysis.curves import scores_of
from reports.analysis.steps import step_of
from reports.paper.measured import USUAL_TARGETS, Measurement, reward_columns, verdict_columns
from reports.paper.printed import GENEVAL_COLUMNS, TABLES, printed_table, usual_protocol
from reports.paper.results import Result, RunSet, checkpoints, find_result, results, runs_in
from reports.read.manifest import Manifest
from reports.read.runs import Run, find_run, read_source
from reports.statistics.best_of_n import expected_best, sizes_up_to, usual_size
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import mean_interval
from reports.summary.notes import RANDOM_WEIGHTS
from reports.summary.run_summary import summarise_run
from wire.cards import NO_CARDS, Cards
from wire.errors import UserError
from wire.grouping import grouped

#: Settings of the paper's protocol that a figure does not vary but for its own axis.
_SAMPLER = ("guidance_scale", "steps")


@dataclass(frozen=True)
class Drawn:
    """Files of figures, and what their reader must know: what is published only, what is missing, what was left out."""

    paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def chosen(only: Sequence[str], drawn: Callable[[Result], bool]) -> list[Result]:
    """The results of those keys, or all that a command draws.
    Raises UserError: no such result, or one that the command does not draw.
    """
    those = {one.key: one for one in results().values() if drawn(one)}
    if other := next((one for one in map(find_result, only) if one.key not in those), None):
        raise UserError(f"{other.key} is a {other.kind}, which this does not draw; choose from {', '.join(those)}")
    return [those[key] for key in only] or [*those.values()]


def command(key: str) -> str:
    """What prints the commands that make a result's runs."""
    return f"`miro-eval paper reproduce {key}`"


def not_drawn(result: Result) -> str:
    """A note on a result without runs."""
    return f"not drawn: {result.key} ({result.title}): no runs; {command(result.key)} prints how to make them"


@dataclass(frozen=True, eq=False)
class FigureRun:
    """One run."""

    run: Run
    model: str  #: of ``data/checkpoints.toml``
    set: str = ""  #: of ``data/results.toml``; empty for a run that was named, which may stand in any
    point: str = ""  #: its name within the set, where a model has several runs there
    step: int | None = None

    @cached_property
    def _columns(self) -> dict[str, Measurement | str]:
        found = dict([*verdict_columns(self.run), *reward_columns(self.run)])
        return dict.fromkeys(found, RANDOM_WEIGHTS) if self.run.manifest.random_weights else found

    @property
    def comparable(self) -> dict[str, Measurement]:
        """Column or metric -> what was measured as the paper did, so that it may stand beside published points."""
        return {name: value for name, value in self._columns.items() if not isinstance(value, str)}

    @property
    def unlike(self) -> dict[str, str]:
        """Column or metric -> why the value that the run has may not."""
        return {name: value for name, value in self._columns.items() if isinstance(value, str)}

    @cached_property
    def all_values(self) -> dict[str, Measurement]:
        """Every score that the run has, over whatever prompts; GenEval's in per cent."""
        scores = {}
        for name, value, interval in scores_of(summarise_run(self.run)):
            unit = 100.0 if name in GENEVAL_COLUMNS else 1.0
            low, high = (interval.low, interval.high) if interval else (value, value)
            scores[name] = Measurement(unit * value, unit * low, unit * high)
        return scores

    def setting(self, name: str) -> float:
        """A field of the protocol, see :func:`setting_of`."""
        return setting_of(self.run.manifest, name)

    def is_usual(self, apart: Sequence[str] = ()) -> bool:
        """Whether it was sampled as the paper's tables are, but for the fields named."""
        prefixes = {f"{kind}.": "negative." if kind.startswith("negative") else "" for kind in USUAL_TARGETS}
        recorded = self.run.manifest.protocol
        targets = (f"{to}{key[len(old) :]}" for key in recorded for old, to in prefixes.items() if key.startswith(old))
        return all(self.setting(name) == _usual(name)[1] for name in (*_SAMPLER, *targets) if name not in apart)


def setting_of(manifest: Manifest, name: str) -> float:
    """A field of the protocol: ``guidance_scale``, an axis's target, or ``negative.`` and an axis; the paper's usual
    value where none is recorded.
    """
    recorded, usual = _usual(name)
    value = json.loads(manifest.protocol.get(recorded, "null"))
    return float(value) if isinstance(value, (int, float)) else usual


def _usual(name: str) -> tuple[str, float]:
    """How the protocol calls a field, and its usual value."""
    if name in _SAMPLER:
        return name, float(getattr(usual_protocol(), name))
    axis = name.removeprefix("negative.")
    kind = "reward_targets" if axis == name else "negative_reward_targets"
    return f"{kind}.{axis}", USUAL_TARGETS[kind]


def existing(folder: Path | None) -> Path | None:
    """The folder of ``--from``; a UserError where it is none."""
    if folder is not None and not folder.is_dir():
        raise UserError(
            f"--from {folder}: no such folder; name the one that `miro-eval paper reproduce --run` has filled"
        )
    return folder


class Runs:
    """The runs that figures may take, each read once.
    ``folder``: of ``paper reproduce``; None without.
    ``named``: ``MODEL=PATH`` or ``PATH``; a model's name, or that of its row in Table 1 or 3.
    Raises UserError: no such folder or run, or a run of no model.
    """

    def __init__(self, folder: Path | None, named: Sequence[str] = (), cards: Cards = NO_CARDS) -> None:
        self._folder, self._cards = existing(folder), cards
        self._read: dict[Path, FigureRun] = {}
        self.named = [self._named(text) for text in named]

    def of(self, result: Result) -> list[FigureRun]:
        """Those of a figure, in the order of its models: from the folder, then those named."""
        found = runs_in(self._folder, result.key) if self._folder else []
        models = models_of(result)
        mine = [self._figure_run(one.path, one.model, one.set, one.point) for one in found]
        return [
            *mine,
            *sorted((one for one in self.named if one.model in models), key=lambda one: models.index(one.model)),
        ]

    def _figure_run(self, path: Path, model: str, key: str = "", point: str = "") -> FigureRun:
        if path not in self._read:
            source = find_run(path, self._cards)
            self._read[path] = FigureRun(read_source(source), model, key, point, step_of(source))
        return self._read[path]

    def _named(self, text: str) -> FigureRun:
        model, separator, place = text.partition("=")
        asked, path = (model.strip(), Path(place)) if separator and not Path(text).exists() else ("", Path(text))
        return self._figure_run(path, _model(asked or find_run(path).name, path))


def _model(name: str, path: Path) -> str:
    """By the row as printed, by the checkpoint, or by the row in other capitals: ``MIRO`` is not ``miro``."""
    rows = {row: model for model, row in row_names().items()}
    known = {**{row.lower(): model for row, model in rows.items()}, **{one: one for one in checkpoints()}, **rows}
    found = known.get(name) or known.get(name.lower())
    if found is None:
        raise UserError(f"{path}: {name!r} is no model of the paper; say which it stands for: MODEL={path}")
    return found


def row_names() -> dict[str, str]:
    """Model -> the name of its row in the tables, where it is sampled as all are."""
    rows = [row for key in reversed(TABLES) for row in printed_table(key).rows]
    return {row.model: row.name for row in rows if not row.protocol.best_of and not row.protocol.reward_targets}


def models_of(result: Result) -> list[str]:
    """The models of a figure, each once, in order."""
    return list(dict.fromkeys(model for needed in result.inputs for model in needed.models))


def axis_of(run_set: RunSet) -> str:
    """The field that a set's grid varies first; empty for none."""
    return run_set.sweep[0].partition("=")[0] if run_set.sweep else ""


def axis_value(manifest: Manifest, run_set: RunSet) -> float:
    """Where a run of a set's grid lies on its first axis; 0 without a grid."""
    return setting_of(manifest, axis_of(run_set)) if run_set.sweep else 0.0


def place_of(one: FigureRun, run_set: RunSet) -> float | None:
    """Where a run lies on a set's axis; None where it is none of the set's points."""
    inside = one.set == run_set.key if one.set else one.is_usual([axis_of(run_set)])
    if not inside:
        return None
    return one.step if run_set.training else axis_value(one.run.manifest, run_set)


@dataclass(frozen=True)
class BestOf:
    """Expected reward of the best of ``sizes`` images of a prompt, with 95 % bounds over prompts.

    ``left_out`` are further prompts, of which an image is missing or unscored.
    """

    sizes: tuple[int, ...]
    values: tuple[Measurement, ...]
    prompts: int
    left_out: int


def best_of(run: Run, metrics: Sequence[str]) -> dict[str, BestOf]:
    """Of N = 1, 2, 4, ..., chosen by the reward itself, over the prompts of which all images are scored.

    Exactly, over all subsets of a prompt's images; none for a metric of one image a prompt.
    """
    found: dict[str, BestOf] = {}
    rewards = run.rewards
    for metric in metrics if rewards is not None else ():
        if rewards is None or metric not in rewards.metrics:
            continue
        groups = [group.to_numpy(dtype=np.float64) for _, group in rewards.frame.groupby("prompt_key")[metric]]
        images = usual_size([len(group) for group in groups])
        whole = [group for group in groups if len(group) >= images and not np.isnan(group).any()]
        if images > 1 and whole:
            sizes = sizes_up_to(images)
            curve = tuple(_mean([expected_best(one, size) for one in whole]) for size in sizes)
            found[metric] = BestOf(tuple(sizes), curve, len(whole), len(groups) - len(whole))
    return found


def _mean(values: Sequence[float]) -> Measurement:
    """Over prompts, a value each."""
    interval = mean_interval(Clusters.gather([str(place) for place in range(len(values))], [""] * len(values), values))
    mean = float(np.mean(values))
    return Measurement(mean, interval.low, interval.high) if interval else Measurement(mean, mean, mean)


def why_not_drawn(runs: Sequence[FigureRun], wanted: Sequence[str]) -> list[str]:
    """The scores that a figure shows and may not take from runs, with the reason: a line for runs that are alike."""
    lines = []
    for one in runs:
        reasons = grouped((reason, name) for name, reason in one.unlike.items() if name in wanted)
        lines += [(f"{', '.join(names)} ({reason})", one.run.name) for reason, names in reasons.items()]
    return [f"not drawn of {', '.join(names)}: {what}" for what, names in grouped(lines).items()]

"""The paper's figures, redrawn from runs and from the published points, each curve labelled as what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.analysis.radar import FEWEST_AXES, WORST_TO_BEST, RadarLine, Wheel, radar
from reports.drawing import HIGHER, SMALL, Panel, Series, plot, save, score_label
from reports.paper.figure_runs import (
    Drawn,
    FigureRun,
    Runs,
    axis_of,
    best_of,
    chosen,
    command,
    models_of,
    not_drawn,
    place_of,
    row_names,
    why_not_drawn,
)
from reports.paper.measured import Measurement
from reports.paper.printed import GENEVAL_COLUMNS, TABLES, exact_counts, printed_table, read_data
from reports.paper.results import FIGURE, STRIP, Result, RunSet
from reports.statistics.crossing import first_crossing
from reports.summary.notes import RANDOM_WEIGHTS
from reports.summary.run_summary import GENEVAL
from wire.cards import NO_CARDS, Cards, card_of
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Behind the key of a strip, for the scores of its images.
SCORES = "-scores"


def draw_figures(
    folder: Path, runs: Runs, only: Sequence[str] = (), further: Sequence[str] = (), cards: Cards = NO_CARDS
) -> Drawn:
    """Write every figure as PNG, and in ``further`` formats; those of which there is nothing are named in the notes.
    ``folder``: made if need be.
    ``runs``: where they are; a figure without any shows its published points.
    ``only``: keys of results; all for none.
    ``further``: ``pdf``, ``svg``.
    ``cards``: of the metrics, for their units.
    Raises MiroEvalError: no such figure; see :func:`reports.drawing.save`.
    """
    drawn, published = Drawn(), []
    wanted = chosen(only, lambda one: one.kind == FIGURE or _has_scores(one))
    for result in wanted:
        own = runs.of(result)
        drawing = Drawing(result, own, cards)
        figure = drawing.figure()
        key = result.key + (SCORES if result.kind == STRIP else "")
        if figure is not None:
            drawn.paths.extend(save(figure, folder / f"{key}.png", further))
        elif result.kind == FIGURE:
            drawn.notes.append(not_drawn(result))
        drawn.notes.extend(drawing.notes)
        if figure is not None and not own:
            published.append(key)
        if result.kind == FIGURE and drawing.has_published:
            drawn.notes.extend(note for note in why_not_drawn(own, _columns(result)) if note not in drawn.notes)
    drawn.notes.extend(_in_none(runs, wanted))
    if published:
        keys = ", ".join(published)
        drawn.notes.append(f"published points only: {keys}; {command('KEY')} prints how to measure them")
    return drawn


def _has_scores(result: Result) -> bool:
    """Whether it is a strip along targets, whose images' scores are worth curves; of training there is Figure 3."""
    return result.kind == STRIP and any(needed.set.sweep or needed.set.points for needed in result.inputs)


def _in_none(runs: Runs, wanted: Sequence[Result]) -> Iterator[str]:
    """Of runs that were named, those that stand in none of the figures."""
    for one in runs.named:
        sets = [needed.set for result in wanted for needed in result.inputs if one.model in needed.models]
        if all(place_of(one, run_set) is None for run_set in sets):
            otherwise = "sampled in another way than the paper's models"
            yield f"not drawn: {one.run.name}: {otherwise if sets else f'no figure here is about {one.model}'}"


def _columns(result: Result) -> list[str]:
    """The metrics that a figure shows, overall and tags by their names."""
    return [name for shown in result.shows for name in (GENEVAL_COLUMNS if shown == GENEVAL else (shown,))]


class Drawing:
    """One figure: its panels or wheels from what is published and from runs; ``notes`` are there once it is drawn."""

    def __init__(self, result: Result, runs: Sequence[FigureRun], cards: Cards = NO_CARDS) -> None:
        self.result, self.runs, self.cards = result, runs, cards
        self.notes: list[str] = []
        self.models = models_of(result)
        names = row_names()
        self.names = {model: names.get(model, model) for model in self.models}
        self.sets: list[RunSet] = list({needed.set.key: needed.set for needed in result.inputs}.values())

    def figure(self) -> Figure | None:
        """The figure; None where there is nothing to draw."""
        note = f"Measured with {RANDOM_WEIGHTS}." if self._random else ""
        if self._kind == "wheels":
            wheels = self._wheels()
            return radar(wheels, f"{WORST_TO_BEST} {note}".strip()) if wheels else None
        panels = [panel for panel in map(self._panel, self._scores) if panel.series]
        return plot(panels, note=note) if panels else None

    @property
    def _kind(self) -> str:
        first = self.sets[0]
        if first.training:
            return "training"
        return "best_of_n" if first.samples > 4 else "sweep" if first.many else "wheels"

    @cached_property
    def has_published(self) -> bool:
        """Whether the paper's authors published points of it, beside which only what was measured alike may stand."""
        if self._kind == "wheels":
            return any(self._published_values(model, list(_columns(self.result))) for model in self.models)
        return any(self._published_curve(model, score) for model in self.models for score in self._scores)

    @property
    def _scores(self) -> list[str]:
        """What has a panel of its own; of a strip, every metric that its runs are scored with."""
        shown = self.result.shows or tuple(metric for one in self.sets for metric in one.metrics)
        return ["overall" if name == GENEVAL else name for name in shown]

    @property
    def _random(self) -> bool:
        return not self.has_published and any(one.run.manifest.random_weights for one in self.runs)

    def _values(self, one: FigureRun) -> dict[str, Measurement]:
        return one.comparable if self.has_published else one.all_values

    # Wheels: one value a model.

    def _wheels(self) -> list[Wheel]:
        rewards = [name for name in self.result.shows if name != GENEVAL]
        wheels = [self._wheel(list(TAGS), f"GenEval by tag, % {HIGHER}")] if GENEVAL in self.result.shows else []
        wheels += [self._wheel(rewards, f"Mean rewards over PartiPrompts {HIGHER}")] if rewards else []
        return [wheel for wheel in wheels if wheel is not None]

    def _wheel(self, axes: list[str], title: str) -> Wheel | None:
        """The axes are those that all lines have: of other than the paper's runs, some may lack a metric."""
        found = {model: self._model_values(model, axes) for model in self.models}
        axes = [axis for axis in axes if all(axis in values for values, _ in found.values() if values)]
        lines = [
            RadarLine(self._label(model, by), tuple(values[axis] for axis in axes), by is not None, place)
            for place, (model, (values, by)) in enumerate(found.items())
            if values
        ]
        if not lines or len(axes) < FEWEST_AXES:
            return None
        cards = [card_of(axis, self.cards) for axis in axes]
        names = tuple(axis if axis in TAGS else card.label for axis, card in zip(axes, cards, strict=True))
        return Wheel(names, tuple(lines), title, lower=tuple(card.lower for card in cards))

    def _model_values(self, model: str, axes: Sequence[str]) -> tuple[dict[str, float], FigureRun | None]:
        """Of the first run that has all axes, else the published ones."""
        for one in self.runs:
            at = [place_of(one, run_set) for run_set in self.sets]
            values = self._values(one) if one.model == model and any(place is not None for place in at) else {}
            if set(axes) <= values.keys():
                return {axis: values[axis].value for axis in axes}, one
        return self._published_values(model, axes), None

    def _published_values(self, model: str, axes: Sequence[str]) -> dict[str, float]:
        """Exact counts and unrounded means where the authors published them, else what a table prints."""
        name = self.names[model]
        record = read_data("figures")["radar_rewards"]
        means = dict(zip(record["axes"], record["models"].get(name, ()), strict=False))
        counts = {tag: 100 * float(one.fraction) for tag, one in exact_counts().get(name, {}).items()}
        rows = [row for key in TABLES for row in printed_table(key).rows if row.name == name]
        known = {**(rows[0].values if rows else {}), **means, **counts}
        return {axis: known[axis] for axis in axes if axis in known}

    # Curves: values along an axis.

    def _panel(self, score: str) -> Panel:
        series = [one for place, model in enumerate(self.models) for one in self._series(model, place, score)]
        card = card_of(score, self.cards)
        label = f"GenEval overall {HIGHER}\n%" if score == "overall" else score_label(card)
        finish = self._speedup_mark(score) if self._kind == "training" else None
        points = tuple(self.sets[0].points)
        return Panel(label, self._along, tuple(series), self._kind == "best_of_n", points, finish)

    @property
    def _along(self) -> str:
        if self._kind == "training":
            return "training step"
        if self._kind == "best_of_n":
            return "N, images per prompt"
        axis = axis_of(self.sets[0])
        others = [
            part.partition("=")[0] for part in ",".join(self.sets[0].sweep).split(",") if part.startswith("negative.")
        ]
        if len(others) > 1:
            first, second = (name.removeprefix("negative.") for name in others[:2])
            return f"t; negative targets:\n{first} t,\n{second} 1 - t"
        return {"guidance_scale": "guidance scale", "": "guided towards"}.get(axis, f"target of {axis}")

    def _series(self, model: str, place: int, score: str) -> Iterator[Series]:
        if curve := self._published_curve(model, score):
            yield Series(self._label(model, None), *curve, measured=False, place=place)
        if self._kind == "best_of_n":
            yield from self._best_of(model, place, score)
            return
        points: dict[float, tuple[FigureRun, Measurement]] = {}
        for one in self.runs:
            at = self._place(one)
            if one.model == model and at is not None and score in self._values(one):
                points.setdefault(at, (one, self._values(one)[score]))
        if len(points) > 1 or (points and self.sets[0].points):
            xs, found = zip(*sorted(points.items()), strict=True)
            ys, bounds = (tuple(v.value for _, v in found), tuple((v.low, v.high) for _, v in found))
            yield Series(self._label(model, found[0][0]), xs, ys, bounds=bounds, place=place)

    def _place(self, one: FigureRun) -> float | None:
        """Where a run lies on the figure's axis; of sets with named points, at the point's place among them."""
        points = list(self.sets[0].points)
        if points:
            return float(points.index(one.point)) if one.point in points else None
        return next((at for run_set in self.sets if (at := place_of(one, run_set)) is not None), None)

    def _best_of(self, model: str, place: int, score: str) -> Iterator[Series]:
        for one in self.runs:
            curve = best_of(one.run, [score]).get(score) if one.model == model and score in self._values(one) else None
            if curve:
                bounds = tuple((value.low, value.high) for value in curve.values)
                ys = tuple(value.value for value in curve.values)
                if curve.left_out:
                    rest = f"the {curve.left_out:,} others lack an image or its score"
                    self.notes.append(f"{one.run.name}: best of N by {score} over {curve.prompts:,} prompts; {rest}")
                yield Series(self._label(model, one), curve.sizes, ys, bounds=bounds, place=place)
                return

    def _published_curve(self, model: str, score: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Steps, sizes or targets, and values."""
        record = read_data("figures")
        curves = {"Baseline": "baseline", "MIRO": "miro"}.get(self.names[model])
        if self._kind == "training" or self._kind == "best_of_n":
            kept = record[self._kind]
            found = kept["metrics"].get(score, {}).get(curves)
            return (tuple(kept.get("steps") or kept["sizes"]), tuple(found)) if found else None
        kept = record["aesthetic_weight"]
        found = kept.get(GENEVAL if score == "overall" else score)
        known = self.names[model] == "Synth MIRO" and axis_of(self.sets[0]) == "aesthetic_score"
        return (tuple(kept["weights"]), tuple(found)) if known and found else None

    def _speedup_mark(self, score: str) -> Callable[[Axes], None] | None:
        """Marks where MIRO reaches what the baseline ends with: of measured curves if both are, else of published."""
        pair: dict[bool, dict[str, Series]] = {True: {}, False: {}}
        for model in self.models:
            for series in self._series(model, 0, score):
                pair[series.measured][self.names[model]] = series
        for measured, found in pair.items():
            if {"MIRO", "Baseline"} <= found.keys():
                return _speedup(found["MIRO"], found["Baseline"], "measured" if measured else "published")
        return None

    def _label(self, model: str, by: FigureRun | None) -> str:
        """A model's name with where its numbers are from; a run that was named has its own as well."""
        if by is None:
            return f"{self.names[model]}, published"
        return f"{self.names[model]}, measured" + ("" if by.set else f": {by.run.name}")


def _speedup(fast: Series, slow: Series, kind: str) -> Callable[[Axes], None] | None:
    crossing = first_crossing(fast.xs, fast.ys, slow.ys[-1])
    if crossing is None:
        return None
    factor = slow.xs[-1] / crossing

    def mark(axes: Axes) -> None:
        line: dict[str, Any] = {"color": "#555555", "linestyle": ":", "linewidth": 0.8, "zorder": 1}
        axes.axhline(slow.ys[-1], **line)
        axes.axvline(crossing, **line)
        low, high = axes.get_ylim()
        axes.set_ylim(bottom=low - 0.4 * (high - low))  # room for the words
        text = f"{factor:.2f}× sooner\nstep {crossing:,.0f}\n({kind})"
        axes.text(0.98, 0.03, text, transform=axes.transAxes, fontsize=SMALL, ha="right", va="bottom")

    return mark

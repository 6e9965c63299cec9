"""What the verbs that run stages have in common."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from harness.terminal.display import Display
from harness.terminal.echo import echo, show

if TYPE_CHECKING:
    from harness.plan.evaluations import Evaluation, Outcome
    from harness.plan.open import Model
    from harness.run.settings import RunSettings
    from harness.weights.weight_source import WeightSource
    from reports import ReportFiles
    from reports.read.selection import Selection


def run(stages: list[str], settings: RunSettings, *, tiny_world: bool = False, model: Model | None = None) -> None:
    """Run stages in one directory with the published weights, or with the tiny world's."""
    from harness.plan.evaluations import Evaluation

    run_evaluations([Evaluation(settings, tuple(stages), model=model)], tiny_world=tiny_world)


def run_evaluations(
    evaluations: list[Evaluation], *, tiny_world: bool = False, report: Path | None = None, across: Sequence[str] = ()
) -> None:
    """Make runs, then the leaderboard of those that came to their end in the folder ``report``."""
    from harness.plan.evaluations import evaluate

    with Display() as display:
        source = choose_source(evaluations[0].settings, display, tiny_world=tiny_world)
        outcome = evaluate(evaluations, source, display)
        if report and outcome.finished:
            show_report(outcome.finished, report, display, across, outcome.hashes)
    leave(outcome)


def choose_source(settings: RunSettings, display: Display, *, tiny_world: bool = False) -> WeightSource:
    """The published weights, or the tiny world's."""
    from harness.weights.weight_source import PublishedWeights, make_tiny_world

    return make_tiny_world(settings.env_backend, display.step) if tiny_world else PublishedWeights(settings.offline)


def run_stages(
    stages: list[str], settings: RunSettings, source: WeightSource, display: Display, model: Model | None = None
) -> Outcome:
    """Run stages in one directory. Raises MiroEvalError: a stage could not go on."""
    from harness.plan.evaluations import Evaluation, evaluate

    outcome = evaluate([Evaluation(settings, tuple(stages), model=model)], source, display)
    for failure in outcome.failures.values():
        raise failure
    return outcome


def run_alone(
    name: str,
    stage: str,
    module: str,
    parameters: dict[str, Any],
    settings: RunSettings,
    *,
    tiny_world: bool,
    wanted: Collection[str] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run a module that takes a stage's jobs, shown as ``name``, on no images and in a folder that goes again.
    ``wanted``: which of the stage's weights by address it needs, where it is not all.
    Returns its rows, and the event that names weights and packages.
    """
    from harness.environments.manager import ensure, substitution
    from harness.environments.spec import ENVIRONMENTS
    from harness.workers import worker
    from wire.protocol import Job, read_rows

    home, started = stage.partition(".")[0], dict[str, Any]()
    with Display() as display, TemporaryDirectory(prefix="miro-eval-") as folder:
        source = choose_source(settings, display, tiny_world=tiny_world)
        environment = ensure(ENVIRONMENTS[home], settings.env_backend, display.step(f"environment {home}"))
        progress = display.step(name)
        for line in filter(
            None, [substitution(ENVIRONMENTS[home], settings.env_backend), *source.prepare(home, progress, wanted)]
        ):
            display.note(line)

        def on_event(event: dict[str, Any]) -> None:
            if event["event"] == "progress":
                progress(event["done"], event["total"], event["label"])
            elif event["event"] == "warning":
                display.note(event["message"])
            elif event["event"] == "started":
                started.update(event)

        rows, job, log = (Path(folder) / file for file in ("rows.jsonl", "job.json", "worker.log"))
        Job(stage, folder, str(rows), [], source.parameters(home) | parameters).write(job)
        command = environment.worker(module, str(job))
        worker.run(worker.Program(name, command, log, source.variables()), on_event)
        return list(read_rows(rows)) if rows.exists() else [], started


def show_report(
    inputs: list[Path],
    out: Path,
    display: Display,
    across: Sequence[str] = (),
    known: Mapping[Path, str] | None = None,
    *,
    anew: bool = False,
    names: Sequence[str] = (),
    selections: Sequence[Selection] = (),
) -> ReportFiles:
    """Write the leaderboard unless it is there already, print it, and return its files; see :func:`reports.report`.

    The last lines say where it is, and what can be done next.
    """
    from reports import report, terminal_tables
    from rewards.scorers import CARDS

    files = report(inputs, out, across, CARDS, names=names, selections=selections, known=known, anew=anew)
    display.close()
    show(terminal_tables(files))
    others = ", ".join(file.suffix for file in (files.markdown, files.csv, files.latex, files.json))
    echo(f"\nreport: {files.html} (and {others})")
    _say_what_next(inputs)
    return files


def _say_what_next(inputs: Sequence[Path]) -> None:
    """Commands for the runs just reported; of a folder of runs, with names to fill in."""
    runs = [path for path in inputs if path.is_file() or any(path.glob("*.jsonl"))]
    first, second = ([shlex.quote(str(run)) for run in runs[:2]] + ["RUN", "OTHER_RUN"][len(runs) :])[:2]
    echo(f"next:   look at the images:   miro-eval view {first}")
    echo(f"        pass or fail a run:   miro-eval check NEW_RUN --baseline {first}")
    echo(f"        compare two runs:     miro-eval compare {first} {second}")


def leave(outcome: Outcome) -> None:
    """Say what is lacking, and exit with the code that stands for it. Raises MiroEvalError: why the only run failed."""
    runs = len(outcome.failures) + len(outcome.finished) + len(outcome.handed_over)
    for out, failure in outcome.failures.items():
        if runs == 1:
            raise failure
        echo(f"miro-eval: {out}: {failure}", err=True)
    if outcome.failures:
        echo(f"{len(outcome.failures)} of {runs} runs did not finish; run the same command again to continue", err=True)
    if outcome.unscored:
        echo(f"{outcome.unscored} items are unscored; their rows say why. Run again to retry them.", err=True)
    if outcome.exit_code:
        raise typer.Exit(int(outcome.exit_code))

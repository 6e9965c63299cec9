"""``miro-eval calibrate``: do this machine's reward models give the numbers they should?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options
from harness.cli.signature import only, takes_settings
from harness.run.settings import RewardSettings, RunSettings
from harness.terminal.echo import echo
from wire.errors import ExitCode, UserError

if TYPE_CHECKING:
    from harness.terminal.display import Display
    from harness.weights.weight_source import WeightSource
    from rewards.calibration.golden import Finding, Golden

#: Pairs per forward pass; golden values are compared within tolerances, so that it need not be an option.
BATCH_SIZE = 4

GoldenFile = Annotated[
    Path | None, typer.Option(help="file of golden values [default: the one that comes with the program]")
]
Update = Annotated[bool, typer.Option("--update", help="store today's scores as the golden values")]
Published = Annotated[
    Path | None,
    typer.Option(help="folder with the ImageReward README's 1.webp to 4.webp: compare with their published scores too"),
]


@takes_settings
def calibrate(
    chosen: Annotated[RewardSettings, only("metrics", "precision")],
    run: Annotated[RunSettings, only("device", "offline")],
    golden: GoldenFile = None,
    update: Update = False,
    published_images: Published = None,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Score fixed pairs with every reward model, compare with stored values; exits 1 where one has drifted."""
    from harness.cli.session import choose_source, session
    from rewards.calibration.golden import Golden, values_of

    path, precision = golden or default_golden(tiny_world), chosen.precision
    stored = Golden.read(path)
    parameters = _parameters(chosen, run.device, published_images)
    if not (update or published_images or stored.values.get(precision)):
        raise UserError(
            f"{path}: no golden values at {precision} precision; where the models are known to be right, "
            "store theirs with --update"
        )
    with session() as display:
        source = choose_source(run, display, tiny_world=tiny_world)
        rows, started = _scored(parameters, source, display)
    if update:
        _store(stored, path, precision, rows, started)
    else:
        _judge(stored, precision, values_of(rows), started)


def default_golden(tiny_world: bool) -> Path:
    """The file of golden values that comes with the program; of the published weights it may not be there yet."""
    from wire.paths import stage_code

    name = "tiny.json" if tiny_world else "published.json"
    return stage_code() / "rewards" / "calibration" / "golden" / name


def _parameters(asked: RewardSettings, device: str, published: Path | None) -> dict[str, Any]:
    from rewards.scorers import check_metrics

    parameters: dict[str, Any] = {"metrics": list(check_metrics(asked.metrics)), "precision": asked.precision}
    parameters |= {"device": device, "batch_size": BATCH_SIZE}
    return parameters | ({"published_images": str(published.absolute())} if published else {})


def _scored(
    parameters: dict[str, Any], source: WeightSource, display: Display
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the worker in a folder of its own: its rows, and the event that names weights and packages."""
    from harness.environments.manager import ensure
    from harness.environments.spec import ENVIRONMENTS
    from harness.workers import worker
    from rewards.scorers import weight_sources
    from wire.protocol import Job, read_rows

    environment = ensure(ENVIRONMENTS["rewards"], "auto", display.step("environment rewards"))
    progress = display.step("calibrate")
    for problem in source.prepare("rewards", progress, weight_sources(parameters["metrics"])):
        display.note(problem)
    started: dict[str, Any] = {}

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            progress(event["done"], event["total"], event["label"])
        elif event["event"] == "warning":
            display.note(event["message"])
        elif event["event"] == "started":
            started.update(event)

    with tempfile.TemporaryDirectory(prefix="miro-eval-calibrate-") as name:
        folder = Path(name)
        job = folder / "job.json"
        stage = "rewards.calibration"
        Job(stage, name, str(folder / "rows.jsonl"), [], source.parameters("rewards") | parameters).write(job)
        command = environment.worker(stage, str(job))
        worker.run(worker.Program("calibrate", command, folder / "calibrate.log", source.variables()), on_event)
        return list(read_rows(folder / "rows.jsonl")), started


def _store(golden: Golden, path: Path, precision: str, rows: list[dict[str, Any]], started: dict[str, Any]) -> None:
    from rewards.calibration.golden import values_of
    from wire.files import write_atomically

    if unscored := sorted({f"{row['metric']}: {row['error']}" for row in rows if row["value"] is None}):
        raise UserError(f"nothing stored, for want of scores: {'; '.join(unscored)}")
    golden.update(precision, values_of(rows), started)
    write_atomically(path, golden.text())
    echo(f"{len(rows)} scores at {precision} precision stored in {path}")


def _judge(golden: Golden, precision: str, values: Any, started: dict[str, Any]) -> None:
    """A line for each metric, what has changed since, and the verdict."""
    from rewards.calibration.golden import changes, compare, compare_published

    stored = golden.values.get(precision, {})
    findings: list[Finding] = compare(stored, values, precision) + compare_published(values)
    for finding in findings:
        echo(str(finding))
    for metric in values.keys() - stored.keys():
        echo(f"{metric:14} no golden value at {precision} precision")
    for change in changes(golden, precision, started):
        echo(f"since then: {change}")
    drifted = [finding.name for finding in findings if not finding.passed]
    if drifted or not findings:
        echo(f"verdict: do not trust {', '.join(drifted) or 'anything: nothing could be compared'}")
        raise typer.Exit(int(ExitCode.GATE_FAILED))
    echo(f"verdict: calibrated ({len(findings)} comparisons within their tolerance)")

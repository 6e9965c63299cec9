"""``miro-eval calibrate``: do this machine's reward models give the numbers they should?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options
from harness.cli.signature import only, takes_settings
from harness.run.settings import RewardSettings, RunSettings
from harness.terminal.echo import echo
from wire.errors import ExitCode, UserError

if TYPE_CHECKING:
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
    """Score fixed pairs with every reward model and compare with stored values; exit 1 if one has drifted."""
    from harness.cli import session
    from rewards.calibration.golden import Golden
    from rewards.scorers import CARDS, SCORERS, check_metrics, weight_sources

    metrics = check_metrics(chosen.metrics)
    if together := [metric for metric in metrics if CARDS[metric].over_samples]:
        raise UserError(f"{', '.join(together)}: compares images of one prompt; the fixed pairs have one each")
    if elsewhere := [metric for metric in metrics if SCORERS[metric].card.env != "rewards"]:
        raise UserError(f"{', '.join(elsewhere)}: not a metric of the rewards environment, which calibrate is for")
    path, precision = golden or default_golden(tiny_world), chosen.precision
    stored = Golden.read(path)
    parameters: dict[str, Any] = {"metrics": list(metrics), "precision": precision}
    parameters |= {"device": run.device, "batch_size": BATCH_SIZE}
    if published_images:
        parameters["published_images"] = str(published_images.absolute())
    if not (update or published_images or stored.values.get(precision)):
        raise UserError(
            f"{path}: no golden values at {precision} precision; store them with --update on a machine "
            "whose models are known to be right"
        )
    stage = "rewards.calibration"
    rows, started = session.run_alone(
        "calibrate", stage, stage, parameters, run, tiny_world=tiny_world, wanted=weight_sources(parameters["metrics"])
    )
    if update:
        _store(stored, path, precision, rows, started)
    else:
        _judge(stored, precision, rows, started)


def default_golden(tiny_world: bool) -> Path:
    """The file of golden values that comes with the program; of the published weights it may not be there yet."""
    from wire.paths import stage_code

    name = "tiny.json" if tiny_world else "published.json"
    return stage_code() / "rewards" / "calibration" / "golden" / name


def _store(golden: Golden, path: Path, precision: str, rows: list[dict[str, Any]], started: dict[str, Any]) -> None:
    from rewards.calibration.golden import values_of
    from wire.files import write_atomically

    if unscored := sorted({f"{row['metric']}: {row['error']}" for row in rows if row["value"] is None}):
        raise UserError(f"nothing stored, because scores are missing: {'; '.join(unscored)}")
    golden.update(precision, values_of(rows), started)
    write_atomically(path, golden.text())
    echo(f"{len(rows)} scores at {precision} precision stored in {path}")


def _judge(golden: Golden, precision: str, rows: list[dict[str, Any]], started: dict[str, Any]) -> None:
    """A line for each metric, what has changed since, and the verdict."""
    from rewards.calibration.golden import changes, compare, compare_published, values_of

    values, stored = values_of(rows), golden.values.get(precision, {})
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

"""The verbs, in the order a newcomer needs them."""

from __future__ import annotations

import typer

from harness.cli import all as all_verb
from harness.cli import (
    analyse,
    baseline,
    calibrate,
    check,
    compare,
    demo,
    doctor,
    envs,
    generate,
    geneval,
    paper,
    report,
    rewards,
    show,
    track,
    verify,
    view,
)

app = typer.Typer(
    name="miro-eval",
    help="Evaluate a text-to-image checkpoint: GenEval, seven reward models, a leaderboard.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("all")(all_verb.all_stages)
app.command("generate")(generate.generate)
app.command("geneval")(geneval.geneval)
app.command("rewards")(rewards.rewards)
app.command("report")(report.report)
app.command("show")(show.show)
app.command("compare")(compare.compare)
app.command("check")(check.check)
app.add_typer(baseline.app, name="baseline")
app.command("view")(view.view)
app.command("analyse")(analyse.analyse)
app.command("track")(track.track)
app.add_typer(paper.app, name="paper")
app.add_typer(envs.app, name="envs")
app.command("doctor")(doctor.doctor)
app.command("verify")(verify.verify)
app.command("calibrate")(calibrate.calibrate)

"""The verbs, in the order a newcomer needs them."""

from __future__ import annotations

import typer

from harness.cli import all as all_verb
from harness.cli import demo, envs, generate, geneval, report, rewards

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
app.add_typer(envs.app, name="envs")

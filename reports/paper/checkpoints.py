"""The sixteen released checkpoints: which row of which table each stands for, and the commands that measure it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache

from reports.paper.printed import (
    TABLES,
    exact_counts,
    footnotes,
    printed_table,
    published_speedups,
)
from reports.paper.results import TABLE, checkpoints, results

#: Settings of the paper's sweeps, as upstream's script has them.
GENERATION = ("--samples", "4", "--steps", "50", "--guidance-scale", "7.0", "--seed", "42", "--precision", "paper")

#: Name of the published suite of PartiPrompts.
PARTI = "parti"


@dataclass(frozen=True)
class ReleasedRun:
    """A released checkpoint under the reward targets of one table row.

    Attributes:
        name: of the checkpoint: what its runs are called.
        folder: name for its results: the checkpoint's, with the targets where they are not the default.
        rows: table key -> the row that it stands for.
        reward_targets: axis -> value; empty for the default, all 1.
    """

    name: str
    folder: str
    repo: str
    variant: str | None
    trained_on: str
    rows: dict[str, str]
    reward_targets: dict[str, float]


@cache
def released_runs() -> tuple[ReleasedRun, ...]:
    """All sixteen checkpoints, and those again that a table shows under other reward targets."""
    found: dict[tuple[str, str], ReleasedRun] = {}
    for table in TABLES:
        for row in printed_table(table).rows:
            model = checkpoints()[row.model]
            if model.family == "miro" and model.checkpoint and not row.protocol.best_of:
                targets = row.protocol.reward_targets
                folder = "-".join([model.name, *(f"{axis}-{value}" for axis, value in targets.items())])
                main = model.name == "miro"
                repo, variant = ("nicolas-dufour/miro", None) if main else ("nicolas-dufour/miro-ablations", model.name)
                run = ReleasedRun(model.name, folder, repo, variant, model.about, {}, dict(targets))
                found.setdefault((model.name, folder), run).rows[table] = row.name
    return tuple(found.values())


def reproduction_commands(table: str, folder: str = "paper", parti: str = PARTI) -> list[str]:
    """Shell lines that measure a table: comments and commands, the table itself last.

    Args:
        table: ``table1``: all sixteen checkpoints, those of Table 3 included; ``table3``: those of its rows only.
        folder: where runs go.
        parti: PartiPrompts, over which the paper takes rewards: the published suite's name, or a file of prompts.

    Raises:
        UserError: no such table.
    """
    printed_table(table)
    chosen = [run for run in released_runs() if table == "table1" or table in run.rows]
    lines = [
        f"# {table} of the paper, {len({run.name for run in chosen})} released checkpoints.",
        "# Each: GenEval's sweep and verdicts; then PartiPrompts, over which the paper takes its rewards.",
    ]
    lines += ["", _command("suites", "fetch", parti)] if parti == PARTI else []
    folders: list[str] = []
    for run in chosen:
        rows = "; ".join(f"{key}: {row}" for key, row in run.rows.items())
        lines += ["", f"# {run.folder} ({rows}): {run.trained_on}"]
        places = {suite: f"{folder}/{run.folder}/{suite}" for suite in ("geneval", "parti")}
        lines += [_generate(run, "geneval", places["geneval"]), _command("geneval", places["geneval"])]
        lines += [_generate(run, parti, places["parti"]), _command("rewards", places["parti"])]
        folders += places.values()
    shown = (table,) if table == "table3" else ("table1", "table3")
    return [*lines, "", *(_command("paper", key, *folders) for key in shown)]


def _generate(run: ReleasedRun, suite: str, place: str) -> str:
    variant = ("--variant", run.variant) if run.variant else ()
    targets = [part for axis, value in run.reward_targets.items() for part in ("--reward-target", f"{axis}={value}")]
    return _command("generate", run.repo, *variant, "--suite", suite, *GENERATION, *targets, "--out", place)


def _command(*words: str) -> str:
    return shlex.join(("miro-eval", *words))


def overview() -> str:
    """Tables, figures and released checkpoints, a line each."""
    lines = ["MIRO: MultI-Reward cOnditioned pretraining (Dufour et al., arXiv 2510.25897v2)", "", "tables"]
    for key in TABLES:
        table = printed_table(key)
        size = f"{len(table.rows)} rows, {len(table.decimals)} columns, {len(table.footnotes)} footnotes"
        lines.append(f"  {key:<18}{table.title} ({size})")
    factors = ", ".join(f"{metric} {factor:.2f}" for metric, factor in published_speedups().items())
    shown = [one for one in results().values() if one.kind != TABLE]
    lines += ["", "figures and strips", *(f"  {one.key:<18}{one.title}" for one in shown)]
    lines += [f"  speed-ups by interpolation: {factors}", *(f"  note: {note.text}" for note in footnotes("figures"))]
    lines += ["", f"exact GenEval counts of {len(exact_counts())} models: {', '.join(exact_counts())}"]
    lines += ["", "released checkpoints"]
    for run in released_runs():
        rows = "; ".join(f"{key}: {row}" for key, row in run.rows.items())
        lines.append(f"  {run.name:<27} {rows}")
    return "\n".join(lines)

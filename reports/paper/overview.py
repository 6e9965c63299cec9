"""What of the paper is at hand, in words."""

from __future__ import annotations

from reports.paper.checkpoints import released_runs
from reports.paper.printed import FIGURES, TABLES, exact_counts, footnotes, printed_table, published_speedups


def overview() -> str:
    """Tables, figures and released checkpoints, a line each."""
    lines = ["MIRO: MultI-Reward cOnditioned pretraining (Dufour et al., arXiv 2510.25897v2)", "", "tables"]
    for key in TABLES:
        table = printed_table(key)
        size = f"{len(table.rows)} rows, {len(table.decimals)} columns, {len(table.footnotes)} footnotes"
        lines.append(f"  {key:<18}{table.title} ({size})")
    factors = ", ".join(f"{metric} {factor:.2f}" for metric, factor in published_speedups().items())
    lines += ["", "figures", *(f"  {name}" for name in FIGURES)]
    lines += [f"  speed-ups by interpolation: {factors}", *(f"  note: {note.text}" for note in footnotes("figures"))]
    lines += ["", f"exact GenEval counts of {len(exact_counts())} models: {', '.join(exact_counts())}"]
    lines += ["", "released checkpoints"]
    for run in released_runs():
        rows = "; ".join(f"{key}: {row}" for key, row in run.rows.items())
        lines.append(f"  {run.name:<27} {rows}")
    return "\n".join(lines)

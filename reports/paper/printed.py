"""What the paper prints, read from the data files of this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tomllib

from reports.statistics.crossing import speedup
from reports.summary.numbers import Proportion
from wire.errors import UserError
from wire.vocabulary import TAGS

TABLES = ("table1", "table3")
#: Of upstream's sweep script, as a manifest records it.
PAPER_SEED = "42"
#: Columns of GenEval, printed in per cent.
GENEVAL_COLUMNS = ("overall", *TAGS)
_DATA = Path(__file__).with_name("data")


@dataclass(frozen=True)
class RowProtocol:
    """How a row's numbers came about."""

    suites: Mapping[str, str]  #: kind of column (``verdicts``, ``rewards``) -> prompt suite
    samples: int  #: images per prompt
    #: steps, guidance_scale: of the sampler; ``own`` for a pipeline's own.
    steps: int | str
    guidance_scale: float | str
    #: reward_targets, negative_reward_targets: axis -> target; those not named are 1, and 0.
    reward_targets: Mapping[str, float]
    negative_reward_targets: Mapping[str, float]
    #: best_of, by: of how many images of a prompt the best by a reward is kept; 0 where all count.
    best_of: int = 0
    by: str = ""


@dataclass(frozen=True)
class PrintedRow:
    """One model of a table."""

    name: str
    group: str
    model: str  #: its name among the paper's checkpoints
    values: dict[str, float]  #: by column
    protocol: RowProtocol
    tflops: float | None = None  #: of an image's sampling, as printed; None where it is not


@dataclass(frozen=True)
class PrintedTable:
    """A table as printed."""

    key: str  #: ``table1`` or ``table3``
    source: str
    title: str
    decimals: dict[str, int]  #: column -> decimals that are printed; its keys are the columns, in order
    rows: tuple[PrintedRow, ...]
    footnotes: tuple[Footnote, ...]

    def row(self, name: str) -> PrintedRow:
        """The row of that name. Raises UserError: there is none."""
        for row in self.rows:
            if row.name.lower() == name.lower():
                return row
        raise UserError(f"{self.key} has no row {name!r}; its rows are {', '.join(row.name for row in self.rows)}")


@dataclass(frozen=True)
class Footnote:
    """A known inconsistency; ``rows`` and ``columns`` are empty where it is about all."""

    text: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]


@cache
def read_data(name: str) -> dict[str, Any]:
    """The content of ``data/<name>.toml``: what the paper prints, or its authors published."""
    with (_DATA / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def usual_protocol() -> RowProtocol:
    """How the models of the paper are sampled, but for rows that say otherwise."""
    return RowProtocol(**read_data("table1")["protocol"])


@cache
def printed_table(key: str) -> PrintedTable:
    """``table1`` or ``table3``. Raises UserError: any other."""
    if key not in TABLES:
        raise UserError(f"unknown table {key!r}; known are {', '.join(TABLES)}")
    record = read_data(key)
    rows = tuple(
        PrintedRow(
            row["name"],
            row["group"],
            row["model"],
            {"overall": row["overall"], **row["tags"], **row["rewards"]},
            RowProtocol(**record["protocol"] | row.get("protocol", {})),
            row.get("tflops"),
        )
        for row in record["rows"]
    )
    return PrintedTable(key, record["source"], record["title"], record["decimals"], rows, footnotes(key))


@cache
def footnotes(table: str) -> tuple[Footnote, ...]:
    """Footnotes of ``table1``, ``table3`` or ``figures``."""
    return tuple(
        Footnote(note["text"], tuple(note.get("rows", ())), tuple(note.get("columns", ())))
        for note in read_data("footnotes")["footnotes"]
        if table in note["tables"]
    )


@cache
def exact_counts() -> dict[str, dict[str, Proportion]]:
    """Model of Table 1 -> tag -> correct images, of all; for the eleven models whose counts are published."""
    record = read_data("geneval_counts")
    return {
        model["name"]: {tag: Proportion(model["correct"][tag], record["images"][tag]) for tag in TAGS}
        for model in record["models"]
    }


def published_speedups() -> dict[str, float]:
    """Metric id -> speed-up of MIRO over the baseline, from the published training curves."""
    training = read_data("figures")["training"]
    found = {
        metric: speedup(training["steps"], curves["baseline"], curves["miro"])
        for metric, curves in training["metrics"].items()
    }
    return {metric: factor for metric, factor in found.items() if factor is not None}

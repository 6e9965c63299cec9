"""MLflow: one run a row in the experiment ``miro-eval``; ``MLFLOW_TRACKING_URI`` decides where it goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.exports import Entry

EXPERIMENT = "miro-eval"
#: MLflow's own limit.
PARAMETER_LETTERS = 500


def hand_over(entries: Sequence[Entry], folder: Path) -> str:
    """Log every run; without a tracking address, into a file store in ``folder``."""
    # Since 3.x a store of plain files is to be asked for; it needs no database, and `mlflow ui` shows it.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow  # type: ignore[import-not-found,unused-ignore]

    place = os.environ.get("MLFLOW_TRACKING_URI") or (folder.resolve() / "mlruns").as_uri()
    mlflow.set_tracking_uri(place)
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT))
    for entry in entries:
        with mlflow.start_run(run_name=entry.name):
            mlflow.log_params({name: fact[:PARAMETER_LETTERS] for name, fact in entry.facts.items()})
            mlflow.log_metrics(entry.values)
    return f"mlflow at {place}: {len(entries)} runs"

"""The work of the rewards stage: which cells are missing, and the passes that fill them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.protocol import Item, Job, Reporter, RowWriter, pending_batches
from rewards.cells import cell_key, cells
from rewards.parameters import Parameters
from rewards.scorers import SCORERS, Scorer

#: Packages whose version may change a number.
PACKAGES: tuple[str, ...] = (
    *("torch", "torchvision", "transformers", "tokenizers", "huggingface-hub", "safetensors", "sentencepiece"),
    *("open-clip-torch", "openai-clip", "timm", "einops", "pillow", "numpy"),
)


def work(job: Job, reporter: Reporter) -> None:
    """Score every missing cell of the job; see :class:`Parameters` for what it may set.

    Rows are cells (see :func:`rewards.cells.cell`), in batches: for each group of models that is loaded at once,
    for each batch, image by image, metrics in the order asked for.

    Raises:
        UserError: bad parameters, an unknown metric.
        EnvironmentFailure: a weight or a device is not there.
    """
    parameters = Parameters.read(job.parameters)
    stage = RewardsStage(job, parameters, reporter)
    if stage.total == 0:
        reporter.started(0, parameters.device, packages())
        reporter.finished(0, 0)
        return
    stage.run()


def packages() -> dict[str, str]:
    """Installed versions of :data:`PACKAGES`."""
    return {name: metadata.version(name) for name in PACKAGES}


class RewardsStage:
    """One job in progress: its missing cells, and the counts of those written."""

    def __init__(self, job: Job, parameters: Parameters, reporter: Reporter) -> None:
        self._job = job
        self._parameters = parameters
        self._reporter = reporter
        self._missing = {metric: self._count_missing(metric) for metric in parameters.metrics}
        self.total = sum(self._missing.values())
        self._rows = 0
        self._unscored = 0

    def _count_missing(self, metric: str) -> int:
        return sum(cell_key(item, metric) not in self._job.done for item in self._job.items)

    def run(self) -> None:
        """Load the models that have missing cells, group by group, and fill the cells."""
        import torch
        from transformers.utils import logging

        from rewards.devices import choose_device, loaded_groups, make_deterministic

        logging.set_verbosity_error()  # its advice on unused and new weights: keys are checked here

        chosen = self._parameters
        device = choose_device(chosen.device)
        make_deterministic()
        scorers = [SCORERS[metric]() for metric, count in self._missing.items() if count]
        weights = {scorer.card.metric: scorer.resolve(chosen.files) for scorer in scorers}
        groups = loaded_groups(scorers, weights, device, chosen.precision, chosen.files, chosen.group)
        with RowWriter(Path(self._job.output)) as writer, torch.inference_mode():
            for number, group in enumerate(groups):
                if number == 0:
                    self._report_start(device, weights)
                self._run_group(group, device, writer)
        self._reporter.finished(self._rows, self._unscored)

    def _report_start(self, device: str, weights: dict[str, Any]) -> None:
        from rewards.devices import describe

        used = [{"metric": metric, **file.provenance()} for metric, files in weights.items() for file in files]
        self._reporter.started(
            self.total,
            describe(device),
            packages(),
            weights=used,
            precision=self._parameters.precision,
            batch_size=self._parameters.batch_size,
        )

    def _run_group(self, scorers: Sequence[Scorer], device: str, writer: RowWriter) -> None:
        from rewards.prefetch import prepared_batches
        from rewards.scoring import BatchScorer

        _log_scales(scorers)
        scoring = BatchScorer(device, self._parameters.batch_size, self._text_features(scorers))
        batches = pending_batches(
            self._job.items,
            self._parameters.batch_size,
            lambda item: all(self._is_done(item, scorer) for scorer in scorers),
        )
        for batch in prepared_batches(batches, Path(self._job.run_dir), scorers):
            pending = [s for s in scorers if not all(self._is_done(prepared.item, s) for prepared in batch)]
            self._write(cells(batch, scoring.results(batch, pending), self._job.done), writer)

    def _text_features(self, scorers: Sequence[Scorer]) -> dict[str, Any]:
        from rewards.text_features import TextFeatures

        prompts = [item.prompt for item in self._job.items]
        size = self._parameters.batch_size
        return {s.card.metric: TextFeatures(s, prompts, size) for s in scorers if s.encodes_text}

    def _is_done(self, item: Item, scorer: Scorer) -> bool:
        return cell_key(item, scorer.card.metric) in self._job.done

    def _write(self, rows: list[dict[str, Any]], writer: RowWriter) -> None:
        writer.write(rows)
        self._rows += len(rows)
        self._unscored += sum(row["value"] is None for row in rows)
        self._reporter.progress(self._rows, self.total, rows[-1]["filename"])


def _log_scales(scorers: Sequence[Scorer]) -> None:
    """Logit scales decide a score's size and are lost in half precision: they are worth a line in the log."""
    for scorer in scorers:
        if scorer.logit_scale is not None:
            print(f"{scorer.card.metric}: exp(logit_scale) = {scorer.logit_scale!r}", file=sys.stderr)  # noqa: T201

"""The work of the rewards stage: which cells are missing, and the passes that fill them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.cells import cell, cells
from rewards.hub import LocalWeight
from rewards.own_scorer import source_of
from rewards.parameters import Parameters
from rewards.prefetch import Prepared
from rewards.scorers import SCORERS, Scorer
from wire.cards import records
from wire.errors import EnvironmentFailure
from wire.hub_client import tell
from wire.protocol import Item, Job, Reporter, RowWriter, cell_key, pending_batches

if TYPE_CHECKING:
    from rewards.memory import Parts
    from rewards.text_cache import TextCache
    from rewards.text_features import TextFeatures

#: Packages whose version may change a number.
PACKAGES: tuple[str, ...] = (
    *("torch", "torchvision", "transformers", "tokenizers", "huggingface-hub", "safetensors", "sentencepiece"),
    *("open-clip-torch", "openai-clip", "timm", "einops", "pillow", "numpy"),
)


def work(job: Job, reporter: Reporter) -> None:
    """The work of one process; see :func:`score`."""
    score(job, reporter)


def score(job: Job, reporter: Reporter) -> dict[str, str]:
    """Score every missing cell of the job; see :class:`Parameters` for what it may set.

    Rows are cells (see :func:`rewards.cells.cell`), in batches: for each group of models that is loaded at once,
    for each batch, image by image, metrics in the order asked for. Cells of a scorer that cannot be loaded come last,
    unscored, with the reason.

    Returns:
        Why scorers could not be loaded, by metric.

    Raises:
        UserError: bad parameters, an unknown metric.
        EnvironmentFailure: a device is not there, or no scorer at all can be loaded.
    """
    parameters = Parameters.read(job.parameters)
    tell(reporter.warning)
    stage = RewardsStage(job, parameters, reporter)
    if stage.total == 0:
        reporter.started(0, parameters.device, packages())
        reporter.finished(0, 0)
    else:
        stage.run()
    return stage.failures


def not_loaded(failures: Mapping[str, str]) -> EnvironmentFailure:
    """The error that says why scorers could not be loaded, a line for each."""
    return EnvironmentFailure("\n".join(f"{metric}: {reason}" for metric, reason in failures.items()))


def packages() -> dict[str, str]:
    """Installed versions of :data:`PACKAGES`."""
    return {name: metadata.version(name) for name in PACKAGES}


def provenance(
    weights: Mapping[str, Sequence[LocalWeight]], registry: Mapping[str, type[Scorer]]
) -> list[dict[str, Any]]:
    """What the manifest says of the weights, by metric, and of the files that the user's own scorers are written in."""
    used = [{"metric": metric, **file.provenance()} for metric, files in weights.items() for file in files]
    own = {metric: registry[metric] for metric in weights if metric not in SCORERS}
    code = {metric: LocalWeight(scorer.__qualname__, None, source_of(scorer)) for metric, scorer in own.items()}
    return used + [{"metric": metric, **file.provenance()} for metric, file in code.items()]


class RewardsStage:
    """One job in progress: its missing cells, and the counts of those written."""

    def __init__(self, job: Job, parameters: Parameters, reporter: Reporter) -> None:
        self._job = job
        self._parameters = parameters
        self._reporter = reporter
        missing = {metric: self._count_missing(metric) for metric in parameters.metrics}
        self._missing = [metric for metric, count in missing.items() if count]
        self.total = sum(missing.values())
        self._weights: dict[str, list[LocalWeight]] = {}
        self._used: list[dict[str, Any]] = []
        self.failures: dict[str, str] = {}
        self._told = 0
        self._rows = 0
        self._unscored = 0

    def _count_missing(self, metric: str) -> int:
        return sum(cell_key(item.filename, metric) not in self._job.done for item in self._job.items)

    def run(self) -> None:
        """Load the models that have missing cells, group by group, and fill the cells."""
        import torch
        from transformers.utils import logging

        from rewards.devices import choose_device, describe, loaded_groups, make_deterministic

        logging.set_verbosity_error()  # its advice on unused and new weights: keys are checked here

        chosen = self._parameters
        device = choose_device(chosen.device)
        make_deterministic()
        scorers = [scorer for metric in self._missing if (scorer := self._found(metric))]
        groups = loaded_groups(
            scorers, self._weights, device, chosen.precision, chosen.files, chosen.group, self.failures
        )
        with RowWriter(Path(self._job.output)) as writer, torch.inference_mode():
            for number, group in enumerate(groups):
                if number == 0:
                    self._report_start(describe(device))
                self._tell_failures()
                self._run_group(group, device, writer)
            if len(self.failures) == len(chosen.metrics):
                raise not_loaded(self.failures)
            if len(self.failures) == len(self._missing):  # no model was loaded: what is known of earlier ones stays
                self._reporter.started(0, describe(device), packages())
            self._tell_failures()
            self._write_failures(writer)
        self._reporter.finished(self._rows, self._unscored)

    def _found(self, metric: str) -> Scorer | None:
        """The metric's scorer, its weights fetched and hashed; None where that is not possible, and why is noted."""
        from rewards.devices import load_fault

        registry = self._parameters.registry
        try:
            scorer = registry[metric]()
            weights = scorer.resolve(self._parameters.files)
            self._used += provenance({metric: weights}, registry)
        except Exception as error:  # users' scorers raise whatever they like
            self.failures[metric] = load_fault(error, self._parameters.device)
            return None
        self._weights[metric] = weights
        return scorer

    def _tell_failures(self) -> None:
        """Warn of the scorers that could not be loaded, of each once."""
        for metric, reason in list(self.failures.items())[self._told :]:
            self._reporter.warning(f"{metric} is not scored: {reason}")
        self._told = len(self.failures)

    def _write_failures(self, writer: RowWriter) -> None:
        """Cells of scorers that could not be loaded, image by image, with the reason."""
        rows = [
            cell(Prepared(item, item.image_sha256), metric, reason)
            for item in self._job.items
            for metric, reason in self.failures.items()
            if cell_key(item.filename, metric) not in self._job.done
        ]
        if rows:
            self._write(rows, writer)

    def _report_start(self, device: str) -> None:
        self._reporter.started(
            self.total,
            device,
            packages(),
            weights=self._used,
            cards=records({metric: self._parameters.registry[metric].card for metric in self._missing}),
            precision=self._parameters.precision,
            batch_size=self._parameters.batch_size,
        )

    def _run_group(self, scorers: Sequence[Scorer], device: str, writer: RowWriter) -> None:
        from rewards.prefetch import prepared_batches
        from rewards.scoring import BatchScorer

        _log_scales(scorers)
        size = self._parameters.batch_size
        parts = self._parts(scorers, device)
        scoring = BatchScorer(device, size, self._text_features(scorers, device), parts)
        batches = pending_batches(
            self._job.items,
            size,
            lambda item: all(self._is_done(item, scorer) for scorer in scorers),
        )
        for batch in prepared_batches(batches, Path(self._job.run_dir), scorers):
            pending = [s for s in scorers if not all(self._is_done(prepared.item, s) for prepared in batch)]
            self._write(cells(batch, scoring.results(batch, pending), self._job.done), writer)

    def _parts(self, scorers: Sequence[Scorer], device: str) -> dict[str, Parts]:
        """By metric, what computes its batches; where memory is short (the models being loaded), in parts at once."""
        from rewards.devices import free_memory
        from rewards.memory import Parts
        from rewards.working_memory import rows_that_fit

        free, size, warn = free_memory(device), self._parameters.batch_size, self._reporter.warning
        needs = {scorer.card.metric: self._bytes_per_pair(scorer) for scorer in scorers}
        return {metric: Parts(metric, size, warn, rows_that_fit(size, need, free)) for metric, need in needs.items()}

    def _bytes_per_pair(self, scorer: Scorer) -> int:
        from rewards.working_memory import bytes_per_pair

        card, dtype = scorer.card, scorer.dtypes.get(self._parameters.precision, "float32")
        return bytes_per_pair(card.network, dtype, sum(weight.size for weight in self._weights[card.metric]))

    def _text_features(self, scorers: Sequence[Scorer], device: str) -> dict[str, TextFeatures]:
        from rewards.memory import Parts
        from rewards.text_features import TextFeatures

        prompts, size, warn = [i.prompt for i in self._job.items], self._parameters.batch_size, self._reporter.warning
        return {
            s.card.metric: TextFeatures(
                s, prompts, Parts(f"{s.card.metric} text", size, warn), size, device, self._text_cache(s, device)
            )
            for s in scorers
            if s.encodes_text
        }

    def _text_cache(self, scorer: Scorer, device: str) -> TextCache | None:
        """The scorer's features on disk; none for a user's own, and where a weight has no hash to know it by."""
        from rewards.devices import describe, processor
        from rewards.text_cache import TextCache, small_files_digest

        metric, chosen = scorer.card.metric, self._parameters
        used = [weight for weight in self._used if weight["metric"] == metric]
        if chosen.text_cache is None or metric not in SCORERS or not all(weight["sha256"] for weight in used):
            return None
        identity = {
            "weights": used,
            "text_files": small_files_digest(scorer.text_files()),
            "dtype": scorer.dtypes[chosen.precision],
            "device": [describe(device), processor()],
            "packages": packages(),
        }
        return TextCache(Path(chosen.text_cache), identity, self._reporter.warning)

    def _is_done(self, item: Item, scorer: Scorer) -> bool:
        return cell_key(item.filename, scorer.card.metric) in self._job.done

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

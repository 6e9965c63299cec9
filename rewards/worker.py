"""The work of the rewards stage: which cells are missing, and the passes that fill them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.hub import LocalWeight
from rewards.own_scorer import source_of
from rewards.scorers import SCORERS, Scorer
from rewards.settings import Parameters
from wire.cards import records
from wire.errors import EnvironmentFailure
from wire.hub_client import tell
from wire.protocol import Item, Job, Reporter, RowWriter, cell_key, pending_batches

if TYPE_CHECKING:
    from rewards.memory import Parts
    from rewards.scoring import Passes
    from wire.arrays import ArrayCache

#: Packages whose version may change a number.
PACKAGES: tuple[str, ...] = (
    *("torch", "torchvision", "transformers", "tokenizers", "huggingface-hub", "safetensors", "sentencepiece"),
    *("open-clip-torch", "openai-clip", "timm", "modelscope", "einops", "pillow", "numpy"),
)


def work(job: Job, reporter: Reporter) -> dict[str, str]:
    """Score every missing cell of the job; see :class:`Parameters` for what it may set.

    Rows are cells (see :func:`rewards.scoring.cell`), in batches: for each group of models that is loaded at once,
    for each batch, image by image, metrics in the order asked for. Cells of a scorer that cannot be loaded come last,
    unscored, with the reason.
    Returns why scorers could not be loaded, by metric.
    Raises UserError: bad parameters, an unknown metric; EnvironmentFailure: a device is not there, or no scorer at all
    can be loaded.
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
    """Versions of those of :data:`PACKAGES` that this environment has."""
    there = {distribution.name.lower().replace("_", "-") for distribution in metadata.distributions()}
    return {name: metadata.version(name) for name in PACKAGES if name in there}


class RewardsStage:
    """One job in progress: its missing cells, what could not be loaded, and the counts of rows written."""

    def __init__(self, job: Job, parameters: Parameters, reporter: Reporter) -> None:
        self._job = job
        self._parameters = parameters
        self._reporter = reporter
        missing = {metric: sum(self._lacks(item, metric) for item in job.items) for metric in parameters.metrics}
        self._missing = [metric for metric, count in missing.items() if count]
        self.total = sum(missing.values())
        self.failures: dict[str, str] = {}
        self._warned = 0
        self._weights: dict[str, list[LocalWeight]] = {}
        self._used: list[dict[str, Any]] = []
        self._rows = 0
        self._unscored = 0

    def _lacks(self, item: Item, metric: str) -> bool:
        return cell_key(item.filename, metric) not in self._job.done

    def run(self) -> None:
        """Load the models that have missing cells, group by group, and fill the cells."""
        from rewards.devices import choose, computing, describe, loaded_groups, make_deterministic

        chosen = self._parameters
        device = choose(chosen.device)
        make_deterministic()
        scorers = [scorer for metric in self._missing if (scorer := self._found(metric))]
        groups = loaded_groups(
            scorers, self._weights, device, chosen.precision, chosen.files, chosen.group, self.failures
        )
        with RowWriter(Path(self._job.output)) as writer, computing():
            for number, group in enumerate(groups):
                if number == 0:
                    self._report_start(describe(device))
                self._tell_failures()
                self._run_group(group, device, writer)
            if chosen.alone and len(self.failures) == len(chosen.metrics):
                raise not_loaded(self.failures)
            if len(self.failures) == len(self._missing):  # no model was loaded: what is known of earlier ones stays
                self._reporter.started(0, describe(device), packages())
            self._tell_failures()
            self._write_failures(writer)
        self._reporter.finished(self._rows, self._unscored)

    def _found(self, metric: str) -> Scorer | None:
        """The metric's scorer, its weights fetched and hashed; None where that is not possible, and why is noted."""
        from rewards.devices import load_fault

        kind = self._parameters.registry[metric]
        try:
            scorer = kind()
            weights = scorer.resolve(self._parameters.files)
            code = [] if metric in SCORERS else [LocalWeight(kind.__qualname__, None, source_of(kind)).provenance()]
            self._used += [{"metric": metric, **file} for file in (*scorer.provenance(weights), *code)]
        except Exception as error:  # users' scorers raise whatever they like
            self.failures[metric] = load_fault(error, self._parameters.device)
            return None
        self._weights[metric] = weights
        return scorer

    def _tell_failures(self) -> None:
        """Warn of the scorers that could not be loaded, of each once."""
        for metric, reason in list(self.failures.items())[self._warned :]:
            self._reporter.warning(f"{metric} is not scored: {reason}")
        self._warned = len(self.failures)

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
        from rewards.devices import free_memory
        from rewards.images import prepared_batches
        from rewards.scorers.diversity import Diversity
        from rewards.scoring import cell

        free = free_memory(device)
        alone = [scorer for scorer in scorers if not isinstance(scorer, Diversity)]
        passes = [self._passes(scorer, device, free) for scorer in alone]

        def is_done(item: Item) -> bool:
            return not any(self._lacks(item, one.metric) for one in passes)

        batches = pending_batches(self._job.items, self._parameters.batch_size, is_done)
        for batch in prepared_batches(batches, Path(self._job.run_dir), alone):
            stacks: dict[Any, Any] = {}
            pending = [one for one in passes if any(self._lacks(prepared.item, one.metric) for prepared in batch)]
            results = {one.metric: one.outcomes(batch, stacks) for one in pending}
            rows = [
                cell(prepared.item, prepared.sha256, metric, outcomes[place])
                for place, prepared in enumerate(batch)
                for metric, outcomes in results.items()
                if self._lacks(prepared.item, metric)
            ]
            self._write(rows, writer)
        if together := [scorer for scorer in scorers if isinstance(scorer, Diversity)]:
            from rewards.within_prompts import Loaded, rows_of_prompts

            size = self._parameters.batch_size
            loaded = [Loaded(scorer, device, size, self._parts(scorer, size, free)) for scorer in together]
            for rows in rows_of_prompts(self._job.items, Path(self._job.run_dir), loaded, self._lacks):
                self._write(rows, writer)

    def _parts(self, scorer: Scorer, size: int, free: int) -> Parts:
        """Computes the scorer's batches of ``size``, in parts where memory is short; see :meth:`_passes`."""
        from rewards.memory import Parts, bytes_per_pair, rows_that_fit

        metric = scorer.card.metric
        dtype = scorer.dtypes.get(self._parameters.precision, "float32")
        per_pair = bytes_per_pair(scorer.card.network, dtype, sum(weight.size for weight in self._weights[metric]))
        return Parts(metric, size, self._reporter.warning, rows_that_fit(size, per_pair, free))

    def _passes(self, scorer: Scorer, device: str, free: int) -> Passes:
        """The scorer's passes; where memory is short (``free`` bytes, the models being loaded), in parts at once."""
        from rewards.memory import Parts
        from rewards.scoring import Passes

        metric, warn = scorer.card.metric, self._reporter.warning
        size = 1 if scorer.one_by_one and device == "cpu" else self._parameters.batch_size
        if scorer.logit_scale is not None:  # it decides a score's size, and is lost in half precision
            print(f"{metric}: exp(logit_scale) = {scorer.logit_scale!r}", file=sys.stderr)  # noqa: T201
        parts, texts = self._parts(scorer, size, free), None
        if scorer.encodes_text:
            from rewards.text_features import TextFeatures

            prompts, whole = [item.prompt for item in self._job.items], Parts(f"{metric} text", size, warn)
            texts = TextFeatures(scorer, prompts, whole, size, device, self._text_cache(scorer, device))
        return Passes(scorer, device, size, parts, texts)

    def _write_failures(self, writer: RowWriter) -> None:
        """Cells of scorers that could not be loaded, image by image, with the reason."""
        from rewards.scoring import cell

        rows = [
            cell(item, item.image_sha256, metric, reason)
            for item in self._job.items
            for metric, reason in self.failures.items()
            if self._lacks(item, metric)
        ]
        if rows:
            self._write(rows, writer)

    def _write(self, rows: list[dict[str, Any]], writer: RowWriter) -> None:
        writer.write(rows)
        self._rows += len(rows)
        self._unscored += sum(row["value"] is None for row in rows)
        self._reporter.progress(self._rows, self.total, ", ".join(dict.fromkeys(row["metric"] for row in rows)))

    def _text_cache(self, scorer: Scorer, device: str) -> ArrayCache | None:
        """The scorer's features on disk; none for a user's own, and where a weight has no hash to know it by."""
        from rewards.devices import describe, processor
        from rewards.text_features import small_files_digest
        from wire.arrays import ArrayCache

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
        return ArrayCache(Path(chosen.text_cache), identity, "text features", self._reporter.warning)

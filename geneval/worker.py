"""The GenEval stage: judges a run's images and appends a row for each.

``job.parameters`` are those of :class:`geneval.parameters.Parameters`. A row's key is its ``filename``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from geneval.color import ColorClassifier
from geneval.detectors import Execution, load_detector
from geneval.device import device_faults_are_fatal, resolve_device
from geneval.evaluation import Evaluator
from geneval.judge import normalise
from geneval.parameters import Parameters
from geneval.plausibility import check_rows
from geneval.prefetch import prefetch
from geneval.provenance import packages, weights
from geneval.rows import Row, unscored_row
from geneval.settings import validate
from wire.protocol import Item, Job, Reporter, RowWriter, UserError, pending_batches, read_rows

Batches = Sequence[Sequence[Item]]
#: Batches decoded and resized ahead of the detector; at 800 x 800 x 3 float32 an image takes 8 MB.
AHEAD = 2


def work(job: Job, reporter: Reporter) -> None:
    """Judge the images that have no row yet.

    An image whose prompt GenEval cannot judge gets a row that says why, and no model is loaded for it.

    Raises:
        UserError: bad parameters, or a suite that is none of GenEval's.
        EnvironmentFailure: a device or a weight is not there, the GPU fails, or the rows of many images are such as
            a detector gives that does not work.
    """
    settings = Parameters.parse(job.parameters)
    found = validate(settings, [item.metadata for item in job.items])
    if found.faults:
        raise UserError(found.faults[0])
    lost = _rows_of_unjudgeable(job, settings, found.unscored)
    judgeable = [item for number, item in enumerate(job.items) if number not in found.unscored]
    batches = _batches(replace(job, items=judgeable), settings)
    if not batches:
        # A total of 0 says that no model is at work: what is recorded of the run's models stays.
        reporter.started(total=0, device="none", packages={})
        with RowWriter(Path(job.output)) as writer:
            writer.write(lost)
        reporter.finished(rows=len(lost), unscored=len(lost))
        return
    settings.check_files()
    execution = settings.execution(resolve_device(settings.device))
    with device_faults_are_fatal():
        evaluator = load(settings, execution, Path(job.run_dir), batches)
        reporter.started(
            total=len(lost) + _missing(job, batches),
            device=execution.device,
            packages=packages(settings.detector),
            weights=weights(settings.files),
            detector=evaluator.detector.name,
            precision=execution.precision,
            batch_size=execution.batch_size,
        )
        _judge_all(evaluator, batches, execution.device, job, lost, reporter)
    check_rows(read_rows(Path(job.output)))


def _rows_of_unjudgeable(job: Job, settings: Parameters, faults: Mapping[int, str]) -> list[Row]:
    """Rows that are missing of images whose prompts cannot be judged; ``faults`` by place among the items."""
    reasons = ((job.items[number], f"its prompt cannot be judged by GenEval ({why})") for number, why in faults.items())
    return [
        unscored_row(item, item.image_sha256, settings.detector, reason)
        for item, reason in reasons
        if item.filename not in job.done
    ]


def _batches(job: Job, settings: Parameters) -> list[list[Item]]:
    """The batches of which a row is missing; the device, which may decide their size, is not asked where none is."""
    if all(item.filename in job.done for item in job.items):
        return []
    size = settings.execution(resolve_device(settings.device)).batch_size
    return list(pending_batches(job.items, size, lambda item: item.filename in job.done))


def _missing(job: Job, batches: Batches) -> int:
    return sum(item.filename not in job.done for item in chain.from_iterable(batches))


#: The last job's models: the next job of this worker mostly asks for the same.
_detector = lru_cache(maxsize=1)(load_detector)
_color_classifier = lru_cache(maxsize=1)(ColorClassifier)


def load(settings: Parameters, execution: Execution, run_dir: Path, batches: Batches) -> Evaluator:
    """The models that judging these images needs."""
    detector = _detector(settings.detector, settings.files["mask2former"], settings.detector_config, execution)
    clauses = (clause for item in chain.from_iterable(batches) for clause in normalise(item.metadata)["include"])
    colors = None
    if any("color" in clause for clause in clauses):
        together = execution.batch_size if execution.batch_size > 1 else None
        clip = settings.files["clip-vit-l-14"]
        colors = _color_classifier(clip, execution.device, settings.color_options, together)
    return Evaluator(run_dir, detector, colors, settings.options)


def judged(evaluator: Evaluator, batches: Batches, device: str) -> Iterator[list[Row]]:
    """The rows of each batch, in order; the next batches are prepared in the background meanwhile."""
    ahead = AHEAD * max(map(len, batches), default=1)
    threads = loading_threads(device)
    prepared = prefetch(evaluator.prepare, chain.from_iterable(batches), ahead, threads)
    for batch in batches:
        yield evaluator.evaluate(list(islice(prepared, len(batch))))


def loading_threads(device: str) -> int:
    """On a CPU the detector wants the cores; a GPU waits for its images, which one core decodes too slowly."""
    return 1 if device == "cpu" else min(8, os.cpu_count() or 1)


def _judge_all(
    evaluator: Evaluator, batches: Batches, device: str, job: Job, lost: list[Row], reporter: Reporter
) -> None:
    total, done, unscored = len(lost) + _missing(job, batches), len(lost), len(lost)
    with RowWriter(Path(job.output)) as writer:
        writer.write(lost)
        for batch, rows in zip(batches, judged(evaluator, batches, device), strict=True):
            new = [row for row in rows if row["filename"] not in job.done]
            writer.write(new)
            done += len(new)
            unscored += sum(row["status"] == "unscored" for row in new)
            reporter.progress(done, total, batch[-1].prompt)
    reporter.finished(rows=done, unscored=unscored)

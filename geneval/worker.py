"""The GenEval stage: judges a run's images and appends a row for each.

Parameters (``job.parameters``): ``files`` {``mask2former``, ``clip-vit-l-14``: paths}, ``detector`` (``mmdet``, the
default, or ``transformers``), ``detector_config`` (an mmdet config file, default the Swin-S one of mmdet), ``options``
(fields of :class:`geneval.judge.JudgeOptions`), ``color_options`` (fields of :class:`geneval.color.ColorOptions`),
``device`` (``auto``, ``cpu`` or ``cuda[:N]``; default ``auto``).
A row's key is its ``filename``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geneval.allocator import keep_freed_memory
from geneval.color import ColorClassifier
from geneval.detectors import load_detector
from geneval.device import device_faults_are_fatal, resolve_device
from geneval.evaluation import Evaluator
from geneval.plausibility import check_rows
from geneval.prefetch import prefetch
from geneval.provenance import packages, weights
from geneval.settings import Settings, check_items
from harness.protocol import Item, Job, Reporter, RowWriter, pending_batches, read_rows

#: Images decoded and resized ahead of the detector; at 800 x 800 x 3 float32 each takes 8 MB.
AHEAD = 3


def work(job: Job, reporter: Reporter) -> None:
    """Judge the images that have no row yet.

    Raises:
        UserError: bad parameters, or a suite that GenEval cannot judge.
        EnvironmentFailure: a device or a weight is not there, the GPU fails, or the rows of many images are such as
            a detector gives that does not work.
    """
    settings = Settings.from_parameters(job.parameters)
    check_items(job.items)
    batches = pending_batches(job.items, 1, lambda item: item.filename in job.done, job.shard)
    pending = [item for batch in batches for item in batch]
    if not pending:
        reporter.started(total=0, device="none", packages={})
        reporter.finished(rows=0, unscored=0)
        return
    settings.check_files()
    keep_freed_memory()
    device = resolve_device(settings.device)
    with device_faults_are_fatal():
        evaluator = _load(settings, device, Path(job.run_dir), pending)
        provenance = {"weights": weights(settings.files), "detector": evaluator.detector.name}
        reporter.started(total=len(pending), device=device, packages=packages(settings.detector), **provenance)
        _judge_all(evaluator, pending, Path(job.output), reporter)
    check_rows(read_rows(Path(job.output)))


def _load(settings: Settings, device: str, run_dir: Path, pending: Sequence[Item]) -> Evaluator:
    detector = load_detector(settings.detector, settings.files["mask2former"], settings.detector_config, device)
    asks_colors = any("color" in clause for item in pending for clause in item.metadata["include"])
    clip = settings.files["clip-vit-l-14"]
    colors = ColorClassifier(clip, device, settings.color_options) if asks_colors else None
    return Evaluator(run_dir, detector, colors, settings.options)


def _judge_all(evaluator: Evaluator, pending: Sequence[Item], output: Path, reporter: Reporter) -> None:
    unscored = 0
    with RowWriter(output) as writer:
        for done, prepared in enumerate(prefetch(evaluator.prepare, pending, AHEAD), start=1):
            row = evaluator.evaluate(prepared)
            writer.write([row])
            unscored += row["status"] == "unscored"
            reporter.progress(done, len(pending), prepared.item.prompt)
    reporter.finished(rows=len(pending), unscored=unscored)

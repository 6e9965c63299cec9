"""The GenEval stage: judges a run's images and appends a row for each.

``job.parameters`` are those of :class:`geneval.parameters.Parameters`. A row's key is its ``filename``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from geneval.color import ColorClassifier
from geneval.detectors import Detector, Execution, load_detector
from geneval.evaluation import Evaluator
from geneval.judge import normalise
from geneval.parameters import Parameters, device_faults_are_fatal
from geneval.rows import Row, check_rows, unscored_row
from geneval.settings import validate
from wire.files import sha256_of_file
from wire.gpus import choose_device
from wire.host import processors
from wire.protocol import Item, Job, Reporter, RowWriter, UserError, pending_batches, read_rows

S = TypeVar("S")
T = TypeVar("T")
Batches = Sequence[Sequence[Item]]
#: Batches decoded and resized ahead of the detector; at 800 x 800 x 3 float32 an image takes 8 MB.
AHEAD = 2
#: Packages of each detector that the numbers depend on.
PACKAGES = {"mmdet": ("torch", "mmcv", "mmdet"), "transformers": ("torch", "transformers")}


def work(job: Job, reporter: Reporter) -> None:
    """Judge the images that have no row yet.

    An image whose prompt GenEval cannot judge gets a row that says why, and no model is loaded for it.
    Raises UserError: bad parameters, or a suite that is none of GenEval's; EnvironmentFailure: a device or a weight is
    not there, the GPU fails, or the rows of many images are such as a detector gives that does not work.
    """
    settings = Parameters.parse(job.parameters)
    found = validate(settings, [item.metadata for item in job.items])
    if found.faults:
        raise UserError(found.faults[0])
    lost = _rows_of_unjudgeable(job, settings.detector, found.unscored)
    judgeable = [item for number, item in enumerate(job.items) if number not in found.unscored]
    if all(item.filename in job.done for item in judgeable):
        # A total of 0 says that no model is at work: what is recorded of the run's models stays.
        reporter.started(total=0, device="none", packages={})
        if lost:
            with RowWriter(Path(job.output)) as writer:
                writer.write(lost)
        reporter.finished(rows=len(lost), unscored=len(lost))
        return
    execution = settings.execution(choose_device(settings.device))
    batches = list(pending_batches(judgeable, execution.batch_size, lambda item: item.filename in job.done))
    settings.check_files()
    with device_faults_are_fatal():
        evaluator = load(settings, execution, Path(job.run_dir), batches)
        total = len(lost) + sum(item.filename not in job.done for item in judgeable)
        reporter.started(total=total, **_provenance(settings, execution, evaluator.detector))
        done, unscored = len(lost), len(lost)
        with RowWriter(Path(job.output)) as writer:
            writer.write(lost)
            for batch, rows in zip(batches, judged(evaluator, batches, execution.device), strict=True):
                new = [row for row in rows if row["filename"] not in job.done]
                writer.write(new)
                done += len(new)
                unscored += sum(row["status"] == "unscored" for row in new)
                reporter.progress(done, total, batch[-1].prompt)
        reporter.finished(rows=done, unscored=unscored)
    check_rows(read_rows(Path(job.output)))


def _rows_of_unjudgeable(job: Job, detector: str, faults: Mapping[int, str]) -> list[Row]:
    """Rows that are missing of images whose prompts cannot be judged; ``faults`` by place among the items."""
    reasons = ((job.items[number], f"its prompt cannot be judged by GenEval ({why})") for number, why in faults.items())
    return [
        unscored_row(item, item.image_sha256, detector, reason)
        for item, reason in reasons
        if item.filename not in job.done
    ]


def _provenance(settings: Parameters, execution: Execution, detector: Detector) -> dict[str, Any]:
    """What a run must remember of the software and the weights that judged it."""
    weights = [
        {"name": name, "sha256": sha256_of_file(path), "file": path.name} for name, path in settings.files.items()
    ]
    return {
        "device": execution.device,
        "packages": dict(map(_release, (*PACKAGES[settings.detector], "open-clip-torch"))),
        "weights": weights,
        "detector": detector.name,
        "attention": detector.attention,
        "precision": execution.precision,
        "batch_size": execution.batch_size,
    }


def _release(package: str) -> tuple[str, str]:
    """A package's name and version; mmcv-lite's, where it stands in for mmcv."""
    try:
        return package, version(package)
    except PackageNotFoundError:
        return f"{package}-lite", version(f"{package}-lite")


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
    prepared = prefetch(evaluator.prepare, chain.from_iterable(batches), ahead, loading_threads(device))
    for batch in batches:
        yield evaluator.evaluate(list(islice(prepared, len(batch))))


def loading_threads(device: str) -> int:
    """On a CPU the detector wants the cores; a GPU waits for its images, which one core decodes too slowly."""
    return 1 if device == "cpu" else min(8, processors())


def prefetch(function: Callable[[S], T], items: Iterable[S], ahead: int, threads: int = 1) -> Iterator[T]:
    """Results of ``function`` in the items' order, computed in other threads, up to ``ahead`` of them in advance."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

"""The generation worker: from a job's items to PNG files and one row for each."""

from __future__ import annotations

from pathlib import Path

from generation.backends import Backend, open_backend
from generation.batch_size import agreed_size, find_size
from generation.batches import Batch, count_missing, image_batches, upstream_batches
from generation.image_writer import ImageWriter
from generation.noise import UPSTREAM
from generation.parameters import Parameters
from generation.planned_files import planned_files
from generation.settings import AUTO
from wire.hub_client import tell
from wire.protocol import Job, Reporter, RowWriter

#: Beside the workers' rows: the batch size of a run whose size was found by trial.
SIZE_FILE = "generate-batch-size"


def work(job: Job, reporter: Reporter) -> None:
    """Make the images of ``job`` that have no row yet. Parameters: :class:`generation.parameters.Parameters`.

    Each row has ``filename`` (its key), ``prompt_index``, ``sample_index``, ``prompt`` and ``image_sha256``.
    An image that lies there without a row is made again, and becomes the same bytes.
    """
    parameters = Parameters.parse(job.parameters)
    size = None if parameters.batch_size == AUTO else parameters.fixed_batch_size
    batches = _batches(job, parameters, size) if size else _uncut(job)
    if not batches:
        reporter.started(total=0, device="none", packages={})
        reporter.finished(rows=0, unscored=0)
        return
    tell(reporter.warning)
    source = parameters.source()
    with planned_files(source, parameters.planned):
        backend = open_backend(source, parameters)
    if size:
        _started(reporter, backend, parameters, count_missing(batches), size)
    backend.prepare(batches, lambda label: reporter.progress(0, len(job.items), label), reporter.warning)
    if not size:
        size = agreed_size(
            Path(job.output).with_name(f"{SIZE_FILE}-{parameters.run_id}"), lambda: find_size(backend, job.items[0])
        )
        batches = _batches(job, parameters, size)
        _started(reporter, backend, parameters, count_missing(batches), size)
    reporter.finished(rows=_sample(job, reporter, parameters, backend, batches), unscored=0)


def _started(reporter: Reporter, backend: Backend, parameters: Parameters, total: int, size: int) -> None:
    """Tell what is used, and as ``hparams`` all that decides the images besides the checkpoint."""
    hparams = backend.provenance["hparams"] | {
        "noise": parameters.noise,
        "batch_size": size,
        "precision": backend.provenance["precision"],
        "compile": parameters.compile,
    }
    reporter.started(total=total, **backend.provenance | {"hparams": hparams, "batch_size": size})


def _uncut(job: Job) -> list[Batch]:
    """Every item by itself, for want of a batch size: how they will be cut among shards is not known either."""
    if all(item.filename in job.done for item in job.items):
        return []
    return [Batch((item,), (0,), 1) for item in job.items]


def _batches(job: Job, parameters: Parameters, size: int) -> list[Batch]:
    if parameters.noise == UPSTREAM:
        return upstream_batches(job, parameters.parsed_sweep, size)
    return image_batches(job, size)


def _sample(job: Job, reporter: Reporter, parameters: Parameters, backend: Backend, batches: list[Batch]) -> int:
    """Make the batches and write what was missing of them; returns the number of rows."""
    total, constant = count_missing(batches), list[str]()
    with (
        RowWriter(Path(job.output)) as rows,
        ImageWriter(Path(job.run_dir), rows, parameters.seed, parameters.run_id) as writer,
    ):
        for batch in batches:
            made = backend.make(batch)
            items, images = [batch.items[row] for row in batch.missing], [made[row] for row in batch.missing]
            pairs = zip(items, images, strict=True)
            constant += [item.filename for item, image in pairs if (image == image[:1, :1]).all()]
            writer.add(items, images)
            reporter.progress(writer.written, total, batch.items[-1].prompt)
    reporter.progress(writer.written, total)
    if constant:
        reporter.warning(
            f"{len(constant)} of {writer.written} images are of a single color (the first: {constant[0]}): "
            "the model, its precision or its guidance may be at fault"
        )
    return writer.written

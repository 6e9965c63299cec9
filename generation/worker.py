"""The generation worker: from a job's items to PNG files and one row for each."""

from __future__ import annotations

from pathlib import Path

from generation.backends import Backend, open_backend
from generation.batches import Batch, count_missing, image_batches, upstream_batches
from generation.connectivity import work_offline_if_unreachable
from generation.image_writer import ImageWriter
from generation.noise import UPSTREAM
from generation.parameters import Parameters
from harness.protocol import Job, Reporter, RowWriter


def work(job: Job, reporter: Reporter) -> None:
    """Make the images of ``job`` that have no row yet. Parameters: :class:`generation.parameters.Parameters`.

    Each row has ``filename`` (its key), ``prompt_index``, ``sample_index``, ``prompt`` and ``image_sha256``.
    An image that lies there without a row is made again, and becomes the same bytes.
    """
    parameters = Parameters.parse(job.parameters)
    batches = _batches(job, parameters)
    if not batches:
        reporter.started(total=0, device="none", packages={})
        reporter.finished(rows=0, unscored=0)
        return
    source = parameters.source()
    offline = work_offline_if_unreachable()
    if offline:
        reporter.warning(offline)
    backend, total = open_backend(source, parameters), count_missing(batches)
    reporter.started(total=total, **backend.provenance)
    backend.prepare(batches, lambda label: reporter.progress(0, total, label))
    reporter.finished(rows=_sample(job, reporter, parameters, backend, batches), unscored=0)


def _batches(job: Job, parameters: Parameters) -> list[Batch]:
    if parameters.noise == UPSTREAM:
        return upstream_batches(job, parameters.parsed_sweep, parameters.batch_size)
    return image_batches(job, parameters.batch_size)


def _sample(job: Job, reporter: Reporter, parameters: Parameters, backend: Backend, batches: list[Batch]) -> int:
    """Make the batches and write what was missing of them; returns the number of rows."""
    total = count_missing(batches)
    with (
        RowWriter(Path(job.output)) as rows,
        ImageWriter(Path(job.run_dir), rows, parameters.seed, parameters.run_id) as writer,
    ):
        for batch in batches:
            images = backend.make(batch)
            writer.add([batch.items[row] for row in batch.missing], [images[row] for row in batch.missing])
            reporter.progress(writer.written, total, batch.items[-1].prompt)
    reporter.progress(writer.written, total)
    return writer.written

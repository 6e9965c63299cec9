"""The generation worker: from a job's items to PNG files and one row for each."""

from __future__ import annotations

import gc
import warnings
from importlib.metadata import version
from pathlib import Path

from generation.checkpoint_kinds import CheckpointSource, describe_checkpoint
from generation.checkpoints import load_checkpoint
from generation.connectivity import work_offline_if_unreachable
from generation.device import choose_device, device_name
from generation.hparams import sampler_settings, upstream_hparams
from generation.image_maker import ImageMaker
from generation.image_writer import ImageWriter
from generation.parameters import Parameters
from generation.precision import precision_named
from generation.text_encoding import EncodedPrompt, TextEncoder
from harness.protocol import Item, Job, Reporter, RowWriter, pending_batches

#: Packages whose versions go into the manifest.
PACKAGES = ("miro-t2i", "torch", "transformers", "diffusers", "numpy", "pillow")

Batches = list[list[Item]]


def work(job: Job, reporter: Reporter) -> None:
    """Make the images of ``job`` that have no row yet. Parameters: :class:`generation.parameters.Parameters`.

    Each row has ``filename`` (its key), ``prompt_index``, ``sample_index``, ``prompt`` and ``image_sha256``.
    An image that lies there without a row is made again, and becomes the same bytes.
    """
    parameters = Parameters.parse(job.parameters)
    batches = list(pending_batches(job.items, parameters.batch_size, lambda item: item.filename in job.done))
    if not batches:
        reporter.started(total=0, device="none", packages={})
        reporter.finished(rows=0, unscored=0)
        return
    source = describe_checkpoint(parameters.checkpoint, parameters.kind, parameters.revision, parameters.variant)
    offline = work_offline_if_unreachable()
    if offline:
        reporter.warning(offline)
    _quiet_libraries()
    maker = _load(job, reporter, parameters, source, batches)
    reporter.finished(rows=_sample(job, reporter, parameters, maker, batches), unscored=0)


def _quiet_libraries() -> None:
    """On a CPU the sampler's autocast for GPUs does nothing, which PyTorch would say at every step."""
    warnings.filterwarnings("ignore", message="CUDA is not available.*Disabling autocast")


def _load(
    job: Job, reporter: Reporter, parameters: Parameters, source: CheckpointSource, batches: Batches
) -> ImageMaker:
    """Load the checkpoint, encode all prompts, then give the text encoder's place to the network."""
    device, precision = choose_device(parameters.device), precision_named(parameters.precision)
    checkpoint = load_checkpoint(source, parameters.trust_checkpoint)
    model = checkpoint.model
    settings = sampler_settings(model, parameters)
    text_length = precision.text_length or model.pipeline_text_length
    encoder = TextEncoder(device, precision, text_length)
    total = len(_missing(job, batches))
    reporter.started(
        total=total,
        device=device_name(device),
        packages={name: version(name) for name in PACKAGES},
        hparams=upstream_hparams(source, model, settings, parameters.seed),
        image_size=model.image_size,
        precision=precision.name,
        weights=[*checkpoint.weights(), encoder.weights],
    )
    prompts = _encode_prompts(encoder, batches, reporter, total)
    del encoder
    gc.collect()
    model.to(device, precision.weight_dtype(device))
    return ImageMaker(model, device, settings, prompts, text_length, parameters.seed, parameters.batch_size)


def _missing(job: Job, batches: Batches) -> list[Item]:
    return [item for batch in batches for item in batch if item.filename not in job.done]


def _encode_prompts(encoder: TextEncoder, batches: Batches, reporter: Reporter, total: int) -> dict[str, EncodedPrompt]:
    """Also those of finished images that share a batch with a missing one."""
    wanted = dict.fromkeys(item.prompt for batch in batches for item in batch)
    encoded: dict[str, EncodedPrompt] = {}
    for prompt, embedding in encoder.encode(wanted):
        encoded[prompt] = embedding
        reporter.progress(0, total, f"encoding prompt {len(encoded)} of {len(wanted)}")
    return encoded


def _sample(job: Job, reporter: Reporter, parameters: Parameters, maker: ImageMaker, batches: Batches) -> int:
    """Make the batches and write what was missing of them; returns the number of rows."""
    total = len(_missing(job, batches))
    with (
        RowWriter(Path(job.output)) as rows,
        ImageWriter(Path(job.run_dir), rows, parameters.seed, parameters.run_id) as writer,
    ):
        for batch in batches:
            images = maker.make(batch)
            wanted = [row for row, item in enumerate(batch) if item.filename not in job.done]
            writer.add([batch[row] for row in wanted], [images[row] for row in wanted])
            reporter.progress(writer.written, total, batch[-1].prompt)
    reporter.progress(writer.written, total)
    return writer.written

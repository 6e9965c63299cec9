"""Which images are sampled together: floating point depends on a batch's shape, so the cut is part of the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wire.protocol import Item, Job, UserError, pending_batches


@dataclass(frozen=True)
class Batch:
    """Images that are sampled together, each once; filled up to ``size`` with the last."""

    items: tuple[Item, ...]
    #: Positions in ``items`` that have no row yet; only these are written.
    missing: tuple[int, ...]
    size: int

    @property
    def filled(self) -> list[Item]:
        """The items, filled up to ``size``."""
        return [*self.items, *[self.items[-1]] * (self.size - len(self.items))]


@dataclass(frozen=True)
class Sweep:
    """All of a run's prompts, whatever shard of it this job is: upstream draws its noise in their order."""

    #: (prompt index, prompt), in order.
    prompts: tuple[tuple[int, str], ...]
    samples: int

    @classmethod
    def parse(cls, record: object) -> Sweep:
        """Check a job's ``sweep`` parameter: ``{"prompts": [[0, "a photo of ..."], ...], "samples": 4}``.
        Raises UserError: it is not of that form.
        """
        try:
            prompts = tuple((int(index), str(prompt)) for index, prompt in record["prompts"])  # type: ignore[index]
            samples = int(record["samples"])  # type: ignore[index]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError("upstream's noise needs the whole sweep's prompts and samples") from error
        return cls(prompts, samples)

    def groups(self, size: int) -> Iterator[tuple[tuple[int, str], ...]]:
        """Consecutive prompts, ``size`` at a time; the last group may be short."""
        for start in range(0, len(self.prompts), size):
            yield self.prompts[start : start + size]


def image_batches(job: Job, size: int) -> list[Batch]:
    """Batches of consecutive items, all of ``size``: those in which a row is missing."""
    pending = pending_batches(job.items, size, lambda item: item.filename in job.done)
    return [Batch(tuple(items), _missing(items, job.done), size) for items in pending]


def upstream_batches(job: Job, sweep: Sweep, size: int) -> list[Batch]:
    """Upstream's batches: a group of prompts, one sample of each, as many times as there are samples.

    The last group's batches are as short as it is, for upstream fills nothing up. Images of other shards that share
    a batch with one of ours are sampled, and not written.
    """
    ours = {(item.prompt_index, item.sample_index): item for item in job.items}
    batches = []
    for group in sweep.groups(size):
        for sample in range(sweep.samples):
            items = tuple(  # an image of another shard has no file here
                ours.get((index, sample)) or Item("", index, sample, {"prompt": prompt}) for index, prompt in group
            )
            missing = tuple(row for row in _missing(items, job.done) if items[row].filename)
            batches += [Batch(items, missing, len(items))] if missing else []
    return batches


def _missing(items: Sequence[Item], done: frozenset[str]) -> tuple[int, ...]:
    return tuple(row for row, item in enumerate(items) if item.filename not in done)


def count_missing(batches: Sequence[Batch]) -> int:
    """Images still to be written."""
    return sum(len(batch.missing) for batch in batches)


def prompts_of(batches: Sequence[Batch]) -> Mapping[int, str]:
    """Prompt index to prompt, of everything that will be sampled."""
    return {item.prompt_index: item.prompt for batch in batches for item in batch.items}

"""Upstream's noise: one sequence for the whole sweep, whatever part of it is made here and now."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from generation.batches import Sweep, upstream_batches  # noqa: E402 - torch decides whether this module runs
from generation.noise import UpstreamNoise, upstream_generator  # noqa: E402
from tests.generation.conftest import World  # noqa: E402
from tests.generation.jobs import Outcome, items_of, make_job, run_here, upstream_noise  # noqa: E402
from wire.errors import UserError  # noqa: E402

#: Five prompts in groups of four: the last group is one prompt.
ITEMS = items_of([0, 100, 200, 300, 400], samples=2)
NOISE = upstream_noise(ITEMS)
SHAPE = (4, 8, 8)


@pytest.fixture(scope="module")
def reference(world: World, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_here(make_job(tmp_path_factory.mktemp("reference"), ITEMS, checkpoint=str(world.checkpoint), **NOISE))


def test_is_drawn_batch_by_batch_in_the_order_of_the_sweep() -> None:
    generator, again = (torch.Generator().manual_seed(42) for _ in range(2))
    noise = UpstreamNoise(generator, Sweep.parse(NOISE["sweep"]), 4, SHAPE)
    for prompts in ([0, 100, 200, 300], [400]):
        for sample in range(2):
            drawn = torch.randn(len(prompts), *SHAPE, generator=again)
            assert all(torch.equal(noise(prompt, sample), drawn[row]) for row, prompt in enumerate(prompts))


def test_on_a_cpu_the_sequence_goes_on_after_the_model_was_built() -> None:
    torch.manual_seed(3)
    torch.randn(100)
    state = torch.get_rng_state()
    expected = torch.randn(5)
    assert torch.equal(torch.randn(5, generator=upstream_generator(3, torch.device("cpu"), state)), expected)


def test_batches_are_upstreams(tmp_path: Path) -> None:
    job = make_job(tmp_path, ITEMS)
    batches = upstream_batches(job, Sweep.parse(NOISE["sweep"]), 4)
    keys = [[(item.prompt_index, item.sample_index) for item in batch.items] for batch in batches]
    groups = ([0, 100, 200, 300], [400])
    assert keys == [[(prompt, sample) for prompt in group] for group in groups for sample in range(2)]
    assert [batch.size for batch in batches] == [4, 4, 1, 1]


def test_every_image_is_written(reference: Outcome) -> None:
    assert {row["filename"] for row in reference.rows} == {item.filename for item in ITEMS}
    assert len({row["image_sha256"] for row in reference.rows}) == len(ITEMS)


def test_differs_from_noise_per_image(world: World, reference: Outcome, tmp_path: Path) -> None:
    own = run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(world.checkpoint)))
    assert own.rows[0]["image_sha256"] not in {row["image_sha256"] for row in reference.rows}


def test_shards_make_the_same_images(world: World, reference: Outcome, tmp_path: Path) -> None:
    """The cut goes through a batch: each shard samples it whole and writes its own."""
    images: dict[str, bytes] = {}
    for number, part in enumerate((ITEMS[:3], ITEMS[3:])):
        job = make_job(tmp_path / str(number), part, checkpoint=str(world.checkpoint), **NOISE)
        found = run_here(job)
        assert {row["filename"] for row in found.rows} == {item.filename for item in part}
        images |= found.images
    assert images == reference.images


def test_resumed_run_has_the_same_bytes(world: World, reference: Outcome, tmp_path: Path) -> None:
    job = make_job(tmp_path, ITEMS, checkpoint=str(world.checkpoint), **NOISE)
    run_here(job)
    rows = (tmp_path / "rows.jsonl").read_bytes()
    lines = rows.splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:10])
    unfinished = {item.filename for item in ITEMS} - {row["filename"] for row in reference.rows[:5]}
    for name in unfinished:
        (tmp_path / "run" / name).write_bytes(b"half a file")
    resumed = run_here(make_job(tmp_path, ITEMS, checkpoint=str(world.checkpoint), **NOISE))
    assert resumed.event("started")["total"] == 5
    assert (tmp_path / "rows.jsonl").read_bytes() == rows
    assert resumed.images == reference.images


@pytest.mark.parametrize("sweep", [None, {}, {"prompts": [[0]], "samples": 1}, {"prompts": [[0, "x"]], "samples": "?"}])
def test_job_without_the_whole_sweep_is_refused(tmp_path: Path, sweep: object) -> None:
    with pytest.raises(UserError, match="needs the whole sweep"):
        run_here(make_job(tmp_path, ITEMS, checkpoint="x", noise="upstream", sweep=sweep))


def test_unknown_mode(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--noise 'white': expected image or upstream"):
        run_here(make_job(tmp_path, ITEMS, checkpoint="x", noise="white"))

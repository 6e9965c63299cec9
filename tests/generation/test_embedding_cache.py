"""Text embeddings on disk: the same images with and without, and never a damaged one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from generation.precision import PAPER, PIPELINE  # noqa: E402
from generation.text_encoding import TextEncoder, encode_with_cache, encoder_identity  # noqa: E402
from tests.generation.conftest import World  # noqa: E402
from tests.generation.jobs import Outcome, items_of, make_job, run_here  # noqa: E402
from wire.arrays import ArrayCache  # noqa: E402

CPU = torch.device("cpu")
ITEMS = items_of([0, 150, 300], samples=2)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def sampled(world: World, folder: Path, items: Any = ITEMS, **parameters: Any) -> Outcome:
    return run_here(make_job(folder, items, checkpoint=str(world.checkpoint), **parameters))


@pytest.fixture(scope="module")
def plain(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Images made without a cache."""
    return sampled(world, tmp_path_factory.mktemp("plain")).images


@pytest.fixture(scope="module")
def filled(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds two of the three prompts, after a run that had it empty."""
    folder = tmp_path_factory.mktemp("cache")
    sampled(world, tmp_path_factory.mktemp("first"), ITEMS[:4], text_cache=str(folder))
    assert len(files(folder)) == 2
    return folder


def copy_of(filled: Path, folder: Path) -> Path:
    for path in files(filled):
        target = folder / path.relative_to(filled)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def test_empty_half_full_and_full_cache_make_the_same_images(
    world: World, plain: dict[str, bytes], filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = copy_of(filled, tmp_path / "cache")
    assert sampled(world, tmp_path / "half", text_cache=str(cache)).images == plain
    assert len(files(cache)) == 3
    monkeypatch.setattr(TextEncoder, "__init__", _not_wanted)
    assert sampled(world, tmp_path / "full", text_cache=str(cache)).images == plain


def _not_wanted(*_: Any) -> None:
    pytest.fail("all prompts are kept: the encoder should not be loaded")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_file_is_computed_and_written_again(
    world: World, plain: dict[str, bytes], filled: Path, tmp_path: Path, damage: str
) -> None:
    cache = copy_of(filled, tmp_path / "cache")
    path = files(cache)[0]
    whole = path.read_bytes()
    bad = {"cut": whole[:-7], "empty": b"", "flipped": whole[:-1] + bytes([whole[-1] ^ 1])}[damage]
    path.write_bytes(bad)
    images = sampled(world, tmp_path / "run", ITEMS[:4], text_cache=str(cache)).images
    assert images == {name: plain[name] for name in images}
    assert path.read_bytes() == whole


def test_folder_that_cannot_be_written_is_told_once(world: World, plain: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    outcome = sampled(world, tmp_path / "run", text_cache=str(tmp_path / "cache"))
    assert outcome.images == plain
    warnings = [event["message"] for event in outcome.events if event["event"] == "warning"]
    assert len(warnings) == 1
    assert "text embeddings are not kept for the next run" in warnings[0]


def test_upstreams_embeddings_depend_on_their_neighbours_and_are_not_kept(world: World, tmp_path: Path) -> None:
    noise = {"noise": "upstream", "sweep": {"prompts": [[i.prompt_index, i.prompt] for i in ITEMS[::2]], "samples": 2}}
    sampled(world, tmp_path / "run", text_cache=str(tmp_path / "cache"), **noise)
    assert files(tmp_path / "cache") == []


def test_what_decides_an_embedding_decides_where_it_is_kept(world: World, tmp_path: Path) -> None:
    identities = [
        encoder_identity(CPU, PAPER, 256),
        encoder_identity(CPU, PAPER, 77),
        encoder_identity(CPU, PIPELINE, 77),
    ]
    encoded = torch.ones(3, 4).numpy()
    for number, identity in enumerate(identities, start=1):
        assert identity is not None
        assert any(name.endswith((".safetensors", ".bin")) for name in identity["files"])
        cache = ArrayCache(tmp_path, identity, "texts", print)
        assert cache.load("a cat") is None
        cache.store("a cat", encoded)
        assert len(files(tmp_path)) == number
        kept = cache.load("a cat")
        assert kept is not None
        assert (kept == encoded).all()
        assert cache.load("a dog") is None


def test_no_identity_before_the_weights_are_here(world: World, tmp_path: Path) -> None:
    """The first run downloads them: it cannot look anything up, and keeps all that it computes."""
    asked: list[ArrayCache | None] = [None, ArrayCache(tmp_path, {}, "texts", print)]
    prompts = dict(encode_with_cache(["a cat", "a cat"], lambda: TextEncoder(CPU, PAPER, 256), lambda: asked.pop(0)))
    assert list(prompts) == ["a cat"]
    assert len(files(tmp_path)) == 1

"""A checkpoint that is replaced between planning and the first image makes none."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from generation import worker
from generation.checkpoint_kinds import describe_checkpoint
from tests.generation.conftest import World
from tests.generation.jobs import failure_of, items_of, make_job, run_here
from wire.errors import UserError
from wire.protocol import Job

ITEMS = items_of((0, 100))
#: Kind -> what is given as the checkpoint, and the file in its folder that is replaced.
KINDS = {
    "ckpt": ("tiny-miro/last.ckpt", "last.ckpt"),
    "its configuration": ("tiny-miro/last.ckpt", "config.yaml"),
    "hub layout": ("tiny-miro-hub", "model.safetensors"),
    "diffusers": ("tiny-diffusers", "unet/diffusion_pytorch_model.safetensors"),
}


def replaced(file: Path) -> None:
    """Other bytes, as a file of the same size, time and name that took its place."""
    status, other = file.stat(), file.with_name("other")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)


def overwritten(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        byte = opened.read(1)[0]
        opened.seek(-1, os.SEEK_END)
        opened.write(bytes([byte ^ 1]))


@pytest.fixture(params=KINDS)
def planned(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> tuple[Job, Path]:
    """A job with the hashes of a copy of the checkpoint, and the file to be replaced."""
    given, name = KINDS[request.param]
    checkpoint = tmp_path / "copy" / given
    root = checkpoint.parent if checkpoint.suffix else checkpoint
    shutil.copytree(world.folder / "checkpoints" / root.name, root)
    files = describe_checkpoint(str(checkpoint)).files()
    hashes = {key: hashlib.sha256(file.read_bytes()).hexdigest() for key, file in files.items()}
    return make_job(tmp_path / "job", ITEMS, checkpoint=str(checkpoint), planned=hashes), root / name


def test_what_was_planned_is_made(planned: tuple[Job, Path]) -> None:
    assert len(run_here(planned[0]).images) == len(ITEMS)


@pytest.mark.parametrize("change", [replaced, overwritten, Path.unlink])
def test_a_file_replaced_after_planning_is_refused_before_it_is_loaded(
    planned: tuple[Job, Path], change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, file = planned
    change(file)
    monkeypatch.setattr(worker, "open_backend", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(UserError) as refusal:
        run_here(job)
    assert "\n" not in str(refusal.value)
    if file.exists():
        assert f"{file.name} has sha256 " in str(refusal.value)
        assert "another --out for this one" in str(refusal.value)


@pytest.mark.parametrize("change", [replaced, overwritten])
def test_a_file_replaced_while_it_is_loaded_is_refused(
    planned: tuple[Job, Path], change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, file = planned
    load = worker.open_backend

    def slowly(*arguments: object) -> object:
        backend = load(*arguments)  # type: ignore[arg-type]
        change(file)
        return backend

    monkeypatch.setattr(worker, "open_backend", slowly)
    with pytest.raises(UserError, match=f"{file.name} was written while it was loaded"):
        run_here(job)
    assert not list(Path(job.run_dir).rglob("*.png"))


def test_a_worker_that_lives_on_looks_again(planned: tuple[Job, Path]) -> None:
    job, file = planned
    run_here(job)
    replaced(file)
    Path(job.output).unlink()
    with pytest.raises(UserError, match=f"{file.name} has sha256"):
        run_here(job)


def test_a_file_added_to_a_pipeline_may_be_loaded_and_is_refused(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(world.diffusers_folder, folder)
    hashes = {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in describe_checkpoint(str(folder)).files().items()
    }
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"others")
    code, message = failure_of(make_job(tmp_path / "job", ITEMS, checkpoint=str(folder), planned=hashes))
    assert code == 2
    assert "the run was planned with no such file" in message

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from generation.released import ABLATIONS_REPO, MAIN_REPO
from harness.plan.open import Model, describe
from harness.plan.selection import (
    each_checkpoint,
    grid_directories,
    run_directories,
    with_defaults,
)
from harness.run.settings import GenerationSettings
from wire.errors import UserError
from wire.files import natural_order

BASE = GenerationSettings("", steps=None, guidance_scale=None)


def model(settings: GenerationSettings) -> Model:
    return Model(settings, describe(replace(settings, checkpoint=settings.checkpoint or "org/name")))


def hub_layout(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "uncond_embedding.npy"):
        (folder / name).write_bytes(b"")
    return folder


def names(chosen: list[Model]) -> list[str]:
    return [Path(one.settings.checkpoint).name for one in chosen]


def test_a_pattern_s_matches_come_in_natural_order(tmp_path: Path) -> None:
    for step in (10, 9, 100):
        hub_layout(tmp_path / f"step={step}")
    assert names(each_checkpoint(BASE, [f"{tmp_path}/step=*"])) == ["step=9", "step=10", "step=100"]


def test_natural_order_compares_numbers_as_numbers() -> None:
    assert sorted(["a10", "a9", "b1", "a", "²"], key=natural_order) == ["a", "a9", "a10", "b1", "²"]


def test_a_pattern_without_a_match_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file or folder matches"):
        each_checkpoint(BASE, [f"{tmp_path}/*.ckpt"])


def test_one_of_several_that_is_none_comes_with_its_fault(tmp_path: Path) -> None:
    hub_layout(tmp_path / "a")
    (tmp_path / "b").symlink_to("gone")
    hub_layout(tmp_path / "c")
    chosen = each_checkpoint(BASE, [f"{tmp_path}/*"])
    assert names(chosen) == ["a", "b", "c"]
    assert [str(one.fault) for one in chosen if one.fault] == [
        f"{tmp_path}/b: a link to gone, which is not there; put it there, or name another file"
    ]
    assert [place.name for place in run_directories(chosen, tmp_path / "out")] == ["a", "b", "c"]
    with pytest.raises(UserError, match="a link to gone"):
        each_checkpoint(BASE, [f"{tmp_path}/b"])


def test_a_name_with_brackets_that_exists_is_no_pattern(tmp_path: Path) -> None:
    folder = hub_layout(tmp_path / "model[1]")
    assert names(each_checkpoint(BASE, [str(folder)])) == ["model[1]"]


def test_a_checkpoint_named_twice_is_refused(tmp_path: Path) -> None:
    folder = hub_layout(tmp_path / "model")
    with pytest.raises(UserError, match="named twice"):
        each_checkpoint(BASE, [str(folder), f"{tmp_path}/m*"])


def test_every_checkpoint_is_looked_at_before_anything_runs(tmp_path: Path) -> None:
    hub_layout(tmp_path / "good")
    (tmp_path / "half").mkdir()
    (good, half) = each_checkpoint(BASE, [f"{tmp_path}/*"])
    assert good.fault is None
    assert "half: config.json, model.safetensors, uncond_embedding.npy missing" in str(half.fault)
    with pytest.raises(UserError, match="half"):
        each_checkpoint(BASE, [f"{tmp_path}/h*"])


def test_miro_s_defaults_are_filled_in(tmp_path: Path) -> None:
    (one,) = each_checkpoint(BASE, [str(hub_layout(tmp_path / "model"))])
    assert (one.settings.steps, one.settings.guidance_scale) == (
        GenerationSettings.steps,
        GenerationSettings.guidance_scale,
    )
    (other,) = each_checkpoint(replace(BASE, steps=3), [one.settings.checkpoint])
    assert other.settings.steps == 3


@pytest.mark.parametrize("model", ["miro", MAIN_REPO, ABLATIONS_REPO])
def test_all_variants_of_the_release_are_its_sixteen_checkpoints(model: str) -> None:
    chosen = each_checkpoint(BASE, [model], "all")
    assert len({one.settings.checkpoint for one in chosen}) == 16
    assert chosen[0].settings.checkpoint == "miro"


def test_some_variants_by_name() -> None:
    chosen = each_checkpoint(BASE, [ABLATIONS_REPO], "miro-no-clip, miro-only-vqa")
    assert [one.settings.checkpoint for one in chosen] == ["miro-no-clip", "miro-only-vqa"]


def test_a_misspelt_variant_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="miro-no-klip"):
        each_checkpoint(BASE, [ABLATIONS_REPO], "miro-no-klip")


def test_all_variants_of_a_folder_are_its_models(tmp_path: Path) -> None:
    for name in ("b", "a"):
        hub_layout(tmp_path / name)
    (tmp_path / "notes").mkdir()
    assert [one.settings.variant for one in each_checkpoint(BASE, [str(tmp_path)], "all")] == ["a", "b"]


def test_all_variants_of_a_repository_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=MAIN_REPO):
        each_checkpoint(BASE, ["someone/model"], "all")


def test_both_ways_to_name_a_variant(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use one of them"):
        each_checkpoint(replace(BASE, variant="a"), [str(tmp_path)], "a,b")


def test_run_directories(tmp_path: Path) -> None:
    models = [model(replace(BASE, checkpoint=str(hub_layout(tmp_path / name)))) for name in ("a", "b")]
    assert run_directories(models[:1], tmp_path / "out") == [tmp_path / "out"]
    assert run_directories(models, tmp_path / "out") == [tmp_path / "out" / "a", tmp_path / "out" / "b"]
    assert run_directories(models, None) == [tmp_path / "geneval_images" / name for name in ("a", "b")]


def test_two_runs_never_share_a_directory(tmp_path: Path) -> None:
    one = replace(BASE, checkpoint=str(hub_layout(tmp_path / "a")))
    with pytest.raises(UserError, match="several runs would go to"):
        run_directories([model(one), model(replace(one, seed=1))], tmp_path / "out")


def test_a_folder_stands_for_the_only_checkpoint_in_it(tmp_path: Path) -> None:
    def chosen(**settings: str) -> str:
        return str(with_defaults(replace(BASE, checkpoint=str(tmp_path), **settings)).source.path)

    (tmp_path / "config.yaml").write_text("model: {}\n")
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("last/data.pkl", b"")
    (tmp_path / "geneval_images").mkdir()
    assert chosen() == str(tmp_path / "last.ckpt")
    shutil.copy(tmp_path / "last.ckpt", tmp_path / "step=9.ckpt")
    with pytest.raises(UserError, match=r"name the file \(last.ckpt, step=9.ckpt\)"):
        chosen()
    hub_layout(tmp_path / "hub")
    shutil.copy(tmp_path / "last.ckpt", tmp_path / "hub")
    assert with_defaults(replace(BASE, checkpoint=str(tmp_path / "hub"))).source.path == tmp_path / "hub"


def test_a_grid_has_a_folder_for_each_of_several_checkpoints(tmp_path: Path) -> None:
    models = [model(replace(BASE, checkpoint=str(hub_layout(tmp_path / name)))) for name in ("a", "b")]
    assert grid_directories(models[:1], None) == (tmp_path / "geneval_images" / "a-sweep", [""])
    assert grid_directories(models[:1], tmp_path / "out") == (tmp_path / "out", [""])
    assert grid_directories(models, tmp_path / "out") == (tmp_path / "out", ["a", "b"])
    with pytest.raises(UserError, match="2 checkpoints over one grid: name the folder"):
        grid_directories(models, None)

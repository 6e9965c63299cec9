"""The released checkpoints' names."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from generation.checkpoint_kinds import REPO, describe_checkpoint
from generation.released import ABLATIONS_REPO, MAIN_REPO, VARIANTS
from wire.errors import UserError


def complaint(text: str, variant: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        describe_checkpoint(text, variant=variant)
    return str(caught.value)


def test_there_are_sixteen() -> None:
    assert len({*VARIANTS, "miro"}) == 16


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_known_by_its_name_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = describe_checkpoint(name)
    assert (found.kind, found.repo, found.variant, found.name) == (REPO, ABLATIONS_REPO, name, name)
    assert found == describe_checkpoint(ABLATIONS_REPO, variant=name)


def test_main_checkpoint_and_revision_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert describe_checkpoint("miro").repo == MAIN_REPO
    found = describe_checkpoint("miro-no-vqa@abc123")
    assert (found.repo, found.revision, found.variant) == (ABLATIONS_REPO, "abc123", "miro-no-vqa")


def test_a_folder_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "miro").mkdir()
    assert "config.json, model.safetensors, uncond_embedding.npy missing" in complaint("miro")


def test_wrong_variants() -> None:
    assert "did you mean miro-no-clip?" in complaint(ABLATIONS_REPO, "miro-no-clipp")
    assert "expected one of miro-no-synthetic-captions, " in complaint(ABLATIONS_REPO, "xyz")
    assert "holds 15 models; choose one with --variant: " in complaint(ABLATIONS_REPO)
    assert "no variant miro-no-clip" in complaint(MAIN_REPO, "miro-no-clip")
    assert "is a variant already" in complaint("miro-no-vqa", "miro-no-clip")


def test_variants_are_those_of_upstreams_readme() -> None:
    folder = os.environ.get("MIRO_T2I_SDIST")
    if not folder:
        pytest.skip("set MIRO_T2I_SDIST to the unpacked source distribution of miro-t2i 0.1.4")
    rows = re.findall(r"^\| `(miro-[\w-]+)` \|", (Path(folder) / "README.md").read_text(), re.MULTILINE)
    assert set(VARIANTS) == set(rows)

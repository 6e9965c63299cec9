"""Finding a user's function without importing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from generation.checkpoint_kinds import GENERATOR, describe_source
from generation.own_generator import find_generator
from wire.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    for file in ("my_model.py", "package/__init__.py", "package/inner/models.py"):
        (tmp_path / file).write_text("raise SystemExit('imported')\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "root", "module", "file"),
    [
        ("my_model:images", "", "my_model", "my_model.py"),
        ("package:images", "", "package", "package/__init__.py"),
        ("package.inner.models:images", "", "package.inner.models", "package/inner/models.py"),
        ("package/inner/models.py:images", "package/inner", "models", "package/inner/models.py"),
    ],
)
def test_module_or_file(folder: Path, text: str, root: str, module: str, file: str) -> None:
    found = find_generator(text, folder)
    assert (found.root, found.module, found.function) == (folder / root, module, "images")
    assert found.file == folder / file


def test_file_by_absolute_path(folder: Path, tmp_path: Path) -> None:
    assert find_generator(f"{folder}/my_model.py:images", Path("/")).file == folder / "my_model.py"


@pytest.mark.parametrize("text", ["my_model", "my_model:", ":images", "my_model:1", "my_model:a b"])
def test_malformed(folder: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"expected module:function, e\.g\. my_model:images"):
        find_generator(text, folder)


@pytest.mark.parametrize("text", ["gone:images", "package.gone:images", "gone/my_model.py:images"])
def test_missing(folder: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"there is no .*gone.*; run from the module's folder"):
        find_generator(text, folder)


def test_source(folder: Path) -> None:
    source = describe_source("", generator="my_model:images", folder=folder)
    assert (source.kind, source.name, source.argument) == (GENERATOR, "my_model", "")
    with_checkpoint = describe_source("weights/step5.pt", generator="my_model:images", folder=folder)
    assert (with_checkpoint.name, with_checkpoint.argument) == ("step5", "weights/step5.pt")


def test_contradictions(folder: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint given; name one, or --generator"):
        describe_source("")
    with pytest.raises(UserError, match="--generator takes no backend"):
        describe_source("", kind="diffusers", generator="my_model:images", folder=folder)


def test_finding_imports_nothing_heavy() -> None:
    program = "import sys, generation.own_generator; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)

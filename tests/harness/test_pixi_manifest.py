"""pixi itself needs conda's channels; what can be held without them is held here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomllib
from rattler import MatchSpec, Version

from harness.environments import pixi
from tests.shared_data import shared
from wire.paths import environment_files, pixi_manifest


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return tomllib.loads(pixi_manifest().read_text())


def test_it_is_valid_by_pixi_s_own_schema(manifest: dict[str, Any]) -> None:
    schema = json.loads(shared("data/schema/pixi_schema_v0.77.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(manifest)


def test_every_conda_package_is_pinned_exactly_and_parses(manifest: dict[str, Any]) -> None:
    for name, pin in manifest["dependencies"].items():
        spec = MatchSpec(f"{name} {pin}")
        assert spec.version is not None
        assert re.fullmatch(r"==[\d.]+", pin), name
        assert Version(pin.removeprefix("=="))


def test_the_pins_are_those_that_upstream_s_lock_resolved_to(manifest: dict[str, Any]) -> None:
    upstream = json.loads(shared("facts/upstream_versions.json").read_text())["geneval_pixi_lock"]
    known = {name: version for name, version in upstream.items() if name in manifest["dependencies"]}
    assert len(known) >= 10
    assert {name: manifest["dependencies"][name] for name in known} == {n: f"=={v}" for n, v in known.items()}


def test_the_twin_has_the_same_python_pins(manifest: dict[str, Any]) -> None:
    twin = tomllib.loads((environment_files("geneval") / "pyproject.toml").read_text())
    pins = dict(re.split("(?===)", pin, maxsplit=1) for pin in twin["project"]["dependencies"])
    assert pins.pop("mmcv") == pixi.MMCV.removeprefix("mmcv")
    assert pins.pop("setuptools") == manifest["dependencies"]["setuptools"]
    ours = {name: pin for name, pin in manifest["pypi-dependencies"].items() if pin != "*"}
    assert ours == pins


def test_mmcv_is_compiled_for_the_gpus_present_and_kept_by_architecture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = []
    for capabilities in ((), ("8.0",), ("9.0", "10.0")):
        monkeypatch.setattr(pixi, "compute_capabilities", lambda capabilities=capabilities: capabilities)
        commands.append(" ".join(pixi.mmcv_command("pixi", "uv", tmp_path)))
    assert "mmcv:architectures=9.0 mmcv==2.1.0" in commands[0]
    assert "mmcv:architectures=8.0 mmcv==2.1.0" in commands[1]
    assert "mmcv:architectures=9.0;10.0 mmcv==2.1.0" in commands[2]
    assert pixi.build().variables()["TORCH_CUDA_ARCH_LIST"] == "9.0;10.0"

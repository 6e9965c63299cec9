"""pixi itself needs conda's channels; what can be held without them is held here."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomllib
from packaging.markers import Marker
from rattler import BuildString, GenericVirtualPackage, MatchSpec, PackageName, Version, solve

from harness.environments import pixi
from harness.environments.manager import find_spec
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
    assert [f"{name}{pins.pop(name)}" for name in ("mmcv", "mmengine")] == [*pixi.MMCV]
    assert pins.pop("setuptools") == manifest["dependencies"]["setuptools"]
    ours = {name: pin for name, pin in manifest["pypi-dependencies"].items() if pin != "*"}
    assert ours.items() >= pins.items()
    assert ours == pins | {name: f"=={version}" for name, version in _needed_by_mmengine(manifest).items()}


def _needed_by_mmengine(manifest: dict[str, Any]) -> dict[str, str]:
    """What the twin's lock gives mmengine on the manifest's Python, without what is pinned or left out there."""
    python = manifest["dependencies"]["python"].removeprefix("==")
    packages = tomllib.loads((environment_files("geneval") / "uv.lock").read_text())["package"]
    versions = {(one["name"], one["version"]): one for one in packages if "version" in one}
    (wanted,) = (one["dependencies"] for one in packages if one["name"] == "mmengine")
    here = [one for one in wanted if Marker(one.get("marker", "python_version > '3'")).evaluate(_on(python))]
    found = {one["name"]: one.get("version") or next(v for n, v in versions if n == one["name"]) for one in here}
    return {name: version for name, version in found.items() if name not in ("numpy", "opencv-python")}


def _on(python: str) -> dict[str, str]:
    return {"python_full_version": python, "python_version": python.rpartition(".")[0]}


def test_only_the_headless_opencv_is_installed(manifest: dict[str, Any]) -> None:
    """pixi's overrides know no markers, so what asks for the windowed one is installed without its dependencies."""
    assert not {"opencv-python", "mmcv", "mmengine"} & manifest["pypi-dependencies"].keys()
    command = pixi.mmcv_command("pixi", "uv", Path())
    assert command[-2:] == [*pixi.MMCV]
    assert "--no-deps" in command


@pytest.mark.parametrize(("gpus", "chosen", "told"), [((), None, "12.1"), (("9.0",), None, None), ((), "12.4", None)])
def test_a_host_without_a_gpu_is_prepared_for_one(
    gpus: tuple[str, ...], chosen: str | None, told: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CONDA_OVERRIDE_CUDA", raising=False)
    if chosen:
        monkeypatch.setenv("CONDA_OVERRIDE_CUDA", chosen)
    monkeypatch.setattr(pixi, "compute_capabilities", lambda: gpus)
    (tmp_path / "pixi").write_text('#!/bin/sh\necho "$CONDA_OVERRIDE_CUDA" >> "${0%/*}/told"\n')
    (tmp_path / "pixi").chmod(0o755)
    monkeypatch.setattr(pixi, "find", lambda: str(tmp_path / "pixi"))
    (tmp_path / "made").mkdir()
    pixi.install(find_spec("geneval"), tmp_path / "made", lambda *_: None)
    subprocess.run(pixi.command(find_spec("geneval"), tmp_path / "made", ["-V"]), check=True)
    assert (tmp_path / "told").read_text().split("\n")[:3] == [told or chosen or ""] * 3


def test_mmcv_is_compiled_for_the_gpus_present_and_kept_by_architecture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = []
    for capabilities in ((), ("8.0",), ("9.0", "10.0")):
        monkeypatch.setattr(pixi, "compute_capabilities", lambda capabilities=capabilities: capabilities)
        commands.append(" ".join(pixi.mmcv_command("pixi", "uv", tmp_path)))
    assert "mmcv:architectures=9.0 mmcv==2.1.0 mmengine==0.10.7" in commands[0]
    assert "mmcv:architectures=8.0 mmcv==2.1.0 mmengine==0.10.7" in commands[1]
    assert "mmcv:architectures=9.0;10.0 mmcv==2.1.0 mmengine==0.10.7" in commands[2]
    assert pixi.build().variables()["TORCH_CUDA_ARCH_LIST"] == "9.0;10.0"


#: What upstream's lock (nicolas-dufour/miro@547003a, eval/geneval/pixi.lock) holds of the packages that the manifest
#: names: each package's folder in its channel, conda-forge, its version and its build.
LOCKED = """
linux-64 python 3.10.20 h3c07f61_0_cpython
noarch cuda-version 12.1 h1d6eff3_3
linux-64 cuda-nvcc 12.1.105 hcdd1206_1
linux-64 cuda-cudart-dev 12.1.105 hd3aeb46_0
linux-64 cuda-cccl 12.1.109 ha770c72_0
linux-64 cuda-driver-dev 12.1.105 hd3aeb46_0
linux-64 cuda-libraries-dev 12.1.1 ha770c72_0
linux-64 cuda-nvrtc-dev 12.1.105 hd3aeb46_0
linux-64 cuda-profiler-api 12.1.105 ha770c72_0
linux-64 libcublas-dev 12.1.3.1 hd3aeb46_0
linux-64 libcufft-dev 11.0.2.54 hd3aeb46_0
linux-64 libcurand-dev 10.3.2.106 hd3aeb46_0
linux-64 libcusolver-dev 11.4.5.107 hd3aeb46_0
linux-64 libcusparse-dev 12.1.0.106 hd3aeb46_0
linux-64 libnvjitlink-dev 12.1.105 hd3aeb46_0
linux-64 gcc_linux-64 12.4.0 h6b7512a_10
linux-64 gxx_linux-64 12.4.0 h8489865_10
linux-64 ninja 1.13.2 h171cf75_0
noarch packaging 26.2 pyhc364b38_0
noarch pip 26.1.1 pyh8b19718_0
linux-64 pkg-config 0.29.2 h4bc722e_1009
noarch setuptools 69.5.1 pyhd8ed1ab_0
noarch wheel 0.47.0 pyhd8ed1ab_0
"""


def _channel(folder: Path, packages: list[list[str]]) -> str:
    """A channel on disk with an entry for each package; its archives are not needed to solve."""
    for subdir in ("linux-64", "noarch"):
        entries = {
            f"{name}-{version}-{build}.conda": {
                "name": name, "version": version, "build": build, "build_number": int(build.split("_")[1]),
                "depends": ["__cuda"] if name.startswith("cuda-nvcc") else [], "subdir": subdir, "size": 1,
                "sha256": "0" * 64, "md5": "0" * 32,
            }
            for at, name, version, build in packages
            if at == subdir
        }  # fmt: skip
        (folder / subdir).mkdir()
        (folder / subdir / "repodata.json").write_text(json.dumps({"packages": {}, "packages.conda": entries}))
    return folder.as_uri()


@pytest.mark.parametrize("cuda", ["12.1", None])
def test_the_manifest_is_solved_from_what_the_channel_has(
    manifest: dict[str, Any], cuda: str | None, tmp_path: Path
) -> None:
    locked = [line.split() for line in LOCKED.strip().splitlines()]
    channel = _channel(tmp_path, [*locked, ["linux-64", "python", "3.11.0", "h0_0"], ["noarch", "pip", "99.0", "h0_0"]])
    specs = [MatchSpec(f"{name} {pin}") for name, pin in manifest["dependencies"].items()]
    present = [GenericVirtualPackage(PackageName("__cuda"), Version(cuda), BuildString("0"))] if cuda else []
    solving = solve([channel], specs, platforms=["linux-64", "noarch"], virtual_packages=present)
    if cuda is None:  # what pixi says on a host without a GPU, unless CONDA_OVERRIDE_CUDA is set
        with pytest.raises(Exception, match="__cuda"):
            asyncio.run(solving)
        return
    found = {(r.subdir, r.name.normalized, str(r.version), str(r.build)) for r in asyncio.run(solving)}
    assert found == {tuple(line) for line in locked}

"""GPUs as a driver lists them, by a stand-in for ``nvidia-smi``; torch by a stand-in that says what it sees."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from wire import gpus
from wire.errors import EnvironmentFailure, UserError

H100 = "NVIDIA H100 80GB HBM3, 550.54.15, 81559 MiB, 9.0"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    gpus.listed_gpus.cache_clear()
    yield
    gpus.listed_gpus.cache_clear()


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``driver(*lines, status)``: an ``nvidia-smi`` that prints them."""

    def install(*lines: str, status: int = 0) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines) + f"exit {status}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return install


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``torch(seen, cuda)``: a torch of that CUDA release that sees so many GPUs."""

    def install(seen: int, cuda: str | None = "13.0") -> None:
        device = SimpleNamespace(is_available=lambda: seen > 0, device_count=lambda: seen)
        fake = SimpleNamespace(__version__="2.13.0", version=SimpleNamespace(cuda=cuda), cuda=device)
        monkeypatch.setitem(sys.modules, "torch", fake)

    return install


def test_gpus_are_listed_with_their_driver(driver: Callable[..., None]) -> None:
    driver(H100, H100)
    assert gpus.listed_gpus() == (gpus.Gpu("NVIDIA H100 80GB HBM3", "550.54.15", "81559 MiB", "9.0"),) * 2


def test_a_host_without_the_tool_lists_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.listed_gpus() == ()


def test_a_tool_that_fails_is_said(driver: Callable[..., None]) -> None:
    driver("NVIDIA-SMI has failed because it could not communicate with the driver", status=9)
    with pytest.raises(EnvironmentFailure, match="nvidia-smi fails: NVIDIA-SMI has failed"):
        gpus.listed_gpus()


def test_auto_never_means_the_cpu_where_a_gpu_is_listed(
    driver: Callable[..., None], torch: Callable[..., None]
) -> None:
    driver(H100)
    torch(seen=0)
    with pytest.raises(EnvironmentFailure) as raised:
        gpus.choose_device("auto")
    assert str(raised.value) == (
        "nvidia-smi lists 1 GPU (NVIDIA H100 80GB HBM3, driver 550.54.15), and torch 2.13.0 (CUDA 13.0) sees none: "
        "CUDA 13.0 needs driver 580 or later, and this one is 550.54.15; or compute on the CPU with --device cpu"
    )


@pytest.mark.parametrize(("cuda", "why"), [("12.8", "is the job allowed to use it"), (None, "built without CUDA")])
def test_the_reason_is_the_one_that_is_left(
    cuda: str | None, why: str, driver: Callable[..., None], torch: Callable[..., None]
) -> None:
    driver(H100)
    torch(seen=0, cuda=cuda)
    with pytest.raises(EnvironmentFailure, match=why):
        gpus.choose_device("auto")


@pytest.mark.parametrize("mask", ["", "-1"])
def test_gpus_that_are_hidden_on_purpose_leave_the_cpu(
    mask: str, driver: Callable[..., None], torch: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(H100)
    torch(seen=0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    assert gpus.choose_device("auto") == "cpu"


def test_devices_by_name(driver: Callable[..., None], torch: Callable[..., None]) -> None:
    driver(H100)
    torch(seen=2)
    assert [gpus.choose_device(name) for name in ("auto", "cuda", "cuda:1", "cpu")] == [
        "cuda:0",
        "cuda:0",
        "cuda:1",
        "cpu",
    ]
    with pytest.raises(EnvironmentFailure, match="torch sees 2 GPUs"):
        gpus.choose_device("cuda:2")
    with pytest.raises(UserError, match="device must be auto, cpu, cuda or cuda:N, not 'tpu'"):
        gpus.choose_device("tpu")


@pytest.mark.parametrize(
    ("driver_version", "cuda", "fits"),
    [("525.60.13", "12.1", True), ("520.61.05", "12.8", False), ("550.54.15", "13.0", False), ("580.65", "13.0", True)],
)
def test_a_driver_fits_a_release_of_cuda_from_a_version_on(driver_version: str, cuda: str, fits: bool) -> None:
    assert (gpus.too_old_for(driver_version, cuda) is None) == fits


@pytest.mark.parametrize(
    ("inherited", "ids", "shown"),
    [
        (None, ["0", "1"], ["0", "1"]),
        ("4,5", ["0", "1"], ["4", "5"]),
        ("4, 5", ["1"], ["5"]),
        ("GPU-8f2a,MIG-77b1", ["1", "0"], ["MIG-77b1", "GPU-8f2a"]),
        ("4,5", ["GPU-8f2a", "1", "MIG-77b1"], ["GPU-8f2a", "5", "MIG-77b1"]),
    ],
)
def test_gpus_named_count_among_those_that_this_process_was_given(
    inherited: str | None, ids: list[str], shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if inherited is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", inherited)
    assert gpus.within_visible(ids) == shown


@pytest.mark.parametrize(
    ("inherited", "told"),
    [
        ("4,5", "leaves 2 GPUs (numbered from 0 to 1)"),
        ("4", "leaves 1 GPU (numbered from 0 to 0)"),
        ("", "leaves no GPUs"),
    ],
)
def test_a_gpu_beyond_those_given_is_refused(inherited: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", inherited)
    with pytest.raises(UserError) as raised:
        gpus.within_visible(["2"])
    assert str(raised.value) == f"--gpus 2: CUDA_VISIBLE_DEVICES={inherited} {told}"


def test_a_gpu_that_is_not_among_those_shown_is_told_by_its_variable(
    driver: Callable[..., None], torch: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(H100)
    torch(seen=0, cuda="12.8")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(EnvironmentFailure, match="sees none: CUDA_VISIBLE_DEVICES is 7; or compute on the CPU"):
        gpus.choose_device("auto")

"""Each test plants a defect, and doctor must find it and say how it is mended."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import doctor
from harness.doctor import FAILURE, OK, WARNING, Finding, gpu_fit, host, hub, installed
from harness.environments import gpu, manager
from harness.environments.manager import STATE_SCHEMA, Environment, EnvironmentState
from harness.environments.spec import DEFAULT, ENVIRONMENTS
from harness.weights import load_hub, load_weights
from rewards.scorers import SCORERS
from tests.harness.test_cli import run
from tests.harness.weights.hub import put
from wire.gpus import OLDEST_DRIVER, listed_gpus
from wire.paths import home

#: What a working environment answers to its health check, and to the trial of its operators.
HEALTHY = '{"torch": "2.4.0"}'
TRIED = '{"device": "cpu", "cuda": "12.1", "architectures": ["sm_80", "sm_90"], "ran": ["CLIP forward"], "failed": {}}'

H100 = "NVIDIA H100 80GB HBM3, 550.54.15, 81559 MiB, 9.0"
B200 = "NVIDIA B200, 570.86.10, 183359 MiB, 10.0"

NO_KERNEL = TRIED.replace("{}", '{"deformable attention": "RuntimeError: no kernel image"}')


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing is installed or fetched; no GPU; the hub is not asked."""
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    set_gpus(monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    listed_gpus.cache_clear()
    yield tmp_path / "home"
    listed_gpus.cache_clear()


@pytest.fixture
def clear_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no token."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or "TOKEN" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path))


def set_gpus(monkeypatch: pytest.MonkeyPatch, *capabilities: str, nvcc: str | None = None) -> None:
    for module in (gpu, host, manager):
        monkeypatch.setattr(module, "compute_capabilities", lambda: capabilities)
    for module in (gpu, host):
        monkeypatch.setattr(module, "nvcc_version", lambda: nvcc)


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder / name


def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *gpus: str) -> None:
    """An ``nvidia-smi`` that lists them."""
    program(tmp_path / "bin", "nvidia-smi", "".join(f"echo '{gpu}'\n" for gpu in gpus))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    listed_gpus.cache_clear()


def install(name: str, health: str = f"echo '{HEALTHY}'", trial: str = f"echo '{TRIED}'") -> Environment:
    """An environment whose interpreter only answers as it is told to."""
    environment = manager.locate(ENVIRONMENTS[name], "uv")
    script = f'case "$1" in */probe.py) {trial};; *) {health};; esac'
    program(environment.directory / "venv" / "bin", "python", script)
    state = EnvironmentState(STATE_SCHEMA, name, "uv", environment.lock_hash, {}, 1, 1.0)
    environment.state_file.write_text(json.dumps(vars(state)))
    return environment


def by_subject(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def is_found(finding: Finding, status: str, text: str, hint: str) -> None:
    assert finding.status == status, finding
    assert text in finding.text
    assert hint in finding.hint


def test_a_fresh_host_is_told_what_a_first_run_will_do(empty_home: Path) -> None:
    environment = {"MIRO_EVAL_HOME": str(empty_home), "HF_HUB_OFFLINE": "1"}
    answer = run("doctor", "--json", **environment)
    findings = {finding["subject"]: finding for finding in json.loads(answer.stdout)}
    assert answer.returncode == 4
    assert findings["Python"]["status"] == findings["uv"]["status"] == OK
    for name in ("miro", "geneval", "rewards"):
        assert findings[f"environment {name}"]["hint"] == f"miro-eval envs setup {name}"
    assert findings["weights"]["status"] == FAILURE
    assert findings["model hub"]["status"] == OK
    assert not empty_home.exists()


def test_each_line_has_its_mend(empty_home: Path) -> None:
    answer = run("doctor", MIRO_EVAL_HOME=str(empty_home), HF_HUB_OFFLINE="1")
    lines = answer.stdout.splitlines()
    assert any(line.startswith("ok       Python: ") for line in lines)
    place = next(index for index, line in enumerate(lines) if "environment miro" in line)
    assert lines[place + 1].strip() == "-> miro-eval envs setup miro"
    assert len(lines) < 40


def test_uv_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.uv, "find", lambda: None)
    assert host.uv_tool() == Finding("uv", FAILURE, "not installed", "pip install uv")


def test_uv_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = program(tmp_path, "uv", "echo 'cannot execute: wrong libc' >&2; exit 127")
    monkeypatch.setattr(host.uv, "find", lambda: str(broken))
    is_found(host.uv_tool(), FAILURE, "does not run: cannot execute: wrong libc", "pip install uv")
    (tmp_path / "uv").write_bytes(b"\x7fELF of another machine")
    is_found(host.uv_tool(), FAILURE, "does not run", "pip install uv")


def test_pixi_is_missed_only_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.pixi, "find", lambda: None)
    assert host.pixi_tool().status == OK
    set_gpus(monkeypatch, "9.0")
    is_found(host.pixi_tool(), WARNING, "not installed", "--env-backend uv")


def test_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (gpu, host, installed):
        monkeypatch.setattr(module, "has_compiler", lambda: False)
    assert "not needed with mmcv-lite" in host.compiler().text
    assert doctor.quick_checks(["geneval"], tmp_path, weights=False) == []
    (finding,) = doctor.quick_checks(["geneval"], tmp_path, weights=False, env_backend="uv")
    is_found(finding, FAILURE, "mmcv is compiled from source", "--env-backend mmcv-lite")
    install("geneval")
    assert doctor.quick_checks(["geneval"], tmp_path, weights=False, env_backend="uv") == []


def test_the_driver_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(
        tmp_path / "bin", "nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18"
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    is_found(host.gpu(), FAILURE, "Driver/library version mismatch", "--device cpu")
    assert "GPU" in [finding.subject for finding in doctor.quick_checks([], tmp_path, weights=False)]


def test_a_gpu_is_shown_with_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, H100)
    is_found(host.gpu(), OK, f"{H100}; no nvcc", "")


def test_what_the_detector_runs_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "mmcv compiled for the CPU; there is no GPU" in host.detector().text
    monkeypatch.setattr("harness.environments.pixi.find", lambda: None)
    set_gpus(monkeypatch, "9.0")
    grid_sample = "mmcv-lite, nothing compiled: objects are detected on the GPU, with torch's grid_sample"
    is_found(host.detector(), OK, grid_sample, "")
    assert "there is no nvcc" in host.detector().text
    set_gpus(monkeypatch, "9.0", nvcc="13.0")
    is_found(host.detector(), OK, grid_sample, "")
    assert "nvcc is 13.0, CUDA 12 is needed" in host.detector().text
    set_gpus(monkeypatch, "9.0", nvcc="12.1")
    is_found(host.detector(), OK, "with CUDA 12.1 for 9.0", "")
    set_gpus(monkeypatch, "12.0", nvcc="12.1")
    assert "the GPU is newer than the torch that mmcv is compiled for" in host.detector().text
    set_gpus(monkeypatch, "9.0", nvcc="12.1")
    failed = manager.locate(ENVIRONMENTS["geneval"], "uv").failure_file
    failed.parent.mkdir(parents=True)
    failed.write_text("mmcv could not be compiled\n")
    is_found(host.detector(), WARNING, "using mmcv-lite, because uv failed (mmcv could not be", "rounding")
    failed.unlink()
    set_gpus(monkeypatch, "9.0")
    install("geneval")
    is_found(host.detector(), OK, "mmcv compiled for the CPU: objects are detected on the GPU", "")


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ("9.0", ["sm_80", "sm_90"], True),
        ("8.9", ["sm_80", "sm_90"], True),
        ("12.0", ["sm_80", "sm_90"], False),
        ("7.0", ["sm_75", "sm_80"], False),
        ("10.3", ["sm_90", "sm_100"], True),
        ("9.0", ["sm_90a"], True),
        ("12.0", [], True),
    ],
)
def test_a_gpu_needs_an_architecture_of_its_generation(
    capability: str, architectures: Sequence[str], runs: bool
) -> None:
    assert gpu_fit.unsupported([capability], architectures) == ([] if runs else [capability])


def quick(tmp_path: Path, *names: str, **more: Any) -> list[Finding]:
    """What is said of the GPU, and of environments that cannot use it."""
    found = doctor.quick_checks(names, tmp_path, weights=False, **more)
    return [one for one in found if one.subject == "GPU" or one.subject.startswith("environment")]


def test_a_driver_is_too_old_for_an_environment_s_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, H100)
    assert quick(tmp_path, *DEFAULT, env_backend="uv") == []
    driver(tmp_path, monkeypatch, H100.replace("550.54.15", "515.65.01"))
    (finding, *others) = quick(tmp_path, *DEFAULT, env_backend="uv")
    assert len(others) == 2
    assert finding.status == FAILURE
    needs = "CUDA 12.8 needs driver 525 or later, and this one is 515.65.01"
    assert finding.text == f"its torch 2.10.0 (CUDA 12.8) cannot use the GPU: {needs}"
    assert finding.hint == "update the driver, or use --device cpu; setting the environment up again does not help"
    assert quick(tmp_path, *DEFAULT, env_backend="uv", device="cpu") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert quick(tmp_path, *DEFAULT, env_backend="uv") == []


def test_a_driver_from_before_capabilities_were_told_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = """echo 'Field "compute_cap" is not a valid field to query.'; exit 2"""
    listed = "echo 'NVIDIA A100, 470.57.02, 40536 MiB'"
    program(tmp_path / "bin", "nvidia-smi", f'case "$1" in *compute_cap*) {refusal};; *) {listed};; esac')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (finding,) = quick(tmp_path, "rewards")
    is_found(finding, FAILURE, "needs driver 525 or later, and this one is 470.57.02", "update the driver")


def test_a_gpu_is_newer_than_an_environment_s_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, B200)
    geneval, rewards = quick(tmp_path, *DEFAULT, env_backend="uv")
    assert geneval == Finding(
        "environment geneval",
        FAILURE,
        "its torch 2.4.0 (CUDA 12.1) has no code for NVIDIA B200 (sm_100), only sm_50 to sm_90",
        "use --env-backend mmcv-lite, another GPU or --device cpu; setting the environment up again does not help",
    )
    is_found(rewards, FAILURE, "its torch 2.5.1 (CUDA 12.4) has no code", "use another GPU or --device cpu")
    driver(tmp_path, monkeypatch, H100, B200)
    assert [one.status for one in quick(tmp_path, *DEFAULT, env_backend="uv")] == [WARNING, WARNING]


def test_an_environment_s_own_torch_is_asked_once_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, H100)
    environment = install("rewards")
    python = environment.directory / "venv" / "bin" / "python"
    asked = tmp_path / "asked"

    def answers(seen: int, *architectures: str) -> None:
        said = json.dumps({"seen": seen, "architectures": architectures})
        program(python.parent, python.name, f"echo $1 >> {asked}; echo '{said}'")

    answers(0)
    (finding,) = quick(tmp_path, "rewards")
    is_found(finding, FAILURE, "does not see the NVIDIA H100 80GB HBM3 that nvidia-smi lists", "--device cpu")
    answers(1, "sm_80", "sm_90")
    assert [quick(tmp_path, "rewards") for _ in range(3)] == [[], [], []]
    assert asked.read_text() == "-c\n-c\n", "what sees no GPU is asked again, what saw one is not"
    driver(tmp_path, monkeypatch, H100.replace("550", "570"))
    answers(1, "sm_80")
    (finding,) = quick(tmp_path, "rewards")
    is_found(finding, FAILURE, "has no code for NVIDIA H100", "another GPU")


def test_a_gpu_of_another_maker_is_said_to_be_unsupported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "AMD", tmp_path)
    (finding,) = quick(tmp_path, "rewards")
    is_found(finding, WARNING, "an AMD GPU, which is not supported", "here everything is computed on the CPU")
    driver(tmp_path, monkeypatch, H100)
    assert quick(tmp_path, "rewards") == []


def test_every_lock_names_torch_and_its_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(monkeypatch, "9.0")
    for spec in ENVIRONMENTS.values():
        for backend in {*spec.backends} & {*manager.BACKENDS}:
            torch, cuda = gpu_fit.locked_torch(manager.locate(spec, backend))
            assert torch.startswith("2.")
            assert int(cuda.partition(".")[0]) in OLDEST_DRIVER


def test_what_nobody_has_asked_for_need_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_subject(installed.environments())
    is_found(found["environment vlm"], OK, "not set up: it is made when", "")
    is_found(found["environment rewards"], WARNING, "not set up", "miro-eval envs setup rewards")
    driver(tmp_path, monkeypatch, H100.replace("550.54.15", "515.65.01"))
    assert "environment vlm" not in by_subject(gpu_fit.all_environments())
    (finding,) = doctor.unfit(["vlm"], "auto", "auto")
    is_found(finding, FAILURE, "CUDA 12.8 needs driver 525", "--device cpu")
    assert doctor.unfit(["vlm"], "cpu", "auto") == []
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / name).write_text("")
    assert doctor.unfit([str(tmp_path)], "auto", "auto") == [], "a user's own may compute with anything"


def test_the_disk_is_too_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr(host.shutil, "disk_usage", lambda _path: Usage())
    is_found(host.disk(), FAILURE, "0 GB free", "MIRO_EVAL_HOME")
    is_found(host.room_for_images(tmp_path), WARNING, "a full sweep's images take up to 1.7 GB", "--out")


def test_a_model_is_too_large_for_the_machine_s_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {metric: SCORERS[metric].card.weights for metric in ("vqa", "sciscore")}
    monkeypatch.setattr(host, "memory", lambda: 16 * 10**9)
    (finding,) = doctor.quick_checks([], tmp_path, weights=False, loaded=cards)
    takes = "16 GB free, and vqa takes about 32 GB of it while its model is loaded"
    is_found(finding, WARNING, f"{takes}: it would stay unscored", "or name the others by --metric")
    (finding,) = doctor.quick_checks([], tmp_path, weights=False, loaded={"vqa": cards["vqa"]})
    is_found(finding, FAILURE, takes, "use a machine (or a job) with more memory")
    monkeypatch.setattr(host, "memory", lambda: 64 * 10**9)
    assert doctor.quick_checks([], tmp_path, weights=False, loaded=cards) == []
    is_found(host.room_to_load(cards), OK, "64 GB free", "")


def test_a_folder_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    assert host.write_access().status == OK
    monkeypatch.setattr(host.tempfile, "TemporaryFile", full)
    is_found(host.write_access(), FAILURE, "cannot be written (Read-only file system)", "MIRO_EVAL_HOME")
    is_found(host.room_for_images(tmp_path / "new" / "run"), FAILURE, "Read-only file system", "--out")


def test_the_output_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    is_found(host.room_for_images(tmp_path / "run"), FAILURE, "is not a folder", "--out")


def test_a_set_up_was_interrupted() -> None:
    manager.locate(ENVIRONMENTS["miro"]).directory.mkdir(parents=True)
    finding = by_subject(installed.environments())["environment miro"]
    is_found(finding, WARNING, "half-made", "which resumes it")


def test_an_import_fails() -> None:
    install("rewards", health="echo \"ImportError: cannot import name 'x'\"; exit 1")
    finding = by_subject(installed.environments())["environment rewards"]
    is_found(finding, FAILURE, "environment rewards is not healthy", "envs remove rewards")


def test_a_health_check_says_nothing() -> None:
    install("rewards", health="exit 0")
    assert by_subject(installed.environments())["environment rewards"].status == FAILURE


@pytest.mark.parametrize(
    ("trial", "told"),
    [
        (f"echo '{NO_KERNEL}'; exit 1", "no kernel image"),
        ("echo 'Illegal instruction' >&2; kill -ILL $$", "status -4"),
        ("echo half a lin", "ended with status 0"),
    ],
)
def test_a_compiled_operator_fails(trial: str, told: str) -> None:
    install("geneval", trial=trial)
    findings = by_subject(installed.environments())
    assert findings["environment geneval"].status == OK
    is_found(findings["operators geneval"], FAILURE, told, "envs remove geneval")


def test_an_interpreter_is_gone() -> None:
    environment = install("miro")
    (environment.directory / "venv" / "bin" / "python").unlink()
    assert by_subject(installed.environments())["environment miro"].status == FAILURE


def test_an_environment_is_of_an_older_lock() -> None:
    (home() / "envs" / "rewards-uv-000000000000").mkdir(parents=True)
    (finding,) = installed.leftovers()
    is_found(finding, WARNING, "is of an older lock", "miro-eval envs remove rewards-uv-000000000000")


def test_a_weight_has_other_bytes() -> None:
    weight = load_weights()["aesthetic-mlp"]
    weight.path.parent.mkdir(parents=True)
    weight.path.write_bytes(b"not it")
    is_found(by_subject(hub.weights())["weights aesthetic-mlp"], FAILURE, "expected 21dd590f", "weights fetch")
    assert weight.path.exists()


def test_a_hub_file_has_rotted_or_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = put(tmp_path / "hub", "diffusion_pytorch_model.safetensors", b"weights", "stabilityai/sdxl-vae")
    is_found(by_subject(hub.weights())["weights sdxl-vae"], FAILURE, "config.json is missing", "weights fetch sdxl-vae")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert by_subject(hub.weights())["weights sdxl-vae"].status == WARNING
    put(tmp_path / "hub", "config.json", b"{}", "stabilityai/sdxl-vae", large=False)
    is_found(by_subject(hub.weights())["weights sdxl-vae"], OK, "2 files, unpinned", "")
    link.resolve().write_bytes(b"rotten!")
    is_found(by_subject(hub.weights())["weights sdxl-vae"], FAILURE, "the hub said", "weights verify sdxl-vae")


def test_the_hub_is_tried_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub.hub().status == OK
    is_found(hub.hub(), WARNING, "127.0.0.1 cannot be reached", "--offline")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:nonsense")
    assert hub.hub().status == WARNING


@pytest.mark.parametrize(
    ("variable", "address", "text", "hint"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:7890", "socks:// is an unknown kind of proxy", "write socks5://"),
        ("https_proxy", "socks4a://127.0.0.1:7890", "socks4a:// is an unknown kind of proxy", "write socks5://"),
        ("HTTPS_PROXY", "htp://127.0.0.1:7890", "htp:// is an unknown kind of proxy", "http://127.0.0.1:7890"),
        ("HTTP_PROXY", "http://127.0.0.1:nonsense", "is not the address of a proxy", "http://127.0.0.1:7890"),
        ("HTTP_PROXY", "“http://127.0.0.1:7890”", "is an unknown kind of proxy", "http://127.0.0.1:7890"),
        ("all_proxy", "http://", "is not the address of a proxy", "unset it"),
        ("all_proxy", "http://user:secret@127.0.0.1:1", "127.0.0.1:1 does not answer", "unset it"),
    ],
)
def test_a_proxy_is_wrong(
    variable: str, address: str, text: str, hint: str, clear_way: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, address)
    (finding,) = hub.proxy()
    is_found(finding, WARNING, text, hint)
    assert finding.subject == f"proxy {variable}"
    assert "secret" not in str(finding)


def test_a_proxy_is_tried(clear_way: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [*hub.proxy()] == []
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("ALL_PROXY", place)
        assert [*hub.proxy()] == [Finding("proxy ALL_PROXY", OK, f"{place} answers")]
        monkeypatch.delenv("HF_HUB_OFFLINE")
        assert "is asked through the proxy" in hub.hub().text
        monkeypatch.setenv("ALL_PROXY", f"socks5://{place}")
        is_found(next(hub.proxy()), WARNING, "not every stage can use", "weights fetch, then --offline")


@pytest.mark.parametrize("place", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME"])
@pytest.mark.parametrize(
    ("token", "unfit"),
    [("“hf_secret”", r"'\u201c' at place 1"), ("'hf_secret'", '"\'"'), ("hf_sec ret", "' ' at place 7")],
)
def test_a_token_is_wrong(
    place: str, token: str, unfit: str, clear_way: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = token
    if place.startswith("HF_") and place != "HF_TOKEN":
        (tmp_path / "token").write_text(f"{token}\n", encoding="utf-8")
        value = str(tmp_path if place == "HF_HOME" else tmp_path / "token")
    monkeypatch.setenv(place, value)
    is_found(hub.token(), WARNING, f"holds {unfit}", "without quotes")
    assert "secret" not in hub.token().text.rpartition("holds")[2]
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert [one.subject for one in doctor.quick_checks([], tmp_path)] == ["hub token"]
    assert "hub token" not in [one.subject for one in doctor.quick_checks([], tmp_path, offline=True)]


def test_a_token_is_well(clear_way: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.token().status == OK
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    is_found(hub.token(), WARNING, "cannot be read", "hf auth login")
    monkeypatch.setenv("HF_TOKEN", "hf_AbC012")
    assert hub.token() == Finding("hub token", OK, "from HF_TOKEN")


@pytest.mark.parametrize(
    "variables",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"ALL_PROXY": "socks://127.0.0.1:9"},
        {"https_proxy": "127.0.0.1:nonsense"},
        {"HF_TOKEN": "“hf_secret”", "ALL_PROXY": "http://127.0.0.1:9"},
    ],
)
@pytest.mark.parametrize("verb", ["doctor", "weights list", "weights fetch sdxl-vae", "weights verify", "report none"])
def test_no_proxy_and_no_token_is_a_bug_of_ours(
    verb: str, variables: dict[str, str], clear_way: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    answer = run(*verb.split(), **variables)
    assert answer.returncode in (0, 2, 4), answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_quick_part_finds_what_would_stop_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(DEFAULT)
    assert doctor.quick_checks(names, tmp_path, weights=False) == []
    (missing,) = doctor.quick_checks(["rewards"], tmp_path, offline=True)
    is_found(missing, WARNING, "not here, and the run is offline: clip-vit-l-14, aesthetic-mlp", "weights bundle")
    monkeypatch.setattr("harness.environments.uv.find", lambda: None)
    assert [finding.subject for finding in doctor.quick_checks(names, tmp_path)] == ["uv"]
    for name in names:
        install(name)
    assert doctor.quick_checks(names, tmp_path, env_backend="uv") == []


def test_findings_come_from_every_check() -> None:
    assert len(doctor.CHECKS) >= 12
    assert all(isinstance(check(), Finding | Iterable) for check in doctor.CHECKS)
    assert sys.version_info[:2] >= (3, 11)
    assert load_hub()

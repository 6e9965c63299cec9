from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from harness.cli.app import app
from harness.environments import gpu, manager, uv
from harness.environments.making import Making
from harness.environments.spec import EnvironmentSpec, Progress
from harness.workers.processes import GRACE, run_logged
from tests.end_to_end.test_interruption import is_running
from tests.harness.test_cli import MIRO_EVAL
from wire.errors import EnvironmentFailure, Interrupted, UserError

SPEC = EnvironmentSpec("rewards", "rewards", ("uv",), disk_gb=0)


class ThisInterpreter:
    """An environment kind that installs nothing: it runs the interpreter that runs the tests."""

    def __init__(self, lock: bytes = b"lock", fails: bool = False) -> None:
        self.lock, self.fails, self.installations = lock, fails, 0

    def lock_parts(self, _spec: EnvironmentSpec) -> list[bytes]:
        return [self.lock]

    def install(self, spec: EnvironmentSpec, directory: Path, _progress: Progress) -> None:
        self.installations += 1
        (directory / "payload").write_text("half of it")
        if self.fails:
            raise EnvironmentFailure(f"environment {spec.name} could not be installed")

    def command(self, _spec: EnvironmentSpec, _directory: Path, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, *arguments]


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ThisInterpreter:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    (tmp_path / "health_check.py").write_text('print("noise"); print(\'{"python": "3"}\')')
    monkeypatch.setattr(manager, "environment_files", lambda _name: tmp_path)
    made = ThisInterpreter()
    monkeypatch.setattr(manager, "BACKENDS", {"uv": made, "pixi": made})
    return made


def quiet(_done: int, _total: int, _label: str) -> None:
    pass


def test_an_environment_is_installed_once_checked_and_recorded(backend: ThisInterpreter) -> None:
    environment = manager.ensure(SPEC, "auto", quiet)
    assert manager.ensure(SPEC, "auto", quiet) == environment
    assert backend.installations == 1
    state = environment.state()
    assert state is not None
    assert state.packages == {"python": "3"}
    assert state.size_bytes > 0
    assert (state.name, state.backend, state.lock_hash) == ("rewards", "uv", environment.lock_hash)


def test_a_half_made_environment_is_never_used_and_is_continued(backend: ThisInterpreter) -> None:
    backend.fails = True
    with pytest.raises(EnvironmentFailure, match="could not be installed"):
        manager.ensure(SPEC, "auto", quiet)
    environment = manager.locate(SPEC)
    assert not environment.ready
    assert (environment.directory / "payload").exists()
    backend.fails = False
    assert manager.ensure(SPEC, "auto", quiet).ready
    assert backend.installations == 2


def test_an_environment_that_fails_its_health_check_is_deleted(backend: ThisInterpreter, tmp_path: Path) -> None:
    (tmp_path / "health_check.py").write_text('raise SystemExit("nms keeps the wrong boxes")')
    with pytest.raises(EnvironmentFailure, match="not healthy") as error:
        manager.ensure(SPEC, "auto", quiet)
    assert "nms keeps the wrong boxes" in str(error.value)
    assert not manager.locate(SPEC).directory.exists()


def test_two_set_ups_at_once_install_once(backend: ThisInterpreter) -> None:
    threads = [threading.Thread(target=manager.ensure, args=(SPEC, "auto", quiet)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.installations == 1


def test_another_lock_is_another_environment_and_the_old_one_a_leftover(backend: ThisInterpreter) -> None:
    old = manager.ensure(SPEC, "auto", quiet)
    backend.lock = b"newer"
    assert manager.leftovers() == [old.directory]
    assert not manager.locate(SPEC).ready
    assert manager.remove(old.directory)
    assert not manager.remove(old.directory)
    assert manager.leftovers() == []


def test_only_what_is_named_is_removed_and_nothing_that_we_did_not_make(backend: ThisInterpreter) -> None:
    """Of a user's own environments nobody can tell whether they are in use, of strange folders nothing at all."""
    folder = manager.ensure(SPEC, "auto", quiet).directory.parent
    own, other = "own.mine-uv-0123456789ab", "own.mine-uv-0123456789ac"
    old, older = "rewards-uv-000000000000", "geneval-uv-000000000000"
    strange = ["my-own-things", "vllm-uv-0123456789ab", "rewards-uv-backup"]
    for name in (own, other, old, older, *strange):
        (folder / name).mkdir()

    def asked(*words: str) -> str:
        answer = CliRunner().invoke(app, ["envs", *words])
        assert answer.exit_code == 0, answer.output
        return answer.output

    def left() -> set[str]:
        return {path.name for path in folder.iterdir() if path.is_dir()}

    shown = asked("list")
    assert [shown.count(told) for told in ("of an older lock", "a user's own", "my-own-things")] == [2, 2, 0]
    asked("remove", own)
    assert left() >= {other, old, older, *strange}
    assert own not in left()
    asked("remove", "rewards")
    assert left() == {other, older, *strange}
    asked("remove")
    assert left() == {other, *strange}


def test_a_user_s_environments_are_made_apart_and_are_no_leftovers(
    backend: ThisInterpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [replace(SPEC, name="own.mine", folder=tmp_path / name, on_demand=True) for name in ("a", "b")]
    monkeypatch.setattr(backend, "lock_parts", lambda spec: [str(spec.folder).encode()])
    with Making("auto", lambda _name: quiet) as making:
        made = [making.begin(spec).result() for spec in specs]
    assert backend.installations == 2
    assert len({environment.directory for environment in made}) == 2
    assert manager.leftovers() == []


def test_what_a_user_s_environment_lacks_is_said(backend: ThisInterpreter, tmp_path: Path) -> None:
    (tmp_path / "health_check.py").write_text("raise SystemExit('it lacks numpy')")
    spec = replace(SPEC, name="own.mine", folder=tmp_path, on_demand=True)
    with pytest.raises(EnvironmentFailure, match=rf"^environment {tmp_path} cannot run a scorer: it lacks numpy$"):
        manager.ensure(spec, "auto", quiet)
    assert not manager.locate(spec).ready
    (tmp_path / "health_check.py").write_text("raise SystemExit(1)")
    with pytest.raises(EnvironmentFailure, match=rf"`miro-eval envs remove {tmp_path}`, then set it up again"):
        manager.ensure(spec, "auto", quiet)


def test_too_small_a_disk_is_told_before_work_starts(backend: ThisInterpreter) -> None:
    greedy = EnvironmentSpec("rewards", "rewards", ("uv",), disk_gb=10**9)
    with pytest.raises(EnvironmentFailure, match=r"needs 1000000000 GB .* MIRO_EVAL_HOME"):
        manager.ensure(greedy, "auto", quiet)
    assert backend.installations == 0


@pytest.mark.parametrize(
    ("pixi_found", "gpus", "nvcc", "compiler", "chosen"),
    [
        (True, ("9.0",), None, True, "pixi"),
        (True, ("9.0",), None, False, "pixi"),
        (True, (), None, True, "uv"),
        (True, (), None, False, "mmcv-lite"),
        (False, (), None, True, "uv"),
        (False, (), "12.4", False, "mmcv-lite"),
        (False, ("9.0",), None, True, "mmcv-lite"),
        (False, ("9.0",), "13.0", True, "mmcv-lite"),
        (False, ("9.0",), "12.4", True, "uv"),
        (False, ("9.0",), "12.4", False, "mmcv-lite"),
        (True, ("12.0",), "12.4", True, "mmcv-lite"),
        (True, ("9.0", "10.0"), "12.4", True, "mmcv-lite"),
    ],
)
def test_what_can_be_made_on_this_host_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    pixi_found: bool,
    gpus: tuple[str, ...],
    nvcc: str | None,
    compiler: bool,
    chosen: str,
) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    monkeypatch.setattr(manager.pixi, "find", lambda: "pixi" if pixi_found else None)
    for module in (manager, gpu):
        monkeypatch.setattr(module, "compute_capabilities", lambda: gpus)
    monkeypatch.setattr(gpu, "nvcc_version", lambda: nvcc)
    monkeypatch.setattr(gpu, "has_compiler", lambda: compiler)
    spec = manager.find_spec("geneval")
    assert manager.choose_backend(spec, "auto") == chosen
    assert [manager.choose_backend(spec, kind) for kind in spec.backends] == [*spec.backends]
    assert manager.choose_backend(SPEC, "pixi") == "uv"
    made = manager.locate(spec, "uv").state_file
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    stays = chosen == "pixi" or any(float(one) >= 10 for one in gpus)
    assert manager.choose_backend(spec, "auto") == (chosen if stays else "uv"), "what is there serves"


GENEVAL = EnvironmentSpec("geneval", "geneval", ("uv", "mmcv-lite"), disk_gb=0)


@pytest.fixture
def kinds(backend: ThisInterpreter, monkeypatch: pytest.MonkeyPatch) -> dict[str, ThisInterpreter]:
    """uv fails, as if its compiler did; mmcv-lite works."""
    made = {"uv": ThisInterpreter(fails=True), "mmcv-lite": ThisInterpreter()}
    monkeypatch.setattr(manager, "BACKENDS", made)
    monkeypatch.setattr(manager, "can_compile_mmcv", lambda: True)
    return made


def test_where_a_compile_fails_the_one_without_serves_and_it_is_said(kinds: dict[str, ThisInterpreter]) -> None:
    substitute = manager.ensure(GENEVAL, "auto", quiet)
    assert substitute.identity()["backend"] == "mmcv-lite"
    line = manager.substitution(GENEVAL, "auto")
    assert "using mmcv-lite, because uv failed (environment geneval could not be installed)" in line
    assert "envs setup geneval --env-backend uv" in line
    assert "\n" not in line
    assert manager.substitution(GENEVAL, "mmcv-lite") == "", "nobody is told of what was asked for"
    assert manager.locate(GENEVAL, "auto") == substitute, "and doctor, lists and workers look there too"
    assert manager.ensure(GENEVAL, "auto", quiet) == substitute
    assert kinds["uv"].installations == 1, "it is not tried again at every step"
    with pytest.raises(EnvironmentFailure, match="could not be installed"):
        manager.ensure(GENEVAL, "uv", quiet)
    kinds["uv"].fails = False
    assert manager.ensure(GENEVAL, "uv", quiet).ready
    assert manager.locate(GENEVAL, "auto").backend == "uv"
    assert manager.substitution(GENEVAL, "auto") == ""


def test_where_nothing_can_be_made_the_compile_is_tried_again(kinds: dict[str, ThisInterpreter]) -> None:
    """Without a network, for instance."""
    kinds["mmcv-lite"].fails = True
    with pytest.raises(EnvironmentFailure, match="could not be installed"):
        manager.ensure(GENEVAL, "auto", quiet)
    assert manager.locate(GENEVAL, "auto").backend == "uv"


class Slow(ThisInterpreter):
    """Installs by a program that does not end by itself."""

    def install(self, spec: EnvironmentSpec, directory: Path, progress: Progress) -> None:
        self.installations += 1
        run_logged(
            ["sh", "-c", "sleep 1000 & echo $$ > pids; echo $! >> pids; wait"],
            directory / "log",
            failure="failed",
            cwd=directory,
        )


def test_environments_are_made_side_by_side_and_given_up_together(
    kinds: dict[str, ThisInterpreter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Ctrl-C does while one compiles: the programs end, nothing is made in their place, and threads end too."""
    kinds["uv"] = Slow()
    started = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), Making("auto", lambda _: quiet) as making:
        compiling, waiting = making.begin(GENEVAL), making.begin(replace(GENEVAL, name="again"))
        other = making.begin(replace(GENEVAL, name="other"), "mmcv-lite")
        assert making.begin(GENEVAL) is compiling
        assert other.result().ready, "made while the first compiles"
        pids = manager.locate(GENEVAL).directory / "pids"
        while not pids.exists() or len(pids.read_text().split()) < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert time.monotonic() - started < GRACE
    for future in (compiling, waiting):
        assert isinstance(future.exception(), Interrupted)
    assert not manager.locate(GENEVAL, "mmcv-lite").ready
    for pid in pids.read_text().split():
        assert not is_running(int(pid))


def test_ctrl_c_ends_every_set_up_of_a_command(tmp_path: Path) -> None:
    script = tmp_path / "uv"
    script.write_text('#!/bin/sh\nsleep 1000 &\necho $$ $! >> "${0%/*}/pids"\nwait\n')
    script.chmod(0o755)
    variables = os.environ | {"UV": str(script), "MIRO_EVAL_HOME": str(tmp_path / "home")}
    command = [str(MIRO_EVAL), "envs", "setup", "--env-backend", "mmcv-lite"]
    process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    pids = tmp_path / "pids"
    while not pids.exists() or len(pids.read_text().split()) < 6:  # an installer, and what it started, of each of three
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        "miro-eval: stopped; everything finished is kept, run the same command again to continue"
    )
    for pid in pids.read_text().split():
        assert not is_running(int(pid))


def test_who_waits_for_another_s_set_up_can_be_stopped(
    kinds: dict[str, ThisInterpreter], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = manager.locate(GENEVAL, "mmcv-lite").directory
    place.parent.mkdir(parents=True)
    told: list[str] = []
    with FileLock(place.with_name(place.name + ".lock")):
        with Making("mmcv-lite", lambda _: lambda *step: told.append(step[2])) as making:
            waiting = making.begin(GENEVAL)
            while not told:
                time.sleep(0.01)
        assert isinstance(waiting.exception(), Interrupted)
    assert "another process is setting it up" in told[0]


@pytest.mark.parametrize(
    ("nvcc", "gpus", "build"),
    [
        (None, (), gpu.MmcvBuild("none", "cpu")),
        (None, ("9.0",), gpu.MmcvBuild("none", "cpu")),
        ("13.0", ("9.0",), gpu.MmcvBuild("none", "cpu")),
        ("12.4", ("8.0", "9.0"), gpu.MmcvBuild("12.4", "8.0;9.0")),
    ],
)
def test_mmcv_is_compiled_with_cuda_only_where_that_can_work(
    monkeypatch: pytest.MonkeyPatch, nvcc: str | None, gpus: tuple[str, ...], build: gpu.MmcvBuild
) -> None:
    monkeypatch.setattr(gpu, "nvcc_version", lambda: nvcc)
    monkeypatch.setattr(gpu, "compute_capabilities", lambda: gpus)
    assert gpu.host_mmcv_build() == build


@pytest.mark.parametrize(("gigabytes", "on_cpu", "with_nvcc"), [(200, "8", "8"), (3.2, "5", "2"), (0.1, "1", "1")])
def test_compilers_are_as_many_as_memory_and_processors_bear(
    gigabytes: float, on_cpu: str, with_nvcc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAX_JOBS", raising=False)
    monkeypatch.setattr("wire.host.processors", lambda: 8)
    monkeypatch.setattr("wire.host.memory", lambda: int(gigabytes * 1e9))
    builds = gpu.MmcvBuild("none", "cpu"), gpu.MmcvBuild("12.4", "9.0")
    assert [build.variables()["MAX_JOBS"] for build in builds] == [on_cpu, with_nvcc]
    monkeypatch.setenv("MAX_JOBS", "3")
    assert builds[0].variables()["MAX_JOBS"] == "3"


def test_progress_is_read_from_the_compiler_s_and_uv_s_lines() -> None:
    seen: list[tuple[int, int, str]] = []
    for line in (
        "DEBUG [12/77] c++ -MMD -MF roi.o.d -c roi.cpp",
        "DEBUG [3/90] /usr/local/cuda/bin/nvcc -c nms.cu",
        "Downloading torch (759.9MiB)",
        "   Building mmcv==2.1.0",
        "DEBUG something else [1/2]",
    ):
        uv.report_line(line, lambda *step: seen.append(step))
    assert seen == [
        (12, 77, "compiling mmcv"),
        (3, 90, "compiling mmcv"),
        (0, 0, "downloading torch"),
        (0, 0, "building mmcv==2.1.0"),
    ]


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("error: No space left on device (os error 28)", "the disk is full"),
        ("error: dns error: failed to lookup address", "registry cannot be reached"),
        ("error: The lockfile at `uv.lock` needs to be updated, but", "uv.lock does not fit pyproject.toml"),
        ("  hint: Network connectivity is disabled", "uv is offline (UV_OFFLINE)"),
        ("error: No interpreter found for Python >=3.10", "no Python 3.10 or 3.11"),
    ],
)
def test_known_causes_come_first(output: str, reason: str) -> None:
    explained = uv.explain(output)
    assert reason in explained.splitlines()[0]
    assert output in explained


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "has_compiler", lambda: False)
    assert "no C++ compiler" in uv.explain("error: failed to build mmcv==2.1.0").splitlines()[0]


@pytest.mark.parametrize("path", ["run $(touch x)", "run `x`", 'run "x', "run \\x", "run\nx", "$HOME"])
def test_pixi_s_shell_gets_nothing_that_it_would_expand(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(manager.pixi, "find", lambda: "pixi")
    with pytest.raises(UserError, match="pixi's shell would expand it"):
        manager.pixi.command(SPEC, Path("/home"), ("launch.py", "geneval", f"/{path}/job.json"))
    plain = manager.pixi.command(SPEC, Path("/home"), ("launch.py", "a run, it's (new)/job.json"))
    assert plain[-2:] == ["launch.py", "a run, it's (new)/job.json"]

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from harness import cli
from harness.cli.app import INSIDE, SECTIONS, VERBS, _Commands
from harness.environments.spec import ENVIRONMENTS
from harness.run.directory import RunDirectory
from harness.terminal.echo import plain

MIRO_EVAL = Path(sys.executable).with_name("miro-eval")
#: What version 0.1 offered before options were made from settings: verb -> option's names -> default, as text.
OFFERED = json.loads(Path(__file__).with_name("options_of_0.1.json").read_text(encoding="utf-8"))
#: What went since, as CHANGELOG.md says.
GONE = {"weights fetch": {"--env-backend"}, "paper reproduce": {"--table", "--parti"}}
#: Defaults that have changed since.
CHANGED = {
    "demo": {"--device": "auto", "--env-backend": "mmcv-lite", "--limit": "24", "--samples": "2"},
    **{verb: {"--batch-size": "None"} for verb in ("all", "generate", "sweep")},
}


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str | Path, **environment: str) -> Answer:
    """What the console script would do, in this process."""
    with (
        mock.patch.object(sys, "argv", ["miro-eval", *map(str, arguments)]),
        CliRunner().isolation(env=environment) as (out, err, _),
    ):
        code = cli._run()
        return Answer(int(code), out.getvalue().decode(), err.getvalue().decode())


def imported(*arguments: str) -> list[str]:
    """The modules that a command imports, in an interpreter of its own."""
    script = f"import sys; sys.argv = {['miro-eval', *arguments]!r}; from harness.cli import _run; _run(); "
    script += "print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()[-1].split()


def test_the_console_script() -> None:
    answer = subprocess.run([str(MIRO_EVAL), "chek"], capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 2
    assert "Did you mean 'check'?" in answer.stderr


def test_help_shows_every_verb_s_line_whole_in_its_section() -> None:
    answer = run("--help", COLUMNS="80")
    assert answer.returncode == 0
    for heading, verbs in SECTIONS.items():
        section = answer.stdout.partition(f"\n{heading}:\n")[2].partition("\n\n")[0]
        assert [line.split(maxsplit=1) for line in section.splitlines()] == [[*one] for one in verbs.items()]
    assert list(SECTIONS["First steps"]) == ["demo", "all", "report", "check", "compare", "view", "doctor"]


@pytest.mark.parametrize("group", INSIDE)
def test_verbs_under_another_name_are_hidden_and_still_work(group: str) -> None:
    listed = run(group, "--help").stdout
    for verb in INSIDE[group]:
        assert f"\n  {verb} " in listed
        assert f"\n  {verb} " not in run("--help").stdout
        alone, inside = run(verb, "--help"), run(group, verb, "--help")
        assert inside.stdout.replace(f"miro-eval {group} ", "miro-eval ") == alone.stdout
    one_line(run(group, next(iter(INSIDE[group])), "nowhere"), 2, "nowhere")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("verb", ["all", "check", "weights"])
def test_help_is_as_wide_as_the_terminal(verb: str, width: int) -> None:
    command, variables = [str(MIRO_EVAL), verb, "--help"], os.environ | {"COLUMNS": str(width)}
    answer = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    lines = answer.stdout.splitlines()[1:]
    longest = max(map(len, lines))
    assert longest <= width
    assert (longest > 80) == (width == 120)
    assert not [line for line in lines if line.endswith(("...", "-", "[default:"))]
    assert "[default: no-" not in answer.stdout


def test_examples_in_help_can_be_run() -> None:
    examples = re.findall(r"^ +miro-eval (.*)$", run("all", "--help").stdout, re.MULTILINE)
    assert len(examples) == 3
    for words in map(shlex.split, examples):
        _Commands()[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_verbs_and_options(shell: str) -> None:
    assert "_MIRO_EVAL_COMPLETE" in run("--completion", shell).stdout
    one_line(run("--completion", "tcsh"), 2, "bash, zsh or fish")


def test_bash_completes_verbs_and_options() -> None:
    def completed(*words: str) -> list[str]:
        variables = {"COMP_WORDS": " ".join(["miro-eval", *words]), "COMP_CWORD": str(len(words))}
        return run(_MIRO_EVAL_COMPLETE="complete_bash", **variables).stdout.split()

    assert completed("che") == ["check"]
    assert completed("weights", "ve") == ["verify"]
    assert "--reward-precision" in completed("all", "--rew")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    answer = run(verb, "--help")
    assert answer.returncode == 0
    assert "Usage: miro-eval" in answer.stdout


def test_short_options_of_the_program_itself() -> None:
    assert run("-h") == run("--help")
    assert run("weights", "fetch", "-h") == run("weights", "fetch", "--help")
    assert run("--version").stdout == f"miro-eval {version('miro-eval')}\n"
    assert "pydantic" not in imported("--version")


def test_help_groups_options() -> None:
    lines = run("all", "--help").stdout.splitlines()
    panels = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert panels == ["Arguments:", "Options:", "Model:", "Sampling:", "Judging:", "Rewards:", "Where it runs:"]
    inside = {panel: lines.index(panel) for panel in panels}
    steps = next(number for number, line in enumerate(lines) if line.startswith("  --steps "))
    assert inside["Sampling:"] < steps < inside["Judging:"]


@pytest.mark.parametrize("verb", OFFERED)
def test_no_option_goes_away_or_changes_its_default(verb: str) -> None:
    name, _, inner = verb.partition(" ")
    command = _Commands()[name].commands[inner] if inner else _Commands()[name]
    options = (one for one in command.params if one.param_type_name == "option")
    offered = {" ".join(sorted([*one.opts, *one.secondary_opts])): str(one.default) for one in options}
    kept = {names: default for names, default in OFFERED[verb].items() if names not in GONE.get(verb, ())}
    assert (kept | CHANGED.get(verb, {})).items() <= offered.items()


def test_help_imports_the_verb_asked_for_and_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "numpy", "scipy", "PIL", "rich", "pydantic", "generation.suites", "harness.cli.check"}
    assert not heavy & set(imported("--help"))
    found = set(imported("all", "--help"))
    assert not heavy & found
    assert "harness.cli.all" in found


def one_line(answer: Answer, code: int, *parts: str) -> None:
    assert answer.returncode == code, answer.stderr
    lines = [line for line in answer.stderr.splitlines() if line.startswith("miro-eval: ")]
    assert len(lines) == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    for part in parts:
        assert part in lines[0]


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    one_line(run("all", tmp_path / "none.ckpt"), 2, "none.ckpt")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_without_its_configuration(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("last/data.pkl", b"")
    one_line(run("all", tmp_path / "last.ckpt"), 2, "config.yaml")


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: {}\n")
    (tmp_path / "last.ckpt").write_text("hello")
    one_line(run("all", tmp_path / "last.ckpt"), 2, "last.ckpt")


def test_a_directory_without_images(tmp_path: Path) -> None:
    one_line(run("geneval", tmp_path), 2, "no prompt folders")
    one_line(run("rewards", tmp_path / "none"), 2, "no such directory")


def test_malformed_metadata_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "00000" / "samples").mkdir(parents=True)
    (tmp_path / "00000" / "metadata.jsonl").write_text('{"prompt": ')
    one_line(run("geneval", tmp_path), 2, "00000/metadata.jsonl:1: not valid JSON")
    (tmp_path / "00000" / "metadata.jsonl").write_text('{"tag": "colors"}')
    one_line(run("rewards", tmp_path), 2, "00000/metadata.jsonl:1", "prompt")
    (tmp_path / "00000" / "metadata.jsonl").unlink()
    one_line(run("rewards", tmp_path), 2, "00000/metadata.jsonl: missing")


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "00000" / "samples").mkdir(parents=True)
    (tmp_path / "00000" / "metadata.jsonl").write_text('{"prompt": "a photo of a cat"}')
    one_line(run("rewards", tmp_path, "--metric", "beauty"), 2, "unknown metric beauty", "image_reward", "sciscore")
    one_line(run("envs", "setup", "conda"), 2, "unknown environment 'conda'", "miro, geneval, rewards")
    one_line(run("envs", "list", "--env-backend", "nix"), 2, "unknown environment backend 'nix'", "pixi")


def test_a_usage_error_is_exit_2() -> None:
    assert run("all").returncode == 2
    assert run("report", "--nonsense").returncode == 2
    assert run("generate", "x/y", "--samples", "0").returncode == 2


def test_a_directory_in_use(tmp_path: Path) -> None:
    (tmp_path / "00000" / "samples").mkdir(parents=True)
    with RunDirectory(tmp_path).locked():
        one_line(run("geneval", tmp_path), 2, "in use by another run", f"process {os.getpid()}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    one_line(run("geneval", tmp_path), 4, "cannot be written")


def test_an_environment_that_is_not_set_up(tmp_path: Path) -> None:
    one_line(run("envs", "check", "miro", MIRO_EVAL_HOME=str(tmp_path)), 4, "miro-eval envs setup miro")
    listing = run("envs", "list", MIRO_EVAL_HOME=str(tmp_path))
    assert listing.stdout.count("not set up") == len(ENVIRONMENTS)
    removed = run("envs", "remove", "miro", MIRO_EVAL_HOME=str(tmp_path))
    assert "miro: was not there" in removed.stdout


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.ESTALE])
def test_a_disk_s_fault_is_no_bug_of_ours(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**_: object) -> int:
        raise OSError(number, os.strerror(number), "/disk/run.json")

    monkeypatch.setattr("harness.cli.app.app", fails)
    assert cli._run() == 4
    assert capsys.readouterr().err == f"miro-eval: /disk/run.json: cannot be written ({os.strerror(number)})\n"


def test_text_from_files_moves_no_cursor() -> None:
    assert plain("a\x1b[2J\x9b\u202e\ud800\r\tb\n") == "a\\x1b[2J\\u009b\\u202e\\ud800\\r\tb\n"

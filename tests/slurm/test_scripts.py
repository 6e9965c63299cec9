"""Job scripts, as submitit writes them, hold nothing that a name, a path or an option could make a command of."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.executors import sbatch
from harness.executors.slurm import run
from harness.executors.submission import job_folders, new_job_folder
from harness.run.settings import SlurmSettings
from tests.slurm.fake import FakeSlurm, pipeline, submit
from wire.errors import UserError

#: What a shell, a comment line, Slurm's patterns or a reader of lines could take for more than a letter.
HOSTILE = (
    *("\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\x1b[2J", "\x7f", "\t"),
    *(" ", "'", '"', "\\", "\\\n", "#", ";", "&", "|", "<", ">", "~", "*", "?", "!", "=", "-"),
    *("%j", "%A", "%a", "%t", "%%", "%", "$", "$HOME", "$(touch x)", "${IFS}", "`touch x`"),
    *("\ntouch x\n", "\n#SBATCH --wrap=x\n", "'\ntouch x\n'", "[a]", "{a,b}", "é", "モ"),
)
TEXT = st.lists(st.sampled_from([*HOSTILE, "a", "B", "7", "_", "."]), max_size=12).map("".join)
NAMES = TEXT | st.text(max_size=20) | TEXT.map(lambda text: text * 500) | st.just("") | TEXT.map("--".__add__)
#: A file's name, on Linux: anything but a slash and NUL.
FILES = TEXT.filter(lambda text: text not in ("", ".", "..") and len(text.encode()) < 200)
#: Values as they are meant, and such with something else in them.
MEANT = (
    *("a100|h100", "[gpu&ib]", "(a|b)&c", "gpu*2", "n[1-4,7]", "a:2,b:1", "now+1hour", "2030-01-20T12:34:00"),
    *("nvcr.io#nvidia/pytorch:24.01-py3", "/images/miro_eval.sqsh", "/shared:/shared,/data:/data:ro"),
    *("64G", "8", "-100", "you@example.org", "END,FAIL", "TOP", "for the paper, 2nd try", "gpu:a100:2", "2-12:30"),
)
VALUES = st.one_of(
    st.sampled_from(MEANT),
    st.tuples(st.sampled_from(MEANT), st.sampled_from(HOSTILE)).map("".join),
    st.tuples(st.sampled_from(HOSTILE), st.sampled_from(MEANT)).map("".join),
    TEXT.filter(bool),
)
CONTAINER = ("container-image", "container-mounts")
OPTIONS = st.sampled_from(["partition", "gres", *CONTAINER, *sbatch.ALLOWED])

#: Never in a value, whatever the option.
FORBIDDEN = set("\n\r'\"\\`$%#;<>~!?{}^")
OURS = {
    "array": r"0-1%[0-9]+",
    "dependency": r"(aftercorr|afterok|afterany)(:[0-9]+)+",
    "job-name": r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,80}",
    "kill-on-invalid-dep": "yes",
    "nodes": "1",
    "open-mode": "append",
    "signal": "USR2@90",
    "time": "[0-9]+",
    "wckey": "submitit",
}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeSlurm]:
    fake, home = FakeSlurm(tmp_path_factory.mktemp("slurm")), tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        fake.install(patch)
        patch.setenv("MIRO_EVAL_HOME", str(home))
        yield fake


@dataclass
class Script:
    """A job script's parts, looked at one by one.

    Attributes:
        options: of the comment lines, as Slurm reads them.
        words: of the command.
    """

    options: dict[str, str]
    words: list[str]

    @classmethod
    def read(cls, text: str) -> Script:
        lines = text.split("\n")
        assert lines == [*text.splitlines(), ""], "something else than a newline ends a line"
        assert text.isascii()
        assert lines[:3] == ["#!/bin/bash", "", "# Parameters"]
        end = lines.index("", 3)
        assert lines[end : end + 3] == ["", "# command", "export SUBMITIT_EXECUTOR=slurm"]
        assert len(lines) == end + 5, "there is more than one command"
        pairs = [cls._option(line) for line in lines[3:end]]
        assert len(dict(pairs)) == len(pairs)
        return cls(dict(pairs), shlex.split(lines[end + 3]))

    @staticmethod
    def _option(line: str) -> tuple[str, str]:
        found = re.fullmatch(r"#SBATCH --([a-z-]+)(?:=(.+))?", line)
        assert found, line
        values = shlex.split(found[2] or "''")
        assert len(values) == 1, line
        return found[1], values[0]

    def check(self, given: dict[str, str]) -> None:
        """Nothing is in it but what is ours, and what was given, as it was given."""
        folder, ids = self.words[-1], "%A_%a" if "array" in self.options else "%j"
        assert re.fullmatch(r"(/[A-Za-z0-9_.@+-]+)+", folder), folder
        ours = {"output": f"{folder}/{ids}_0_log.out", "error": f"{folder}/{ids}_0_log.err", "requeue": ""}
        for name, value in self.options.items():
            if name in ours:
                assert value == ours[name]
            elif name == "comment":
                words, _, mark = value.rpartition("miro-eval:")
                assert words.rstrip(" ") == given.get("comment", "").rstrip(" ")
                assert re.fullmatch("[0-9a-f]{32}", mark)
                assert not FORBIDDEN & set(words)
            elif name in OURS:
                assert re.fullmatch(OURS[name], value), f"{name}={value!r}"
            else:
                assert value == given[name]
                assert value.isprintable()
                assert not FORBIDDEN & set(value), f"{name}={value!r}"
                assert name == "nice" or not value.startswith("-")
        outputs = ["--output", f"{folder}/{ids}_%t_log.out", "--error", f"{folder}/{ids}_%t_log.err"]
        python = [sys.executable, "-u", "-m", "submitit.core._submit", folder]
        container = [f"--{name}={given[name]}" for name in CONTAINER if name in given]
        words = ["srun", "--unbuffered", *outputs, *container, *python]
        assert [word for word in self.words if word != "-P"] == words


def check_scripts(slurm: FakeSlurm, count: int, given: dict[str, str] | None = None) -> list[Script]:
    texts = slurm.scripts()
    assert len(texts) == count
    scripts = [Script.read(text) for text in texts]
    for text, script in zip(texts, scripts, strict=True):
        script.check(given or {})
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=True, capture_output=True).stderr == ""
    return scripts


WITH_A_FAKE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@WITH_A_FAKE
@given(name=NAMES)
@example(name="x\ntouch PWNED\n#")
@example(name="x\\'\"\ntouch PWNED\n#")
@example(name="-" * 300)
@example(name="")
@example(name="\ud800")
def test_no_name_of_a_run_gets_into_a_script_but_as_a_word(slurm: FakeSlurm, tmp_path: Path, name: str) -> None:
    slurm.scripts()
    submit(pipeline(tmp_path / "run", name))
    check_scripts(slurm, 3)


@WITH_A_FAKE
@given(name=FILES)
@example(name="a\ntouch PWNED\n#")
@example(name="%j")
@example(name="it's $(touch PWNED) `touch PWNED`")
def test_no_path_of_a_run_gets_into_a_script(slurm: FakeSlurm, tmp_path: Path, name: str) -> None:
    slurm.scripts()
    submit(pipeline(tmp_path / name))
    check_scripts(slurm, 3)


@settings(WITH_A_FAKE, max_examples=300)
@given(option=OPTIONS, value=VALUES)
@example(option="comment", value="x\ntouch PWNED\n#")
@example(option="partition", value="x\ntouch PWNED\n#")
@example(option="gres", value="gpu:1'\ntouch PWNED\n'")
@example(option="mail-user", value="-Xyou@example.org")
@example(option="mem", value="9" * 5000)
@example(option="time", value="9" * 400 + ":00")
@example(option="array-parallelism", value="9" * 5000)
@example(option="array-parallelism", value="٣")
def test_a_value_is_refused_in_a_line_or_reaches_slurm_as_it_is(
    slurm: FakeSlurm, tmp_path: Path, option: str, value: str
) -> None:
    slurm.scripts()
    main = ("partition", "gres", *CONTAINER)
    own, others = ({option.replace("-", "_"): value}, {}) if option in main else ({}, {option: value})
    chosen = SlurmSettings(**own, arguments=others)
    if (refusal := refused(chosen)) is None:
        submit(pipeline(tmp_path / "run", slurm=chosen))
        check_scripts(slurm, 3, {option: value})
    else:
        assert refusal.startswith(f"--{option} " if option in main else f"--slurm-arg {option}=")
        assert len(refusal) < 250
        assert refusal.isprintable()


def refused(chosen: SlurmSettings) -> str | None:
    """What is said of the options where they are refused."""
    try:
        sbatch.check(chosen)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("constraint", value) for value in ("a100|h100", "[gpu&ib]", "(a|b)&c", "gpu*2", "v100")),
        *(("nodelist", "n[1-4,7],m-3.cluster"), ("exclude", "node07"), ("licenses", "a:2,b:1"), ("licenses", "a@db:4")),
        *(("begin", "now+1hour"), ("begin", "2030-01-20T12:34:00"), ("begin", "16:00"), ("reservation", "root_1")),
        *(("comment", "for the paper, 2nd try"), ("mail-user", "you+slurm@example.org"), ("mail-type", "END,FAIL")),
        *(
            ("mem", "64G"),
            ("mem-per-gpu", "8000"),
            ("nice", "-100"),
            ("nice", "5"),
            ("priority", "TOP"),
            ("qos", "low"),
        ),
        *(("account", "lab-a_1.x"), ("cpus-per-task", "8"), ("tmp", "10G")),
    ],
)
def test_values_as_slurm_s_manual_has_them_are_taken(slurm: FakeSlurm, tmp_path: Path, option: str, value: str) -> None:
    slurm.scripts()
    chosen = SlurmSettings(arguments={option: value})
    sbatch.check(chosen)
    submit(pipeline(tmp_path / "run", slurm=chosen))
    array = check_scripts(slurm, 3, {option: value})[0]
    assert array.options[option].removesuffix(array.options["comment"][-43:]).rstrip() == value


def test_a_signal_that_the_environment_names_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "USR1\ntouch x")
    with pytest.raises(UserError, match=r"^SUBMITIT_PREEMPT_SIGNAL=USR1\\ntouch x: not a value"):
        sbatch.check(SlurmSettings())


def test_a_plain_run_keeps_slurm_s_words_in_itself_and_another_in_our_home(slurm: FakeSlurm, tmp_path: Path) -> None:
    plain, odd, other = (pipeline(tmp_path / name).run for name in ("run", "a %j", "b %j"))
    assert job_folders(plain) == tmp_path / "run" / "work" / "slurm"
    assert len({job_folders(odd), job_folders(other), job_folders(plain)}) == 3
    assert job_folders(odd).parent.name == "slurm"
    assert not job_folders(odd).is_relative_to(tmp_path)


def test_nodes_run_nothing_that_lay_in_the_run_before(slurm: FakeSlurm, tmp_path: Path) -> None:
    """Task files are pickles: one that somebody left under the number of a coming job would be run instead of ours."""
    made = pipeline(tmp_path / "run")
    planted = made.run.work("slurm")
    planted.mkdir()
    (planted / "1_submitted.pkl").write_bytes(b"")
    slurm.scripts()
    submit(made)
    folders = {Path(script.words[-1]) for script in check_scripts(slurm, 3)}
    assert len(folders) == 1
    assert planted not in folders
    assert new_job_folder(made.run) not in folders


def test_nodes_import_nothing_from_the_folder_that_the_command_was_given_in(slurm: FakeSlurm, tmp_path: Path) -> None:
    for module in ("submitit", "harness"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").write_text("open('PWNED', 'w')")
    slurm.scripts()
    submit(pipeline(tmp_path / "run"))
    words = check_scripts(slurm, 3)[0].words
    answer = subprocess.run(
        [*words[words.index(sys.executable) : -1], "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Folder where the jobs are stored" in answer.stdout
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("home", ["a b", "a\nb", "%j", "it's", "$HOME", "é"])
def test_a_home_that_no_script_can_hold_is_refused_before_anything_is_submitted(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / home))
    with pytest.raises(UserError, match=r"^MIRO_EVAL_HOME .*set it to such a folder") as caught:
        run([pipeline(tmp_path / "a run")], [])
    assert str(caught.value).isprintable()
    assert not slurm.scripts()


def test_an_interpreter_that_no_script_can_hold_is_refused(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/a b\n/python")
    with pytest.raises(UserError, match=r"^'/opt/a b\\n/python': job scripts take paths"):
        run([pipeline(tmp_path / "run")], [])


def test_a_task_s_state_is_not_written_through_a_link(slurm: FakeSlurm, tmp_path: Path) -> None:
    made = pipeline(tmp_path / "run")
    links = [made.run.work(f"shards/generate-{index}of2.json") for index in (0, 1)]
    for link in links:
        link.symlink_to(tmp_path / "victim")
    submit(made)
    assert not any(link.is_symlink() for link in links)


def test_a_folder_where_a_task_s_state_belongs_is_told_in_a_line(slurm: FakeSlurm, tmp_path: Path) -> None:
    made = pipeline(tmp_path / "run")
    made.run.work("shards/generate-0of2.json").mkdir()
    with pytest.raises(UserError, match="cannot be removed"):
        submit(made)

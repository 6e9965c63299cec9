"""What reaches the terminal, and what of it can steer one."""

from __future__ import annotations

import json

import pytest

from harness.terminal.echo import echo, say_as_is, show_list, show_text


def test_what_comes_from_files_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a \x1b[31mred\u202e prompt", end="")
    echo(ValueError("\x07"), err=True)
    out, err = capsys.readouterr()
    assert out == "a \\x1b[31mred\\u202e prompt"
    assert err == "\\x07\n"


def test_our_own_pictures_keep_their_colors(capsys: pytest.CaptureFixture[str]) -> None:
    say_as_is("\x1b[38;2;1;2;3m\N{UPPER HALF BLOCK}\x1b[0m")
    assert capsys.readouterr().out == "\x1b[38;2;1;2;3m\N{UPPER HALF BLOCK}\x1b[0m\n"


@pytest.mark.parametrize(
    "name", ["::error::x", "##[error]x", ":::: ##[", "\x9b31m", "\x7f", "\u202egnp", "\u2028::stop-commands::y"]
)
def test_json_stays_json_whatever_a_run_is_called(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    echo(json.dumps({"first": name}, ensure_ascii=False))
    out = capsys.readouterr().out
    assert json.loads(out) == {"first": name}
    assert not any(command in out for command in ("::", "##["))
    assert out.strip().isprintable()


ROWS = [("miro", "uv", "/a/long/path/that/nobody/wants/broken/miro-uv-3fd0d1d61e92"), ("geneval", "uv", "/b")]


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        ("120", ["environment  backend  folder", f"miro         uv       {ROWS[0][2]}", "geneval      uv       /b"]),
        (
            "60",
            ["environment  backend", "    folder", "miro         uv", f"    {ROWS[0][2]}", "geneval      uv", "    /b"],
        ),
    ],
)
def test_a_list_on_a_terminal_breaks_no_cell(
    columns: str, lines: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_list(("environment", "backend", "folder"), ROWS)
    assert capsys.readouterr().out.splitlines() == lines


def test_a_list_in_a_pipe_has_a_line_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    show_list(("environment", "backend", "folder"), ROWS)
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [[*row] for row in ROWS]


def test_long_lines_are_wrapped_between_words_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    show_text("  a line of text that is long")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_text("  a line of text that is long")
    said = capsys.readouterr().out.splitlines()
    assert said == ["  a line of text that is long", "  a line of text", "    that is long"]

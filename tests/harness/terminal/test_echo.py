"""What reaches the terminal, and what of it can steer one."""

from __future__ import annotations

import pytest

from harness.terminal.echo import echo, say_as_is


def test_what_comes_from_files_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a \x1b[31mred\u202e prompt", end="")
    echo(ValueError("\x07"), err=True)
    out, err = capsys.readouterr()
    assert out == "a \\x1b[31mred\\u202e prompt"
    assert err == "\\x07\n"


def test_our_own_pictures_keep_their_colors(capsys: pytest.CaptureFixture[str]) -> None:
    say_as_is("\x1b[38;2;1;2;3m\N{UPPER HALF BLOCK}\x1b[0m")
    assert capsys.readouterr().out == "\x1b[38;2;1;2;3m\N{UPPER HALF BLOCK}\x1b[0m\n"

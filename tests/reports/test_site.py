"""The report as a static site, in a real browser, after it was moved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import reports
from reports.exports.site import _places, write_site
from reports.gallery import write_gallery
from reports.read.selection import Selection
from tests.harness.test_cli import run as miro_eval
from tests.reports.gallery.browser import Page, headless
from tests.reports.gallery.runs import make_run
from tests.reports.gallery.screenshots import EXAMPLES, example
from wire.errors import UserError

CELLS = "[...document.querySelectorAll('.scores tbody tr')].map(row => row.cells[2].textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with headless(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_a_site_moves_with_its_galleries_and_rows_link_into_them(page: Page, tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "a", wrong={0, 1}), make_run(tmp_path / "<b> & 'c'", reward=1.0)
    answer = miro_eval("report", first, second, "--out", tmp_path / "report", "--site", tmp_path / "site")
    assert answer.returncode == 0, answer.stderr
    assert f"site: {tmp_path / 'site' / 'index.html'}" in answer.stdout
    for run in (first, second):
        shutil.rmtree(run)
    moved = (tmp_path / "site").rename(tmp_path / "elsewhere")
    page.visit(moved / "index.html")
    links = page.run("[...document.querySelectorAll('a')].map(node => node.getAttribute('href'))")
    assert {"runs/a/index.html", "runs/b-c/index.html", "runs/a/index.html#tag=colors"} <= set(links)
    assert page.complaints == []
    page.visit(moved / "runs" / "a" / "index.html", fragment="#tag=colors&prompt=00003&sample=1")
    page.run("document.querySelector('#body img').decode()")
    assert page.run("document.querySelectorAll('.card').length") == 2
    assert page.run("document.querySelector('header a').getAttribute('href')") == "../../index.html"
    assert page.complaints == []


def test_differences_have_sign_and_direction_and_stand_in_the_address(page: Page, tmp_path: Path) -> None:
    make_run(tmp_path / "a", wrong={0, 1})
    make_run(tmp_path / "b")
    board = reports.report([tmp_path / "a", tmp_path / "b"], tmp_path / "report").leaderboard
    assert board is not None
    index = write_site(board, tmp_path / "site")
    page.visit(index)
    assert page.run(CELLS) == ["1.0000", "0.6667"]
    page.visit(index, fragment="#against=b&find=A")
    page.wait_for("document.querySelector('.worse')")
    assert page.run(CELLS) == ["1.0000", "\u22120.3333"]
    assert page.run("[...document.querySelectorAll('.scores tbody tr')].map(row => row.hidden)") == [True, False]
    page.run("find.value = ''; against.value = ''; refresh()")
    assert page.run(CELLS) == ["1.0000", "0.6667"]
    assert page.run("location.hash") == ""
    assert page.run("document.querySelector('.scale').textContent") == "0.001.00"


def test_no_column_is_hidden_at_1400_pixels(page: Page, tmp_path: Path) -> None:
    runs = [example(tmp_path / name, better) for name, better in EXAMPLES.items()]
    html = reports.report(runs, tmp_path / "report").html
    for fragment in ("", "#against=example-a"):
        page.visit(html, width=1400, fragment=fragment)
        assert page.run("[...document.querySelectorAll('.scroll')].every(node => node.scrollWidth <= node.clientWidth)")
    page.visit(html, width=400)
    assert page.run("document.documentElement.scrollWidth") <= 400


def test_best_images_link_into_their_runs_gallery(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    chosen = [Selection(1, "image_reward")]
    board = reports.report([tmp_path / "a"], tmp_path / "report", selections=chosen).leaderboard
    assert board is not None
    index = write_site(board, tmp_path / "site").read_text()
    assert [path.name for path in (tmp_path / "site" / "runs").iterdir()] == ["a"]
    assert index.count('href="runs/a/index.html"') == 2


def test_another_programs_page_is_not_overwritten(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    board = reports.report([tmp_path / "a"], tmp_path / "report").leaderboard
    assert board is not None
    write_site(board, tmp_path / "site")
    index = write_site(board, tmp_path / "site")  # our own may be written again
    index.write_text("<h1>mine</h1>")
    for write in (
        lambda: write_site(board, tmp_path / "site"),
        lambda: write_gallery([tmp_path / "a"], tmp_path / "site"),
    ):
        with pytest.raises(UserError, match=r"index\.html: not a page of miro-eval"):
            write()
    assert index.read_text() == "<h1>mine</h1>"


def test_no_two_runs_share_an_address() -> None:
    assert _places(["a b", "a-b", "A:b", "<>"]) == ["runs/a-b", "runs/a-b--2", "runs/A-b--3", "runs/run"]
    assert _places(["a b", "a?b", "a-b--2"]) == ["runs/a-b", "runs/a-b--2", "runs/a-b--2--2"]

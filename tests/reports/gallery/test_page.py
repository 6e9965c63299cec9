"""The gallery's page in a real browser, opened from disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.gallery import Copied, GalleryFiles, SheetSettings, write_gallery
from tests.reports.builders import write_rows
from tests.reports.gallery.browser import Page, headless
from tests.reports.gallery.runs import HOSTILE, judged, make_run
from tests.reports.geneval2 import made_up_lines, write_run
from tests.shared_data import shared
from wire.cards import MetricCard, records

CARDS = "document.querySelectorAll('.card').length"
PROMPTS = "[...document.querySelectorAll('.card .prompt')].map(node => node.textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with headless(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_gallery([make_run(tmp_path / "a", wrong={0, 1})], tmp_path / "out").index


@pytest.fixture
def two(tmp_path: Path) -> Path:
    first, second = make_run(tmp_path / "a", wrong={0, 1}), make_run(tmp_path / "b", wrong={0, 4}, reward=1.0)
    return write_gallery([first, second], tmp_path / "out").index


def choose(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.run(
            f"const node = document.getElementById({name!r}); node.value = {value!r};"
            "node.dispatchEvent(new Event(node.tagName === 'SELECT' ? 'change' : 'input'))".join("{}")
        )


def click(page: Page, text: str) -> None:
    page.run(f"[...document.querySelectorAll('button')].find(node => node.textContent.startsWith({text!r})).click()")


def test_data_are_inert_text(one: Path) -> None:
    html = one.read_text(encoding="utf-8")
    assert html.count("<script") == html.count("</script>") == 2
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert not set(block) & set("<>&\u2028\u2029")
    assert json.loads(block)["runs"][0]["records"][2]["prompt"] == HOSTILE
    assert "default-src 'none'; script-src 'sha256-" in html.replace("&#39;", "'")


def test_an_image_in_full_shows_its_questions_with_their_probabilities(page: Page, tmp_path: Path) -> None:
    lines = made_up_lines(2)
    lines[0]["vqa_list"][0][0] = "<img src=x onerror=alert(1)>"
    run = write_run(tmp_path / "run", lines, [[[0.25, 0.5, 0.75, 1.0]], [[0.5] * 5]])
    page.visit(write_gallery([run], tmp_path / "out").index)
    page.run("show(0)")
    shown = page.run("[...document.querySelectorAll('#detail .questions > span')].map(node => node.textContent)")
    assert shown[::3] == [f"{question} {answer}." for question, answer in lines[0]["vqa_list"]]
    assert shown[2::3] == ["0.250", "0.500", "0.750", "1.000"]


def test_runs_without_verdicts_say_nothing_of_verdicts(page: Page, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, made_up_lines(2), [[[0.25, 0.5, 0.75, 1.0]], [[0.5] * 5]])
    for number, runs in enumerate((["a"], ["a", "b"])):
        made = write_gallery([tmp_path / name for name in runs], tmp_path / f"out-{number}")
        page.visit(made.index)
        text = str(page.run("document.body.innerText"))
        assert "thing 0" in text
        assert not [word for word in ("verdict", "unscored", "flip", "boxes", "Tag") if word in text]
        assert not made.judged


def test_a_hostile_prompt_is_text_and_runs_nothing(page: Page, one: Path) -> None:
    page.visit(one)
    page.run("show(2)")
    assert page.run("typeof window.hacked") == "undefined"
    assert page.run("document.querySelector('#body h2').textContent") == HOSTILE
    assert page.run("document.scripts.length") == 2
    assert page.complaints == []


def test_the_policy_refuses_other_scripts(page: Page, one: Path) -> None:
    page.visit(one)
    page.run(
        "const node = document.createElement('script'); node.textContent = 'hacked = 3'; document.body.append(node)"
    )
    assert page.run("typeof window.hacked") == "undefined"
    assert any("Content Security Policy" in words for words in page.complaints)


def test_images_boxes_and_placeholders(page: Page, one: Path) -> None:
    page.visit(one)
    page.run("[...document.images].forEach(image => { image.loading = 'eager' })")
    page.run("Promise.all([...document.images].map(image => image.decode()))")
    assert page.run("[...document.images].map(image => image.naturalWidth)") == [64] * 11
    assert page.run("document.querySelector('.card svg').getAttribute('viewBox')") == "0 0 64 64"
    assert page.run("document.querySelectorAll('.card rect.asked').length") == 12
    assert page.run("document.querySelector('.card .missing').textContent") == "image not found: 00005/samples/0001.png"


def test_filters(page: Page, one: Path) -> None:
    page.visit(one)
    assert page.run(CARDS) == 12
    click(page, "wrong")
    assert page.run(CARDS) == 4
    click(page, "single_object")
    assert page.run(PROMPTS) == ["a photo of single_object 0"] * 2
    click(page, "Clear")
    choose(page, find="EXPECTED bench")
    assert page.run(CARDS) == 2
    choose(page, find="", metric="image_reward", least="3.05", most="4")
    assert page.run(PROMPTS) == ["a photo of colors 3", "a photo of position 4"]
    choose(page, least="99")
    assert page.run(CARDS) == 0
    assert "Nothing matches" in page.run("document.querySelector('#grid').textContent")
    assert page.complaints == []


def test_sorting_by_a_metric_begins_with_the_highest(page: Page, one: Path) -> None:
    page.visit(one)
    choose(page, sort="image_reward")
    assert page.run(PROMPTS)[0] == "a photo of color_attr 5"
    page.run("document.getElementById('direction').click()")
    assert page.run(PROMPTS)[0] == "a photo of single_object 0"


def test_one_image_in_full(page: Page, one: Path) -> None:
    page.visit(one)
    page.run("show(0)")
    told = page.run("document.getElementById('body').innerText")
    for part in ("✗ wrong", "expected bench>=1, found 0", "image_reward", "0.0000", "bench", "0.912", "red 0.50", "42"):
        assert part in told
    assert told.index("bench\n") < told.index("dog")


def test_the_keyboard_does_it_all(page: Page, one: Path) -> None:
    page.visit(one)
    page.press("/", 191)
    assert page.run("document.activeElement.id") == "find"
    page.run("document.querySelector('.card').focus()")
    page.press("ArrowRight", 39)
    page.press("Enter", 13)
    assert page.run("[document.getElementById('detail').open, state.open]") == [True, 1]
    page.press("ArrowRight", 39)
    assert page.run("document.getElementById('place').textContent") == "3 of 12"
    page.press("Escape", 27)
    page.wait_for("!document.getElementById('detail').open")
    page.wait_for("[...document.querySelectorAll('.card')].indexOf(document.activeElement) === 2")


def test_two_runs_begin_with_the_flips(page: Page, two: Path) -> None:
    page.visit(two)
    outcomes = page.run("[...document.querySelectorAll('.card .about > :first-child')].map(node => node.textContent)")
    assert outcomes[:5] == ["only second right"] * 2 + ["only first right"] * 2 + ["both wrong"]
    assert "4 verdicts flip" in page.run("document.getElementById('summary').textContent")
    click(page, "only first right")
    assert page.run(CARDS) == 2
    choose(page, sort="image_reward")
    assert "image_reward +1.0000" in page.run("document.querySelector('.card').textContent")
    page.run("show(0)")
    assert "1.0000" in page.run("document.querySelector('#body .view:last-child .bars small').textContent")
    assert page.run("document.querySelectorAll('#body .view').length") == 2
    assert page.complaints == []


@pytest.fixture
def three(tmp_path: Path) -> GalleryFiles:
    runs = [
        make_run(tmp_path / name, wrong, reward)
        for name, wrong, reward in (("a", {0}, 0), ("b", {0}, 1), ("c", {4}, 3))
    ]
    return write_gallery(runs, tmp_path / "out", sheet=SheetSettings(["counting"], 1, ["pdf"]))


def test_any_number_of_runs_stand_in_rows(page: Page, three: GalleryFiles) -> None:
    page.visit(three.index)
    assert (
        page.run("[...document.querySelectorAll('.card')].map(card => card.querySelectorAll('.side').length)")
        == [3] * 12
    )
    assert page.run("[...document.querySelector('.card').querySelectorAll('.who')].map(node => node.textContent)") == [
        "a",
        "b",
        "c",
    ]
    outcomes = page.run("[...document.querySelectorAll('.card .about > :first-child')].map(node => node.textContent)")
    assert outcomes == ["verdicts differ"] * 4 + ["all right"] * 8
    assert "4 verdicts flip" in page.run("document.getElementById('summary').textContent")
    click(page, "verdicts differ")
    assert page.run(CARDS) == 4
    choose(page, sort="image_reward")
    assert "image_reward +3.0000" in page.run("document.querySelector('.card').textContent")
    page.run("show(0)")
    assert page.run("document.querySelectorAll('#body .view').length") == 3
    assert page.complaints == []


def test_a_grid_is_also_a_picture_for_a_paper(three: GalleryFiles) -> None:
    assert [path.name for path in three.sheet] == ["grid.png", "grid.pdf"]
    assert three.sheet[0].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("width", [360, 1400])
def test_rows_do_not_stick_out(page: Page, three: GalleryFiles, width: int) -> None:
    page.visit(three.index, width=width)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_a_grid_of_checkpoints_is_in_the_order_of_the_steps(page: Page, tmp_path: Path) -> None:
    runs = []
    for step in (100_000, 25_000):
        runs.append(make_run(tmp_path / f"step={step}"))
        (runs[-1] / "run.json").write_text(json.dumps({"name": "mine", "step": step}))
    page.visit(write_gallery(runs, tmp_path / "out", sheet=SheetSettings()).index)
    heads = "[...document.querySelector('.card').querySelectorAll('.who')].map(node => node.textContent)"
    assert page.run(heads) == ["step 25k", "step 100k"]


def test_a_change_says_its_sign_and_whether_it_is_better(page: Page, tmp_path: Path) -> None:
    cards = records({"image_reward": MetricCard(metric="image_reward", scale="any", higher_is_better=False)})
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b", reward=-1.0)
    for run in (first, second):
        record = json.loads((run / "run.json").read_text())
        stages = {"rewards": {"provenance": {"cards": cards}}}
        (run / "run.json").write_text(json.dumps(record | {"stages": stages}))
    page.visit(write_gallery([first, second], tmp_path / "out").index)
    choose(page, sort="image_reward")
    assert "image_reward \u22121.0000, better" in page.run("document.querySelector('.card').textContent")
    options = page.run("[...document.getElementById('sort').options].map(node => node.textContent)")
    assert "change in image_reward (lower is better)" in options


def test_the_address_says_what_is_shown_and_leads_back_to_it(page: Page, one: Path) -> None:
    page.visit(one)
    click(page, "wrong")
    choose(page, sort="image_reward", find="single")
    page.run("show(1)")
    fragment = page.run("location.hash")
    expected = "#find=single&sort=image_reward&verdict=wrong&order=falling&prompt=00000&sample=0"
    assert fragment == expected
    page.visit(one.parent / "index.html", fragment="#verdict=right")
    assert page.run(CARDS) == 8
    page.visit(one, fragment=fragment)
    page.wait_for("document.getElementById('detail').open")
    assert page.run(CARDS) == 2
    assert page.run("document.getElementById('place').textContent") == "2 of 2"
    assert page.run("location.hash") == expected
    page.run("document.getElementById('detail').close()")
    page.wait_for("!location.hash.includes('prompt')")
    # An address that names what is not there shows what there is.
    page.visit(one, fragment="#prompt=99999&sort=nothing&tag=%3Cb%3E")
    assert page.run(CARDS) == 0
    click(page, "Clear")
    assert page.run(CARDS) == 12
    assert page.run("location.hash") == ""
    assert page.complaints == []


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_sticks_out(page: Page, two: Path, width: int) -> None:
    page.visit(two, width=width, dark=width == 360)
    assert page.run("document.documentElement.scrollWidth") <= width
    page.run("show(0)")
    assert page.run("document.getElementById('detail').scrollWidth <= document.getElementById('detail').clientWidth")


def test_copied_images_move_with_the_gallery(page: Page, tmp_path: Path) -> None:
    write_gallery([make_run(tmp_path / "a")], tmp_path / "out", Copied.WHOLE)
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    page.visit(moved / "index.html")
    page.run("document.images[0].decode()")
    assert page.run("document.images[0].naturalWidth") == 64


def test_an_image_that_is_none_has_a_placeholder(page: Page, tmp_path: Path) -> None:
    run = write_rows(tmp_path / "results.jsonl", [judged(0, 0, "colors", True)])
    (tmp_path / "00000" / "samples").mkdir(parents=True)
    (tmp_path / "00000" / "samples" / "0000.png").write_text("text")
    page.visit(write_gallery([run], tmp_path / "out").index)
    page.wait_for("document.querySelector('.missing')")
    assert page.run("document.querySelector('.missing').textContent").startswith("image cannot be shown")


def test_the_real_file_without_its_images(page: Page, tmp_path: Path) -> None:
    files = write_gallery([shared("data/geneval/genediteval_results.jsonl")], tmp_path)
    assert (files.images, files.without_picture) == (2212, 2212)
    assert files.index.stat().st_size < 2_000_000
    page.visit(files.index)
    assert "1,238 of 2,212 right" in page.run("document.getElementById('summary').textContent")
    assert page.run(CARDS) == 60
    assert (
        page.run("const begun = performance.now(); refresh(); document.body.offsetHeight; performance.now() - begun")
        < 500
    )
    page.run("scrollTo(0, document.body.scrollHeight)")
    page.wait_for(f"{CARDS} > 60")
    assert page.complaints == []


def test_the_same_rows_make_the_same_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    once, again = (write_gallery([run], tmp_path / "out").index.read_bytes() for _ in range(2))
    assert once == again

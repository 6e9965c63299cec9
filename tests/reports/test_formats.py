"""LaTeX, HTML and JSON of one leaderboard with hostile names."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path

import pytest

from reports import report
from reports.analysis import write_analysis
from reports.leaderboard.html import leaderboard_html
from reports.leaderboard.latex import escape_latex, leaderboard_latex
from reports.leaderboard.markdown import leaderboard_markdown
from reports.leaderboard.table import Leaderboard, make_leaderboard
from reports.pages import content_policy
from reports.read.runs import read_run
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import SMALL, rewards, sweep, write_leaderboard, write_rows
from tests.shared_data import shared
from wire.vocabulary import SEVEN_REWARDS, TAGS

HOSTILE = (
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' {{ 7 * 7 }} {% raw %}",
    r"100% \input{/etc/passwd} $x_1^2$ & #~ {a}",
    "模型 émile — 🙂",
)
VOID = {"wbr", "meta", "input", "link", "img", "br", "hr"}


@pytest.fixture
def board(tmp_path: Path) -> Leaderboard:
    runs = []
    for place, name in enumerate(HOSTILE):
        folder = tmp_path / str(place)
        rows = sweep(SMALL | {"position": (place, 8)})
        rows[0] |= {"correct": None, "status": "unscored", "error": f"{name} cannot be read"}
        write_rows(folder / "results.jsonl", rows)
        write_rows(folder / "rewards.jsonl", [rewards(0, 0), rewards(1, 0, {"image_reward": -0.5})])
        manifest = {"name": name, "random_weights": place == 0, "protocol": {"note": name}}
        (folder / "run.json").write_text(json.dumps(manifest))
        runs.append(summarise_run(read_run(folder, CARDS)))
    return make_leaderboard(runs)


class StrictParser(HTMLParser):
    """Every element is closed where it should be; keeps tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"rect", "circle", "path"}, f"<{tag}/> is not closed in HTML"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(html: str) -> StrictParser:
    parser = StrictParser()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert len(set(parser.ids)) == len(parser.ids)
    return parser


def test_html_is_well_formed_and_holds_the_names_as_text(board: Leaderboard) -> None:
    page = parsed(leaderboard_html(board))
    for name in board.frame["model"]:
        assert name in page.words


def test_no_script_comes_out_of_a_name(board: Leaderboard) -> None:
    page = parsed(leaderboard_html(board))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == tags.count("style") == 1
    assert not {"img", "iframe", "object", "link", "a"} & set(tags)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not [name for _, attributes in page.elements for name in attributes if name in ("src", "href", "style")]
    assert "49" not in [word.strip() for word in page.words]


def test_the_policy_names_the_script_and_nothing_else(board: Leaderboard) -> None:
    html = leaderboard_html(board)
    style, script = (re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[0] for tag in ("style", "script"))
    policies = [attributes.get("content") for tag, attributes in parsed(html).elements if tag == "meta"]
    policy = content_policy(style, script)
    assert policy in policies
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_html_needs_no_other_file(board: Leaderboard) -> None:
    assert not re.findall(r"(?:https?:)?//[\w.]+/|url\(|@import", leaderboard_html(board))


def test_rows_of_html_have_as_many_cells_as_the_head(board: Leaderboard) -> None:
    tables = re.findall("<table(?: [^>]*)?>(.*?)</table>", leaderboard_html(board), re.DOTALL)
    assert len(tables) > 2
    for table in tables:
        rows = re.findall("<tr(?: [^>]*)?>(.*?)</tr>", table, re.DOTALL)
        assert len({len(re.findall(r"<t[hd][ >]", row)) for row in rows}) == 1


def test_numbers_of_html_are_sorted_by_their_full_precision(board: Leaderboard) -> None:
    page = parsed(leaderboard_html(board))
    sorts = {attributes.get("data-sort") for tag, attributes in page.elements if tag == "td"}
    assert {repr(value) for value in board.frame["overall"]} <= sorts


def test_latex_is_balanced_and_free_of_foreign_commands(board: Leaderboard) -> None:
    latex = leaderboard_latex(board)
    assert latex.isascii() or "é" in latex
    begun = re.findall(r"\\begin\{(\w+)\}", latex)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", latex))
    plain = re.sub(r"\\[\\{}&%$#_]", "", latex)
    assert plain.count("{") == plain.count("}")
    allowed = (
        "textbf underline begin end centering caption label toprule midrule bottomrule usepackage textbackslash "
        "textasciitilde textasciicircum textless textgreater textquotedbl textbar ldots"
    )
    assert set(re.findall(r"\\([a-zA-Z]+)", re.sub(r"\\\\", "", latex))) <= set(allowed.split())


def test_latex_compiles(board: Leaderboard, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex is installed; the parser above has looked at the same tables")
    (tmp_path / "leaderboard.tex").write_text(leaderboard_latex(board), encoding="utf-8")
    packages = "\\usepackage{booktabs}\n\\usepackage[T1]{fontenc}\n"
    document = f"\\documentclass{{article}}\n{packages}\\begin{{document}}\n\\input{{leaderboard}}\n\\end{{document}}\n"
    (tmp_path / "all.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert answer.returncode == 0, answer.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000


def test_rows_of_latex_have_as_many_cells_as_columns(board: Leaderboard) -> None:
    tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", leaderboard_latex(board), re.DOTALL)
    assert len(tables) == 2 * 5
    for columns, body in tables:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.sub(r"\\&", "", row).split("&")) for row in rows} == {len(columns)}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 5%", r"a\_b \& 5\%"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$~^#", r"\$\textasciitilde{}\textasciicircum{}\#"),
        ("two\nlines", "two lines"),
        ("Émile 模型", "Émile ??"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped


ODD_CELLS = (
    "a|b",
    "\\\\|x",
    "`|`",
    "=1+1",
    "@SUM(A1)",
    "+1",
    "-2+3",
    "NA",
    "007",
    "a\nb",
    "| --- |",
    "::error::x",
    "1. x",
)


def test_names_of_any_kind_break_no_table_of_markdown(tmp_path: Path) -> None:
    runs = []
    for place, name in enumerate(ODD_CELLS):
        folder = tmp_path / str(place)
        write_rows(folder / "rewards.jsonl", [rewards(number, 0, {name: 0.5 + number}) for number in range(2)])
        protocol = {"suite": {"id": name, "prompts": name}, "seed": name}
        (folder / "run.json").write_text(json.dumps({"name": name, "protocol": protocol}))
        runs.append(summarise_run(read_run(folder, CARDS)))
    lines = leaderboard_markdown(make_leaderboard(runs)).splitlines()
    tables = [list(group) for is_table, group in groupby(lines, lambda line: line[:1] == "|") if is_table]
    assert sum(map(len, tables)) == len(ODD_CELLS) + 2 * len(tables)
    for table in tables:
        # GFM's own rule: a pipe parts cells unless a backslash that is not escaped itself stands before it.
        assert len({len(re.sub(r"\\.", "", line).split("|")) for line in table}) == 1, table


def test_csv_files_hold_texts_to_the_letter(tmp_path: Path) -> None:
    folders = []
    for place, text in enumerate(ODD_CELLS):
        folders.append(tmp_path / str(place))
        rows = sweep(SMALL)
        rows[0] |= {"prompt": text, "reason": text}
        write_rows(folders[-1] / "results.jsonl", rows)
        (folders[-1] / "run.json").write_text(json.dumps({"name": text}))
    files = report(folders, tmp_path / "out")
    names = {read_run(folder).name for folder in folders}
    for path, column, expected in (
        (files.csv, "model", names),
        (files.scores, "prompt", {*ODD_CELLS}),
        (files.scores, "reason", {*ODD_CELLS}),
        (files.prompts, "prompt", {*ODD_CELLS}),
        (write_analysis(folders, tmp_path / "out").csv, "model", names),
    ):
        with path.open(encoding="utf-8", newline="") as lines:
            found = {row[column] for row in csv.DictReader(lines)}
        assert expected <= found, path


def test_json_has_every_number(board: Leaderboard, tmp_path: Path) -> None:
    write_rows(tmp_path / "plain" / "results.jsonl", sweep(SMALL))
    files = write_leaderboard([summarise_run(read_run(tmp_path / "plain", CARDS))], tmp_path / "out")
    record = json.loads(files.json.read_text())
    (run,) = record["sections"][0]["runs"]
    assert record["schema"] == "miro-eval/leaderboard/1"
    assert list(run["scores"]) == ["overall", *TAGS]
    assert run["scores"]["overall"]["value"] == 0.5
    assert run["scores"]["overall"]["low"] < 0.5 < run["scores"]["overall"]["high"]
    assert run["rewards"] == dict.fromkeys(SEVEN_REWARDS)
    assert (run["rank"], run["images"], run["unscored"]) == (1, 48, 0)
    assert record["metrics"]["image_reward"]["normalised"] == "(raw + 2) / 4"


def test_the_real_file_in_every_format(tmp_path: Path) -> None:
    source = shared("data/geneval/genediteval_results.jsonl")
    files = write_leaderboard([summarise_run(read_run(source))], tmp_path)
    for path in (files.markdown, files.latex, files.html):
        assert "0.5741" in path.read_text()
    parsed(files.html.read_text())
    assert json.loads(files.json.read_text())["sections"][0]["runs"][0]["coverage"] == "553 of 553 prompts"

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.leaderboard.markdown import escape
from reports.read.runs import read_run
from reports.summary.run_summary import summarise_run
from tests.reports.builders import SMALL, sweep, unscored, write_leaderboard, write_rows


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("miro-v2.1_ema", "miro-v2.1_ema"),
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),
        ("two\nlines\r\n", "two lines"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;", "&amp;lt;"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("https://a.b", "https&#58;//a.b"),
        ("www.a.b", "www&#46;a.b"),
        ("@someone #12", r"&#64;someone \#12"),
        ("*_`~$", r"\*\_\`\~\$"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_hostile_run_stays_in_its_cell(tmp_path: Path) -> None:
    name = "x | <img src=x onerror=alert(1)> `a` [b](c)\\"
    rows = [*sweep(SMALL), unscored(0, 4, "single_object", "| </td><script>\n# Heading")]
    path = write_rows(tmp_path / f"{name}.jsonl", rows)
    markdown = write_leaderboard([summarise_run(read_run(path))], tmp_path / "out").markdown.read_text()
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert "<img" not in markdown
    assert "<script" not in markdown
    assert "\n# Heading" not in markdown

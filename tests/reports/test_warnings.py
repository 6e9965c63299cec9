"""What libraries warn of is not for users: letters without a glyph, no room for labels, tables with many columns."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import reports
from reports.analysis import write_analysis
from reports.analysis.track import write_track
from tests.reports.builders import SMALL, rewards, sweep, write_rows


def test_odd_names_and_many_metrics_are_no_warning(tmp_path: Path) -> None:
    names = ("模型 \N{ROCKET}", "عربي $x$", "L" * 3000)
    for step, name in enumerate(names):
        run, values = tmp_path / str(step), {f"评分 {number}": step + number / 7 for number in range(12)}
        write_rows(run / "results.jsonl", sweep(SMALL))
        write_rows(run / "rewards.jsonl", [rewards(number, 0, values) for number in range(3)])
        (run / "run.json").write_text(json.dumps({"name": name, "step": step}))
    wide = {f"metric {number}": 0.5 for number in range(120)}
    verdicts = sweep(SMALL)
    write_rows(tmp_path / "wide" / "results.jsonl", verdicts)
    scored = [{"filename": row["filename"], "prompt": row["prompt"], **wide} for row in verdicts]
    write_rows(tmp_path / "wide" / "rewards.jsonl", scored)
    runs = [tmp_path / str(step) for step in range(len(names))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reports.report([*runs, tmp_path / "wide"], tmp_path / "report")
        write_analysis(runs, tmp_path / "analysis")
        write_track(runs, tmp_path / "track")

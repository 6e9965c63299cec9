"""Judges side by side: statistics against brute force, labels of both kinds, and what is said of who is better."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from harness.cli.app import app
from reports.analysis import write_analysis
from reports.analysis.judges import HUMAN, agreements, read_labels, write_judges
from reports.read.runs import read_run
from rewards.scorers import CARDS
from tests.reports.builders import rewards, verdict, write_rows
from tests.shared_data import shared
from wire.errors import UserError
from wire.vocabulary import TAGS

Row = dict[str, Any]


def run_of(folder: Path, noise: float = 0.3, prompts: int = 24, **more: bool) -> list[Row]:
    """Rows of a run whose VQAScore follows a hidden truth closely, GenEval less so; and the truth as labels."""
    random = np.random.default_rng(0)
    judged, scored, labels = [], [], []
    for prompt, sample in itertools.product(range(prompts), range(2)):
        truth = bool(random.random() < 0.5)
        seen = truth if random.random() < 0.75 else not truth
        text = f"thing {prompt}"
        judged.append(verdict(prompt, sample, TAGS[prompt % 6], seen, text))
        values = {"vqa": round(float(truth + random.normal(0, noise)), 1), "image_reward": float(random.random())}
        scored.append(rewards(prompt, sample, values) | {"prompt": text})
        labels.append({"filename": judged[-1]["filename"], "correct": int(truth), "tag": TAGS[prompt % 6]})
    if not more.get("without_verdicts"):
        write_rows(folder / "results.jsonl", judged)
    write_rows(folder / "rewards.jsonl", scored)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["filename", "correct", "tag"])
        table.writeheader()
        table.writerows(labels)
    return [a | b | {"truth": c["correct"]} for a, b, c in zip(judged, scored, labels, strict=True)]


def auroc(scores: list[float], right: list[bool]) -> float:
    pairs = [(a > b) + (a == b) / 2 for a, r in zip(scores, right, strict=True) if r
             for b, q in zip(scores, right, strict=True) if not q]  # fmt: skip
    return float(np.mean(pairs))


def kappa(called: list[bool], right: list[bool]) -> float:
    agreed = np.mean([a == b for a, b in zip(called, right, strict=True)])
    one, two = np.mean(called), np.mean(right)
    chance = one * two + (1 - one) * (1 - two)
    return float((agreed - chance) / (1 - chance))


def test_statistics_are_their_definitions(tmp_path: Path) -> None:
    rows = run_of(tmp_path)
    found = agreements(read_run(tmp_path, CARDS), read_labels(tmp_path / "labels.csv"))
    assert {(one.reference, one.judge) for one in found} == {("human", "geneval"), ("human", "vqa"), ("geneval", "vqa")}
    of = {(one.reference, one.judge, one.tag): one for one in found}
    for tag in ("all", *TAGS):
        own = [row for row in rows if tag in ("all", row["tag"])]
        truth, seen, scores = ([row[key] for row in own] for key in ("truth", "correct", "vqa"))
        right = [bool(one) for one in truth]
        one = of["human", "vqa", tag]
        assert one.images == len(own)
        assert one.auroc is not None
        assert one.auroc.value == pytest.approx(auroc(scores, right))
        by_geneval = of["human", "geneval", tag]
        assert by_geneval.kappa is not None
        assert by_geneval.kappa.value == pytest.approx(kappa(seen, right))
        cut = sorted((row["vqa"] for row in rows), reverse=True)[sum(row["truth"] for row in rows) - 1]
        assert one.kappa is not None
        assert one.kappa.value == pytest.approx(kappa([score >= cut for score in scores], right))
    whole = of["human", "vqa", "all"]
    assert whole.auroc is not None
    assert whole.auroc.low is not None
    assert whole.auroc.high is not None
    assert whole.auroc.low < whole.auroc.value < whole.auroc.high <= 1.0


def test_intervals_are_of_prompts(tmp_path: Path) -> None:
    """Images that say the same twice over make no interval narrower: a prompt's are drawn together."""
    run_of(tmp_path / "once")
    for name in ("results", "rewards"):
        rows = [json.loads(line) for line in (tmp_path / "once" / f"{name}.jsonl").read_text().splitlines()]
        twice = [
            row | {"filename": row["filename"].replace("/000", f"/{copy}00"), "sample_index": 2 * copy + place % 2}
            for place, row in enumerate(rows)
            for copy in (0, 1)
        ]
        for row in twice:
            row["image_sha256"] = ""
        write_rows(tmp_path / "twice" / f"{name}.jsonl", twice)
    once, twice_over = (agreements(read_run(tmp_path / name, CARDS))[0].auroc for name in ("once", "twice"))
    assert once is not None
    assert twice_over is not None
    assert (twice_over.value, twice_over.low, twice_over.high) == pytest.approx((once.value, once.low, once.high))


def test_without_a_verdict_there_is_a_rank_correlation(tmp_path: Path) -> None:
    rows = run_of(tmp_path, without_verdicts=True)
    scores = [{**row, "soft_tifa": row["vqa"] ** 3 + row["image_reward"]} for row in rows]
    write_rows(tmp_path / "rewards.jsonl", [
        rewards(row["prompt_index"], row["sample_index"], {"vqa": row["vqa"], "soft_tifa": row["soft_tifa"]})
        for row in scores
    ])  # fmt: skip
    (one,) = agreements(read_run(tmp_path, CARDS))
    expected = stats.spearmanr([row["vqa"] for row in scores], [row["soft_tifa"] for row in scores]).statistic
    assert one.correlation is not None
    assert one.correlation.value == pytest.approx(expected)
    write_judges([("run", read_run(tmp_path, CARDS))], None, tmp_path / "out")
    assert "| vqa, soft_tifa | 48 |" in (tmp_path / "out" / "judges.md").read_text()


def test_the_table_says_whom_to_believe_for_what(tmp_path: Path) -> None:
    run_of(tmp_path, noise=0.1, prompts=240)
    arguments = ["analyse", tmp_path, "--labels", tmp_path / "labels.csv", "--out", tmp_path / "out"]
    answer = CliRunner().invoke(app, [*map(str, arguments)])
    assert answer.exit_code == 0, answer.output
    assert "judges side by side: " in answer.output
    text = (tmp_path / "out" / "judges.md").read_text()
    people = text.split("### Against people")[1].split("###")[0]
    counting = next(line for line in people.splitlines() if line.startswith("| counting |"))
    assert counting.endswith("| vqa |")
    with (tmp_path / "out" / "judges.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["reference"] for line in lines} == {"human", "geneval"}
    assert {line["statistic"] for line in lines} == {"auroc", "kappa"}


def test_labels_of_genevals_study_are_the_annotators_majority() -> None:
    """Five annotators an image; half of them or fewer do not make it right."""
    path = shared("data/geneval/human_annotations_clip.csv")
    labels = read_labels(path)
    assert len(labels) == 400
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for place, right in labels.items():
        own = [row for row in rows if (row["Input.caption"], int(row["Input.image_id"])) == place]
        assert len(own) == 5
        assert right is (sum(row["Answer.task-quality"] == "4" for row in own) >= 3)
    assert labels["a photo of four donuts", 2] is False


def test_labels_find_their_images_by_prompt_and_sample(tmp_path: Path) -> None:
    run_of(tmp_path)
    study = "Input.caption,Input.image_id,Answer.task-quality\n"
    (tmp_path / "study.csv").write_text(study + "thing 0,0,4\nthing 0,1,2\nthing 1,0,4\nthing 9999,0,4\n")
    found = agreements(read_run(tmp_path, CARDS), read_labels(tmp_path / "study.csv"))
    assert {one.images for one in found if one.reference == HUMAN and one.tag == "all"} == {3}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "no labels; expected columns filename and correct"),
        ("filename,correct\nx.png,yes\n", "labels.csv:2: a malformed label"),
        ("filename,correct\nx.png,1\nx.png,0\n", "labels.csv:3: x.png is labelled twice"),
        ("filename,correct\n", "no labels below its heading"),
        ("Input.caption,Input.image_id,Answer.task-quality\na,b,c\n", "labels.csv:2: a malformed label"),
        ("Input.caption,Input.image_id,Answer.task-quality\na,0,5\n", r"labels.csv:2: a malformed label \(5 of 4\)"),
    ],
)
def test_labels_that_are_none(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=told):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(UserError, match="not a readable table"):
        read_labels(tmp_path / "gone.csv")


def test_labels_that_find_no_image_are_counted_and_two_runs_are_refused(tmp_path: Path) -> None:
    """File names are alike in all runs, so that labels of one would be taken for those of another's images."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run_of(tmp_path / name)
    text = (tmp_path / "a" / "labels.csv").read_text().replace("00000/", "/data/images/00000/")
    (tmp_path / "moved.csv").write_text(text)
    files = write_analysis([tmp_path / "a"], tmp_path / "out", CARDS, judges=True, labels=tmp_path / "moved.csv")
    lost, every = text.count("/data/"), len(text.splitlines()) - 1
    told = f"{lost} of {every} labelled images are not in this run, e.g. /data/images/00000/samples/0000.png"
    assert files.notes == (told,)
    assert f"{told}." in files.judges[0].read_text()
    with pytest.raises(UserError, match="about one run's images, and here are 2: analyse that run alone"):
        write_analysis([tmp_path / "a", tmp_path / "b"], tmp_path, judges=True, labels=tmp_path / "a" / "labels.csv")


def test_labels_of_other_images_are_refused(tmp_path: Path) -> None:
    run_of(tmp_path)
    (tmp_path / "others.csv").write_text("filename,correct\nelsewhere.png,1\n")
    with pytest.raises(UserError, match=r"none of the 1 labelled images \(--labels\) is in these runs"):
        write_judges([("run", read_run(tmp_path, CARDS))], read_labels(tmp_path / "others.csv"), tmp_path)


def test_one_judge_alone_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "rewards.jsonl", [rewards(prompt, 0) for prompt in range(3)])
    with pytest.raises(UserError, match="no two judges of the same images"):
        write_judges([("run", read_run(tmp_path, CARDS))], None, tmp_path)

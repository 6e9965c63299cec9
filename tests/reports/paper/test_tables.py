from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest

from reports.paper.measured import Measurement
from reports.paper.printed import exact_counts
from reports.paper.tables import Verdict, judge, reproduce_table, table_csv, table_markdown
from reports.read.suite import PROMPTS_PER_TAG
from tests.reports.builders import SMALL, Row, official_prompts, rewards, sweep, verdict, write_rows
from tests.shared_data import shared
from wire.errors import UserError
from wire.vocabulary import TAGS

#: Rows of Table 1 -> the reward that their best of 128 are chosen by.
SCALED = {
    "Aesthetic Scaled MIRO": "aesthetic",
    "Image Reward Scaled MIRO": "image_reward",
    "HPSv2 Scaled MIRO": "hpsv2.1",
    "PickAScore Scaled MIRO": "pick_score",
}
REWARDS = [*SCALED.values()]


def paper_sweep(model: str) -> list[Row]:
    """A sweep with exactly the published counts of correct images, spread over the prompts by chance."""
    prompts = official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl"))
    counts = {tag: (count.correct, count.total) for tag, count in exact_counts()[model].items()}
    rows = sweep(counts, texts=prompts)
    for tag in TAGS:
        own = [row for row in rows if row["tag"] == tag]
        verdicts = [row["correct"] for row in own]
        random.Random(tag).shuffle(verdicts)
        for row, correct in zip(own, verdicts, strict=True):
            row["correct"] = correct
    return rows


def run(folder: Path, rows: list[Row], **manifest: object) -> Path:
    write_rows(folder / "results.jsonl", rows)
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def test_the_papers_own_counts_agree_with_its_table(tmp_path: Path) -> None:
    folder = run(tmp_path / "miro-only-clip", paper_sweep("CLIP"), protocol={"steps": 50})
    table = reproduce_table("table1", [str(folder)])
    cells = {cell.column: cell for cell in table.cells if cell.row == "CLIP"}
    assert [cells[column].verdict for column in ("overall", *TAGS)] == [Verdict.AGREES] * 7
    assert cells["overall"].measurement is not None
    assert cells["overall"].measurement.value == pytest.approx(57.11761, abs=1e-5)
    assert cells["overall"].difference == pytest.approx(0.11761, abs=1e-5)
    assert cells["aesthetic"].verdict is Verdict.NOT_MEASURED
    others = {cell.verdict for cell in table.cells if cell.row != "CLIP"}
    assert others == {Verdict.NOT_MEASURED}
    text = table_markdown(table)
    assert "| CLIP | overall | 57 | 57.1 |" in text
    assert "7 agrees, 0 differs, 0 not comparable, 279 not measured." in text


def test_another_model_differs(tmp_path: Path) -> None:
    folder = run(tmp_path / "x", paper_sweep("Baseline"))
    table = reproduce_table("table1", [f"synth miro={folder}"])
    cell = next(cell for cell in table.cells if (cell.row, cell.column) == ("Synth MIRO", "overall"))
    assert cell.verdict is Verdict.DIFFERS
    assert cell.difference == pytest.approx(52.16886 - 68, abs=1e-5)


def test_a_run_of_another_of_the_papers_models_is_told(tmp_path: Path) -> None:
    """A slip in ROW=PATH: the ablation's numbers would pass for MIRO's."""
    folder = run(tmp_path / "x", paper_sweep("Baseline"), name="miro-no-clip")
    told = "the run is named as the paper's miro-no-clip, the row is of miro"
    assert told in table_markdown(reproduce_table("table1", [f"MIRO={folder}"]))
    assert told not in table_markdown(reproduce_table("table3", [str(folder)]))


def test_reward_targets_choose_the_row(tmp_path: Path) -> None:
    targeted = {"reward_targets": {"aesthetic_score": 0.625}, "steps": 20}
    folder = run(tmp_path / "a", sweep(SMALL), name="miro", protocol=targeted)
    plain = run(tmp_path / "b", sweep(SMALL), name="miro", protocol={"steps": 50})
    table = reproduce_table("table1", [str(folder), str(plain)])
    assert [measured.row for measured in table.runs] == ["Synth MIRO dagger (aesthetic 0.625)", "Synth MIRO", *SCALED]
    cells = {(cell.row, cell.column): cell for cell in table.cells}
    assert cells["Synth MIRO", "overall"].reason == "12 of 553 prompts only"
    assert cells["Synth MIRO", "overall"].verdict is Verdict.NOT_COMPARABLE
    assert {cells[table.runs[0].row, column].reason for column in TAGS} == {"steps is 20, the row's is 50"}


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [
        ({"guidance_scale": 5.0}, "guidance_scale is 5.0, the row's is 7.0"),
        (
            {"negative_reward_targets": {"clip_score": 0.5}},
            "negative reward targets: clip_score is 0.5, the row's is 0",
        ),
        ({"reward_targets": {"clip_score": 0.5}}, "reward targets: clip_score is 0.5, the row's is 1"),
        ({"steps": 50, "guidance_scale": 7, "reward_targets": {"clip_score": 1}}, "12 of 553 prompts only"),
    ],
)
def test_another_protocol_is_not_comparable(tmp_path: Path, protocol: dict[str, object], reason: str) -> None:
    """Never "differs" of something else than was printed."""
    folder = run(tmp_path / "x", sweep(SMALL), protocol=protocol)
    cells = [cell for cell in reproduce_table("table1", [f"MIRO={folder}"]).cells if cell.row == "MIRO"]
    assert {cell.verdict for cell in cells if cell.column in TAGS} == {Verdict.NOT_COMPARABLE}
    assert {cell.reason for cell in cells if cell.column in TAGS} == {reason}


def test_what_a_row_took_stands_beside_it(tmp_path: Path) -> None:
    stages = {"generate": {"seconds": 7200.0}, "geneval": {"seconds": 1800}, "rewards": {"seconds": "x"}}
    run(tmp_path / "miro", sweep(SMALL), name="miro", tflop_per_image=17.934, stages=stages)
    text = table_markdown(reproduce_table("table1", [str(tmp_path / "miro")]))
    assert "| Synth MIRO | 4.16 | 17.93 | 2.00 | 0.50 |  | miro |" in text
    assert "| Aesthetic Scaled MIRO | 532.00 | 2,295.55 | 2.00 | 0.50 |  | miro |" in text
    assert "## Compute" not in table_markdown(reproduce_table("table1", []))


def test_a_pipelines_own_settings_are_its_rows(tmp_path: Path) -> None:
    folder = run(tmp_path / "x", sweep(SMALL), protocol={"steps": 20, "guidance_scale": 5.0})
    cells = {cell.column: cell for cell in reproduce_table("table1", [f"SDXL={folder}"]).cells if cell.row == "SDXL"}
    assert cells["overall"].reason == "12 of 553 prompts only"


def known(prompts: list[str], samples: int, seed: int) -> np.ndarray:
    """(prompts, samples, rewards) all different, so that the best is one image."""
    return np.random.default_rng(seed).normal(size=(len(prompts), samples, len(REWARDS)))


def write_rewards(folder: Path, prompts: list[str], values: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rewards.jsonl").open("w") as file:
        for place, text in enumerate(prompts):
            for sample, own in enumerate(values[place].tolist()):
                row = {"filename": f"{place:05d}/samples/{sample:04d}.png", "prompt": text}
                file.write(json.dumps(row | dict(zip(REWARDS, own, strict=True))) + "\n")
    return folder


def test_best_of_rows_are_those_of_an_independent_computation(tmp_path: Path) -> None:
    """128 samples with known rewards: PartiPrompts for the rewards, GenEval's prompts for the verdicts."""
    lines = shared("data/prompts/parti_prompts.jsonl").read_text().splitlines()
    parti = [json.loads(line)["prompt"] for line in lines]
    of_parti = known(parti, 128, 1)
    write_rewards(tmp_path / "parti", parti, of_parti)
    geneval = list(official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl")).values())
    of_geneval = known(geneval, 128, 2)
    write_rewards(tmp_path / "geneval", geneval, of_geneval)
    right = np.random.default_rng(3).random((len(geneval), 128)) < 0.5
    tags = [tag for tag, size in PROMPTS_PER_TAG.items() for _ in range(size)]
    judged = (
        verdict(place, sample, tags[place], bool(right[place, sample]), text)
        for place, text in enumerate(geneval)
        for sample in range(128)
    )
    run(tmp_path / "geneval", list(judged), name="miro")
    (tmp_path / "parti" / "run.json").write_text(json.dumps({"name": "miro"}))
    table = reproduce_table("table1", [str(tmp_path / "geneval"), str(tmp_path / "parti")])
    cells = {(cell.row, cell.column): cell.measurement for cell in table.cells}
    for row, by in SCALED.items():
        best = of_parti[:, :, REWARDS.index(by)].argmax(axis=1)
        means = of_parti[np.arange(len(parti)), best].mean(axis=0)
        for metric, mean in zip(REWARDS, means.tolist(), strict=True):
            found = cells[row, metric]
            assert found is not None
            assert found.value == pytest.approx(mean, rel=1e-12)
            assert found.low < found.value < found.high
        chosen = right[np.arange(len(geneval)), of_geneval[:, :, REWARDS.index(by)].argmax(axis=1)]
        of_tags = [100 * chosen[[one == tag for one in tags]].mean() for tag in TAGS]
        measured = [cells[row, column] for column in ("overall", *TAGS)]
        assert [one and one.value for one in measured] == pytest.approx([np.mean(of_tags), *of_tags], rel=1e-12)
    assert "best of 128 by aesthetic: one image kept of 128 made and scored, 1,632 prompts" in table_markdown(table)


def test_best_of_rows_need_their_samples_and_rewards(tmp_path: Path) -> None:
    geneval = list(official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl")).values())
    write_rewards(tmp_path / "miro", geneval, known(geneval, 4, 0))
    (tmp_path / "miro" / "run.json").write_text(json.dumps({"name": "miro"}))
    text = table_markdown(reproduce_table("table1", [str(tmp_path / "miro")]))
    for row in SCALED:
        assert f"| {row} | all 11 |  |  |  |  | not comparable (needs 128 samples, has 4) |  |" in text
    (tmp_path / "miro" / "rewards.jsonl").unlink()
    run(tmp_path / "miro", paper_sweep("CLIP"), name="miro")
    text = table_markdown(reproduce_table("table1", [str(tmp_path / "miro")]))
    assert "not comparable (its images have no hpsv2.1 to select by)" in text


def test_a_folder_of_reproduce_gives_each_row_the_runs_made_for_it(tmp_path: Path) -> None:
    """Whatever the runs are called, and though the model of a set has rows that other sets are for."""
    targeted = {"reward_targets": {"aesthetic_score": 0.625}}
    run(tmp_path / "geneval" / "miro", sweep(SMALL), name="x")
    run(tmp_path / "geneval" / "stable-diffusion-xl-base-1.0", sweep(SMALL), name="y", protocol={"steps": 30})
    run(tmp_path / "weight-geneval" / "miro" / "aesthetic_score=0.625", sweep(SMALL), protocol=targeted)
    run(tmp_path / "weight-geneval" / "miro" / "aesthetic_score=0.5", sweep(SMALL))
    run(tmp_path / "geneval-128" / "miro", sweep(SMALL))
    (tmp_path / "geneval" / "miro-only-clip").mkdir()  # being made: no rows yet
    (tmp_path / "geneval" / "miro-only-clip" / "run.json").write_text("{}")
    table = reproduce_table("table1", [], folder=tmp_path)
    assert [(found.name, found.row) for found in table.runs] == [
        ("geneval/miro", "Synth MIRO"),
        ("geneval/stable-diffusion-xl-base-1.0", "SDXL"),
        ("weight-geneval/miro/aesthetic_score=0.625", "Synth MIRO dagger (aesthetic 0.625)"),
        *(("geneval-128/miro", row) for row in SCALED),
    ]
    cells = {(cell.row, cell.column): cell for cell in table.cells}
    assert cells["SDXL", "overall"].reason == "12 of 553 prompts only"
    assert cells["Aesthetic Scaled MIRO", "overall"].reason == "its images have no aesthetic to select by"


def test_rewards_are_compared_over_partiprompts_alone(tmp_path: Path) -> None:
    lines = shared("data/prompts/parti_prompts.jsonl").read_text().splitlines()
    values = {"aesthetic": 6.28, "hpsv2.1": 0.29}
    rows = [
        rewards(place, 0, {name: value + 0.01 * (place % 3 - 1) for name, value in values.items()}) | {"prompt": prompt}
        for place, prompt in enumerate(json.loads(line)["prompt"] for line in lines)
    ]
    parti = write_rows(tmp_path / "miro" / "rewards.jsonl", rows).parent
    table = reproduce_table("table1", [str(parti)])
    cells = {cell.column: cell for cell in table.cells if cell.row == "Synth MIRO"}
    assert cells["aesthetic"].verdict is cells["hpsv2.1"].verdict is Verdict.AGREES
    write_rows(parti / "rewards.jsonl", rows[1:])
    cells = {cell.column: cell for cell in reproduce_table("table1", [str(parti)]).cells if cell.row == "Synth MIRO"}
    assert cells["aesthetic"].reason == "over other prompts than the paper's 1,632 PartiPrompts"


def test_random_weights_are_not_measurements(tmp_path: Path) -> None:
    folder = run(tmp_path / "miro", sweep(SMALL), random_weights=True)
    table = reproduce_table("table1", [str(folder)])
    assert not table.runs[0].columns
    assert "random weights" in table_markdown(table)


def test_a_run_of_no_row(tmp_path: Path) -> None:
    folder = run(tmp_path / "mine", sweep(SMALL))
    with pytest.raises(UserError, match="'mine' is no row of table1; say which it stands for: ROW="):
        reproduce_table("table1", [str(folder)])
    with pytest.raises(UserError, match="no row 'Nobody'"):
        reproduce_table("table1", [f"Nobody={folder}"])


def test_without_runs_the_table_is_as_printed() -> None:
    table = reproduce_table("table3", [])
    assert {cell.verdict for cell in table.cells} == {Verdict.NOT_MEASURED}
    text = table_markdown(table)
    assert "| No Aesthetic | leave_one_out | 63 | 97 | 72 | 62 | 83 | 24 | 41 | 5.05 | 1.03 | 0.28 | 0.217 |" in text
    assert "1. The paper's rewards are means over PartiPrompts" in text
    assert "| Aesthetic | specialist | 33 | 74 | 37 | 24 | 42 [3] |" in table_markdown(reproduce_table("table1", []))


def test_csv_has_every_cell() -> None:
    table = reproduce_table("table1", [])
    rows = list(csv.DictReader(io.StringIO(table_csv(table))))
    assert len(rows) == 26 * 11
    assert rows[0]["model"] == "SD v1.5"
    assert rows[0]["verdict"] == "not measured"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(55.0, 58.0, Verdict.AGREES), (57.4, 58.0, Verdict.AGREES), (57.6, 58.0, Verdict.DIFFERS)],
)
def test_the_rounding_of_the_printed_value_counts(low: float, high: float, verdict: Verdict) -> None:
    assert judge(57.0, 0, Measurement((low + high) / 2, low, high)) is verdict


def test_two_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [run(tmp_path / part / "last", sweep(SMALL), name="last") for part in ("a", "b")]
    table = reproduce_table("table1", [f"MIRO={folder}" for folder in runs])
    assert [found.name for found in table.runs] == ["a/last", "b/last"]


@pytest.mark.parametrize("target", ["high", None, [1.0], True, {"clip": "x"}])
def test_a_target_that_is_no_number_chooses_no_row(tmp_path: Path, target: object) -> None:
    folder = run(
        tmp_path / "r", sweep(SMALL), name="nobody's", protocol={"reward_targets": {"aesthetic_score": target}}
    )
    with pytest.raises(UserError, match="is no row of table1"):
        reproduce_table("table1", [str(folder)])

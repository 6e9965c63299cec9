from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.analysis import write_analysis
from reports.leaderboard.merge import merge_stages
from reports.read.runs import Run, read_run
from reports.read.selection import Selection, select
from tests.reports.builders import SMALL, rewards, sweep, verdict, write_rows
from wire.errors import UserError


def test_run_directory(tmp_path: Path) -> None:
    write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL))
    write_rows(tmp_path / "run" / "rewards.jsonl", [rewards(0, 0)])
    (tmp_path / "run" / "run.json").write_text(json.dumps({"checkpoint": {"name": "miro-v2"}, "random_weights": True}))
    run = read_run(tmp_path / "run")
    assert run.name == "miro-v2"
    assert run.manifest.random_weights
    assert run.verdicts is not None
    assert run.rewards is not None


@pytest.mark.parametrize("present", ["results.jsonl", "rewards.jsonl"])
def test_half_a_run(tmp_path: Path, present: str) -> None:
    write_rows(tmp_path / "half" / present, sweep(SMALL) if present == "results.jsonl" else [rewards(0, 0)])
    run = read_run(tmp_path / "half")
    assert run.name == "half"
    assert (run.verdicts is None, run.rewards is None) == (present != "results.jsonl", present != "rewards.jsonl")


@pytest.mark.parametrize(
    ("checkpoint", "name"),
    [
        ("nicolas-dufour/miro", "nicolas-dufour/miro"),
        ({"path": "checkpoints/last.ckpt"}, "last"),
        ({"repo": "nicolas-dufour/miro", "path": "x"}, "nicolas-dufour/miro"),
        ("evil\nname\u202e | <b>", "evil name | <b>"),
        (None, "folder"),
    ],
)
def test_name_by_checkpoint(tmp_path: Path, checkpoint: object, name: str) -> None:
    write_rows(tmp_path / "folder" / "results.jsonl", sweep(SMALL))
    (tmp_path / "folder" / "run.json").write_text(json.dumps({"checkpoint": checkpoint}))
    assert read_run(tmp_path / "folder").name == name


def test_the_runs_own_name_comes_first(tmp_path: Path) -> None:
    write_rows(tmp_path / "folder" / "results.jsonl", sweep(SMALL))
    (tmp_path / "folder" / "run.json").write_text(json.dumps({"name": "mine", "checkpoint": {"path": "last.ckpt"}}))
    assert read_run(tmp_path / "folder").name == "mine"


def test_bare_files_are_told_by_their_rows(tmp_path: Path) -> None:
    verdicts = read_run(write_rows(tmp_path / "sdxl.jsonl", sweep(SMALL)))
    scores = read_run(write_rows(tmp_path / "flux.jsonl", [rewards(0, 0)]))
    assert (verdicts.name, verdicts.rewards) == ("sdxl", None)
    assert (scores.name, scores.verdicts) == ("flux", None)


def test_a_runs_own_file_keeps_the_runs_facts(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "sdxl" / "results.jsonl", sweep(SMALL))
    assert read_run(path).name == "sdxl"
    (path.parent / "run.json").write_text(json.dumps({"random_weights": True, "protocol": {"suite": {"id": "x"}}}))
    manifest = read_run(path).manifest
    assert manifest.random_weights
    assert manifest.protocol == {"suite.id": '"x"'}


def test_protocol_of_making_and_scoring(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL))
    stages = {"geneval": {"settings": {"options": {"threshold": 0.3}}, "seconds": 3.0}, "rewards": None}
    (path.parent / "run.json").write_text(json.dumps({"protocol": {"seed": 42}, "stages": stages, "harness": {}}))
    assert read_run(path).manifest.protocol == {"seed": "42", "geneval.options.threshold": "0.3"}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or run directory"):
        read_run(tmp_path / "absent")
    with pytest.raises(UserError, match=r"no rows in results\.jsonl or rewards\.jsonl"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows"),
        (b"\n\n", "no rows"),
        (b"model,overall\nx,0.5\n", "1: not valid JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\n", "1: not valid JSON"),
        (b"[1, 2]\n", "1: expected a JSON object, found list"),
        (b'{"text": "x"}\n', "1: neither a GenEval row nor a reward row"),
    ],
)
def test_not_a_file_of_rows(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_run(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_broken_manifest(tmp_path: Path, content: str) -> None:
    path = write_rows(tmp_path / "results.jsonl", sweep(SMALL))
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json: not a"):
        read_run(path)


def two_stages(folder: Path, **of_rewards: object) -> Run:
    """Four judged and scored images of one prompt; reward rows with other values under some keys."""
    about = [(f"00000/samples/{sample:04d}.png", f"{sample:064x}") for sample in range(4)]
    judged = [
        verdict(0, sample, "colors", sample < 2, prompt_index=0, sample_index=sample, image_sha256=sha)
        for sample, (_, sha) in enumerate(about)
    ]
    scored = [
        rewards(0, sample, {"pick_score": sample / 8})
        | {"prompt": judged[0]["prompt"], "image_sha256": sha}
        | {key: f"{value}{sample}" for key, value in of_rewards.items()}
        for sample, (_, sha) in enumerate(about)
    ]
    write_rows(folder / "results.jsonl", judged)
    write_rows(folder / "rewards.jsonl", scored)
    return read_run(folder)


def test_a_verdict_and_a_reward_of_two_files_are_not_joined(tmp_path: Path) -> None:
    """Of new images in the old ones' folder, which were only judged again; upstream's rows, without hashes, are."""
    for name, changed in {"whole": {}, "unhashed": {"image_sha256": None}}.items():
        run = two_stages(tmp_path / name)
        if changed:
            rows = [json.loads(line) | changed for line in (tmp_path / name / "rewards.jsonl").read_text().splitlines()]
            write_rows(tmp_path / name / "rewards.jsonl", rows)
            run = read_run(tmp_path / name)
        assert run.repeats == ()
        assert len(merge_stages(run)) == 4
        assert merge_stages(run)["pick_score"].notna().all()
    run = two_stages(tmp_path / "other", image_sha256="f")
    (note,) = run.repeats
    assert note.startswith("4 images (00000/samples/0000.png, 00000/samples/0001.png, 00000/samples/0002.png and 1 mor")
    assert note.endswith("judged and scored as two different files, so not joined: run `geneval` and `rewards` again")
    images = merge_stages(run)
    assert (len(images), int((images["correct"].notna() & images["pick_score"].notna()).sum())) == (8, 0)
    best = select(run, Selection(2, "pick_score"))
    assert best.verdicts is not None
    assert best.verdicts["correct"].isna().all()
    assert "two different files" in (write_analysis([tmp_path / "other"], tmp_path / "a").markdown.read_text())


def test_stages_that_name_images_or_prompts_in_two_ways_are_told(tmp_path: Path) -> None:
    (note,) = two_stages(tmp_path / "names", filename="img_").repeats
    assert note == (
        "no image has a verdict and a reward, for their rows name images in two ways (00000/samples/0000.png; img_0): "
        "none are joined"
    )
    (note,) = two_stages(tmp_path / "prompts", prompt="another ").repeats
    assert note.endswith("judged and scored by two different prompts: run `geneval` and `rewards` again")


def test_samples_that_are_one_picture_are_told(tmp_path: Path) -> None:
    """A generator that ignores its seeds: four samples are one, which no count shows."""
    about = [{"image_sha256": f"{prompt:064x}", "prompt_index": prompt} for prompt in range(2)]
    rows = [verdict(prompt, sample, "colors", True, **about[prompt]) for prompt in range(2) for sample in range(4)]
    write_rows(tmp_path / "results.jsonl", rows)
    (note,) = read_run(tmp_path).repeats
    assert note == "6 samples of 2 prompts are copies of another sample: had each its own seed?"


@pytest.mark.parametrize("name", ["results.jsonl", "rewards.jsonl"])
def test_two_runs_in_one_file_are_told(tmp_path: Path, name: str) -> None:
    """Rows about other bytes replace earlier ones, which is right after a change and wrong for two runs."""
    two_stages(tmp_path / "a")
    rows = [json.loads(line) for line in (tmp_path / "a" / name).read_text().splitlines()]
    others = [row | {"image_sha256": f"{row['sample_index']:063x}f"} for row in rows]
    write_rows(tmp_path / "b" / name, [*rows, *others])
    run = read_run(tmp_path / "b")
    assert len(run.verdicts if run.rewards is None else run.rewards.frame) == 4
    (note,) = run.repeats
    assert note.startswith("4 images (")
    assert note.endswith("with rows about two files, the last counts: two runs in one file?")

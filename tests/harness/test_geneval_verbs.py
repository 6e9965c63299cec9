from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from geneval.explain import half_blocks, shows_pictures, verdict_line
from geneval.judge import JudgeOptions, implied_colors
from geneval.settings import ColorOptions
from harness.cli.app import app
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import GenevalSettings
from tests.shared_data import shared
from wire.errors import UserError
from wire.files import sha256_of_file, write_rows
from wire.vocabulary import COLORS

Row = dict[str, Any]
#: Pixels 20 to 29 of columns 5 to 14, of 48 x 64, as pycocotools writes them; and all but the first column.
SQUARE = {"size": [48, 64], "counts": "T8:V100000000000000000lX2"}
OTHER = {"size": [48, 64], "counts": "`1`n2"}
RED = [0.91, *[0.01] * 9]
BLUE = [0.01] * 4 + [0.91] + [0.01] * 5


def answer(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def row(
    include: list[Row], details: dict[str, list[list[float]]], *, correct: bool, reason: str = "", **more: Any
) -> Row:
    metadata = {"tag": "colors", "include": include, "prompt": "a photo of something"}
    return {
        "filename": "00000/samples/0000.png",
        "tag": "colors",
        "prompt": metadata["prompt"],
        "correct": correct,
        "reason": reason,
        "metadata": json.dumps(metadata),
        "details": json.dumps(details),
        **more,
    }


@pytest.fixture
def decide(tmp_path: Path) -> Callable[..., tuple[Row, str]]:
    def run(stored: Row, *options: str | Path, code: int = 0) -> tuple[Row, str]:
        write_rows(tmp_path / "rows.jsonl", [stored])
        said = answer(
            "geneval", "--rejudge", tmp_path / "rows.jsonl", "--out", tmp_path / "new.jsonl", *options, code=code
        )
        return read(tmp_path / "new.jsonl")[0], said

    return run


TWO_DOGS = {"dog": [[0, 0, 10, 10, 0.9], [20, 0, 30, 10, 0.5]]}
RED_DOG = [{"class": "dog", "count": 1, "color": "red"}]
TWO_RED_DOGS = [{"class": "dog", "count": 2, "color": "red"}]


def test_published_rows_are_decided_as_published(tmp_path: Path) -> None:
    source = shared("data/geneval/genediteval_results.jsonl")
    said = answer("geneval", "--rejudge", source, "--out", tmp_path / "out.jsonl")
    assert "2212 rows judged again: 1238 correct, 1238 before, 0 verdicts changed" in said
    assert "750 rows have no color answers and keep their color verdict" in said
    for old, new in zip(read(source), read(tmp_path / "out.jsonl"), strict=True):
        assert (new["correct"], new["details"], new["filename"]) == (old["correct"], old["details"], old["filename"])


def test_a_stricter_threshold_drops_detections(decide: Any) -> None:
    stored = row([{"class": "dog", "count": 2}], TWO_DOGS, correct=True)
    new, said = decide(stored, "--confidence-threshold", "0.6")
    assert (new["correct"], new["reason"]) == (False, "expected dog>=2, found 1")
    assert json.loads(new["details"]) == {"dog": TWO_DOGS["dog"][:1]}
    assert new["judge_options"]["confidence_threshold"] == 0.6
    assert "1 verdicts changed" in said


def test_stored_probabilities_decide_over_the_stored_verdict(decide: Any) -> None:
    stored = row(RED_DOG, TWO_DOGS, correct=True, status="scored", error="", colors={"dog": [BLUE]})
    new, said = decide(stored)
    assert (new["correct"], new["reason"]) == (False, "expected red dog>=1, found 0 red; and 1 blue")
    assert (new["color_source"], new["colors"]) == ("probabilities", {"dog": [BLUE]})
    assert "keep their color verdict" not in said


@pytest.mark.parametrize(("correct", "reason"), [(True, ""), (False, "expected red dog>=1, found 0 red; and 1 brown")])
def test_foreign_rows_keep_their_color_verdict_and_say_so(decide: Any, correct: bool, reason: str) -> None:
    new, said = decide(row(RED_DOG, TWO_DOGS, correct=correct, reason=reason))
    assert (new["correct"], new["reason"], new["color_source"]) == (correct, reason, "verdict")
    assert "1 rows have no color answers" in said
    assert "colors" not in new


def test_boxes_under_names_that_the_suite_does_not_know_are_told(decide: Any) -> None:
    keyboard = [{"class": "computer keyboard", "count": 1}]
    boxes = [[0, 0, 10, 10, 0.9]]
    _, said = decide(row(keyboard, {"keyboard": boxes, "dog": boxes}, correct=False))
    assert "keyboard (GenEval: computer keyboard); prompts that ask for these classes can only fail: 1" in said
    _, said = decide(row(keyboard, {"computer keyboard": boxes}, correct=True))
    assert "does not know" not in said
    undecided = row(keyboard, {}, correct=False) | {"status": "unscored", "error": "x", "correct": None}
    for details in ("[" * 5000, "[[1]]", None):
        assert "does not know" not in decide(undecided | {"details": details}, code=5)[1]


def test_a_color_that_nobody_was_asked_about_is_not_guessed(decide: Any) -> None:
    overlapping = {"dog": [[0, 0, 10, 10, 0.9], [0, 0, 10, 11, 0.8], [50, 0, 60, 10, 0.5]]}
    stored = row(TWO_RED_DOGS, overlapping, correct=True, status="scored", error="", colors={"dog": [RED, RED]})
    new, said = decide(stored, "--max-overlap", "0.5", code=5)
    assert (new["status"], new["correct"]) == ("unscored", None)
    assert "no color answer is stored for this dog" in new["error"]
    assert "1 rows are unscored" in said


def test_a_wrong_color_verdict_without_its_reason_is_not_taken_for_a_right_one(decide: Any) -> None:
    new, _ = decide(row(RED_DOG, TWO_DOGS, correct=False), code=5)
    assert (new["status"], new["correct"]) == ("unscored", None)


def test_unscored_rows_pass_through(decide: Any) -> None:
    stored = row(RED_DOG, {}, correct=False) | {"correct": None, "status": "unscored", "error": "broken"}
    new, _ = decide(stored, code=5)
    assert new == stored


def test_a_row_whose_prompt_cannot_be_judged_is_unscored_and_the_others_are_decided(tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    dog = row([{"class": "dog", "count": 1.0, "color": None}], TWO_DOGS, correct=True)
    unicorn = row([{"class": "unicorn", "count": 1}], TWO_DOGS, correct=True)
    write_rows(rows, [dog, unicorn])
    said = answer("geneval", "--rejudge", rows, "--out", out, code=5)
    assert "1 rows are unscored" in said
    first, second = read(out)
    assert (first["status"], first["correct"]) == ("scored", True)
    assert (second["status"], second["correct"]) == ("unscored", None)
    assert "class 'unicorn' is not one of the detector's 80" in second["error"]


@pytest.mark.parametrize("box", [["a", 0, 1, 1, 0.9], [0, 0, 1, 1, None], [[], 0, 1, 1, 0.9]])
def test_a_box_that_is_none_is_bad_input(decide: Any, box: list[Any]) -> None:
    with pytest.raises(UserError, match="a box holds"):
        decide(row([{"class": "dog", "count": 1}], {"dog": [box]}, correct=True))


def test_boxes_beyond_single_precision_are_decided(decide: Any) -> None:
    position = [{"class": "dog", "count": 1}, {"class": "cat", "count": 1, "position": ["above", 0]}]
    boxes = {"dog": [[0, 0, 1e300, 1, 0.9]], "cat": [[0, 0, 10**400, 1, 0.9]]}
    new, _ = decide(row(position, boxes, correct=True), "--max-overlap", "0.5", "--position-threshold", "1e39")
    assert (new["status"], new["correct"]) == ("scored", False)


def test_looser_options_are_told(decide: Any, tmp_path: Path) -> None:
    stored = row([{"class": "dog", "count": 1}], TWO_DOGS, correct=True)
    _, said = decide(stored, "--counting-threshold", "0.5", "--max-objects", "20")
    assert "made with counting_threshold 0.9, max_objects 16" in said
    settings = {"options": {"confidence_threshold": 0.8}}
    Manifest("x", stages={"geneval": StageRecord("f", settings)}).write(tmp_path / "run.json")
    _, said = decide(stored, "--confidence-threshold", "0.7")
    assert "made with confidence_threshold 0.8" in said
    _, said = decide(stored | {"judge_options": {"confidence_threshold": 0.6}}, "--confidence-threshold", "0.7")
    assert "a looser value" not in said


def test_the_options_of_all_rows_and_of_kept_ones_are_looked_at(tmp_path: Path) -> None:
    """Rows of two files joined into one; rows kept beside a run's, which were made with other settings than its own."""
    stored = row([{"class": "dog", "count": 1}], TWO_DOGS, correct=True)
    rows = [stored, stored | {"filename": "b", "judge_options": {"confidence_threshold": 0.8}}]
    write_rows(tmp_path / "joined.jsonl", rows)
    write_rows(tmp_path / "results.previous.f1.jsonl", [stored])
    again = ("geneval", "--out", tmp_path / "new.jsonl", "--rejudge")
    assert "made with confidence_threshold 0.8;" in answer(*again, tmp_path / "joined.jsonl")
    kept = {"geneval": {"f1": StageRecord("f1", {"options": {"confidence_threshold": 0.6}})}}
    Manifest("x", stages={"geneval": StageRecord("f", {"options": {}})}, kept=kept).write(tmp_path / "run.json")
    assert "made with confidence_threshold 0.6;" in answer(*again, tmp_path / "results.previous.f1.jsonl")
    with pytest.raises(UserError, match=r"a run, whose run\.json tells other settings: name another file"):
        answer("geneval", "--rejudge", tmp_path / "joined.jsonl", "--out", tmp_path / "results.jsonl")


def refusal(*arguments: str | Path) -> str:
    with pytest.raises(UserError) as refused:
        answer(*arguments)
    return str(refused.value)


def test_what_cannot_be_is_told_in_one_line(tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    assert "no such file" in refusal("geneval", "--rejudge", rows, "--out", out)
    rows.write_text("\n")
    assert "rows.jsonl: holds no rows" in refusal("geneval", "--rejudge", rows, "--out", out)
    write_rows(rows, [row(RED_DOG, TWO_DOGS, correct=True), {"tag": "colors"}])
    assert 'rows.jsonl: row 2: "correct" is None; expected a row' in refusal("geneval", "--rejudge", rows, "--out", out)
    write_rows(rows, [row(RED_DOG, TWO_DOGS, correct=True) | {"details": "{"}])
    assert '"metadata" or "details"' in refusal("geneval", "--rejudge", rows, "--out", out)
    assert "a file other" in refusal("geneval", "--rejudge", rows, "--out", rows)
    assert "needs --out" in refusal("geneval", "--rejudge", rows)
    assert "needs the images" in refusal("geneval", "--rejudge", rows, "--out", out, "--no-crop")
    assert "one of the three" in refusal("geneval")
    assert "one of the three" in refusal("geneval", tmp_path, "--self-test")
    assert "--out needs --rejudge" in refusal("geneval", tmp_path, "--out", out)
    bad = refusal("geneval", "--rejudge", rows, "--out", out, "--confidence-threshold", "1.5")
    assert bad == "--confidence-threshold 1.5: expected a number from 0 to 1"
    assert not out.exists()


def test_to_name_a_default_is_to_choose_nothing() -> None:
    assert GenevalSettings().chosen() == GenevalSettings(precision="fp32").chosen() == {"options": {}}
    chosen = GenevalSettings(precision="bf16", batch_size=4).chosen()
    assert chosen == {"options": {}, "precision": "bf16", "batch_size": 4}
    assert GenevalSettings(JudgeOptions(max_objects=16), ColorOptions(crop=True)).chosen() == {"options": {}}
    chosen = GenevalSettings(JudgeOptions(max_overlap=0.5), ColorOptions(background="original")).chosen()
    assert chosen == {"options": {"max_overlap": 0.5}, "color_options": {"background": "original"}}
    assert GenevalSettings(detector="transformers").chosen() == {"options": {}, "detector": "transformers"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (GenevalSettings(precision="fp8"), "--detector-precision 'fp8': expected fp32, exact or bf16"),
        (GenevalSettings(detector="yolo"), "--detector 'yolo': expected mmdet or transformers"),
        (GenevalSettings(batch_size=0), "--detector-batch-size 0: expected a whole number, 1 or more"),
        (GenevalSettings(JudgeOptions(max_overlap=2)), "--max-overlap 2: expected a number from 0 to 1"),
        (GenevalSettings(color_options=ColorOptions(background="#99")), "--background '#99': expected"),
    ],
)
def test_a_bad_setting_is_named(settings: GenevalSettings, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        settings.chosen()


def test_the_ten_colors_are_those_of_the_rows() -> None:
    assert (COLORS[RED.index(max(RED))], COLORS[BLUE.index(max(BLUE))]) == ("red", "blue")


def test_masks_go_with_their_boxes(decide: Any) -> None:
    stored = row([{"class": "dog", "count": 1}], TWO_DOGS, correct=True, masks={"dog": [SQUARE, OTHER]})
    assert decide(stored)[0]["masks"] == {"dog": [SQUARE, OTHER]}
    assert decide(stored, "--confidence-threshold", "0.6")[0]["masks"] == {"dog": [SQUARE]}
    assert decide(stored | {"masks": {"dog": []}})[0]["masks"] == {}


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """A run directory with one judged image and one unscored one."""
    path = tmp_path / "00000" / "samples" / "0000.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (64, 48), "gray").save(path)
    details = TWO_DOGS | {"cat": [[5, 5, 40, 40, 0.7]]}
    colors = {"image_sha256": sha256_of_file(path), "status": "scored", "error": "", "colors": {"dog": [BLUE]}}
    colors["masks"] = {"dog": [SQUARE, OTHER]}
    reason = "expected red dog>=1, found 0 red; and 1 blue"
    first = row(RED_DOG, details, correct=False, reason=reason) | colors
    lost = {"filename": "00001/samples/0000.png", "status": "unscored", "error": "not an image", "details": "{}"}
    write_rows(tmp_path / "results.jsonl", [first, first | lost])
    return tmp_path


def test_show_tells_and_draws(judged: Path) -> None:
    said = answer("show", judged, "00000/0000")
    assert "verdict   wrong: expected red dog>=1, found 0 red; and 1 blue" in said
    assert "* dog              0.900  x 0-10, y 0-10  blue 0.91" in said
    assert "  cat              0.700" in said
    picture = judged / "report" / "show" / "00000-0000.png"
    assert f"drawn: {picture}" in said
    with Image.open(picture) as drawn:
        assert drawn.width == 768
        assert drawn.height > 768 * 48 / 64
        corner = drawn.convert("RGB").getpixel((119, 100))  # the right edge of the first dog, in its class's color
        edge, inside = (
            drawn.convert("RGB").getpixel((120, y)) for y in (360, 380)
        )  # 12 pixels for one, mask to row 29
    assert corner == edge == (0xE6, 0x9F, 0x00)
    assert inside == (0x80, 0x80, 0x80)
    assert "\x1b" not in said


def test_show_in_a_terminal(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = answer("show", judged, "0/0", "--terminal")
    lines = [line for line in said.splitlines() if line.startswith("\x1b[38;2;")]
    assert len(lines) > 10
    assert {line.count("\N{UPPER HALF BLOCK}") for line in lines} == {80}


def test_a_picture_as_half_blocks() -> None:
    picture = Image.new("RGB", (2, 2), "red")
    picture.putpixel((1, 1), (0, 0, 255))
    red, blue = "\x1b[38;2;255;0;0;48;2;255;0;0m", "\x1b[38;2;255;0;0;48;2;0;0;255m"
    assert half_blocks(picture, 80) == f"{red}\N{UPPER HALF BLOCK}{blue}\N{UPPER HALF BLOCK}\x1b[0m"


def test_terminals_that_show_pictures() -> None:
    assert shows_pictures(True, {"COLORTERM": "truecolor"})
    assert not shows_pictures(False, {"COLORTERM": "truecolor"})
    assert not shows_pictures(True, {"TERM": "xterm"})
    assert not shows_pictures(True, {"COLORTERM": "truecolor", "NO_COLOR": "1"})


@pytest.mark.parametrize("precision", ["--precision", "--detector-precision"])
def test_options_become_settings(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[GenevalSettings] = []
    monkeypatch.setattr("harness.cli.session.run", lambda _, settings, **__: asked.append(settings.geneval))
    answer("geneval", tmp_path)
    answer("geneval", tmp_path, "--max-overlap", "0.5", "--background", "#fff", precision, "bf16")
    wanted = GenevalSettings(JudgeOptions(max_overlap=0.5), ColorOptions(background="#fff"), precision="bf16")
    assert asked == [GenevalSettings(), wanted]


def test_show_says_that_an_image_has_changed(judged: Path) -> None:
    assert "has changed" not in answer("show", judged, "0/0", "--out", judged / "a" / "x.png")
    assert (judged / "a" / "x.png").is_file()
    Image.new("RGB", (64, 48), "red").save(judged / "00000" / "samples" / "0000.png")
    assert "the image has changed since it was judged" in answer("show", judged, "00000/samples/0000.png")


def test_show_finds_an_image_of_any_name(judged: Path) -> None:
    samples, rows = judged / "00000" / "samples", judged / "results.jsonl"
    (samples / "0000.png").rename(samples / "0000_seed42.png")
    first = json.loads(rows.read_text().splitlines()[0]) | {"filename": "00000/samples/0000_seed42.png"}
    write_rows(rows, [first | {"filename": "other/img.png"}, first | {"prompt_index": 0, "sample_index": 0}])
    for name in ("00000/0000", "00000/samples/0000_seed42.png"):
        assert "00000-0000.png" in answer("show", judged, name)
    assert "no row for x.png" in refusal("show", judged, "x.png")


def test_show_of_what_is_not_there(judged: Path) -> None:
    assert "no row for prompt 7, sample 0" in refusal("show", judged, "00007/0000")
    assert "expected PROMPT/SAMPLE" in refusal("show", judged, "dog")
    assert "miro-eval geneval" in refusal("show", judged / "none", "0/0")
    assert "cannot be drawn" in refusal("show", judged, "1/0")


def test_objects_are_as_good_as_their_text(decide: Any, judged: Path) -> None:
    """Other tools write ``metadata`` and ``details`` as objects, where GenEval writes them as text."""
    texts = row(RED_DOG, TWO_DOGS, correct=True)
    objects = texts | {key: json.loads(texts[key]) for key in ("metadata", "details")}
    assert decide(objects)[0] == decide(texts)[0] | {"metadata": objects["metadata"]}
    said = answer("show", judged, "00000/0000")
    rows = read(judged / "results.jsonl")
    write_rows(
        judged / "results.jsonl", [one | {key: json.loads(one[key]) for key in ("metadata", "details")} for one in rows]
    )
    assert answer("show", judged, "00000/0000") == said


@pytest.mark.parametrize("tally", ["banana", "1 red,", "9" * 5000 + " red", "-1 red", "1e9 red", "", "2"])
def test_a_reason_that_lists_no_colors_decides_none(decide: Any, tally: str) -> None:
    reason = f"expected red dog>=1, found 0 red; and {tally}"
    decided, _ = decide(row(RED_DOG, TWO_DOGS, correct=False, reason=reason), code=5)
    assert decided["correct"] is None
    assert "no color answer" in decided["error"]


def test_the_colors_of_a_verdict_are_no_more_than_its_boxes() -> None:
    metadata = {"include": [{"class": "dog", "count": 10**15, "color": "red"}]}
    assert implied_colors(metadata, True, "", {"dog": [1, 2]}) == {"dog": ["red", "red"]}
    listed = f"expected red dog>={10**15}, found 1 red; and 1 red, 999999999 blue"
    assert implied_colors(metadata, False, listed, {"dog": [1, 2]}) == {"dog": ["red", "blue"]}


def test_what_is_unscored_is_so_for_reports_and_rejudge_alike(tmp_path: Path) -> None:
    judged = row(RED_DOG, TWO_DOGS, correct=True)
    lost = [judged | {"correct": None}, {"filename": "a.png", "status": "unscored"}, judged | {"status": "unscored"}]
    write_rows(tmp_path / "rows.jsonl", [*lost, judged | {"status": "ok"}])
    said = answer("geneval", "--rejudge", tmp_path / "rows.jsonl", "--out", tmp_path / "new.jsonl", code=5)
    assert "3 rows are unscored" in said
    assert read(tmp_path / "new.jsonl")[:3] == lost
    assert read(tmp_path / "new.jsonl")[3]["status"] == "scored"
    assert [verdict_line(one) for one in lost] == ["unscored: "] * 3

"""The worker as a process, on the tiny world."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

from tests.geneval.jobs import ROW_KEYS, Finished, items, make_job, parameters, run, start
from tests.geneval.scenes import PROMPTS, filename, write_scenes
from wire.protocol import Item, Job, read_rows
from wire.vocabulary import COLORS

COUNT = 18
BROKEN, MISSING = 4, 9


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of pictures, one of them cut short, one absent."""
    folder = tmp_path_factory.mktemp("images")
    write_scenes(folder, COUNT)
    broken = folder / filename(BROKEN)
    broken.write_bytes(broken.read_bytes()[:100])
    (folder / filename(MISSING)).unlink()
    return folder


@pytest.fixture(scope="module")
def job(images: Path, tiny_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    output = tmp_path_factory.mktemp("whole") / "results.jsonl"
    return replace(make_job(images, items(COUNT), parameters(tiny_files)), output=str(output))


@pytest.fixture(scope="module")
def whole(job: Job) -> Finished:
    """An uninterrupted run."""
    finished = run(job)
    assert finished.code == 0, finished.log
    return finished


@pytest.fixture(scope="module")
def rows(whole: Finished, job: Job) -> list[dict[str, Any]]:
    return list(read_rows(Path(job.output)))


DOG = {"class": "dog", "count": 1}
#: Lines of a suite that GenEval cannot judge, by the image that has one.
ODD: dict[int, dict[str, Any]] = {
    1: {"tag": "single_object", "include": [DOG | {"class": "keyboard"}], "prompt": "a photo of a keyboard"},
    6: {"tag": "single_object", "prompt": "no include"},
    7: {"tag": "single_object", "include": None, "prompt": "null"},
    10: {"tag": None, "include": [DOG], "prompt": "no tag"},
    12: {"tag": "single_object", "include": json.dumps([DOG]), "prompt": "a text for a list"},
    13: {"tag": "mood", "include": [DOG], "prompt": "a tag that is none of GenEval's"},
    17: {"tag": "counting", "include": [DOG | {"count": 1.5}], "prompt": "one and a half dogs"},
}


def with_metadata(item: Item, metadata: dict[str, Any]) -> Item:
    return replace(item, metadata=metadata, image_sha256=f"{item.prompt_index:064}")


def as_a_table_has_it(metadata: dict[str, Any]) -> dict[str, Any]:
    """Every clause with every key, what is absent null, and whole numbers as floats."""
    nothing = {"color": None, "position": None}
    include = [nothing | clause | {"count": float(clause["count"])} for clause in metadata["include"]]
    return metadata | {"include": include, "exclude": metadata.get("exclude")}


def scored(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["status"] == "scored"]


def test_a_row_for_each_item_in_order(rows: list[dict[str, Any]]) -> None:
    assert [row["filename"] for row in rows] == [filename(index) for index in range(COUNT)]
    assert all(list(row) == ROW_KEYS for row in rows)
    assert [(row["prompt_index"], row["sample_index"]) for row in rows] == [(index, 0) for index in range(COUNT)]


def test_upstreams_keys(rows: list[dict[str, Any]]) -> None:
    for index, row in enumerate(rows):
        asked = PROMPTS[index % len(PROMPTS)]
        assert (row["tag"], row["prompt"], row["metadata"]) == (asked["tag"], asked["prompt"], json.dumps(asked))
    for row in scored(rows):
        boxes = [box for found in json.loads(row["details"]).values() for box in found]
        assert all(len(box) == 5 and box[4] > (0.9 if row["tag"] == "counting" else 0.3) for box in boxes)
        assert row["correct"] is (row["reason"] == "")


def test_the_tiny_world_is_varied(rows: list[dict[str, Any]]) -> None:
    assert {row["correct"] for row in scored(rows)} == {True, False}
    assert len({row["details"] for row in scored(rows)}) > COUNT // 2
    assert any(row["colors"] for row in rows)


def test_color_answers_are_stored(rows: list[dict[str, Any]]) -> None:
    for row in scored(rows):
        wanted = {clause["class"] for clause in json.loads(row["metadata"])["include"] if "color" in clause}
        assert set(row["colors"]) == wanted & set(json.loads(row["details"]))
        for answers in row["colors"].values():
            assert [len(answer) for answer in answers] == [len(COLORS)]
            assert sum(answers[0]) == pytest.approx(1)


def test_images_that_cannot_be_read_are_unscored(rows: list[dict[str, Any]], images: Path) -> None:
    unscored = {row["prompt_index"]: row for row in rows if row["status"] == "unscored"}
    assert set(unscored) == {BROKEN, MISSING}
    for row in unscored.values():
        assert (row["correct"], row["reason"], row["details"], row["colors"]) == (None, "", "{}", {})
    assert unscored[BROKEN]["error"].startswith(f"{filename(BROKEN)}: cannot be decoded (")
    assert unscored[MISSING]["error"] == f"{filename(MISSING)}: cannot be read (No such file or directory)"
    assert unscored[MISSING]["image_sha256"] is None
    broken = (images / filename(BROKEN)).read_bytes()
    assert unscored[BROKEN]["image_sha256"] == hashlib.sha256(broken).hexdigest()


def test_hashes_are_those_of_the_files(rows: list[dict[str, Any]], images: Path) -> None:
    for row in scored(rows):
        assert row["image_sha256"] == hashlib.sha256((images / row["filename"]).read_bytes()).hexdigest()
        assert row["error"] == ""


def test_events(whole: Finished, tiny_files: Path) -> None:
    started = whole.event("started")
    assert (started["total"], started["device"], started["detector"]) == (COUNT, "cpu", "mmdet/mask2former_tiny")
    torch, mmcv, *others = started["packages"]
    assert (torch, others) == ("torch", ["mmdet", "open-clip-torch"])
    assert mmcv in ("mmcv", "mmcv-lite")
    files = {"mask2former": "mask2former.pth", "clip-vit-l-14": "clip-vit-l-14.pt"}
    assert started["weights"] == [
        {"name": name, "sha256": hashlib.sha256((tiny_files / file).read_bytes()).hexdigest(), "file": file}
        for name, file in files.items()
    ]
    last, end = whole.events[-3:-1]
    assert last.items() >= {"event": "progress", "done": COUNT, "total": COUNT, "label": PROMPTS[5]["prompt"]}.items()
    assert end.items() >= {"event": "finished", "rows": COUNT, "unscored": 2}.items()


def test_no_row_tells_where_or_when_it_was_made(job: Job, whole: Finished, images: Path) -> None:
    assert str(images) not in Path(job.output).read_text()


def test_killed_and_resumed_gives_the_same_bytes(job: Job, whole: Finished, tmp_path: Path) -> None:
    output = tmp_path / "results.jsonl"
    part = replace(job, output=str(output))
    with start(part) as process:
        while not output.exists() or output.read_bytes().count(b"\n") < BROKEN + 1:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    with output.open("ab") as file:
        file.write(b'{"filename": "000')  # the kill came in the middle of a write
    done = frozenset(row["filename"] for row in read_rows(output))
    assert BROKEN < len(done) < COUNT
    resumed = run(replace(part, done=done))
    assert resumed.event("started")["total"] == COUNT - len(done)
    assert output.read_bytes() == Path(job.output).read_bytes()


def test_nothing_to_do_loads_nothing(job: Job, tmp_path: Path) -> None:
    idle = replace(
        job,
        output=str(tmp_path / "results.jsonl"),
        done=frozenset(filename(index) for index in range(COUNT)),
        parameters=parameters(Path("/nowhere")),
    )
    finished = run(idle)
    assert finished.code == 0
    assert finished.event("finished").items() >= {"rows": 0, "unscored": 0}.items()
    assert finished.event("started")["total"] == 0


def test_a_suite_without_geneval_metadata_is_refused_at_once(job: Job, tmp_path: Path) -> None:
    others = [Item(filename(index), index, 0, {"prompt": "a castle"}) for index in range(2)]
    finished = run(make_job(tmp_path, others, job.parameters))
    assert finished.code == 2
    message = finished.event("error")["message"]
    assert message.startswith('none of the prompts can be judged by GenEval (the first: no "tag")')
    assert [event["event"] for event in finished.events] == ["error", "ended"]


def test_a_prompt_that_cannot_be_judged_leaves_only_its_own_image_unscored(
    job: Job, images: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    mixed = [item if number not in ODD else with_metadata(item, ODD[number]) for number, item in enumerate(job.items)]
    finished = run(replace(make_job(images, mixed, job.parameters), output=str(tmp_path / "results.jsonl")))
    assert finished.code == 0
    assert finished.event("started")["total"] == COUNT
    assert finished.event("finished").items() >= {"rows": COUNT, "unscored": len(ODD) + 2}.items()
    new = {row["filename"]: row for row in read_rows(tmp_path / "results.jsonl")}
    for number, metadata in ODD.items():
        row = new.pop(filename(number))
        assert list(row) == ROW_KEYS
        assert (row["status"], row["correct"], row["metadata"]) == ("unscored", None, json.dumps(metadata))
        assert row["error"].startswith("its prompt cannot be judged by GenEval (")
        assert row["image_sha256"] == mixed[number].image_sha256
    assert [*new.values()] == [row for row in rows if row["filename"] in new]


def test_null_is_absent_and_1_0_is_1(job: Job, images: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    tables = [with_metadata(item, as_a_table_has_it(item.metadata)) for item in job.items]
    assert run(replace(make_job(images, tables, job.parameters), output=str(tmp_path / "results.jsonl"))).code == 0
    for old, new in zip(rows, read_rows(tmp_path / "results.jsonl"), strict=True):
        assert new == old | {"metadata": new["metadata"]}
        assert json.loads(new["metadata"])["include"][0].keys() == {"class", "count", "color", "position"}


def test_no_model_is_loaded_for_prompts_that_cannot_be_judged(job: Job, tmp_path: Path) -> None:
    mixed = [*items(2), with_metadata(items(3)[2], ODD[1])]
    lost = replace(
        make_job(tmp_path, mixed, parameters(Path("/nowhere"))), done=frozenset(item.filename for item in mixed[:2])
    )
    finished = run(lost)
    assert finished.code == 0
    assert finished.event("started")["total"] == 0  # so that what the run knows of its models stays
    assert finished.event("finished").items() >= {"rows": 1, "unscored": 1}.items()
    assert [row["filename"] for row in read_rows(Path(lost.output))] == [filename(2)]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"files": {"mask2former": "/nowhere.pth", "clip-vit-l-14": "/nowhere.pt"}}, 4, "weight mask2former is not at"),
        ({"options": {"max_objects": "many"}}, 2, "--max-objects 'many': expected a whole number, 1 or more"),
        ({"detector_config": "/nowhere.py"}, 2, "no detector config at /nowhere.py"),
        ({"device": "tpu"}, 2, "device must be auto, cpu, cuda or cuda:N, not 'tpu'"),
    ],
)
def test_bad_parameters_get_one_line(job: Job, tmp_path: Path, change: dict[str, Any], code: int, message: str) -> None:
    finished = run(make_job(tmp_path, items(2), job.parameters | change))
    assert finished.code == code
    assert finished.event("error")["message"].startswith(message)
    assert "\n" not in finished.event("error")["message"]
    assert "Traceback" not in finished.log

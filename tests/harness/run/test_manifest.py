from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.run.manifest import Manifest, StageRecord, differing_fields, harness_provenance
from wire.errors import UserError


def test_a_manifest_survives_the_trip_through_its_file(tmp_path: Path) -> None:
    record = StageRecord(
        "f", {"seed": 42}, {"name": "miro"}, {"device": "cpu"}, {}, {"dpg": "1"}, 5, 1, "0" * 64, 2.5, True
    )
    manifest = Manifest(
        "last", {"path": "x"}, {"id": "geneval"}, {"steps": 50}, True, {"version": "1"}, {"generate": record}
    )
    manifest.write(tmp_path / "run.json")
    assert Manifest.read(tmp_path / "run.json") == manifest
    assert Manifest.read(tmp_path / "none.json") is None


def of_a_worker(**words: object) -> str:
    record = {"fingerprint": "f", "settings": {}, "provenance": words}
    return json.dumps({"name": "x", "schema": 1, "stages": {"rewards": record}})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", "null", '{"schema": 1, "stages": {"generate": {"nonsense": 1}}}', '{"name": "x", "schem',
     "[" * 100_000, '{"a":' * 90 + "1" + "}" * 90, "\0" * 100, of_a_worker(cards=[1]), of_a_worker(weights=3),
     of_a_worker(weights=[3]), of_a_worker(packages=["torch"]), of_a_worker(hparams=[1]), of_a_worker(batch_size="x"),
     of_a_worker(cards={}).replace('"stages"', '"kept": {"rewards": [1]}, "stages"')],
)  # fmt: skip
def test_an_unreadable_manifest_is_one_line_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError) as refused:
        Manifest.read(tmp_path / "run.json")
    line = str(refused.value)
    assert line.startswith(f"{tmp_path / 'run.json'}: not a readable run manifest (")
    assert line.endswith("makes images, verdicts and rewards again")
    assert "\n" not in line


@pytest.mark.parametrize("mark", ["../../x", "a/b", "/x", ".", "a\n", "a b", "é", "a" * 65])
@pytest.mark.parametrize("place", ["stages", "kept", "kept as"])
def test_a_fingerprint_that_is_no_part_of_a_file_s_name_is_refused(tmp_path: Path, mark: str, place: str) -> None:
    """Rows that are kept, and those being made, lie under it."""
    record = {"fingerprint": mark if place != "kept as" else "f", "settings": {}}
    stages = {"geneval": record} if place == "stages" else {}
    kept = {"geneval": {mark if place == "kept as" else "f": record}} if place != "stages" else {}
    (tmp_path / "run.json").write_text(json.dumps({"name": "x", "schema": 1, "stages": stages, "kept": kept}))
    with pytest.raises(UserError, match=r"run\.json: not a readable run manifest") as caught:
        Manifest.read(tmp_path / "run.json")
    assert "\n" not in str(caught.value)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 9, "stages": {}}))
    with pytest.raises(UserError, match="schema 9, this version reads 1"):
        Manifest.read(tmp_path / "run.json")


def test_differences_are_named() -> None:
    assert differing_fields({"a": 1, "b": 2}, {"a": 1, "b": 2}) == []
    assert differing_fields({"a": 1, "b": 2}, {"b": 3, "c": None}) == ["a: 1 -> None", "b: 2 -> 3", "c: None -> None"]


def test_the_harness_knows_its_version() -> None:
    assert harness_provenance()["version"]


@pytest.mark.parametrize("mark", ["", "../../x", "a/b", "a" * 65, "a\n", "a.b", "\x00"])
def test_a_hash_that_becomes_part_of_a_name_is_one(tmp_path: Path, mark: str) -> None:
    record = {"fingerprint": mark, "settings": {}}
    for held in ({"stages": {"geneval": record}}, {"stages": {}, "kept": {"geneval": {mark: record}}}):
        (tmp_path / "run.json").write_text(json.dumps({"name": "x", "schema": 1} | held))
        with pytest.raises(UserError, match=r"run\.json: not a readable run manifest"):
            Manifest.read(tmp_path / "run.json")

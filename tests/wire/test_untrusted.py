from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.executors.share_state import read_state
from harness.executors.submission import Submission
from harness.run.directory import RunDirectory, read_metadata
from harness.run.manifest import Manifest, StageRecord
from harness.stages.base import fingerprint, known_rows
from harness.weights.checksums import read_ledger
from reports.gate.baseline import read_baseline
from reports.read.manifest import read_manifest
from reports.read.rows import read_rows as read_table
from wire.errors import UserError
from wire.files import write_atomically
from wire.row_files import read_rows
from wire.untrusted import MAX_LINE, is_text, parse_json, read_bytes, read_json, refuse_links_out, require_file


def test_links_within_the_run_and_to_images_elsewhere_are_fine(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    (run / "logs").mkdir(parents=True)
    (elsewhere / "00000").mkdir(parents=True)
    (run / "00000").symlink_to(elsewhere / "00000")
    (run / "current.jsonl").symlink_to(run / "results.jsonl")
    refuse_links_out(run)
    refuse_links_out(tmp_path / "none")
    with pytest.raises(UserError, match="outside of the run"):
        refuse_links_out(run, run / "00000")


@pytest.mark.parametrize("name", ["results.jsonl", "logs/rewards.log", "work/lock", "report/leaderboard.md", "logs"])
def test_a_link_that_we_would_write_through_is_named(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(tmp_path / "victim")
    with pytest.raises(UserError, match=r"a link to .*victim, outside of the run"):
        refuse_links_out(run)
    with pytest.raises(UserError, match="outside of the run"), RunDirectory(run).locked():
        pass


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    for path in (tmp_path / "pipe", tmp_path / "gone", Path("/dev/zero"), tmp_path):
        with pytest.raises(UserError, match="not a file"):
            require_file(path)
    with pytest.raises(UserError, match="not a file"):
        read_metadata(tmp_path / "pipe")


def test_a_document_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    path.write_text('{"prompt": "a"}')
    assert read_bytes(path) == b'{"prompt": "a"}'
    os.truncate(path, MAX_LINE + 1)
    with pytest.raises(UserError, match="more than 16 MB"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"prompt": "a \\ud800 cat"}', "halves of characters"),
        ('{"prompt": "a", "prompt": "b"}', "the key 'prompt' appears twice"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_odd_metadata_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "metadata.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as error:
        read_metadata(path)
    assert "\n" not in str(error.value)
    assert is_text(["é", {"日本": None}])


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_rows_with_numbers_that_are_none_are_not_believed(tmp_path: Path, number: str) -> None:
    settings = {"seed": 1}
    record = StageRecord(fingerprint(settings), settings, rows_sha256="0" * 64)
    good = {"filename": "a", "colors": {"dog": [[0.5]]}, "correct": True}
    bad = json.dumps(good | {"filename": "b"}).replace("0.5", number)
    (tmp_path / "results.jsonl").write_text(json.dumps(good) + "\n" + bad + "\n")
    manifest = Manifest("x", stages={"geneval": record})
    rows = known_rows(RunDirectory(tmp_path), manifest, "geneval", "results.jsonl", settings)
    assert list(rows) == [good]


def _rows(path: Path) -> object:
    return list(read_rows(path))


#: Every reader of a file that a run, a baseline or a home from elsewhere may bring along.
READERS: dict[str, Callable[[Path], object]] = {
    "run.json": Manifest.read,
    "run.json, for reports": read_manifest,
    "baseline": read_baseline,
    "metadata": read_metadata,
    "state of a share": read_state,
    "record of jobs": lambda path: Submission.read(RunDirectory(path.parents[1])),
    "ledger of weights": read_ledger,
    "rows": _rows,
    "rows, for reports": lambda path: read_table(path),
}
DOCUMENTS = [name for name in READERS if "rows" not in name]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where the file is to be; whoever waits for a pipe is woken."""

    def give_up(_number: int, _frame: object) -> None:
        raise AssertionError("waits for a pipe")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    (tmp_path / "work").mkdir()
    yield tmp_path / "work" / "submission.json"
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "endless", "folder", "socket"])
def test_no_reader_waits_for_what_is_no_file(kind: str, reader: str, place: Path) -> None:
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "link to a pipe":
        os.mkfifo(place.with_name("pipe"))
        place.symlink_to("pipe")
    elif kind == "endless":
        place.symlink_to("/dev/zero")
    elif kind == "folder":
        place.mkdir()
    else:
        made = socket.socket(socket.AF_UNIX)
        made.bind(os.path.relpath(place))
        made.close()
    with pytest.raises(UserError) as error:
        READERS[reader](place)
    assert str(place) in str(error.value)
    assert "\n" not in str(error.value)


#: Documents that are JSON to Python's own parser, or break it.
ODD = {
    "deep": "[" * 100_000,
    "deep, closed": '{"a": ' * 400 + "1" + "}" * 400,
    "no number": '{"a": NaN}',
    "endless number": '{"a": [1e999]}',
    "large number": '{"a": {"b": -1e308}}',
    "400 digits": '{"a": ' + "9" * 400 + "}",
    "5000 digits": '{"a": ' + "9" * 5000 + "}",
    "key twice": '{"a": 1, "a": 2}',
    "half a character": '{"a": "\\ud800"}',
    "half a character in a key": '{"\\ud800": 1}',
    "cut": '{"a": ',
    "not UTF-8": b'{"a": "\xff"}',
    "nothing": "",
}


@pytest.mark.parametrize("reader", DOCUMENTS)
@pytest.mark.parametrize("kind", ODD)
def test_odd_documents_are_one_line_for_every_reader(kind: str, reader: str, place: Path) -> None:
    text = ODD[kind]
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as error:
        READERS[reader](place)
    assert str(place) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"."):
        read_json(place)


def test_what_documents_of_ours_hold_is_read() -> None:
    value = {"a": [1, -2.5, True, None, "é", {"size": 2**64, "time": 1_764_000_000_123_456_789}], "": 1e100}
    assert parse_json(json.dumps(value)) == value
    assert parse_json("[" * 63 + "1" + "]" * 63)
    with pytest.raises(ValueError, match="too deep"):
        parse_json("[" * 64 + "1" + "]" * 64)


def test_a_reader_of_documents_has_no_second_way() -> None:
    """Documents are parsed by the one reader: what is left is rows, texts in them, and what programs of ours say."""
    root = Path(__file__).resolve().parents[2]
    parsing = {
        str(file.relative_to(root))
        for part in ("wire", "reports", "harness")
        for file in (root / part).rglob("*.py")
        if re.search(r"json\.loads?\(", file.read_text(encoding="utf-8"))
    }
    assert parsing == {
        "harness/cli/growing.py",  # texts of a manifest that has been read
        "harness/doctor/installed.py",  # what a program of ours prints
        "harness/environments/manager.py",  # the same
        "harness/workers/worker.py",  # a worker's events
        "reports/__init__.py",  # a file just written
        "reports/paper/figure_runs.py",  # texts of a manifest that has been read
        "reports/paper/measured.py",  # texts of a manifest that has been read
        "reports/read/prompts.py",  # texts in rows
        "reports/read/rows.py",  # the same
        "wire/protocol.py",  # a job just written
        "wire/row_files.py",  # rows
        "wire/untrusted.py",  # the one reader
        "wire/worker_process.py",  # paths of jobs
    }


@pytest.mark.parametrize("name", ["work/holder", "run.json", "results.jsonl", "logs/rewards.log", "work/shards/x.json"])
def test_a_run_with_a_pipe_in_our_way_is_refused(name: str, place: Path) -> None:
    run = place.parents[1]
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(run / name)
    with pytest.raises(UserError, match="not a file"), RunDirectory(run).locked():
        pass


def test_two_writers_of_a_file_never_share_a_half(tmp_path: Path) -> None:
    """A reader sees a whole text of one of them, whatever they are in the middle of; nothing is left beside it."""
    path, texts = tmp_path / "a.json", [letter * 200_000 for letter in "ab"]
    write_atomically(path, texts[0])
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(lambda text=text: [write_atomically(path, text) for _ in range(20)]) for text in texts]
        while not all(writer.done() for writer in writers):
            assert path.read_text() in texts
        for writer in writers:
            writer.result()
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("odd", [5, "x", [], {}, None, True, [1], {"a": 1}])
@pytest.mark.parametrize("field", [*vars(Manifest("x")), *(f"stages.{one}" for one in vars(StageRecord("f", {})))])
def test_a_run_whose_record_holds_other_kinds_of_values_is_one_line_or_fits(
    field: str, odd: object, place: Path
) -> None:
    stage, _, own = field.rpartition(".")
    record = vars(Manifest("x", stages={})) | {"stages": {"generate": vars(StageRecord("f", {}))}}
    (record["stages"]["generate"] if stage else record)[own] = odd
    place.write_text(json.dumps(record))
    found, told = None, ""
    try:
        found = Manifest.read(place)
    except UserError as error:
        told = str(error)
    if found is None:
        assert told.startswith(f"{place}: ")
        return
    values = vars(found.stages["generate"] if stage else found)
    default = vars(StageRecord("f", {}) if stage else Manifest("x"))[own]
    assert values[own] is None or isinstance(
        values[own], (dict, float, int) if default is None else (type(default), int)
    )

"""Published suites: fetched from a server, checked, kept, and found again."""

from __future__ import annotations

import csv
import functools
import hashlib
import http.server
import json
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest

from generation.suites import PUBLISHED, SUITES, load_suite, questions_judge, suites_folder
from generation.suites.catalogue import HUB, PublishedSuite, SuiteFile, find_published
from generation.suites.fetched import RECORD, fetch, is_fetched, read_fetched
from tests.shared_data import shared
from wire.errors import EnvironmentFailure, UserError

CONTENT = b"Prompt\tNote\na cat\tx\na dog\t\n"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served, and its address."""
    folder = tmp_path / "site"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub may be asked."""
    for variable in ("HF_HUB_OFFLINE", "HF_TOKEN", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    huggingface_hub.close_session()  # it may have been opened for another test's proxy


@pytest.fixture
def pets(site: tuple[Path, str]) -> PublishedSuite:
    """A suite of two prompts, without a published hash."""
    (site[0] / "pets.tsv").write_bytes(CONTENT)
    return PublishedSuite("pets", "Pets", 2, "CC0", (SuiteFile("pets.tsv", f"{site[1]}/pets.tsv"),))


def pinned(suite: PublishedSuite, sha256: str) -> PublishedSuite:
    return replace(suite, files=(replace(suite.files[0], sha256=sha256),))


def test_first_use_is_trusted_and_says_so(pets: PublishedSuite, tmp_path: Path) -> None:
    said: list[str] = []
    assert not is_fetched(pets, tmp_path)
    made = fetch(pets, tmp_path, said.append)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert len(said) == 1
    assert said[0].endswith(f"trusted now, and recorded: sha256 {digest}")
    assert made.lines == [{"prompt": "a cat", "note": "x"}, {"prompt": "a dog"}]
    assert read_fetched(pets, tmp_path).lines == made.lines
    fetch(pets, tmp_path, said.append)
    assert len(said) == 1


def test_file_that_has_changed_since_the_first_fetch(
    pets: PublishedSuite, site: tuple[Path, str], tmp_path: Path
) -> None:
    before = fetch(pets, tmp_path, print)
    (site[0] / "pets.tsv").write_bytes(CONTENT.replace(b"dog", b"cow"))
    with pytest.raises(EnvironmentFailure, match="was found at the first fetch; nothing was kept of it"):
        fetch(pets, tmp_path, print)
    assert read_fetched(pets, tmp_path).lines == before.lines


def test_published_hash_is_checked(pets: PublishedSuite, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(EnvironmentFailure, match=f"{'0' * 64} is published"):
        fetch(pinned(pets, "0" * 64), tmp_path, said.append)
    assert not (tmp_path / "pets").exists()
    fetch(pinned(pets, hashlib.sha256(CONTENT).hexdigest()), tmp_path, said.append)
    assert said == []


def test_git_s_id_stands_for_a_hash_that_is_not_known(
    pets: PublishedSuite, site: tuple[Path, str], tmp_path: Path
) -> None:
    """The id is what git itself says of the file."""
    git = ["git", "hash-object", "--no-filters", site[0] / "pets.tsv"]
    blob = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    known = replace(pets, files=(replace(pets.files[0], git_blob=blob),))
    said: list[str] = []
    fetch(known, tmp_path, said.append)
    assert read_fetched(known, tmp_path).lines[1] == {"prompt": "a dog"}
    assert said == [], "nothing is trusted"
    other = CONTENT.replace(b"dog", b"cow")
    (site[0] / "pets.tsv").write_bytes(other)
    with pytest.raises(EnvironmentFailure, match=rf"has git id [0-9a-f]{{40}}, but {blob} is published; nothing was"):
        fetch(known, tmp_path / "new", said.append)
    assert not (tmp_path / "new").exists()
    fetch(pets, tmp_path / "trusted", said.append)
    with pytest.raises(UserError, match="missing or changed"):
        read_fetched(known, tmp_path / "trusted")


def test_wrong_number_of_prompts_is_not_kept(pets: PublishedSuite, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="2 prompts, 1632 expected"):
        fetch(replace(pets, prompts=1632), tmp_path, print)
    assert not is_fetched(pets, tmp_path)


@pytest.mark.parametrize("damage", ["changed", "deleted", "record"])
def test_file_damaged_on_disk(pets: PublishedSuite, tmp_path: Path, damage: str) -> None:
    fetch(pets, tmp_path, print)
    path = tmp_path / "pets" / ("pets.tsv" if damage != "record" else RECORD)
    path.unlink() if damage == "deleted" else path.write_text("Prompt\nanother\n")
    with pytest.raises(UserError, match=r"delete .*pets"):
        read_fetched(pets, tmp_path)


def test_server_that_has_no_such_file(pets: PublishedSuite, site: tuple[Path, str], tmp_path: Path) -> None:
    (site[0] / "pets.tsv").unlink()
    with pytest.raises(EnvironmentFailure, match=r"404.*suites fetch pets --from FILE"):
        fetch(pets, tmp_path, print)


def test_hub_address_can_be_changed(
    hub: None, pets: PublishedSuite, site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{site[1]}/")
    mirrored = replace(pets, files=(replace(pets.files[0], url=f"{HUB}pets.tsv"),))
    assert len(fetch(mirrored, tmp_path, print).lines) == 2
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EnvironmentFailure, match=r"pets\.tsv: HF_HUB_OFFLINE is set; get it elsewhere"):
        fetch(mirrored, tmp_path, print)


@pytest.mark.parametrize(
    ("endpoint", "variables", "login"),
    [
        ("http://", {}, None),
        ("http://", {"HF_TOKEN": "hf_secret"}, "Bearer hf_secret"),
        ("http://me:a%2Fb@", {}, "Basic bWU6YS9i"),
    ],
)
def test_the_hub_is_given_the_user_s_login(
    hub: None,
    pets: PublishedSuite,
    site: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    variables: dict[str, str],
    login: str | None,
) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(_Quiet, "log_message", lambda self, *_: seen.append(self.headers.get("Authorization")))
    monkeypatch.setenv("HF_ENDPOINT", site[1].replace("http://", endpoint))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    fetch(pets, tmp_path, print)
    assert seen == [None], "a place that is not the hub's learns nothing"
    mirrored = replace(pets, files=(replace(pets.files[0], url=f"{HUB}pets.tsv"),))
    fetch(mirrored, tmp_path / "again", print)
    assert seen[1:] == [login]
    (site[0] / "pets.tsv").unlink()
    with pytest.raises(EnvironmentFailure, match=r"suite pets: .*404.*suites fetch pets --from FILE") as refused:
        fetch(mirrored, tmp_path / "gone", print)
    assert "secret" not in str(refused.value)
    assert "a%2Fb" not in str(refused.value)


def test_brought_files(pets: PublishedSuite, tmp_path: Path) -> None:
    path = tmp_path / "by hand.tsv"
    path.write_bytes(CONTENT)
    away = replace(pets, files=(replace(pets.files[0], url="http://127.0.0.1:9/"),))
    assert len(fetch(away, tmp_path, print, [path]).lines) == 2
    with pytest.raises(UserError, match=r"made of 1 files \(pets.tsv\), not 2"):
        fetch(away, tmp_path, print, [path, path])
    with pytest.raises(UserError, match=r"gone.tsv: cannot be read"):
        fetch(away, tmp_path, print, [tmp_path / "gone.tsv"])
    for content, said in ((CONTENT + b"a newt\n", "has sha256"), (b"\xff\xfe", "has sha256")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"^{path} {said}"):
            fetch(away, tmp_path, print, [path])
    for content, said in ((b"\xff\xfe", rf"^{path}: not UTF-8"), (b"prompt\na cat\n", rf"1 prompts in {path}, 2 exp")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=said):
            fetch(away, tmp_path / "elsewhere", print, [path])


def test_several_files_make_one_suite_and_rows_of_one_prompt_are_one(tmp_path: Path) -> None:
    one, two = tmp_path / "a.json", tmp_path / "b.csv"
    one.write_text('["a cat", "a cow"]')
    two.write_text("item_id,text,question\n7,a dog,is it?\n7,a dog ,where?\n8,a dog,why?\n")
    keep = (("item_id", "id"), ("prompt", "prompt"))
    files = (
        SuiteFile("a.json", "", add={"style": "photo"}, numbered=True),
        SuiteFile("b.csv", "", keep=keep),
    )
    suite = fetch(PublishedSuite("mixed", "", 4, "", files), tmp_path, print, [one, two])
    assert suite.lines == [
        {"style": "photo", "idx": 0, "prompt": "a cat"},
        {"style": "photo", "idx": 1, "prompt": "a cow"},
        {"id": "7", "prompt": "a dog"},
        {"id": "8", "prompt": "a dog"},
    ]


def test_unfetched_and_unknown_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    with pytest.raises(UserError, match="suite parti is not here yet; get it with `miro-eval suites fetch parti`"):
        load_suite("parti")
    known = "geneval-long-bagel, geneval2, geneval-long-miro, miro-testbed, parti, hpdv2, drawbench, dpg"
    with pytest.raises(UserError, match=f"known are {known}"):
        find_published("coco")


def test_only_some_suites_have_something_for_geneval(tmp_path: Path) -> None:
    assert SUITES["geneval"].has_geneval
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": "b", "tag": "x", "include": [{"class": "cat", "count": 1}]}\n')
    assert load_suite(str(path)).has_geneval
    path.write_text('{"prompt": "a", "tag": "x"}\n')
    assert not load_suite(str(path)).has_geneval


def test_published_data_are_recognised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    long = load_suite(str(shared("data/prompts/geneval_metadata_long_bagel.jsonl")))
    assert (long.id, len(long.lines), long.has_geneval) == ("geneval-long-bagel", 553, True)
    parti = load_suite(str(shared("data/prompts/parti_prompts.jsonl")))
    assert (parti.id, len(parti.lines), parti.has_geneval) == ("parti", 1632, False)
    drawbench = shared("data/prompts/drawbench.csv")
    assert load_suite(str(drawbench)).id == "drawbench"
    fetch(PUBLISHED["drawbench"], suites_folder(), print, [drawbench])
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(load_suite("drawbench").jsonl)
    assert load_suite(str(copy)).id == "drawbench"


def test_geneval2_is_pinned_and_counted(tmp_path: Path) -> None:
    """Counts of the published file, which may not be shipped; the prompts' questions say who judges."""
    suite = fetch(PUBLISHED["geneval2"], tmp_path, print, [shared("data/geneval2/geneval2_data.jsonl")])
    assert suite.sha256 == PUBLISHED["geneval2"].content
    assert Counter(line["atom_count"] for line in suite.lines) == dict.fromkeys(range(3, 11), 100)
    assert len({line["prompt"] for line in suite.lines}) == 800
    asked = [
        (*question, skill, line["atom_count"])
        for line in suite.lines
        for question, skill in zip(line["vqa_list"], line["skills"], strict=True)
    ]
    assert len(asked) == suite.questions == 6012
    assert len({question for question, *_ in asked}) == 1626
    skills = {"count": 2025, "object": 2025, "attribute": 1214, "position": 662, "verb": 86}
    assert Counter(skill for _, _, skill, _ in asked) == skills
    assert all(question.startswith("How many") is (skill == "count") for question, _, skill, _ in asked)
    counts = {"one": 812, "two": 179, "three": 237, "four": 204, "five": 205, "six": 204, "seven": 184}
    assert Counter(answer for _, answer, skill, _ in asked if skill == "count") == counts
    assert {answer for _, answer, skill, _ in asked if skill != "count"} == {"Yes"}
    questions = [len(line["vqa_list"]) for line in suite.lines]
    assert Counter(questions) == dict(zip(range(3, 12), (59, 21, 101, 105, 75, 113, 128, 143, 55), strict=True))
    atoms = [sum(answer != "one" for _, answer in line["vqa_list"]) for line in suite.lines]
    assert atoms == [line["atom_count"] for line in suite.lines], "what is asked as one is no atom"


def test_who_judges_a_published_suite_is_what_its_lines_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    files = {
        "geneval-long-bagel": "prompts/geneval_metadata_long_bagel.jsonl",
        "geneval2": "geneval2/geneval2_data.jsonl",
    }
    for name, file in (files | {"parti": "prompts/parti_prompts.jsonl"}).items():
        suite = load_suite(str(shared(f"data/{file}")))
        said = {
            "geneval": suite.has_geneval,
            "soft_tifa": {*map(questions_judge, suite.lines)} == {"soft_tifa"},
        }
        assert suite.id == name
        assert [judge for judge, judges in said.items() if judges] == [*filter(None, [PUBLISHED[name].judge])]


def test_geneval_long_is_pinned_to_the_published_file(tmp_path: Path) -> None:
    path = shared("data/prompts/geneval_metadata_long_bagel.jsonl")
    suite = fetch(PUBLISHED["geneval-long-bagel"], tmp_path, print, [path])
    assert suite.sha256 == PUBLISHED["geneval-long-bagel"].content
    prompts = [line["include"] for line in SUITES["geneval"].lines]
    assert [line["include"] for line in suite.lines] == prompts


def test_the_old_name_of_bagels_file_still_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    path = shared("data/prompts/geneval_metadata_long_bagel.jsonl")
    assert find_published("geneval-long") is PUBLISHED["geneval-long-bagel"]
    fetch(find_published("geneval-long"), suites_folder(), print, [path])
    assert load_suite("geneval-long").id == load_suite("geneval-long-bagel").id == "geneval-long-bagel"


@pytest.mark.parametrize("name", ["geneval-long-miro", "miro-testbed"])
def test_suites_of_miro_lie_at_a_fixed_commit_and_another_file_is_refused(name: str, tmp_path: Path) -> None:
    suite = PUBLISHED[name]
    (file,) = suite.files
    assert re.search(r"nicolas-dufour/(miro|CAD)/[0-9a-f]{40}/", file.url)
    other = tmp_path / file.name
    other.write_text('{"prompt": "a cat"}\n')
    with pytest.raises(UserError, match=rf"1 prompts in {other}, 553 expected|^{other} has sha256 .* is published"):
        fetch(suite, tmp_path, print, [other])


def test_dpg_keeps_the_questions_of_each_prompt(tmp_path: Path) -> None:
    """The published table has a row a question; prompts are the published ones, questions made up."""
    prompts = [json.loads(line) for line in shared("data/prompts/dpg_bench.jsonl").read_text().splitlines()]
    with (tmp_path / "dpg_bench.csv").open("w", newline="") as file:
        table = csv.writer(file)
        heads = ("item_id", "text", "keywords", "proposition_id", "dependency", "category_broad", "category_detailed")
        table.writerow((*heads, "tuple", "question_natural_language"))
        for line in prompts:
            table.writerow((line["id"], line["prompt"], "", 1, 0, "entity", "whole", "entity - whole (x)", "Is it x?"))
            table.writerow(
                (line["id"], line["prompt"], "", 2, "1,1", "entity", "part", "entity - part (y)", "Is it, y?")
            )
    (file,) = PUBLISHED["dpg"].files
    with pytest.raises(UserError, match=rf"has git id \w+, but {file.git_blob} is published"):
        fetch(PUBLISHED["dpg"], tmp_path / "suites", print, [tmp_path / "dpg_bench.csv"])
    made_up = replace(PUBLISHED["dpg"], files=(replace(file, git_blob=""),))
    suite = fetch(made_up, tmp_path / "suites", print, [tmp_path / "dpg_bench.csv"])
    assert [(line["id"], line["prompt"]) for line in suite.lines] == [(one["id"], one["prompt"]) for one in prompts]
    assert {*map(questions_judge, suite.lines)} == {"dpg"}
    assert suite.questions == 2 * 1065
    assert suite.lines[7]["dpg"] == [
        {"id": "1", "depends": "0", "tuple": "entity - whole (x)", "question": "Is it x?", "row": 14},
        {"id": "2", "depends": "1,1", "tuple": "entity - part (y)", "question": "Is it, y?", "row": 15},
    ]


def test_hpdv2_from_its_four_files(tmp_path: Path) -> None:
    entries = json.loads(shared("data/prompts/hpdv2_benchmark_prompts.json").read_text())
    paths = []
    for file in PUBLISHED["hpdv2"].files:
        paths.append(tmp_path / file.name)
        paths[-1].write_text(json.dumps([entry["prompt"] for entry in entries if entry["style"] == file.add["style"]]))
    assert fetch(PUBLISHED["hpdv2"], tmp_path, print, paths).lines == entries

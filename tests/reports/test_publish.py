"""Publishing to the hub: by its own client, to a hub on this machine; what is sent is read as the hub reads it."""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard, parse_eval_result_entries
from PIL import Image

from reports.exports.hub import cleaned
from reports.read.suite import PROMPTS_PER_TAG
from tests.real_environments import miro_eval
from tests.reports.builders import SMALL, official_prompts, rewards, sweep, unscored, write_rows
from tests.shared_data import shared

TOKEN = "hf_" + "A1b2C3d4E5f6G7h8" * 2


class Hub(http.server.BaseHTTPRequestHandler):
    """The hub's part in a commit: it makes the repository, asks for every file, and takes the commit."""

    asked: list[tuple[str, Any]]
    refuses = 0

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
        self.asked.append((self.path, lines))
        here = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        answer: dict[str, Any] = {}
        if path == "/api/repos/create":
            answer = {"url": f"{here}/datasets/{lines[0].get('organization')}/{lines[0]['name']}"}
        if "/preupload/" in path:
            names = [file["path"] for file in lines[0]["files"]]
            answer = {"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]}
        if "/commit/" in path:
            kind = "datasets/" if "datasets" in path else ""
            place = f"{here}/{kind}{'/'.join(path.split('/')[3:5])}"
            answer = {"success": True, "commitOid": "ab" * 20, "commitUrl": f"{place}/commit/{'ab' * 20}"}
            answer |= {"pullRequestUrl": f"{place}/discussions/1"} if "create_pr=1" in self.path else {}
        content = json.dumps(answer if not self.refuses else {"error": "no"}).encode()
        self.send_response(self.refuses or 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Hub]]:
    handler = type("Handler", (Hub,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield handler
        server.shutdown()
        thread.join()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with an image, and with texts that tell of this host and of a secret."""
    folder = tmp_path / "runs" / "a"
    (folder / "00000" / "samples").mkdir(parents=True)
    Image.new("RGB", (640, 640), (10, 200, 30)).save(folder / "00000" / "samples" / "0000.png")
    rows = sweep(SMALL)
    rows[-1] = unscored(11, 0, rows[-1]["tag"], f"{folder}/00011/samples/0000.png: cannot be read ({TOKEN})")
    write_rows(folder / "results.jsonl", rows)
    write_rows(folder / "rewards.jsonl", [rewards(place, 0, {"image_reward": 0.5}) for place in range(2)])
    (folder / "run.json").write_text(json.dumps({"name": f"last of {folder}", "protocol": {"seed": 1}}))
    return folder


def publish(run: Path, *more: str | Path) -> Any:
    return miro_eval("publish", run, "--to", "me/rows", "--out", run.parent / "publish", *more)


def test_without_send_nothing_is_asked_of_the_hub(hub: type[Hub], run: Path) -> None:
    answer = publish(run)
    assert answer.returncode == 0, answer.stderr
    assert hub.asked == []
    assert answer.stdout.startswith("dataset me/rows:\n  README.md (")
    assert answer.stdout.endswith("nothing was sent; look at the files, then add --send\n")


def test_what_is_sent_is_what_the_hub_reads_and_tells_of_no_host(hub: type[Hub], run: Path) -> None:
    answer = publish(run, "--thumbnails", "--send")
    assert answer.returncode == 0, answer.stderr
    assert f"sent: {os.environ['HF_ENDPOINT']}/datasets/me/rows/commit/" in answer.stdout
    made = next(lines[0] for path, lines in hub.asked if path == "/api/repos/create")
    assert made["type"] == "dataset"
    assert made.get("visibility") == "private" or made["private"]  # as versions of the client say it
    (commit,) = (lines for path, lines in hub.asked if "/commit/" in path)
    files = {
        part["value"]["path"]: base64.b64decode(part["value"]["content"]) for part in commit if part["key"] == "file"
    }
    assert files.keys() == {"README.md", "data/rows.parquet", "leaderboard.json"}
    card = DatasetCard(files["README.md"].decode())
    assert card.data.configs == [{"config_name": "default", "data_files": "data/rows.parquet"}]
    assert card.data.size_categories == ["n<1K"]
    assert "| overall |" in card.text
    table = pq.read_table(BytesIO(files["data/rows.parquet"]))
    rows = table.to_pylist()
    assert len(rows) == len(sweep(SMALL))
    assert json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["image"] == {"_type": "Image"}
    with Image.open(BytesIO(rows[0]["image"]["bytes"])) as small:
        assert small.size == (320, 320)
    assert rows[0]["image_reward"] == 0.5
    assert rows[0]["filename"] == "00000/samples/0000.png"
    assert {row["reason"] for row in rows if row["correct"] is None} >= {"0000.png: cannot be read ([token])"}
    told = b"".join(files.values()) + json.dumps(rows, default=str).encode()
    for secret in (TOKEN, str(run), str(Path.home()), "/tmp/"):
        assert secret.encode() not in told


def test_a_models_scores_go_as_a_pull_request_in_the_hubs_form(hub: type[Hub], run: Path) -> None:
    part = publish(run, "--model", "me/model", "--benchmark", "they/geneval", "--send")
    assert part.returncode == 2
    assert "a complete sweep of GenEval's own prompts; this is of 12 of 553 prompts (incomplete)" in part.stderr
    assert hub.asked == []
    texts = official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl"))
    whole = {tag: (size, 2 * size) for tag, size in PROMPTS_PER_TAG.items()}
    write_rows(run / "results.jsonl", sweep(whole, 2, texts))
    answer = publish(run, "--model", "me/model", "--benchmark", "they/geneval", "--send")
    assert answer.returncode == 0, answer.stderr
    assert f"sent: {os.environ['HF_ENDPOINT']}/me/model/discussions/1" in answer.stdout
    (commit,) = (lines for path, lines in hub.asked if path.startswith("/api/models/me/model/commit/main?create_pr=1"))
    (file,) = (part["value"] for part in commit if part["key"] == "file")
    assert file["path"] == ".eval_results/geneval.yaml"
    entries = parse_eval_result_entries(yaml.safe_load(base64.b64decode(file["content"])))
    found = {entry.task_id: entry for entry in entries}
    assert {"overall", "colors", "color_attr"} <= found.keys()
    assert found["overall"].dataset_id == "they/geneval"
    assert 0 < found["overall"].value < 1
    assert found["overall"].source_url == "https://huggingface.co/datasets/me/rows"
    assert "prompts" in (found["overall"].notes or "")


@pytest.mark.parametrize(("status", "code"), [(403, 2), (401, 2), (400, 4)])
def test_a_refusal_is_one_line(hub: type[Hub], run: Path, status: int, code: int) -> None:
    hub.refuses = status
    answer = publish(run, "--send")
    assert answer.returncode == code
    assert answer.stderr.splitlines()[-1].startswith("miro-eval: dataset me/rows: not sent (")
    assert "Traceback" not in answer.stderr


def test_what_cannot_be_published_is_refused_before_anything_is_sent(hub: type[Hub], run: Path) -> None:
    for more, told in (
        (["--model", "me/model"], "--model and --benchmark go together"),
        (["--to", "a--b/c"], "'a--b/c': not a repository on the hub; Cannot have -- or .. in repo_id"),
        (["--model", "a b", "--benchmark", "x/y"], "'a b': not a repository on the hub; expected owner/name"),
    ):
        answer = publish(run, *more, "--send")
        assert answer.returncode == 2
        assert told in answer.stderr
    assert hub.asked == []


def test_paths_and_tokens_go_and_all_else_stays() -> None:
    assert cleaned(f"/home/u/run/0.png: broken, {TOKEN}") == "0.png: broken, [token]"
    for text in ("file:///home/u/run/0.png", "in:/home/u/run/0.png", "in&#58;///home/u\\_1/run/0.png"):
        assert re.fullmatch(r"(file:|in:|in&#58;)(//)?0\.png", cleaned(text))
    assert cleaned(f"in {Path.home()}: x, {Path.home()}/runs/a b") == "in ~: x, a b"
    assert cleaned("/data/my runs/of june/0.png: broken; 1/2 of a/b") == "0.png: broken; 1/2 of a/b"
    for text in ("00000/samples/0000.png", "1/2 of a/b", "https://huggingface.co/a/b/c", "(x + 2) / 4", "4 / 5"):
        assert cleaned(text) == text

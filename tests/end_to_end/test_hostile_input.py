"""A checkpoint, prompts, images and rows made by somebody who means harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.network_watch import watch
from tests.real_environments import miro_eval, world

SHORT = ("--tiny-world", "--samples", "1", "--steps", "1", "--device", "cpu")
METRICS = ("--metric", "aesthetic", "--metric", "pick_score")
#: What a terminal, a page, a table or a TeX run must not be told by a prompt.
PROMPTS = (
    "a photo of a cat\x1b[2J\x1b]0;owned\x07 and a \x9b31mdog",
    "<script>alert(1)</script><img src=x onerror=alert(2)> '\"--> </style>",
    "\\input{/etc/passwd} $\\write18{id}$ % & _ # { } ~ ^",
    "a | b\n| c ` [x](javascript:alert(1)) \r\u2028 \u202egnp.exe \x00 end",
    "=cmd|'/C calc'!A0",
)


class Payload:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> Any:
        return os.system, (self._command,)


def the_line(answer: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("miro-eval: ")]
    assert "Traceback" not in answer.stderr
    return line


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_that_would_run_a_command_is_refused(protocol: int, tmp_path: Path) -> None:
    """The checkpoint's configuration is a real one, so that nothing but the pickle is wrong."""
    shutil.copytree(world().checkpoint.parent, tmp_path / "evil")
    checkpoint, trace = tmp_path / "evil" / "last.ckpt", tmp_path / "was_here"
    evil = pickle.dumps({"state_dict": {"ema_network.x": Payload(f"touch {trace}")}}, protocol=protocol)
    whole = zipfile.ZipFile(io.BytesIO(checkpoint.read_bytes()))
    with zipfile.ZipFile(checkpoint, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, evil if name.endswith("/data.pkl") else whole.read(name))
    answer = miro_eval("generate", checkpoint, "--limit", "1", *SHORT, "--out", tmp_path / "run")
    assert answer.returncode == 2
    assert "last.ckpt" in the_line(answer)
    assert not trace.exists()
    if protocol == 2:
        assert "system" in the_line(answer)
        assert "--trust-checkpoint" in the_line(answer)


def test_a_configuration_that_would_run_a_command_is_refused(tmp_path: Path) -> None:
    shutil.copytree(world().checkpoint.parent, tmp_path / "evil")
    config = tmp_path / "evil" / "config.yaml"
    text = config.read_text().replace("miro.models.preconditioning.FlowPrecond", "os.system")
    config.write_text(text)
    answer = miro_eval("generate", tmp_path / "evil" / "last.ckpt", "--limit", "1", *SHORT, "--out", tmp_path / "run")
    assert answer.returncode == 2
    assert "would call os.system" in the_line(answer)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("negative_prompts: random_prompt", "negative_prompts: ${oc.env:HF_TOKEN}"),
        ("sigma_data: 0.5", "sigma_data: '\\${oc.create:{_target_: os.system, command: touch TRACE}}'"),
        ("sigma_data: 0.5", "sigma_data: {_target_: os.system, _args_: [touch TRACE]}"),
    ],
)
def test_interpolations_of_a_configuration_run_nothing_and_read_no_secret(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRETsecretSECRET")
    shutil.copytree(world().checkpoint.parent, tmp_path / "evil")
    config, trace = tmp_path / "evil" / "config.yaml", tmp_path / "was_here"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new.replace("TRACE", str(trace))))
    run = tmp_path / "run"
    answer = miro_eval("generate", tmp_path / "evil" / "last.ckpt", "--limit", "1", *SHORT, "--out", run)
    assert answer.returncode == 2
    assert "config.yaml: " in the_line(answer)
    assert "refused, because" in the_line(answer)
    assert not trace.exists()
    written = [path.read_text(errors="replace") for path in run.rglob("*") if path.is_file()]
    assert not any("hf_SECRET" in text for text in [answer.stdout, answer.stderr, *written])


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run over hostile prompts, offline and watched, with a bomb for its last image.

    The directory's name is hostile too.
    """
    folder = tmp_path_factory.mktemp("hostile")
    world()
    suite = folder / "suite.jsonl"
    lines = [
        {"tag": "single_object", "include": [{"class": "cat", "count": 1}], "prompt": prompt} for prompt in PROMPTS
    ]
    suite.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = folder / "run <b>&\\x $%_#\x1b[31m"
    with pytest.MonkeyPatch.context() as monkeypatch:
        watch(folder, monkeypatch)
        made = miro_eval("generate", world().checkpoint, "--suite", suite, *SHORT, "--offline", "--out", out)
        assert made.returncode == 0, made.stderr
        (out / f"{len(PROMPTS) - 1:05d}" / "samples" / "0000.png").write_bytes(bomb())
        for stage in (("geneval",), ("rewards", *METRICS)):
            answer = miro_eval(*stage, out, "--tiny-world", "--device", "cpu", "--offline")
            assert answer.returncode == 5, answer.stderr
    return out


def test_no_stage_uses_the_network_when_offline(hostile_run: Path) -> None:
    processes = (hostile_run.parent / "processes").read_text()
    assert all(f"launch.py {stage} " in processes for stage in ("generation", "geneval", "rewards"))
    assert "miro-eval generate" in processes
    network = hostile_run.parent / "network"
    assert not network.exists(), network.read_text()


def test_a_decompression_bomb_is_unscored_and_the_others_are_not(hostile_run: Path) -> None:
    lines = [json.loads(line) for line in (hostile_run / "results.jsonl").read_bytes().splitlines()]
    assert [row["status"] for row in lines] == ["scored"] * (len(PROMPTS) - 1) + ["unscored"]
    lines = [json.loads(line) for line in (hostile_run / "rewards.jsonl").read_bytes().splitlines()]
    assert [set(row["unscored"]) for row in lines] == [set()] * (len(PROMPTS) - 1) + [{"aesthetic", "pick_score"}]


def test_hostile_prompts_are_kept_in_the_rows_to_the_letter(hostile_run: Path) -> None:
    for name in ("images", "results", "rewards"):
        lines = (hostile_run / f"{name}.jsonl").read_bytes().splitlines()
        assert [json.loads(line)["prompt"] for line in lines] == list(PROMPTS)


def test_hostile_prompts_reach_no_terminal_page_table_or_tex_file(hostile_run: Path, tmp_path: Path) -> None:
    report = miro_eval("report", hostile_run, "--out", tmp_path / "report")
    shown = miro_eval("show", hostile_run, "00000/0000", "--out", tmp_path / "shown.png")
    gallery = miro_eval("view", hostile_run, "--out", tmp_path / "gallery")
    checked = miro_eval("verify", hostile_run)
    repro = miro_eval("repro", hostile_run)
    assert checked.returncode == 2  # the bomb is not the image that was made
    for answer in (report, shown, gallery, checked, repro):
        assert answer.returncode == (2 if answer is checked else 0), answer.stderr
        said = answer.stdout + answer.stderr
        assert not set(said) & {"\x1b", "\x07", "\x9b", "\x00", "\u202e", "\u2028"}
    for path in (*(tmp_path / "report").rglob("*.html"), *(tmp_path / "gallery").rglob("*.html")):
        assert "<script>alert" not in path.read_text()
        assert "<img src=x" not in path.read_text()
    for path in (tmp_path / "report").rglob("*.tex"):
        assert "\\input{/etc" not in path.read_text()
        assert "\\write18" not in path.read_text()
    for path in (tmp_path / "report").rglob("*.md"):
        assert "\x1b" not in path.read_text()


def test_halves_of_characters_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "suite.jsonl").write_text('{"prompt": "a \\ud800 cat"}\n')
    made = miro_eval(
        "generate", world().checkpoint, "--suite", tmp_path / "suite.jsonl", *SHORT, "--out", tmp_path / "x"
    )
    assert made.returncode == 2
    assert "halves of characters" in the_line(made)


def folder_of_images(folder: Path, count: int = 2) -> Path:
    """A folder of images from elsewhere: small gray squares."""
    from PIL import Image

    for index in range(count):
        samples = folder / f"{index:05d}" / "samples"
        samples.mkdir(parents=True)
        metadata = {
            "tag": "single_object",
            "include": [{"class": "cat", "count": 1}],
            "prompt": f"a photo of cat {index}",
        }
        (samples.parent / "metadata.jsonl").write_text(json.dumps(metadata))
        Image.new("RGB", (64, 64), (index, 80, 120)).save(samples / "0000.png")
    return folder


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in 200 kB or less."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 20_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["logs/geneval.log", "work/lock", "run.json", "results.jsonl", "work", "logs"])
def test_a_link_out_of_the_run_is_not_written_through(name: str, tmp_path: Path) -> None:
    run, victim = folder_of_images(tmp_path / "run"), tmp_path / "victim"
    if "/" in name or "." in name:
        victim.write_text("precious")
    else:
        victim.mkdir()
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(victim)
    answer = miro_eval("geneval", run, "--tiny-world", "--device", "cpu")
    assert answer.returncode == 2
    assert "outside of the run" in the_line(answer)
    assert victim.is_dir() or victim.read_text() == "precious"
    assert not victim.is_dir() or not list(victim.iterdir())


def test_generated_images_do_not_follow_links_out_of_the_run(tmp_path: Path) -> None:
    for link in ("00000", "00000/samples"):
        run, victim = tmp_path / link.replace("/", "-"), tmp_path / "victims" / link.replace("/", "-")
        victim.mkdir(parents=True)
        (run / link).parent.mkdir(parents=True)
        (run / link).symlink_to(victim)
        suite = tmp_path / "suite.jsonl"
        suite.write_text('{"prompt": "a cat"}\n')
        answer = miro_eval("generate", world().checkpoint, "--suite", suite, *SHORT, "--out", run)
        assert answer.returncode == 2
        assert "outside of the run" in the_line(answer)
        assert not list(victim.iterdir())


def test_a_pipe_or_device_in_an_image_s_place_does_not_hang_the_run(tmp_path: Path) -> None:
    run = folder_of_images(tmp_path / "run")
    image = run / "00001" / "samples" / "0000.png"
    for target in ("/dev/zero", "/nowhere"):
        image.unlink()
        image.symlink_to(target)
        answer = miro_eval("geneval", run, "--tiny-world", timeout=60)
        assert answer.returncode == 2
        assert "not a file" in the_line(answer)
    (run / "00001" / "metadata.jsonl").unlink()
    os.mkfifo(run / "00001" / "metadata.jsonl")
    assert "not a file" in the_line(miro_eval("geneval", run, "--tiny-world", timeout=60))


def test_rows_that_we_cannot_have_written_are_refused(tmp_path: Path) -> None:
    run = folder_of_images(tmp_path / "run")
    scored = ("rewards", run, "--metric", "aesthetic", "--tiny-world", "--device", "cpu")
    assert miro_eval(*scored).returncode == 0
    good = (run / "rewards.jsonl").read_text()
    lines = good.splitlines(keepends=True)
    twice = lines[0].replace('"aesthetic":', '"aesthetic": 9.9, "aesthetic":')
    for text, told in ((twice + lines[1], "appears twice"), (lines[0] + "[1]\n", "expected a JSON object")):
        (run / "rewards.jsonl").write_text(text)
        answer = miro_eval(*scored)
        assert answer.returncode == 2
        assert told in the_line(answer)
    (run / "rewards.jsonl").write_text(good)
    with (run / "rewards.jsonl").open("ab") as file:
        file.truncate(100 << 20)
    answer = miro_eval(*scored)
    assert answer.returncode == 2
    assert "a line of more than 16 MB" in the_line(answer)

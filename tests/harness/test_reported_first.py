"""Wrong input is reported before the first image is made, whichever stage it is for and whichever verb is given.

:data:`WRONG` is the table of docs/reliability.md: what is wrong, how it is given, the exit code and the line.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.plan.evaluations import Evaluation, evaluate
from harness.run.settings import GenerationSettings, RewardSettings, RunSettings
from harness.stages.context import run_probe
from harness.stages.registry import STAGES, validate
from harness.terminal.display import Display
from harness.weights import by_address
from harness.weights.weight_source import PublishedWeights
from rewards.scorers import SCORERS
from tests.harness.weights.hub import put
from tests.real_environments import ROOT, environment
from wire import hub_client
from wire.errors import EnvironmentFailure, UserError
from wire.paths import home

ENVS = home() / "envs"
#: Files that wrong input names.
FILES = {
    "no_module.py": "import a_module_that_is_not_there\n",
    "no_python.py": "class Scorer(:\n",
    "no_scorer.py": "class Scorer:\n    pass\n",
    "elsewhere.py": "import dataclasses\nfrom rewards.scorers.aesthetic import Aesthetic\n\n"
    "class Elsewhere(Aesthetic):\n    env = 'vml'\n"
    "    card = dataclasses.replace(Aesthetic.card, metric='elsewhere')\n",
    "cut.jsonl": '{"prompt": "a bench", "tag": ',
    "empty.txt": "",
}
#: What is wrong -> stage it is for, options, what is said. All of it ends with exit 2.
WRONG: dict[str, tuple[str, list[str], str]] = {
    "a setting out of its range": ("generate", ["--resolution", "100"], "resolution '100': width and height"),
    "a target out of its range": ("generate", ["--negative-reward-target", "vqa_score=7"], "vqa_score = 7.0; expected"),
    "an unknown noise": ("generate", ["--noise", "white"], "--noise 'white': expected image or upstream"),
    "an unknown suite": ("generate", ["--suite", "genevall"], "genevall: no such suite or file"),
    "a truncated suite file": ("generate", ["--suite", "cut.jsonl"], "cut.jsonl"),
    "a suite file without prompts": ("generate", ["--suite", "empty.txt"], "empty.txt: no prompts"),
    "an unknown detector": ("geneval", ["--detector", "yolo"], "--detector 'yolo': expected mmdet or transformers"),
    "a threshold out of its range": ("geneval", ["--confidence-threshold", "30"], "expected a number from 0 to 1"),
    "an invalid color": ("geneval", ["--background", "#zz"], "--background '#zz': expected"),
    "a mistyped metric": ("rewards", ["--metric", "imagereward"], "unknown metric imagereward; choose from"),
    "a mistyped precision": ("rewards", ["--reward-precision", "fp8"], "--reward-precision 'fp8': expected"),
    "a missing scorer file": ("rewards", ["--scorer", "absent.py:Scorer"], "cannot be imported"),
    "a scorer with a syntax error": ("rewards", ["--scorer", "no_python.py:Scorer"], "invalid syntax"),
    "a scorer that needs a missing module": (
        "rewards",
        ["--scorer", "no_module.py:Scorer"],
        "a_module_that_is_not_there",
    ),
    "a class that is not a scorer": (
        "rewards",
        ["--scorer", "no_scorer.py:Scorer"],
        "not a rewards.scorers.base.Scorer",
    ),
    "a scorer of an unknown environment": (
        "rewards",
        ["--scorer", "elsewhere.py:Elsewhere"],
        "unknown environment 'vml': choose from miro, geneval, rewards, vlm",
    ),
    "rescoring a metric that is not scored": (
        "rewards",
        ["--metric", "vqa", "--rescore", "aesthetic"],
        "--rescore aesthetic",
    ),
    "an unknown device": ("all", ["--device", "tpu"], "device 'tpu' is unknown"),
    "an unknown kind of environment": ("all", ["--env-backend", "conda"], "unknown environment backend 'conda'"),
    "an unknown executor": ("all", ["--executor", "condor"], "unknown executor 'condor'"),
    "too many shards": ("all", ["--shards", "5000"], "--shards 5000: expected 1 to 1000"),
}
#: Commands that make images and go on with them.
VERBS = {
    "all": ["all", "someone/model"],
    "several": ["all", "someone/model", "other/network"],
    "sweep": ["sweep", "someone/model", "--reward-target", "aesthetic_score=0,1"],
    "slurm": ["all", "someone/model", "--executor", "slurm", "--shards", "2"],
}
#: What a verb does not take.
_NOT_TAKEN = {
    "sweep": {"--resolution", "--executor", "--shards"},
    "slurm": {"--executor", "--shards"},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, on a machine that has neither environments nor weights nor a hub."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
    for name in (*proxies, "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(by_address, "addresses", lambda weight: (f"http://127.0.0.1:9/{weight.file}",))
    hub_client.away.cache_clear()  # another test may have asked from behind a proxy
    return tmp_path


def command(monkeypatch: pytest.MonkeyPatch, *line: str) -> int:
    monkeypatch.setattr("sys.argv", ["miro-eval", *line])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(str(ended.value.code))


def nothing_made(place: Path) -> bool:
    return not [*place.rglob("*.png")] and not (place / "home" / "envs").exists()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_settings_are_reported_before_anything_is_made(
    wrong: str, verb: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, options, said = WRONG[wrong]
    if _NOT_TAKEN.get(verb, set()) & {*options}:
        pytest.skip("not an option of this verb")
    code = command(monkeypatch, *VERBS[verb], "--limit", "2", "--out", "runs", *options)
    told = capsys.readouterr().err
    assert code == 2, told
    lines = [line for line in told.splitlines() if said in line]
    assert lines, told
    assert all(line.startswith("miro-eval: ") for line in lines)
    assert not (place / "runs").exists(), "not even a folder"
    assert nothing_made(place)


@pytest.mark.parametrize("verb", [name for name in VERBS if name != "slurm"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--offline"], "weights mask2former are not here and the run is offline"),
        ([], "weights mask2former cannot be fetched"),
    ],
    ids=["offline", "out of reach"],
)
def test_weights_by_address_are_here_before_anything_is_made(
    verb: str,
    options: list[str],
    said: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = command(monkeypatch, *VERBS[verb], "--limit", "2", "--out", "runs", *options)
    told = capsys.readouterr().err
    assert (code, said in told) == (4, True), told
    assert nothing_made(place)


@pytest.mark.parametrize(("offline", "said"), [(True, "the run is offline"), (False, "out of reach")])
def test_weights_of_the_hub_are_to_be_had_before_anything_is_made(
    place: Path, monkeypatch: pytest.MonkeyPatch, offline: bool, said: str
) -> None:
    """Without any of a stage's metrics there is nothing to score; the stage before it would work."""
    metrics = RewardSettings(("pick_score", "vqa"))
    settings = RunSettings(place / "run", GenerationSettings("someone/model", limit=2), rewards=metrics)
    one = Evaluation(settings, ("generate", "rewards"))
    with pytest.raises(
        EnvironmentFailure, match=rf"nothing can be scored, because weights are missing; pick_score: .*{said}"
    ):
        evaluate([one], PublishedWeights(offline), Display())
    assert nothing_made(place)


def test_a_metric_that_must_stay_unscored_is_named_and_the_others_go_on(place: Path) -> None:
    for weight in SCORERS["sciscore"].card.weights:
        for name in ("config.json", "vocab.txt", "spiece.model", "model.safetensors"):
            put(place / "hf" / "hub", name, name.encode(), weight.source)
    cards = {metric: SCORERS[metric].card.weights for metric in ("sciscore", "hpsv2.1")}
    lacking = PublishedWeights(offline=True).lacking(cards)
    assert list(lacking) == ["hpsv2.1"]
    assert "xswu/HPSv2: not in the hub cache" in lacking["hpsv2.1"]


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_a_scorer_is_imported_where_it_will_run(
    verb: str | None, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The orchestrator has packages that the stage's environment has not; where that is there, it is asked first."""
    (place / "home").mkdir()
    (place / "home" / "envs").symlink_to(ENVS)
    body = "from rewards.scorers.aesthetic import Aesthetic\n\nclass Mine(Aesthetic):\n    card = CARD\n"
    card = "import dataclasses\nCARD = dataclasses.replace(Aesthetic.card, metric='mine')\n"
    for name, first in (("fine.py", "import json\n"), ("strange.py", "import submitit\n")):
        text = first + body.replace("\n\nclass", f"\n{card}\nclass")
        (place / name).write_text(text)
    rewards = environment("rewards")
    if verb:
        options = ["--limit", "2", "--out", "runs", "--scorer", "strange.py:Mine"]
        assert command(monkeypatch, *VERBS[verb], *options) == 2
        assert "strange.py:Mine: cannot be imported" in capsys.readouterr().err
        assert not (place / "runs").exists(), "not even a folder"
        return
    for name in ("fine.py", "strange.py"):
        settings = RunSettings(place / "run", rewards=RewardSettings((), scorers=(f"{name}:Mine",)))
        assert validate(settings, ("rewards",)) == []
        line = tuple(rewards.command(*STAGES["rewards"].probe(settings)))
        if name == "fine.py":
            run_probe(line)
        else:
            with pytest.raises(UserError, match=r"strange.py:Mine: cannot be imported .*submitit"):
                run_probe(line)


def test_a_line_that_geneval_cannot_judge_is_named_first(place: Path) -> None:
    good = '{"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"}'
    (place / "suite.jsonl").write_text(f"{good}\n{good.replace('bench', 'keyboard')}\n")
    settings = RunSettings(place / "run", GenerationSettings("someone/model", suite=str(place / "suite.jsonl")))
    (note,) = validate(settings, ("generate", "geneval", "rewards"))
    assert re.search(r"1 of 2 prompts cannot be judged .* line 2 of the suite: class 'keyboard'", note)
    assert validate(settings, ("generate", "rewards")) == []


def test_one_run_s_fault_is_not_the_others(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("harness.plan.evaluations._evaluate", lambda runs, *_: seen.extend(runs))
    base = RunSettings(place / "good", GenerationSettings("someone/model"))
    bad = RunSettings(place / "bad", GenerationSettings("someone/model", seed=-1))
    outcome = evaluate([Evaluation(one, ("generate",)) for one in (bad, base)], PublishedWeights(), Display())
    assert [one.settings.out for one in seen] == [place / "good"]
    assert isinstance(outcome.failures[place / "bad"], UserError)


def test_the_documentation_lists_what_is_tried_here() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = text.partition("## What is reported before the first image")[2].partition("\n## ")[0]
    assert [name for name in WRONG if f"| {name} |" not in section] == []

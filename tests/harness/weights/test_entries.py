from __future__ import annotations

import re

import pytest

from harness.weights import load_hub, load_weights, weights_of
from harness.weights.entries import parse
from harness.weights.fetching import select
from rewards.scorers import SCORERS
from rewards.scorers.card import LISTED, UNPINNED
from wire.errors import UserError
from wire.hub import MODEL_WEIGHTS, choose
from wire.paths import weights_manifest

FILE = '[w]\nfile = "w.pth"\nurls = ["https://x/w"]\nsha256 = "{}"\nstages = []\nlicence = ""\nsource = ""\n'
HUB = '[hub.h]\nrepo = "{}"\nfiles = ["*"]\nstages = []\nlicence = ""\nsource = ""\n{}\n'


def test_the_list_names_what_the_stages_ask_for() -> None:
    assert {weight.name for weight in weights_of("geneval")} == {"mask2former", "clip-vit-l-14"}
    assert {weight.name for weight in weights_of("rewards")} == {"clip-vit-l-14", "aesthetic-mlp"}
    for weight in load_weights().values():
        assert len(weight.sha256) in (8, 64)
        assert all(url.startswith("https://") for url in weight.urls)
        assert weight.licence
        assert weight.source


def test_every_weight_of_every_metric_s_card_is_in_the_list() -> None:
    listed = {(entry.repo, entry.revision) for entry in load_hub().values()} | {(name, "") for name in load_weights()}
    for metric, scorer in SCORERS.items():
        for weight in scorer.card.weights:
            revision = "" if weight.revision in (UNPINNED, LISTED) else weight.revision
            assert (weight.source, revision) in listed, f"{metric}: {weight}"


def test_default_metrics_are_fetched_by_default_and_extras_when_named() -> None:
    default = {entry.name for entry in select([], ["rewards"])}
    assert {"jina-clip-v2", "pick-score", "aesthetic-mlp", "clip-flant5-xxl"} <= default
    assert not {"clip-openai", "clip-flant5-xl", "sdxl-vae"} & default
    assert [entry.name for entry in select(["clip-openai"])] == ["clip-openai"]
    with pytest.raises(UserError, match="unknown weights none: `miro-eval weights list` shows what there is"):
        select(["none"])
    with pytest.raises(UserError, match="unknown stage x: choose from generation, geneval, rewards"):
        select([], ["x"])


def test_code_from_the_hub_is_run_from_pinned_revisions_only() -> None:
    running = [entry for entry in load_hub().values() if entry.runs_code]
    assert len(running) == 4
    assert all(re.fullmatch("[0-9a-f]{40}", entry.revision) for entry in running)
    with pytest.raises(UserError, match="h: code is only run from a pinned revision"):
        parse(HUB.format("a/b", "runs_code = true"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[w", "weights.toml: "),
        ("w = 1", "w: expected a table"),
        ("[w]\nfile = 'w'", "w: Object missing required field `urls`"),
        (FILE.format("xyz"), "w: Expected `str` matching regex '^[0-9a-f]{8,64}"),
        (FILE.format("12345678").replace("w.pth", "../w.pth"), "- at `$.file`"),
        (FILE.format("12345678").replace("w.pth", ".bashrc"), "- at `$.file`"),
        (FILE.format("12345678") + "size = -1", "w: Expected `int` >= 0 - at `$.size`"),
        (FILE.format("12345678") + "nonsense = 1", "nonsense"),
        (HUB.format("../../etc", ""), "- at `$.repo`"),
        (HUB.format("a/b", 'revision = "main"'), "- at `$.revision`"),
        (HUB.format("jinaai/jina-clip-v2", f'revision = "{"0" * 40}"'), "stands in its scorer's card, and there alone"),
        (HUB.format("a/b", 'sha256 = {x = "1"}'), "- at `$.sha256[...]`"),
        (HUB.format("a/b", "").replace('["*"]', '"*"'), "h: Expected `array`, got `str` - at `$.files`"),
        ("hub = 1", "weights.toml: "),
        ("[w]\na = 1\na = 2", "weights.toml: "),
    ],
)
def test_a_bad_entry_is_one_line(text: str, told: str) -> None:
    with pytest.raises(UserError, match=re.escape(told)) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_the_list_is_parsed_whole() -> None:
    files, hub = parse(weights_manifest().read_text())
    assert len(files) == 3
    assert len(hub) >= 15
    assert all(entry.licence and entry.source and entry.stages for entry in (*files.values(), *hub.values()))


def test_patterns_choose_the_best_format_and_stay_at_their_depth() -> None:
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "onnx/config.json", "a/b/c.json"]
    assert choose(("*.json", MODEL_WEIGHTS), names) == ["config.json", "model.safetensors"]
    assert choose(("*/config.json",), names) == ["onnx/config.json"]
    sharded = ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    assert choose((MODEL_WEIGHTS,), sharded) == sorted(sharded)
    assert choose((MODEL_WEIGHTS,), ["tf_model.h5"]) == []

from __future__ import annotations

import shlex
from itertools import pairwise

import pytest

from reports.paper.commands import Reproduction, commands, missing, overview, script
from reports.paper.printed import TABLES, printed_table
from reports.paper.results import checkpoints, results
from wire.errors import UserError


def lines(wanted: Reproduction) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in script(wanted) if line.startswith("miro-eval ")]


def values(words: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(words) if name == option]


def test_the_sixteen_released_checkpoints_and_nine_others() -> None:
    released = [one.name for one in checkpoints().values() if one.family == "miro" and one.checkpoint]
    assert len(released) == 16
    assert sum(one.family == "diffusers" for one in checkpoints().values()) == 9
    for key in TABLES:
        assert {row.model for row in printed_table(key).rows} <= checkpoints().keys()


def test_every_checkpoint_of_table_1_is_made_for_verdicts_and_for_rewards() -> None:
    found = lines(Reproduction(("table1",)))
    assert found[0] == ["suites", "fetch", "parti"]
    for suite in ("geneval", "parti"):
        own = [words for words in found if words[0] == "all" and values(words, "--suite") == [suite]]
        named = {word for words in own for word in words[1 : words.index("--suite")]}
        rows = {checkpoints()[row.model].checkpoint for row in printed_table("table1").rows} - {""}
        assert rows <= named
        (others,) = [words for words in own if values(words, "--backend") == ["diffusers"]]
        assert others.index("--backend") == 1 + 9
        many = [words for words in own if values(words, "--samples") == ["128"]]
        assert [words[1] for words in many] == ["miro"]
    assert found[-1] == ["paper", "table1", "--from", "paper", "--out", "paper/tables"]


def test_miro_is_sampled_as_printed_and_others_as_their_pipelines_do() -> None:
    for words in lines(Reproduction()):
        if words[0] not in ("all", "sweep"):
            continue
        others = values(words, "--backend") == ["diffusers"]
        assert ("--steps" not in words) is others
        assert ("--precision" not in words) is others
        assert values(words, "--seed") == ["42"]


def test_what_results_share_is_made_once() -> None:
    both = lines(Reproduction(("fig2", "fig16")))
    parti = [words for words in both if values(words, "--suite") == ["parti"]]
    assert len(parti) == 1
    assert {"miro-only-clip", "miro-no-clip"} <= {*parti[0]}


def test_a_part_of_a_grid_or_all_of_it() -> None:
    (words,) = [words for words in lines(Reproduction(("table1",))) if words[0] == "sweep" and "geneval" in words]
    assert values(words, "--sweep") == ["aesthetic_score=0.625"]
    assert values(words, "--out") == ["paper/weight-geneval/miro"]
    swept = [words for words in lines(Reproduction(("table1", "fig13"))) if words[0] == "sweep"]
    assert sorted(value for words in swept for value in values(words, "--sweep")) == [
        *("aesthetic_score=0.625", "aesthetic_score=0:1:0.125")
    ]


def test_what_was_not_published_is_told_and_can_be_given() -> None:
    wanted = Reproduction(("fig3", "fig6"))
    told = [*missing(wanted)]
    assert any("parti-128: without baseline: " in line for line in told)
    assert any(line.startswith("training: without miro-no-synthetic-captions, baseline: ") for line in told)
    assert [f"# {line}" for line in told] == script(wanted)[-len(told) :]
    given = Reproduction(("fig3", "fig6"), own={"baseline": "b.ckpt"}, training={"baseline": "runs/*.ckpt"})
    places = {words[1]: values(words, "--out") for words in lines(given) if words[0] == "all"}
    assert places["b.ckpt"] == ["paper/parti-128/baseline"]
    assert places["runs/*.ckpt"] == ["paper/training/baseline"]
    with pytest.raises(UserError, match="no model 'bsaeline'"):
        script(Reproduction(own={"bsaeline": "x"}))


def test_a_trial_has_fewer_prompts_and_images() -> None:
    for limit, samples, expected in (
        (4, None, {"4"}),
        (4, 2, {"2"}),
        (None, 8, {"4", "8"}),
        (None, None, {"4", "128"}),
    ):
        made = [words for words in lines(Reproduction(limit=limit, samples=samples)) if words[0] in ("all", "sweep")]
        assert {value for words in made for value in values(words, "--samples")} == expected
        assert {value for words in made for value in values(words, "--limit")} == ({str(limit)} if limit else set())


def test_the_tiny_world_needs_no_network() -> None:
    found = lines(Reproduction(tiny_world=True))
    assert not [words for words in found if words[0] == "suites"]
    made = [words for words in found if words[0] in ("all", "sweep")]
    assert {value for words in made for value in values(words, "--suite")} == {"geneval", "miro-figure7"}
    assert all("--tiny-world" in words for words in made)


def test_all_is_every_result() -> None:
    shown = [command.words for command in commands(Reproduction()) if command.words[0] == "paper"]
    assert [words[1] for words in shown] == ["table1", "table3", "figures", "strips"]
    assert not any("--only" in words for words in shown)
    with pytest.raises(UserError, match="no 'table2' here; choose from table1, table3, fig2, "):
        commands(Reproduction(("table2",)))


def test_the_overview_names_everything() -> None:
    text = overview()
    assert all(f"  {key}" in text for key in results())
    assert "baseline                            table1: Baseline; table3: Baseline (not published)" in text

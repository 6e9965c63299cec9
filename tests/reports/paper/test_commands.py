from __future__ import annotations

import shlex

from reports.paper.checkpoints import released_runs, reproduction_commands
from reports.paper.printed import printed_table


def test_sixteen_checkpoints_with_rows_that_exist() -> None:
    assert len({run.name for run in released_runs()}) == 16
    for run in released_runs():
        assert run.rows
        for table, row in run.rows.items():
            assert printed_table(table).row(row).name == row


def test_all_checkpoints_are_in_the_commands() -> None:
    commands = [shlex.split(line) for line in reproduction_commands("table1") if line.startswith("miro-eval")]
    generated = [words for words in commands if words[1] == "generate"]
    assert len(generated) == 2 * 17
    variants = {words[words.index("--variant") + 1] for words in generated if "--variant" in words}
    assert len(variants) == 15
    assert {words[2] for words in generated} == {"nicolas-dufour/miro", "nicolas-dufour/miro-ablations"}
    assert commands[0] == ["miro-eval", "suites", "fetch", "parti"]
    targeted = [words for words in generated if "--reward-target" in words]
    assert [words[words.index("--reward-target") + 1] for words in targeted] == ["aesthetic_score=0.625"] * 2
    assert commands[-2][:3] == ["miro-eval", "paper", "table1"]
    assert commands[-1][:3] == ["miro-eval", "paper", "table3"]


def test_table3_needs_eight() -> None:
    lines = reproduction_commands("table3", folder="my runs", parti="p.jsonl")
    commands = [shlex.split(line) for line in lines if line.startswith("miro-eval")]
    assert len([words for words in commands if words[1] == "generate"]) == 16
    assert commands[0][-1] == "my runs/miro-no-synthetic-captions/geneval"
    assert commands[2][commands[2].index("--suite") + 1] == "p.jsonl"


def test_folders_are_apart() -> None:
    folders = [run.folder for run in released_runs()]
    assert len(set(folders)) == len(folders)

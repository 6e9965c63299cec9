"""``miro-eval geneval``: images to verdicts, or stored rows to other verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import options
from harness.cli.signature import takes_settings
from harness.run.settings import GenevalSettings, RunSettings
from harness.terminal.echo import echo
from wire.errors import ExitCode, UserError

Rejudge = Annotated[
    Path | None,
    typer.Option(help="judge the rows of this file again, from their stored boxes: needs no images and no models"),
]
Out = Annotated[Path | None, typer.Option(help="with --rejudge: the file to write")]
SelfTest = Annotated[
    bool, typer.Option("--self-test", help="test the detector and the color classifier on drawn scenes")
]


@takes_settings
def geneval(
    judging: GenevalSettings,
    run: RunSettings,
    directory: options.RunDirectory = None,
    rejudge: Rejudge = None,
    out: Out = None,
    self_test: SelfTest = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Judge the images in a directory by GenEval; writes results.jsonl and geneval_summary.json there."""
    from harness.cli import session
    from harness.environments.manager import environment_backend

    if [directory is not None, rejudge is not None, self_test].count(True) != 1:
        raise UserError("name a directory of images, --rejudge results.jsonl or --self-test; one of the three")
    if out is not None and rejudge is None:
        raise UserError("--out needs --rejudge: results of a directory of images are written into it")
    if rejudge is not None:
        _rejudge(rejudge, out, judging)
        return
    backend = environment_backend(judging.detector, run.env_backend)
    settings = replace(run, out=directory or Path(), geneval=judging, env_backend=backend)
    if not self_test:
        session.run(["geneval"], settings, tiny_world=tiny_world)
        return
    parameters = judging.chosen() | {"device": run.device}
    session.run_alone("geneval", "geneval", "geneval.self_test", parameters, settings, tiny_world=tiny_world)
    echo("self-test passed")


def _recorded_options(rows: Path) -> dict[str, Any]:
    """The options of a run's verdicts, or of those that are kept beside them, as its ``run.json`` has them."""
    from harness.run.manifest import Manifest
    from wire.kept import kept_path

    manifest = Manifest.read(rows.with_name("run.json"))
    if manifest is None:
        return {}
    kept = manifest.kept.get("geneval", {}).items()
    of_kept = (one for mark, one in kept if kept_path(rows.with_name("results.jsonl"), mark).name == rows.name)
    record = next(of_kept, manifest.stages.get("geneval"))
    return (record.settings.get("options") if record else None) or {}


def _rejudge(rows: Path, out: Path | None, judging: GenevalSettings) -> None:
    """Decide stored rows again; says what changed, and exits 5 where a row cannot be decided."""
    from geneval.judge import JudgeOptions
    from geneval.rejudge import VERDICT, note_on_classes, out_of_reach, rejudge_file
    from wire.files import write_rows

    if out is None or out.resolve() == rows.resolve():
        raise UserError("--rejudge needs --out: a file other than the one it reads")
    if out.name == "results.jsonl" and out.with_name("run.json").is_file():
        raise UserError(f"--out {out}: the verdicts of a run, whose run.json tells other settings: name another file")
    if colors := judging.chosen().get("color_options"):
        raise UserError(f"--{next(iter(colors))} changes what CLIP sees: it needs the images, so omit --rejudge")
    decided = rejudge_file(rows, judging.options)
    recorded = _recorded_options(rows)
    options = (old.get("judge_options") or recorded for old, _ in decided)
    before = dict.fromkeys(map(JudgeOptions.from_mapping, options))
    was = dict.fromkeys(f"{name} {getattr(one, name)}" for one in before for name in out_of_reach(judging.options, one))
    if was:
        left_out = "what that left out is not stored, so a looser value changes nothing"
        echo(f"the rows were made with {', '.join(was)}; {left_out}", err=True)
    if note := note_on_classes(old for old, _ in decided):
        echo(note, err=True)
    write_rows(out, [new for _, new in decided])
    changed = sum(old.get("correct") != new.get("correct") for old, new in decided)
    was_right, is_right = (sum(row.get("correct") is True for row in column) for column in zip(*decided, strict=True))
    echo(f"{len(decided)} rows judged again: {is_right} correct, {was_right} before, {changed} verdicts changed")
    if kept := sum(new.get("color_source") == VERDICT for _, new in decided):
        echo(f"{kept} rows have no color answers and keep their color verdict (color_source: {VERDICT})")
    echo(f"scores: miro-eval report {out}")
    if lost := sum(new.get("status") == "unscored" or new.get("correct") is None for _, new in decided):
        echo(f"{lost} rows are unscored; their error says why", err=True)
        raise typer.Exit(int(ExitCode.UNSCORED))

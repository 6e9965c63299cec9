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
    Path | None, typer.Option(help="decide the rows of this file again, from their boxes: no images, no models")
]
Out = Annotated[Path | None, typer.Option(help="with --rejudge: the file to write")]
SelfTest = Annotated[
    bool, typer.Option("--self-test", help="judge drawn scenes: does the detector see, are colors told apart?")
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
    """Judge the images in a directory, whoever made them; writes results.jsonl and geneval_summary.json there."""
    from harness.environments.manager import environment_backend

    if [directory is not None, rejudge is not None, self_test].count(True) != 1:
        raise UserError("name a directory of images, --rejudge results.jsonl or --self-test; one of the three")
    if out is not None and rejudge is None:
        raise UserError("--out goes with --rejudge: the rows of a directory of images stay in it")
    if rejudge is not None:
        _rejudge(rejudge, out, judging)
        return
    backend = environment_backend(judging.detector, run.env_backend)
    settings = replace(run, out=directory or Path(), geneval=judging, env_backend=backend)
    if self_test:
        _self_test(settings, tiny_world)
    else:
        _run(settings, tiny_world)


def _run(settings: RunSettings, tiny_world: bool) -> None:
    from harness.cli.session import run

    run(["geneval"], settings, tiny_world=tiny_world)


def _self_test(settings: RunSettings, tiny_world: bool) -> None:
    """Run the stage's self-test in its environment and print what it says; a failure is an environment failure."""
    from tempfile import TemporaryDirectory

    from harness.cli.session import choose_source, session
    from harness.environments.manager import ensure
    from harness.environments.spec import ENVIRONMENTS
    from harness.workers import worker
    from wire.protocol import Job

    with session() as display, TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "self-test.log"
        source = choose_source(settings, display, tiny_world=tiny_world)
        environment = ensure(ENVIRONMENTS["geneval"], settings.env_backend, display.step("environment geneval"))
        source.prepare("geneval", display.step("weights"))
        parameters = settings.geneval.chosen() | {"device": settings.device} | source.parameters("geneval")
        Job("geneval", name, str(folder / "results.jsonl"), [], parameters).write(folder / "job.json")
        command = environment.worker("geneval.self_test", str(folder / "job.json"))
        program = worker.Program("geneval", command, log, source.variables())
        worker.run(program, lambda event: display.note(event["message"]) if event["event"] == "warning" else None)
    echo("self-test passed")


def _rejudge(rows: Path, out: Path | None, judging: GenevalSettings) -> None:
    """Decide stored rows again; says what changed, and exits 5 where a row cannot be decided."""
    from geneval.rejudge import VERDICT, note_on_classes, rejudge_file
    from wire.files import write_rows

    if out is None or out.resolve() == rows.resolve():
        raise UserError("--rejudge needs --out, another file than the one it reads")
    if colors := judging.chosen().get("color_options"):
        raise UserError(f"--{next(iter(colors))} decides what CLIP saw: it needs the images, not --rejudge")
    options = judging.options
    decided = rejudge_file(rows, options)
    _warn_of_looser(rows, decided[0][0], options)
    if note := note_on_classes(old for old, _ in decided):
        echo(note, err=True)
    write_rows(out, [new for _, new in decided])
    changed = sum(old["correct"] != new["correct"] for old, new in decided)
    before, after = (sum(row["correct"] is True for row in column) for column in zip(*decided, strict=True))
    echo(f"{len(decided)} rows decided again: {after} correct, {before} before, {changed} verdicts changed")
    if kept := sum(new.get("color_source") == VERDICT for _, new in decided):
        echo(f"{kept} rows hold no color answers and keep their color verdict (color_source: {VERDICT})")
    echo(f"scores: miro-eval report {out}")
    if lost := sum(new.get("status", "scored") != "scored" for _, new in decided):
        echo(f"{lost} rows are unscored; their error says why", err=True)
        raise typer.Exit(int(ExitCode.UNSCORED))


def _warn_of_looser(path: Path, row: dict[str, Any], options: Any) -> None:
    """Say in one line which options ask for detections that the rows do not hold."""
    from geneval.judge import JudgeOptions
    from geneval.rejudge import out_of_reach

    stored = JudgeOptions.from_mapping(row.get("judge_options") or _options_of_run(path))
    if names := out_of_reach(options, stored):
        was = ", ".join(f"{name} {getattr(stored, name)}" for name in names)
        echo(f"the rows were made with {was} and hold nothing beyond: a looser value changes nothing", err=True)


def _options_of_run(path: Path) -> dict[str, Any]:
    """The options in the ``run.json`` beside a results file; none where there is none."""
    from harness.run.manifest import Manifest

    manifest = Manifest.read(path.with_name("run.json"))
    record = manifest.stages.get("geneval") if manifest else None
    return record.settings.get("options", {}) if record else {}

"""``miro-eval geneval``: images to verdicts, or stored rows to other verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import options
from harness.errors import ExitCode, UserError
from harness.settings import GenevalSettings, RunSettings

Directory = Annotated[
    Path | None, typer.Argument(help="directory of images: 00000/metadata.jsonl, 00000/samples/0000.png, ...")
]
Rejudge = Annotated[
    Path | None, typer.Option(help="decide the rows of this file again, from their boxes: no images, no models")
]
Out = Annotated[Path | None, typer.Option(help="with --rejudge: the file to write")]
SelfTest = Annotated[
    bool, typer.Option("--self-test", help="judge drawn scenes: does the detector see, are colors told apart?")
]
Confidence = Annotated[float | None, typer.Option(help="a detection counts above this score [default: 0.3]")]
Counting = Annotated[float | None, typer.Option(help="the same for counting prompts [default: 0.9]")]
MaxObjects = Annotated[int | None, typer.Option(help="detections kept of a class, best first [default: 16]")]
MaxOverlap = Annotated[
    float | None, typer.Option(help="IoU with a better detection of its class that drops one [default: 1, off]")
]
Position = Annotated[
    float | None, typer.Option(help="share of two boxes' sizes that their offset must exceed [default: 0.1]")
]
Crop = Annotated[bool | None, typer.Option(help="show CLIP an object's box, or the whole image [default: crop]")]
Background = Annotated[str | None, typer.Option(help='color around an object, or "original" [default: #999]')]

Detector = Annotated[
    str, typer.Option(help="mmdet (the reference) or transformers (the same weights, no mmcv): who runs Mask2Former")
]


def geneval(
    directory: Directory = None,
    rejudge: Rejudge = None,
    out: Out = None,
    self_test: SelfTest = False,
    confidence_threshold: Confidence = None,
    counting_threshold: Counting = None,
    max_objects: MaxObjects = None,
    max_overlap: MaxOverlap = None,
    position_threshold: Position = None,
    crop: Crop = None,
    background: Background = None,
    detector: Detector = "mmdet",
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    env_backend: options.EnvBackend = "auto",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Judge the images in a directory, whoever made them; writes results.jsonl and geneval_summary.json there."""
    judge = _given(
        confidence_threshold=confidence_threshold,
        counting_threshold=counting_threshold,
        max_objects=max_objects,
        max_overlap=max_overlap,
        position_threshold=position_threshold,
    )
    colors = _given(crop=crop, background=background)
    if [directory is not None, rejudge is not None, self_test].count(True) != 1:
        raise UserError("name a directory of images, --rejudge results.jsonl or --self-test; one of the three")
    if out is not None and rejudge is None:
        raise UserError("--out goes with --rejudge: the rows of a directory of images stay in it")
    if rejudge is not None:
        _rejudge(rejudge, out, judge, colors)
        return
    settings = RunSettings(
        directory or Path(),
        geneval=GenevalSettings(judge, colors, detector),
        device=device,
        gpus=options.gpu_ids(gpus),
        env_backend=env_backend,
        offline=offline,
    )
    if self_test:
        _self_test(settings, tiny_world)
    else:
        _run(settings, tiny_world)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _run(settings: RunSettings, tiny_world: bool) -> None:
    from harness.cli.session import run

    run(["geneval"], settings, tiny_world=tiny_world)


def _self_test(settings: RunSettings, tiny_world: bool) -> None:
    """Run the stage's self-test in its environment and print what it says; a failure is an environment failure."""
    from tempfile import TemporaryDirectory

    from harness.cli.session import session
    from harness.environments.manager import ensure
    from harness.environments.spec import ENVIRONMENTS
    from harness.executors import local
    from harness.protocol import Job
    from harness.stages.geneval import chosen_options
    from harness.weight_source import PublishedWeights, make_tiny_world

    with session() as display, TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "self-test.log"
        published = PublishedWeights(settings.offline)
        source = make_tiny_world(settings.env_backend, display.step) if tiny_world else published
        environment = ensure(ENVIRONMENTS["geneval"], settings.env_backend, display.step("environment geneval"))
        source.prepare("geneval", display.step("weights"))
        parameters = chosen_options(settings.geneval) | {"device": settings.device} | source.parameters("geneval")
        Job("geneval", name, str(folder / "results.jsonl"), [], parameters).write(folder / "job.json")
        command = environment.command("-m", "geneval.self_test", str(folder / "job.json"))
        task = local.Task("geneval", command, log, source.variables())
        local.run([task], lambda _, event: display.note(event["message"]) if event["event"] == "warning" else None)
    typer.echo("self-test passed")


def _rejudge(rows: Path, out: Path | None, judge: dict[str, Any], colors: dict[str, Any]) -> None:
    """Decide stored rows again; says what changed, and exits 5 where a row cannot be decided."""
    from geneval.judge import JudgeOptions
    from geneval.rejudge import VERDICT, rejudge_file
    from harness.files import write_rows

    if out is None or out.resolve() == rows.resolve():
        raise UserError("--rejudge needs --out, another file than the one it reads")
    if colors:
        raise UserError(f"--{next(iter(colors))} decides what CLIP saw: it needs the images, not --rejudge")
    options = JudgeOptions.from_mapping(judge)
    decided = rejudge_file(rows, options)
    _warn_of_looser(rows, decided[0][0], options)
    write_rows(out, [new for _, new in decided])
    changed = sum(old["correct"] != new["correct"] for old, new in decided)
    before, after = (sum(row["correct"] is True for row in column) for column in zip(*decided, strict=True))
    typer.echo(f"{len(decided)} rows decided again: {after} correct, {before} before, {changed} verdicts changed")
    if kept := sum(new.get("color_source") == VERDICT for _, new in decided):
        typer.echo(f"{kept} rows hold no color answers and keep their color verdict (color_source: {VERDICT})")
    typer.echo(f"scores: miro-eval report {out}")
    if lost := sum(new.get("status", "scored") != "scored" for _, new in decided):
        typer.echo(f"{lost} rows are unscored; their error says why", err=True)
        raise typer.Exit(int(ExitCode.UNSCORED))


def _warn_of_looser(path: Path, row: dict[str, Any], options: Any) -> None:
    """Say in one line which options ask for detections that the rows do not hold."""
    from geneval.judge import JudgeOptions
    from geneval.rejudge import out_of_reach

    stored = JudgeOptions.from_mapping(row.get("judge_options") or _options_of_run(path))
    if names := out_of_reach(options, stored):
        was = ", ".join(f"{name} {getattr(stored, name)}" for name in names)
        typer.echo(f"the rows were made with {was} and hold nothing beyond: a looser value changes nothing", err=True)


def _options_of_run(path: Path) -> dict[str, Any]:
    """The options in the ``run.json`` beside a results file; none where there is none."""
    from harness.manifest import Manifest

    manifest = Manifest.read(path.with_name("run.json"))
    record = manifest.stages.get("geneval") if manifest else None
    return record.settings.get("options", {}) if record else {}

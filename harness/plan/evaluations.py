"""Several runs by one command: each brought as far as it goes, whatever becomes of the others."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generation.checkpoint_kinds import IMAGES
from generation.suites import load_suite, questions_judge
from geneval.judge.suite import is_for_geneval
from harness.executors import find
from harness.executors.drive import run_together
from harness.plan.open import Model, describe_images, open_run
from harness.run.directory import RunDirectory
from harness.run.settings import RewardSettings, RunSettings
from harness.stages.context import Pipeline, check_environments
from harness.stages.registry import STAGES, validate
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from reports.read.names import distinct_names
from wire.errors import ExitCode, MiroEvalError, UserError

#: Runs worked on at a time. Their models are loaded once; more would hold more files open and show results later.
TOGETHER = 32
#: Of several kinds of failure the one to exit with: first of all what only we can fix.
_GRAVITY = (ExitCode.BUG, ExitCode.ENVIRONMENT_FAILURE, ExitCode.USER_ERROR)


@dataclass(frozen=True)
class Evaluation:
    """One run to be made; ``notes`` are for the user before it begins, ``model`` is None where none was looked at."""

    settings: RunSettings
    stages: tuple[str, ...]
    notes: tuple[str, ...] = ()
    model: Model | None = None


@dataclass
class Outcome:
    """What became of the runs."""

    #: Directories of those that came to their end, in the order asked for.
    finished: list[Path] = field(default_factory=list)
    handed_over: list[Path] = field(default_factory=list)  #: those that a cluster goes on with
    failures: dict[Path, MiroEvalError] = field(default_factory=dict)
    unscored: int = 0  #: items without a result in the finished runs
    hashes: dict[Path, str] = field(default_factory=dict)  #: of files of the finished runs, by path

    @property
    def exit_code(self) -> ExitCode:
        """The code of the gravest failure; without any, whether something is unscored."""
        codes = {ExitCode(error.exit_code) for error in self.failures.values()}
        grave = next((code for code in _GRAVITY if code in codes), None)
        return grave or (ExitCode.UNSCORED if self.unscored else ExitCode.DONE)

    @contextlib.contextmanager
    def failing(self, one: Evaluation) -> Iterator[None]:
        """What goes wrong within is that run's failure, and not the others'."""
        try:
            yield
        except MiroEvalError as error:
            self.failures[one.settings.out] = error

    def note(self, out: Path, result: int | MiroEvalError | None) -> None:
        """Take one run's result: its unscored items, why it failed, or None for a run handed over."""
        if isinstance(result, MiroEvalError):
            self.failures[out] = result
        elif result is None:
            self.handed_over.append(out)
        else:
            self.finished.append(out)
            self.unscored += result


def judged(prompts: Sequence[Mapping[str, Any]], rewards: RewardSettings) -> tuple[list[str], RewardSettings, str]:
    """The stages that judge and score images of prompts, by the prompts' metadata.

    Also the rewards' settings, with the judge of questions among the metrics where prompts bring some, and a note where
    GenEval's stage is left out, as its judge has nothing to decide.
    """
    by_rules, judges = any(map(is_for_geneval, prompts)), dict.fromkeys(filter(None, map(questions_judge, prompts)))
    note = "" if by_rules else "these prompts have no GenEval metadata, so there are rewards and no verdicts"
    if judges:
        rewards = replace(rewards, metrics=tuple(dict.fromkeys((*rewards.metrics, *judges))))
        if not by_rules:
            named = ", ".join(judges)
            note = f"these prompts have questions: {named} judges them, GenEval's detector is not used"
    return ["geneval", "rewards"] if by_rules else ["rewards"], rewards, note


def evaluation(model: Model, out: Path, common: RunSettings, name: str | None = None) -> Evaluation:
    """The whole job for one checkpoint, or for one folder of images made already.

    The prompts tell who judges, see :func:`judged`. ``name`` is the run's in tables, where the checkpoint's does not
    tell it from others.
    Raises UserError: no such suite, or images that are elsewhere than in ``out``.
    """
    made, generation, run = model.source.kind == IMAGES, model.settings, RunDirectory(out, model.contents)
    if made and run.path != RunDirectory(model.source.path or out).path:
        raise UserError("existing images are judged where they are: omit --out")
    prompts = [item.metadata for item in run.listed()] if made else load_suite(generation.suite).lines
    stages, rewards, note = judged(prompts, common.rewards)
    notes = [f"{model.fault}; the others continue"] if model.fault else describe_images(model)
    if note:
        notes.append(f"{out}: {note}")
    settings = replace(common, out=out, name=name, generation=None if made else generation, rewards=rewards)
    return Evaluation(settings, (*([] if made else ["generate"]), *stages), tuple(notes), model)


def evaluations(chosen: Sequence[Model], places: Sequence[Path], common: RunSettings) -> list[Evaluation]:
    """Evaluations of several models, with names that tell them apart; see :func:`evaluation`."""
    names: list[str | None] = [*distinct_names(places)] if len(places) > 1 else [None]
    return [evaluation(one, out, common, name) for one, out, name in zip(chosen, places, names, strict=True)]


def evaluate(evaluations: Sequence[Evaluation], source: WeightSource, display: Display) -> Outcome:
    """Make the runs; a failure ends its own run, the others go on. Rows finished so far are always kept.

    The settings and prompts of all are looked at, for every stage, before the first run begins.
    """
    outcome, sound, notes = Outcome(), list[Evaluation](), dict[str, None]()
    for one in evaluations:
        with outcome.failing(one):
            find(one.settings)
            notes |= dict.fromkeys(validate(one.settings, one.stages))
            check_environments(one.settings, [STAGES[name] for name in one.stages])
            sound.append(one)
    for note in notes:  # what is to be said of several runs is said once
        display.note(note)
    for stages, alike in itertools.groupby(sound, key=lambda one: one.stages):
        runs = list(alike)
        for start in range(0, len(runs), TOGETHER):
            _evaluate(runs[start : start + TOGETHER], stages, source, display, outcome)
    return outcome


def _evaluate(
    runs: Sequence[Evaluation], stages: Sequence[str], source: WeightSource, display: Display, outcome: Outcome
) -> None:
    with contextlib.ExitStack() as stack:
        opened = list[Pipeline]()
        for one in runs:
            with outcome.failing(one):
                opened.append(stack.enter_context(open_run(one.settings, source, display, one.model)))
        for _, alike in itertools.groupby(opened, key=lambda pipeline: pipeline.settings.env_backend):
            together = list(alike)
            for pipeline, result in zip(together, run_together(together, stages), strict=True):
                outcome.note(pipeline.settings.out, result)
                if isinstance(result, int):
                    _summarise(pipeline, outcome)


def _summarise(pipeline: Pipeline, outcome: Outcome) -> None:
    from reports import write_summaries

    if pipeline.has_scores():
        folder, hashes = pipeline.run.path, pipeline.hashes()
        before = set(folder.glob("*_summary.previous.*.json"))
        write_summaries(folder, pipeline.run.work("summaries.json"), hashes)
        for kept in sorted(set(folder.glob("*_summary.previous.*.json")) - before):
            pipeline.display.note(f"a summary that another tool had written is kept as {kept.name}")
        outcome.hashes |= hashes

"""The verbs, in the order a newcomer needs them. A verb's module is imported when the verb is used, not before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from wire.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


#: Bytes in a file's name, on every file system in use.
LONGEST_NAME = 255


@dataclass(frozen=True)
class Verb:
    """What the command line knows of a verb before it is used.

    Attributes:
        place: ``module:attribute`` under ``harness.cli``; a function, or a ``typer.Typer`` of verbs of its own.
        help: its line in ``miro-eval --help``; at most 64 characters, so that it is shown whole.
    """

    place: str
    help: str


VERBS = {
    "demo": Verb("demo:demo", "Set everything up and run the main job on tiny random models"),
    "all": Verb("all:all_stages", "Generate the sweep, judge it, score it, report"),
    "generate": Verb("generate:generate", "Generate images only"),
    "geneval": Verb("geneval:geneval", "Judge the images in a directory, whoever made them"),
    "rewards": Verb("rewards:rewards", "Score the images in a directory, whoever made them"),
    "status": Verb("status:status", "What of a run on Slurm waits, runs, has failed"),
    "cancel": Verb("cancel:cancel", "End a run's jobs on Slurm; finished rows are kept"),
    "sweep": Verb("sweep:sweep", "Run the main job over a grid of reward targets"),
    "plan": Verb("plan:plan", "Cost of a sweep before it runs: images, FLOPs, GPU time, disk"),
    "report": Verb("report:report", "Write a leaderboard of finished runs"),
    "show": Verb("show:show", "Explain a verdict, and draw it on the image"),
    "compare": Verb("compare:compare", "Compare two runs on the prompts and samples they share"),
    "check": Verb("check:check", "Judge a run against a baseline by a policy: exit 0 or 1"),
    "baseline": Verb("baseline:app", "Keep a run as one small file to compare later runs with"),
    "view": Verb("view:view", "Make a gallery of images, verdicts and rewards"),
    "analyse": Verb("analyse:analyse", "Best of N, rewards against verdicts, accuracy by class"),
    "track": Verb("track:track", "Scores against the training step; speed-up factors"),
    "paper": Verb("paper:app", "The MIRO paper's tables and figures, reproduced"),
    "suites": Verb("suites:app", "List, fetch and find prompt suites"),
    "envs": Verb("envs:app", "List, set up, check and remove the stages' environments"),
    "weights": Verb("weights:app", "List, fetch, verify and bundle the weights"),
    "doctor": Verb("doctor:doctor", "Check tools, GPU, disk, environments, weights and the hub"),
    "verify": Verb("verify:verify", "Recompute the hashes of a finished run's rows and images"),
    "repro": Verb("repro:repro", "The commands, locks and hashes that made a run"),
    "calibrate": Verb("calibrate:calibrate", "Score fixed pairs, compare with stored values"),
}


class _Commands(Mapping[str, Any]):
    """The verbs as the command-line library wants them, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        module, attribute = VERBS[name].place.split(":")
        return _command(name, getattr(import_module(f"harness.cli.{module}"), attribute))

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


def _command(name: str, verb: typer.Typer | Callable[..., None]) -> Any:
    home = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(verb, typer.Typer):
        for inner in verb.registered_commands:
            inner.cls = _Checked
        home.add_typer(verb, name=name, cls=_Group)
    else:
        home.command(name, cls=_Command)(verb)
    return typer.main.get_group(home).commands[name]


class _Checked(TyperCommand):
    """A verb that refuses names that no file can have."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb.

        Raises:
            UserError: a path has a part of more than 255 bytes.
        """
        for value in ctx.params.values():
            for path in value if isinstance(value, list | tuple) else [value]:
                if isinstance(path, Path):
                    _check_name(path)
        return super().invoke(ctx)


class _Command(_Checked):
    """A verb, whose help groups its options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the verb's own options, and then each panel's."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            kind = "Options" if parameter.param_type_name == "option" else "Arguments"
            if record := parameter.get_help_record(ctx):
                panels.setdefault(getattr(parameter, "rich_help_panel", None) or kind, []).append(record)
        for panel, records in panels.items():
            if records:
                with formatter.section(panel):
                    formatter.write_dl(records)


def _check_name(path: Path) -> None:
    for part in path.parts:
        if len(os.fsencode(part)) > LONGEST_NAME:
            shown = f"{part[:60]}...{part[-20:]}"
            raise UserError(f"{shown}: a name of more than {LONGEST_NAME} bytes, which file systems refuse; shorten it")


class _Group(TyperGroup):
    """Verbs under one name. To ask it for help, or not to, costs no more than writing the help."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option ``--help``, spared the library's conversion of values: that alone imports pydantic, 0.2 s."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.process_value = lambda ctx, value: option.callback(ctx, option, bool(value))  # type: ignore[method-assign, misc]
        return option


class _Verbs(_Group):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of verbs, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


app = typer.Typer(
    name="miro-eval", cls=_Verbs, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)  # fmt: skip


@app.callback()
def main() -> None:
    """Evaluate a text-to-image checkpoint: GenEval, seven reward models, a leaderboard."""

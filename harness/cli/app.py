"""The verbs, in the order a newcomer needs them. A verb's module is imported when the verb is used, not before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from harness.terminal.echo import echo
from wire.errors import UserError

#: Bytes in a file's name, on every file system in use.
LONGEST_NAME = 255


#: Verb -> its line in ``miro-eval --help``, at most 64 characters, so that it is shown whole. The module of that name
#: holds a function of that name, or an ``app`` of verbs of its own.
VERBS = {
    "demo": "Set everything up and run the main job on tiny random models",
    "all": "Generate the sweep, judge it, score it, report",
    "generate": "Generate images only",
    "geneval": "Judge the images in a directory, whoever made them",
    "rewards": "Score the images in a directory, whoever made them",
    "status": "What of a run on Slurm waits, runs, has failed",
    "cancel": "End a run's jobs on Slurm; finished rows are kept",
    "sweep": "Run the main job over a grid of reward targets",
    "plan": "Cost of a sweep before it runs: images, FLOPs, GPU time, disk",
    "report": "Write a leaderboard of finished runs",
    "publish": "Rows and scores as a dataset on the Hugging Face hub",
    "show": "Explain a verdict, and draw it on the image",
    "compare": "Compare two runs on the prompts and samples they share",
    "check": "Judge a run against a baseline by a policy: exit 0 or 1",
    "baseline": "Keep a run as one small file to compare later runs with",
    "view": "Make a gallery of images, verdicts and rewards",
    "analyse": "Best of N, rewards against verdicts, accuracy by class",
    "track": "Scores against the training step; speed-up factors",
    "paper": "The MIRO paper's tables and figures, reproduced",
    "suites": "List, fetch and find prompt suites",
    "envs": "List, set up, check and remove the stages' environments",
    "weights": "List, fetch, verify and bundle the weights",
    "doctor": "Check tools, GPU, disk, environments, weights and the hub",
    "verify": "Recompute the hashes of a finished run's rows and images",
    "repro": "The commands, locks and hashes that made a run",
    "calibrate": "Score fixed pairs, compare with stored values",
}


class _Commands(Mapping[str, Any]):
    """The verbs as the command-line library wants them, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in VERBS:
            raise KeyError(name)
        module = import_module(f"harness.cli.{name}")
        home = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        if hasattr(module, "app"):
            for inner in module.app.registered_commands:
                inner.cls = _Checked
            home.add_typer(module.app, name=name, cls=_Group)
        else:
            home.command(name, cls=_Command)(getattr(module, name, None) or module.all_stages)
        return typer.main.get_group(home).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class _Checked(TyperCommand):
    """A verb that refuses names that no file can have."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb.

        Raises:
            UserError: a path has a part of more than 255 bytes.
        """
        for value in ctx.params.values():
            paths = [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, Path)]
            for part in (part for path in paths for part in path.parts if len(os.fsencode(part)) > LONGEST_NAME):
                words = f"a name of more than {LONGEST_NAME} bytes, which file systems refuse; shorten it"
                raise UserError(f"{part[:60]}...{part[-20:]}: {words}")
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


class _Group(TyperGroup):
    """Verbs under one name. To ask it for help, or not to, costs no more than writing the help."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option ``--help``."""
        return _spared(super().get_help_option(ctx))


def _spared(option: Any) -> Any:
    """A flag spared the library's conversion of values: that alone imports pydantic, 0.2 s."""
    if option is not None:
        option.process_value = lambda ctx, value: option.callback(ctx, option, bool(value))
    return option


class _Verbs(_Group):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Commands()
        self.params = [_spared(one) for one in self.params]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of verbs, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


app = typer.Typer(
    name="miro-eval", cls=_Verbs, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _show_version(asked: bool) -> None:
    if asked:
        echo(f"miro-eval {metadata.version('miro-eval')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Evaluate a text-to-image checkpoint: GenEval, seven reward models, a leaderboard."""

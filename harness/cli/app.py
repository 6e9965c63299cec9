"""The verbs, in the order a newcomer needs them. A verb's module is imported when the verb is used, not before."""

from __future__ import annotations

import os
import re
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
#: Cells that lines of help have at most; on a narrower terminal they are as long as that is wide.
WIDEST = 120
#: Variable by which a shell asks for completions.
COMPLETE = "_MIRO_EVAL_COMPLETE"

#: Heading -> verb -> its line in ``miro-eval --help``, at most 64 characters, so that it is shown whole on 80 columns.
#: The module of a verb's name holds a function of that name, or an ``app`` of verbs of its own.
SECTIONS = {
    "First steps": {
        "demo": "Set everything up and run the main job on tiny random models",
        "all": "Generate images, judge them, score them, report",
        "report": "Write a leaderboard of finished runs",
        "check": "Compare a run with a baseline: exit 0 if it passes, 1 if not",
        "compare": "Compare two runs on the prompts and samples they share",
        "view": "Make a gallery of images, verdicts and rewards",
        "doctor": "Check tools, GPU, disk, environments, weights and the hub",
    },
    "One stage": {
        "generate": "Generate images only",
        "geneval": "Judge the images in a directory by GenEval",
        "rewards": "Score the images in a directory with reward models",
    },
    "Set-up": {
        "envs": "List, set up, check and remove the stages' environments",
        "weights": "List, fetch, verify and bundle the weights",
        "suites": "List, fetch and find prompt suites",
        "calibrate": "Score fixed pairs and compare with stored values",
    },
    "Analysis": {
        "analyse": "Compute best of N, rewards against verdicts, accuracy by class",
        "track": "Plot scores against the training step; speed-up factors",
        "baseline": "Save a run as one small file to compare later runs with",
        "paper": "Reproduce the MIRO paper's tables and figures",
        "publish": "Publish rows and scores as a dataset on the Hugging Face hub",
    },
    "Many runs and clusters": {
        "sweep": "Run the main job over a grid of settings",
        "plan": "Estimate a sweep's cost: images, FLOPs, GPU time, disk",
        "jobs": "Follow or cancel a run's jobs on Slurm",
        "run": "Verify or reproduce a finished run, explain one of its verdicts",
    },
}
#: Verbs that are shown under another one's name. Their own still works by itself.
INSIDE = {
    "jobs": {
        "status": "Show which jobs of a run wait, run, have finished or failed",
        "cancel": "Cancel a run's jobs on Slurm; finished rows are kept",
    },
    "run": {
        "verify": "Recompute the hashes of a finished run's rows and images",
        "repro": "Print the commands, locks and hashes that made a run",
        "show": "Explain a verdict, and draw it on the image",
    },
}
VERBS = {name: line for verbs in (*SECTIONS.values(), *INSIDE.values()) for name, line in verbs.items()}


class _Commands(Mapping[str, Any]):
    """The verbs as the command-line library wants them, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in VERBS:
            raise KeyError(name)
        home = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        module_name = next((group for group, verbs in INSIDE.items() if name in verbs), name)
        module = import_module(f"harness.cli.{module_name}")
        if hasattr(module, "app") and module_name == name:
            for inner in module.app.registered_commands:
                inner.cls = _Command
            home.add_typer(module.app, name=name, cls=_Group)
        else:
            home.command(name, cls=_Command)(getattr(module, name, None) or module.all_stages)
        return typer.main.get_group(home).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class _Command(TyperCommand):
    """A verb whose help groups its options, and that refuses names that no file can have."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb. Raises UserError: a path has a part of more than 255 bytes."""
        for value in ctx.params.values():
            paths = [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, Path)]
            for part in (part for path in paths for part in path.parts if len(os.fsencode(part)) > LONGEST_NAME):
                words = f"a name of more than {LONGEST_NAME} bytes, which file systems refuse; shorten it"
                raise UserError(f"{part[:60]}...{part[-20:]}: {words}")
        return super().invoke(ctx)

    def get_help(self, ctx: Any) -> str:
        """The help, wrapped."""
        return super().get_help(ctx).translate(_BREAKING)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands after the verb's name in the line on its usage."""
        arguments = (one for one in self.get_params(ctx) if one.param_type_name == "argument")
        return ["[OPTIONS]", *map(_argument, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the verb's own options, and then each panel's."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            kind = "Options" if parameter.param_type_name == "option" else "Arguments"
            if record := parameter.get_help_record(ctx):
                panel = getattr(parameter, "rich_help_panel", None) or kind
                name = _in_words(record[0]) if kind == "Options" else _argument(parameter)
                panels.setdefault(panel, []).append((name, _kept_whole(record[1])))
        for panel, records in panels.items():
            if records:
                with formatter.section(typer.style(panel, bold=True)):
                    formatter.write_dl(records)


#: What lines are not broken at -> what is shown.
_BREAKING = {0xA0: " ", 0x2011: "-"}


def _kept_whole(text: str) -> str:
    """An option's help: no line is broken in a name or a short default, and no flag says that it is off by default."""
    text = re.sub(r"\s*\[default: no-[^]]*\]$", "", text)
    text = re.sub(r"\[default: (?:[^]]{,16}\])?", lambda found: found[0].replace(" ", "\xa0"), text)
    return re.sub(r"(?<=\w)-(?=\w)", "\u2011", text)


def _in_words(option: str) -> str:
    """An option with a word for its value, in place of its type in Python's words."""
    flags, given, kind = option.partition(" <")
    words = (("path", "PATH"), ("int", "N"), ("float", "X"), ("", "TEXT"))
    return f"{flags} {next(word for part, word in words if part in kind)}" if given else flags


def _argument(one: Any) -> str:
    """An argument by its name: ``RUN``, ``[OTHER]``, ``RUNS...``."""
    name = one.metavar or f"{one.name.upper()}{'...' if one.nargs != 1 else ''}"
    return name if one.required or one.metavar else f"[{name}]"


class _Group(TyperGroup):
    """Verbs under one name. To ask it for help, or not to, costs no more than writing the help."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option ``--help``."""
        return _spared(super().get_help_option(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs, each with the whole of its line."""
        lines = [(name, verb.get_short_help_str(limit=1000)) for name, verb in self.commands.items() if not verb.hidden]
        with formatter.section(typer.style("Commands", bold=True)):
            formatter.write_dl(lines)


def _spared(option: Any) -> Any:
    """An option spared the library's conversion of values: that alone imports pydantic, 0.2 s."""
    if option is not None:
        kind = bool if option.is_flag else str
        option.process_value = lambda ctx, value: option.callback(ctx, option, kind(value or ""))
    return option


class _Verbs(_Group):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Commands()
        self.params = [_spared(one) for one in self.params]

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for verbs in SECTIONS.values() for name in verbs]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs in their sections, from the table alone."""
        for heading, verbs in SECTIONS.items():
            with formatter.section(typer.style(heading, bold=True)):
                formatter.write_dl([(f"{name:<9}", line) for name, line in verbs.items()])


app = typer.Typer(
    name="miro-eval", cls=_Verbs, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
)  # fmt: skip


def _show_version(asked: bool) -> None:
    if asked:
        echo(f"miro-eval {metadata.version('miro-eval')}")
        raise typer.Exit


def _show_completion(shell: str) -> None:
    if shell:
        from typer._completion_shared import get_completion_script

        if shell not in ("bash", "zsh", "fish"):
            raise UserError(f"--completion {shell!r}: expected bash, zsh or fish")
        echo(get_completion_script(prog_name="miro-eval", complete_var=COMPLETE, shell=shell))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, help="Show the version and exit.")
    ] = False,
    completion: Annotated[
        str,
        typer.Option(
            callback=_show_completion, metavar="SHELL", help="Print completion for bash, zsh or fish, and exit."
        ),
    ] = "",
) -> None:
    """Evaluate a text-to-image checkpoint: GenEval, seven reward models, a leaderboard."""

"""``miro-eval envs``: list, set up, check and remove the stages' environments."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.signature import only, takes_settings
from harness.environments.spec import DEFAULT, ENVIRONMENTS, EnvironmentSpec, find_spec
from harness.run.settings import RunSettings
from harness.terminal.display import Display
from harness.terminal.echo import echo, show_list

app = typer.Typer(help="The stages' isolated environments.", no_args_is_help=True, rich_markup_mode=None)

Backend = Annotated[RunSettings, only("env_backend")]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"{', '.join(ENVIRONMENTS)} or your own folder, e.g. ./my_env [default: {', '.join(DEFAULT)}]",
        metavar="[NAME]...",
    ),
]


@app.command("list")
@takes_settings
def list_environments(run: Backend, names: Names = None) -> None:
    """List the environments: backend, lock hash, size, health and folder."""
    from harness.environments import manager

    rows = []
    for spec in _specs(names) if names else ENVIRONMENTS.values():
        environment = manager.locate(spec, run.env_backend)
        state = environment.state()
        size = f"{state.size_bytes / 1e9:.1f} GB" if state else "-"
        health = "ready" if state else ("half-made" if environment.directory.exists() else "not set up")
        rows.append((spec.name, environment.backend, environment.lock_hash, size, health, str(environment.directory)))
    shown = {row[-1] for row in rows}
    for kind, folders in (("of an older lock", manager.leftovers()), ("a user's own", manager.users_own())):
        others = [folder for folder in folders if str(folder) not in shown]
        rows += [(folder.name.split("-")[0], "-", "-", "-", kind, str(folder)) for folder in others]
    show_list(("environment", "backend", "lock", "size", "health", "folder"), rows)


@app.command()
@takes_settings
def setup(run: Backend, names: Names = None) -> None:
    """Make environments ready, in parallel; an interrupted set-up resumes."""
    from harness.environments import manager
    from harness.environments.making import Making

    with Display() as display, Making(run.env_backend, display.step) as making:
        for future in [making.begin(spec) for spec in _specs(names)]:
            environment = future.result()
            if line := manager.substitution(environment.spec, run.env_backend):
                display.note(line)
            display.note(f"{environment.spec.name}: ready ({environment.backend}), {environment.directory}")


@app.command()
@takes_settings
def check(run: Backend, names: Names = None) -> None:
    """Import the packages of each environment and run its compiled operators; exit 4 if one does not work."""
    from harness.environments import manager
    from wire.errors import EnvironmentFailure

    for spec in _specs(names, there=run.env_backend):
        environment = manager.locate(spec, run.env_backend)
        if not environment.ready:
            raise EnvironmentFailure(f"environment {spec.name} is not set up: `miro-eval envs setup {spec.argument}`")
        packages = manager.check(environment)
        echo(f"{spec.name}: healthy  " + "  ".join(f"{name} {version}" for name, version in packages.items()))


@app.command()
@takes_settings
def remove(run: Backend, names: Names = None) -> None:
    """Delete environments and their older versions. A NAME can also be a folder that `list` shows."""
    from harness.environments import manager

    old = manager.leftovers()
    there = {folder.name: folder for folder in (*old, *manager.users_own())}
    by_name = [name for name in names or () if name not in there]
    for spec in _specs(by_name, there=run.env_backend) if by_name or not names else ():
        existed = manager.remove(manager.locate(spec, run.env_backend).directory)
        echo(f"{spec.name}: {'removed' if existed else 'was not there'}")
    for name, folder in there.items():
        if name in (names or ()) or (folder in old and (not names or name.split("-")[0] in by_name)):
            manager.remove(folder)
            echo(f"{name}: removed")


def _specs(names: list[str] | None, there: str = "") -> list[EnvironmentSpec]:
    """The environments named; without names the default ones, and others that are made, of the kind ``there``."""
    from harness.environments import manager

    if names:
        return [find_spec(name) for name in names]
    made = [spec for spec in ENVIRONMENTS.values() if there and manager.locate(spec, there).directory.exists()]
    return list(dict.fromkeys([*(ENVIRONMENTS[name] for name in DEFAULT), *made]))

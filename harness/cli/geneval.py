"""``miro-eval geneval``: images to verdicts."""

from __future__ import annotations

import typer  # noqa: F401 - options.py's annotations are resolved here

from harness.cli import options
from harness.settings import RunSettings


def geneval(
    directory: options.RunDir,
    device: options.Device = "auto",
    env_backend: options.EnvBackend = "auto",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Judge the images in a directory, whoever made them; writes results.jsonl and geneval_summary.json there."""
    from harness.cli.session import run

    settings = RunSettings(out=directory, device=device, env_backend=env_backend, offline=offline)
    run(["geneval"], settings, tiny_world=tiny_world)

"""HTML pages in one file each. Whatever a run is called, or a prompt says, no script comes out of it.

jinja2 escapes all text, and the page's content policy lets only its own script and style sheet run, known by their
hashes.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from wire.errors import UserError

#: What every page of ours has near its beginning, as jinja2 escapes :func:`content_policy`.
_MARK = b"default-src &#39;none&#39;; script-src &#39;sha256-"


def own_page(path: Path) -> Path:
    """The path of a page that is to be written. Raises UserError: another program's file is there."""
    try:
        with path.open("rb") as file:
            found = file.read(2000)
    except OSError:  # nothing there, or what writing will name
        return path
    if _MARK not in found:
        raise UserError(f"{path}: not a page of miro-eval, so it is not overwritten; name another folder")
    return path


def render(templates: Path, name: str, style: str, script: str, policy: str = "", **values: Any) -> str:
    """A template of a folder; ``policy`` adds to what the page may load."""
    # Imported here: the package takes 50 ms, and only pages need it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    policy = content_policy(style, script) + policy
    return environment.get_template(name).render(style=style, script=script, policy=policy, **values)


def content_policy(style: str, script: str) -> str:
    """A Content-Security-Policy under which nothing runs or loads but this script and this style sheet."""
    return (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"

"""Code that is not ours, a user's scorer or generator or a library: what it raised, in words."""

from __future__ import annotations

from types import ModuleType

from wire.paths import PARTS


def import_fault(error: BaseException) -> str:
    """Why the import failed, in one line; a package of the user's that has the name of one of ours is named."""
    wanted = error.name if isinstance(error, ImportError) else getattr(error, "obj", None)
    name = wanted.__name__ if isinstance(wanted, ModuleType) else str(wanted)
    if isinstance(error, ImportError | AttributeError) and name.partition(".")[0] in PARTS:
        ours = name.partition(".")[0]
        return f"{error}; {ours!r} is miro-eval's own package here: give yours another name"
    return f"{type(error).__name__}: {error}"


def reason_of(error: Exception) -> str:
    """Any error in one line, see :func:`one_line`: its kind and its words."""
    return one_line(f"{type(error).__name__}: {error}")


def one_line(text: str) -> str:
    """Any words in one line that a file can keep, at most 300 characters."""
    return " ".join(text.split())[:300].encode("utf-8", "backslashreplace").decode()

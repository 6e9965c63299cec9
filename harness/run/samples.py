"""Which files of a prompt's folder are its images, and which sample each is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from wire.errors import UserError
from wire.files import natural_order
from wire.pictures import FORMATS, is_picture_name

#: A name of digits is the sample's number, below this; a larger one is a seed or a time, and a name like any other.
NUMBERS_BELOW = 1 << 30
#: Files named before the rest is only counted.
NAMED = 3


def sample_numbers(names: Iterable[str], folder: str) -> dict[str, int]:
    """Image file -> which sample of its prompt it is, in order of the names.

    A name of digits (``0003.png``) is the number. Images with other names come after those, in natural order:
    ``img-2.png`` before ``img-10.png``; without any name of digits they are 0, 1, ...

    Args:
        names: of the images in a prompt's folder; see :func:`wire.pictures.is_picture_name`.
        folder: for messages.

    Raises:
        UserError: two files are of one sample, by their number or but for their suffix.
    """
    samples: dict[int | str, list[str]] = {}
    for name in sorted(names):
        samples.setdefault(_sample(name), []).append(name)
    for sample, files in samples.items():
        if len(files) > 1:
            raise UserError(f"{folder}: {', '.join(files)} are {len(files)} files for one sample ({sample}): keep one")
    numbered = {files[0]: sample for sample, files in samples.items() if isinstance(sample, int)}
    others = sorted((files[0] for sample, files in samples.items() if isinstance(sample, str)), key=natural_order)
    numbered |= {name: number for number, name in enumerate(others, start=max(numbered.values(), default=-1) + 1)}
    return dict(sorted(numbered.items()))


def _sample(name: str) -> int | str:
    stem = PurePath(name).stem
    number = int(stem) if stem.isascii() and stem.isdecimal() else NUMBERS_BELOW
    return number if number < NUMBERS_BELOW else stem


def is_passed_over(name: str) -> bool:
    """Whether something in a folder of images is none, and neither hidden nor an image that is being written."""
    return not (is_picture_name(name) or name.startswith(".") or name.endswith(".partial"))


def passed_over_note(names: Sequence[str]) -> str:
    """One line about what lies where images do and is none."""
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    kinds = ", ".join(FORMATS)
    return f"passed over: {', '.join(names[:NAMED])}{rest}; images are files in a samples folder, of {kinds}"

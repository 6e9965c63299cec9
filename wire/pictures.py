"""The one place that opens image files, which anybody may have made.

Left alone, Pillow tries all of its decoders on a file, whatever the file is called: PostScript starts Ghostscript, and
what an IPTC file holds is tried on all of them once more. Here the formats are named; none of their decoders starts a
program or reads another file. Whatever a decoder raises on a damaged file becomes one kind of error.

Pillow is imported when the first picture is opened: the orchestrator does without.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

#: The formats taken, in the order in which they are tried; in capitals, Pillow's names for them.
FORMATS = ("PNG", "JPEG", "WebP", "BMP", "TIFF", "AVIF")
#: How files of these formats are called, in small letters; which one a file really is in, its content says.
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif")
UNKNOWN = f"not an image file of a known format ({', '.join(FORMATS)})"
#: Pillow's modes with more than 8 bits and no common range; those of 16 bits have one.
_UNBOUNDED_MODES = ("I", "F")
#: Formats whose EXIF orientation OpenCV does not heed.
_NEVER_TURNED = ("WEBP",)
#: What may be repeated of a decoder's message: one line of plain words, no path, no memory address.
_PLAIN = re.compile(r"(?!.*0x)\w+ [\w ,.:;'()\[\]%+*=<>\\-]{1,200}", re.ASCII)


def is_picture_name(name: str) -> bool:
    """Whether a file called so is taken for a picture: by its suffix; hidden files are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def samples_among(names: Iterable[str]) -> list[str]:
    """Of the files in a ``samples`` folder, those that are a prompt's images.

    Pictures named by a number, as GenEval's own evaluator takes them, so that no ``grid.png`` or ``0000_mask.png``
    beside them is judged; where no name is a number, all pictures.
    """
    pictures = [name for name in names if is_picture_name(name)]
    numbered = [name for name in pictures if (stem := name.rpartition(".")[0]).isascii() and stem.isdecimal()]
    return numbered or pictures


class UnreadablePicture(ValueError):
    """Bytes that no picture can be made of; the message is the reason: one line, the same on every machine."""


def read_picture(content: bytes, finish: Callable[[Image], T]) -> T:
    """What ``finish`` makes of the picture in a file.

    Of several pages or frames, and of the two pictures that a phone's JPEG may hold, the first is taken.
    ``finish``: gets a Pillow image whose size and mode are known and whose pixels are not yet decoded; returns what is
    wanted of it, decoded. It may refuse the picture by a ``ValueError``.
    Raises UnreadablePicture: another format, damaged, larger than Pillow agrees to decode, or refused by ``finish``.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(content), formats=_decoders()) as picture:  # noqa: TID251 - the one place
            return finish(picture)
    except UnidentifiedImageError as error:  # its own text shows a memory address
        raise UnreadablePicture(UNKNOWN) from error
    except Exception as error:  # decoders raise anything: KeyError, struct.error, ZeroDivisionError, MemoryError, ...
        raise UnreadablePicture(f"image cannot be decoded ({_words(error)})") from error


def to_rgb(picture: Image, *, turned: bool = False) -> Image:
    """What both stages see of a picture: 8 bits of red, green and blue.

    Of 16 bits the high byte is kept, in gray as in colors; an alpha channel is dropped; else it is Pillow's conversion.
    docs/files.md says where OpenCV, through which mmdet reads, does otherwise.
    ``turned``: whether it is turned as its EXIF orientation says.
    Raises ValueError: its pixels have no common range.
    """
    from PIL import ImageOps

    if picture.mode in _UNBOUNDED_MODES:
        raise ValueError(f"pixels of mode {picture.mode} have no range; save it with 8 or 16 bits a channel")
    if turned and picture.format not in _NEVER_TURNED:
        picture = ImageOps.exif_transpose(picture)
    return (_high_bytes(picture) if picture.mode.startswith("I;16") else picture).convert("RGB")


def _high_bytes(picture: Image) -> Image:
    """8 bits of each of 16-bit gray; Pillow's own conversion would clip them at 255, which makes nearly all white."""
    from PIL import Image

    big = picture.mode == "I;16B" or (picture.mode == "I;16N" and sys.byteorder == "big")
    return Image.frombytes("L", picture.size, picture.tobytes()[0 if big else 1 :: 2])


def _decoders() -> list[str]:
    """Pillow's names of the formats; without AVIF where it is too old for that, or it would raise a KeyError."""
    from PIL import Image

    Image.init()
    return [name.upper() for name in FORMATS if name.upper() in Image.OPEN]


def _words(error: Exception) -> str:
    """What a decoder said, or of what kind its error was."""
    text = str(error)
    return text if _PLAIN.fullmatch(text) else type(error).__name__

"""A picture as text, for terminals that show 24-bit colors; needs Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What terminals that do it say of themselves.
TRUE_COLOR = ("truecolor", "24bit")


def shows_pictures(is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Whether pictures can be shown there."""
    return is_terminal and environment.get("COLORTERM", "").lower() in TRUE_COLOR and "NO_COLOR" not in environment


def half_blocks(picture: Any, columns: int) -> str:
    """A picture (Pillow, RGB) as lines of half blocks: each shows two pixels, one above the other."""
    width = min(columns, picture.width)
    height = 2 * max(1, round(picture.height * width / picture.width / 2))
    small = picture.convert("RGB").resize((width, height))
    lines = []
    for y in range(0, height, 2):
        cells = (_cell(small.getpixel((x, y)), small.getpixel((x, y + 1))) for x in range(width))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _cell(upper: tuple[int, int, int], lower: tuple[int, int, int]) -> str:
    colors = ";".join(map(str, (38, 2, *upper, 48, 2, *lower)))
    return f"\x1b[{colors}m\N{UPPER HALF BLOCK}"

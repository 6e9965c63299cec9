"""A result row drawn on its image; needs Pillow."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from geneval.explain import Finding, Row, findings, verdict_line
from geneval.images import upright_rgb
from geneval.judge import Box
from geneval.outlines import decode
from wire.pictures import UnreadablePicture, read_picture

#: Images are enlarged to this width, in pixels, so that labels can be read; larger ones stay as they are.
WIDTH = 768
#: Colors of Okabe and Ito (2008), which color-blind readers tell apart; one for each class, in turn.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
OTHERS = "#999999"
TEXT, PANEL = "#FFFFFF", "#202020"
FONT = 15


def draw_row(row: Row, image: Path) -> Any:
    """The image with the row's boxes, masks' outlines, scores and color answers; prompt and verdict below.

    What the prompt does not ask about is thin and gray, and has a box only. A Pillow image, RGB.

    Raises:
        OSError: the image cannot be read, or is none.
    """
    from PIL import ImageDraw, ImageFont

    picture = _upright(image)
    factor = max(1.0, WIDTH / picture.width)
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)))
    font = ImageFont.load_default(FONT)
    pen = ImageDraw.Draw(picture)
    found = findings(row)
    colors = class_colors(found)
    for finding in found:
        if finding.asked and finding.mask:
            _draw_outline(picture, finding.mask, colors[finding.name])
    for finding in reversed(found):  # what was asked about comes on top
        _draw_finding(pen, finding, factor, colors[finding.name], font)
    return _with_text(picture, f"{row['prompt']}\n{verdict_line(row)}", font)


def _upright(image: Path) -> Any:
    try:
        return read_picture(image.read_bytes(), upright_rgb)
    except UnreadablePicture as error:
        raise OSError(str(error)) from error


def class_colors(found: list[Finding]) -> dict[str, str]:
    """A color for each class; those that the prompt does not ask about share one."""
    asked = list(dict.fromkeys(finding.name for finding in found if finding.asked))
    ours = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(asked)}
    return {finding.name: ours.get(finding.name, OTHERS) for finding in found}


def _draw_outline(picture: Any, mask: dict[str, Any], color: str) -> None:
    """The mask's edge, some three pixels wide."""
    from PIL import Image, ImageChops, ImageFilter

    inside = Image.fromarray(decode(mask)).convert("L").resize(picture.size)
    grown, shrunk = inside.filter(ImageFilter.MaxFilter(3)), inside.filter(ImageFilter.MinFilter(3))
    edge = ImageChops.difference(grown, shrunk).point(lambda value: 255 if value else 0)
    picture.paste(color, mask=edge)


def _draw_finding(pen: Any, finding: Finding, factor: float, color: str, font: Any) -> None:
    box = Box(*(side * factor for side in finding.box[:4]), finding.box.score)
    pen.rectangle(box[:4], outline=color, width=4 if finding.asked else 1)
    at = (box.x0 + 4, box.y0 + 2)
    pen.rectangle(pen.textbbox(at, finding.label, font=font), fill=color)
    pen.text(at, finding.label, fill="black", font=font)


def _with_text(picture: Any, text: str, font: Any) -> Any:
    """The picture with lines of text below it."""
    from PIL import Image, ImageDraw

    columns = max(20, int(picture.width / (FONT * 0.55)))  # a character is about half as wide as high
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, columns)]
    height = (len(lines) + 1) * (FONT + 5)
    whole = Image.new("RGB", (picture.width, picture.height + height), PANEL)
    whole.paste(picture)
    pen = ImageDraw.Draw(whole)
    pen.multiline_text((8, picture.height + 8), "\n".join(lines), fill=TEXT, font=font, spacing=5)
    return whole

"""A result row explained: in words, drawn on its image (needs Pillow), and in a terminal that shows 24-bit colors."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from geneval.images import decode, upright_rgb
from geneval.judge import Box, json_value, normalise
from wire.pictures import UnreadablePicture, read_picture
from wire.vocabulary import COLORS

Row = dict[str, Any]
#: Images are enlarged to this width, in pixels, so that labels can be read; larger ones stay as they are.
WIDTH = 768
#: Colors of Okabe and Ito (2008), which color-blind readers tell apart; one for each class, in turn.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
OTHERS = "#999999"
TEXT, PANEL = "#FFFFFF", "#202020"
FONT = 15


@dataclass(frozen=True)
class Finding:
    """One detection of a row; ``asked`` says whether the prompt speaks of its class."""

    name: str
    box: Box
    #: (color, probability) of the likeliest, best first; empty where no color was asked for.
    colors: tuple[tuple[str, float], ...]
    asked: bool
    #: Its pixels as :func:`geneval.images.encode` gives them; None in rows that hold none.
    mask: dict[str, Any] | None


def findings(row: Row, colors: int = 3) -> list[Finding]:
    """The detections of a row, those of the prompt's classes first; at most ``colors`` color answers each."""
    metadata = normalise(json_value(row["metadata"]))
    clauses = [metadata[key] for key in ("include", "exclude") if isinstance(metadata.get(key), list)]
    asked = [clause.get("class") for clause in chain(*clauses) if isinstance(clause, dict)]
    found = []
    for name, boxes in json_value(row["details"]).items():
        answers, masks = row.get("colors", {}).get(name, []), row.get("masks", {}).get(name, [])
        for place, box in enumerate(boxes):
            answer = zip(COLORS, answers[place], strict=True) if place < len(answers) else ()
            likeliest = tuple(sorted(answer, key=lambda pair: -pair[1])[:colors])
            mask = masks[place] if place < len(masks) else None
            found.append(Finding(name, Box(*box), likeliest, name in asked, mask))
    return sorted(found, key=lambda finding: not finding.asked)


def verdict_line(row: Row) -> str:
    """``correct``, ``wrong: <reason>`` or ``unscored: <error>``; the reason's lines are joined by semicolons."""
    if row.get("status") == "unscored" or row["correct"] is None:
        return f"unscored: {row.get('error', '')}"
    return "correct" if row["correct"] else "wrong: " + row["reason"].replace("\n", "; ")


def explain(row: Row) -> str:
    """A row as text: prompt, verdict, and what was found."""
    lines = [f"{row['filename']}  ({row['tag']})", f"prompt    {row['prompt']}", f"verdict   {verdict_line(row)}"]
    if row.get("color_source") == "verdict":
        lines.append("colors    taken from the row's verdict: the tool that made it stored no color answers")
    found = findings(row)
    for finding in found:
        x0, y0, x1, y1, score = finding.box
        colors = ", ".join(f"{name} {share:.2f}" for name, share in finding.colors)
        mark = "*" if finding.asked else " "
        place = f"x {x0:.0f}-{x1:.0f}, y {y0:.0f}-{y1:.0f}"
        lines.append(f"{mark} {finding.name:<16} {score:.3f}  {place}{'  ' + colors if colors else ''}")
    lines.append("* asked about by the prompt" if found else "no object was found")
    return "\n".join(lines)


def draw_row(row: Row, image: Path) -> Any:
    """The image with the row's boxes, masks' outlines, scores and color answers; prompt and verdict below.

    What the prompt does not ask about is thin and gray, and has a box only. A Pillow image, RGB.
    Raises OSError: the image cannot be read, or is none.
    """
    from PIL import ImageDraw, ImageFont

    try:
        picture = read_picture(image.read_bytes(), upright_rgb)
    except UnreadablePicture as error:
        raise OSError(str(error)) from error
    factor = max(1.0, WIDTH / picture.width)
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)))
    font = ImageFont.load_default(FONT)
    pen = ImageDraw.Draw(picture)
    found = findings(row)
    asked = dict.fromkeys(finding.name for finding in found if finding.asked)
    colors = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(asked)}
    for finding in found:
        if finding.asked and finding.mask:
            _draw_outline(picture, finding.mask, colors[finding.name])
    for finding in reversed(found):  # what was asked about comes on top
        _draw_finding(pen, finding, factor, colors.get(finding.name, OTHERS), font)
    return _with_text(picture, f"{row['prompt']}\n{verdict_line(row)}", font)


def _draw_outline(picture: Any, mask: dict[str, Any], color: str) -> None:
    """The mask's edge, some three pixels wide."""
    from PIL import Image, ImageChops, ImageFilter

    inside = Image.fromarray(decode(mask)).convert("L").resize(picture.size)
    grown, shrunk = inside.filter(ImageFilter.MaxFilter(3)), inside.filter(ImageFilter.MinFilter(3))
    edge = ImageChops.difference(grown, shrunk).point(lambda value: 255 if value else 0)
    picture.paste(color, mask=edge)


def _draw_finding(pen: Any, finding: Finding, factor: float, color: str, font: Any) -> None:
    """Its box with a label: ``dog 0.93 red 0.81``."""
    x0, y0, *far = (side * factor for side in finding.box[:4])
    answer = " {} {:.2f}".format(*finding.colors[0]) if finding.colors else ""
    label, at = f"{finding.name} {finding.box.score:.2f}{answer}", (x0 + 4, y0 + 2)
    pen.rectangle((x0, y0, *far), outline=color, width=4 if finding.asked else 1)
    pen.rectangle(pen.textbbox(at, label, font=font), fill=color)
    pen.text(at, label, fill="black", font=font)


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


def shows_pictures(is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Whether a terminal says of itself that it shows 24-bit colors, and nobody asked for none."""
    said = environment.get("COLORTERM", "").lower()
    return is_terminal and said in ("truecolor", "24bit") and "NO_COLOR" not in environment


def half_blocks(picture: Any, columns: int) -> str:
    """A picture (Pillow, RGB) as lines of half blocks: each shows two pixels, one above the other."""
    width = min(columns, picture.width)
    height = 2 * max(1, round(picture.height * width / picture.width / 2))
    small = picture.convert("RGB").resize((width, height))
    lines = []
    for y in range(0, height, 2):
        line = ""
        for x in range(width):
            colors = (38, 2, *small.getpixel((x, y)), 48, 2, *small.getpixel((x, y + 1)))
            line += f"\x1b[{';'.join(map(str, colors))}m\N{UPPER HALF BLOCK}"
        lines.append(line + "\x1b[0m")
    return "\n".join(lines)

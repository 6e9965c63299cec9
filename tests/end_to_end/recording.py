"""Record the demo as an SVG that plays it: ``python -m tests.end_to_end.recording docs/images/demo.svg``.

The demo runs in a terminal of 100 columns; pyte keeps its screen, of which a frame is taken whenever it changes. Some
forty of them are shown, in fifteen seconds; the times that the demo prints are its own.
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from itertools import groupby
from pathlib import Path

import pyte

COLUMNS, LINES = 100, 30
#: Seconds between looks at the screen, and that a frame and the last one stand; how many frames are shown.
TICK, STANDS, LAST, FRAMES = 0.2, 0.35, 6.0, 40
_COLORS = {
    "default": "#c9d1d9",
    "red": "#ff7b72",
    "green": "#7ee787",
    "brown": "#e3b341",
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#a5d6ff",
    "white": "#f0f6fc",
}
_WIDTH, _HEIGHT, _MARGIN = 8.4, 18, 14


def record(command: list[str]) -> list[list[str]]:
    """Run a command in a terminal: its screens, each as lines of SVG."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    variables = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    frames = [["$ miro-eval demo"]]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, env=variables)
        os.close(slave)
        taken = time.monotonic()
        while _feed(stream, master, process):
            if time.monotonic() - taken >= TICK and (lines := shown(screen)) != frames[-1]:
                frames.append(lines)
                taken = time.monotonic()
    assert process.wait() == 0
    kept = frames[:: max(1, len(frames) // FRAMES)]
    return [*kept, shown(screen)]


def _feed(stream: pyte.ByteStream, master: int, process: subprocess.Popen[bytes]) -> bool:
    """Show what the command has written; False when it has ended and all is shown."""
    if select.select([master], [], [], TICK)[0]:
        try:
            data = os.read(master, 65_536)
        except OSError:  # the other end is closed
            return False
        stream.feed(data)
        return bool(data)
    return process.poll() is None


def shown(screen: pyte.Screen) -> list[str]:
    """The screen's lines, each run of one look in a span."""
    found = []
    for row in range(LINES):
        cells = [screen.buffer[row][column] for column in range(COLUMNS)]
        spans = []
        for (color, bold), run in groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
            text = html.escape("".join(cell.data for cell in run))
            weight = ' font-weight="bold"' if bold else ""
            spans.append(f'<tspan fill="{_COLORS.get(color, _fill(color))}"{weight}>{text}</tspan>')
        found.append("".join(spans))
    return found


def _fill(color: str) -> str:
    return f"#{color}" if re.fullmatch("[0-9a-f]{6}", color) else _COLORS["default"]


def animated(frames: list[list[str]]) -> str:
    """The frames as one SVG, one after the other, over and over."""
    total, start, parts, rules = STANDS * (len(frames) - 1) + LAST, 0.0, [], []
    for number, lines in enumerate(frames):
        length = LAST if number == len(frames) - 1 else STANDS
        begin, end = 100 * start / total, 100 * (start + length) / total
        rules.append(
            f"@keyframes f{number}{{0%{{opacity:{int(number == 0)}}}{begin:.2f}%{{opacity:1}}{end:.2f}%{{opacity:0}}}}"
            f"#f{number}{{animation:f{number} {total:.1f}s step-end infinite}}"
        )
        texts = (
            f'<text x="{_MARGIN}" y="{_MARGIN + _HEIGHT * (row + 1)}">{line}</text>'
            for row, line in enumerate(lines)
            if re.sub("<[^>]+>", "", line).strip()
        )
        parts.append(f'<g id="f{number}" opacity="0">{"".join(texts)}</g>')
        start += length
    width, height = COLUMNS * _WIDTH + 2 * _MARGIN, LINES * _HEIGHT + 2 * _MARGIN
    style = "text{font:14px ui-monospace,Menlo,Consolas,monospace;white-space:pre}" + "".join(rules)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" '
        f'aria-label="the demo in a terminal"><style>{style}</style>'
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    program = "import sys; sys.argv = ['miro-eval', 'demo']; from miro_eval import main; main()"
    text = animated(record([sys.executable, "-c", program]))
    Path(sys.argv[1]).write_text(text, encoding="utf-8")

"""Record what the terminal shows: ``python -m tests.end_to_end.recording docs/images``.

``demo.svg`` plays the demo in a terminal of 100 columns. pyte keeps its screen, of which a frame is taken whenever it
changes. Some forty of them are shown, in fifteen seconds; the times that the demo prints are its own.

``terminal-80.svg`` and ``terminal-120.svg`` show what the main commands print on 80 and 120 columns.
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

from tests.reports.gallery.screenshots import EXAMPLES, example

#: Columns and lines of the recording.
SIZE = (100, 30)
#: Columns of the stills, and what they show. The demo has run before; the runs are whole sweeps of made-up scores.
WIDTHS, LONGEST = (80, 120), 200
SCREENS = (
    "--help",
    "demo",
    "report example-a example-b",
    "paper table1 MIRO=example-a",
    "suites list",
    "all --help",
)
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


def record(words: str, folder: Path, columns: int, lines: int) -> list[list[str]]:
    """Run ``miro-eval WORDS`` in a terminal: its screens, each as lines of SVG."""
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    variables = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
    program = f"import sys; sys.argv = ['miro-eval', *{words.split()}]; from miro_eval import main; main()"
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, env=variables)
    os.close(slave)
    frames = [[_prompt(words)]]
    taken = time.monotonic()
    while _feed(stream, master, process):
        if time.monotonic() - taken >= TICK and (now := shown(screen)) != frames[-1]:
            frames.append(now)
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
    for row in range(screen.lines):
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        while cells and cells[-1].data == " ":
            cells.pop()
        spans = []
        for (color, bold), run in groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
            text = html.escape("".join(cell.data for cell in run), quote=False)
            look = ("" if color == "default" else f' fill="{_fill(color)}"') + (' font-weight="bold"' if bold else "")
            spans.append(f"<tspan{look}>{text}</tspan>" if look else text)
        found.append("".join(spans))
    return found


def _fill(color: str) -> str:
    return _COLORS.get(color) or (f"#{color}" if re.fullmatch("[0-9a-f]{6}", color) else _COLORS["default"])


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
        parts.append(f'<g id="f{number}" opacity="0">{_texts(lines)}</g>')
        start += length
    return _picture("".join(parts), "the demo in a terminal", *SIZE, "".join(rules))


def still(screens: dict[str, list[str]], columns: int) -> str:
    """Command -> its last screen, as one SVG, one below the other."""
    lines: list[str] = []
    for words, shown_last in screens.items():
        last = max(row for row, line in enumerate(shown_last) if line)
        lines += [_prompt(words), *shown_last[: last + 1], "", ""]
    return _picture(_texts(lines), f"commands in a terminal of {columns} columns", columns, len(lines))


def _prompt(words: str) -> str:
    return f'<tspan fill="{_COLORS["white"]}" font-weight="bold">$ miro-eval {words}</tspan>'


def _texts(lines: list[str]) -> str:
    return "".join(
        f'<text x="{_MARGIN}" y="{_MARGIN + _HEIGHT * row}">{line}</text>' for row, line in enumerate(lines, 1) if line
    )


def _picture(content: str, label: str, columns: int, lines: int, rules: str = "") -> str:
    width, height = columns * _WIDTH + 2 * _MARGIN, lines * _HEIGHT + 2 * _MARGIN
    style = f"text{{font:14px ui-monospace,Menlo,Consolas,monospace;white-space:pre;fill:{_COLORS['default']}}}{rules}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" '
        f'aria-label="{label}"><style>{style}</style>'
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>{content}</svg>\n'
    )


def take(out: Path) -> None:
    """Write the recording and the stills."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (out / "demo.svg").write_text(animated(record("demo", folder, *SIZE)), encoding="utf-8")
        for name, better in EXAMPLES.items():
            example(folder / name, better)
        for columns in WIDTHS:
            screens = {words: record(words, folder, columns, LONGEST)[-1] for words in SCREENS}
            (out / f"terminal-{columns}.svg").write_text(still(screens, columns), encoding="utf-8")


if __name__ == "__main__":
    take(Path(sys.argv[1]))

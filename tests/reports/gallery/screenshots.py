"""Makes the pictures of docs/: ``python -m tests.reports.gallery.screenshots RUN docs/images``.

RUN is the demo's run directory, or any with images, rows and rewards. The other runs are made up: their names say so.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from generation.suites import built_prompts
from reports import report
from reports.exports.site import write_site
from reports.gallery import write_gallery
from reports.paper.figure_runs import Runs
from reports.paper.figures import draw_figures
from rewards.scorers import CARDS
from tests.reports.builders import rewards, verdict
from tests.reports.gallery.browser import headless
from tests.reports.gate.builders import PROTOCOL, write_run
from wire.vocabulary import SEVEN_REWARDS, TAGS

#: Run -> how far it is above the first; and what the first has by tag and by reward.
EXAMPLES = {"example-a": 0.0, "example-b": 0.05, "example-c": -0.04, "example-d-few-steps": -0.12}
SHARES = dict(zip(TAGS, (0.98, 0.72, 0.51, 0.84, 0.22, 0.38), strict=True))
MEANS = dict(zip(SEVEN_REWARDS, (0.31, 5.6, 0.62, 0.214, 0.27, 0.64, 0.55), strict=True))


def example(folder: Path, better: float) -> Path:
    """A whole sweep of made-up verdicts and rewards."""
    chance = random.Random(folder.name)
    (suite, *_) = built_prompts()
    places = [(prompt, sample, *about) for prompt, about in enumerate(suite) for sample in range(4)]
    rows = [
        verdict(prompt, sample, tag, chance.random() < SHARES[tag] + better, text)
        for prompt, sample, tag, text in places
    ]
    scores = [
        rewards(prompt, sample, {name: chance.gauss(mean * (1 + better), mean / 12) for name, mean in MEANS.items()})
        | {"prompt": text}
        for prompt, sample, _, text in places
    ]
    return write_run(folder, rows, scores, PROTOCOL)


def take(run: Path, out: Path) -> None:
    """Write every picture that README and docs show, and the site at two widths in light and dark."""
    out.mkdir(parents=True, exist_ok=True)
    (figure,) = draw_figures(out, Runs(None), ["fig3"], cards=CARDS).paths
    figure.replace(out / "paper-fig3.png")
    with TemporaryDirectory() as scratch, headless(Path(scratch) / "profile") as page:
        folder = Path(scratch)
        gallery = write_gallery([run], folder / "run").index
        page.visit(gallery, 1280, 800, False, "#sort=image_reward&order=falling")
        page.run("document.getElementById('boxes').click()")
        page.picture(out / "gallery.png")
        page.visit(gallery, width=1100, height=760, dark=True)
        page.run("show(1)")
        page.picture(out / "gallery-image.png")
        examples = [example(folder / name, better) for name, better in EXAMPLES.items()]
        board = report(examples, folder / "site-report", cards=CARDS).leaderboard
        assert board is not None
        index = write_site(board, folder / "site", CARDS)
        for width, height in ((1400, 760), (400, 800)):
            for dark in (False, True):
                fragment = "#against=example-a" if dark else ""
                page.visit(index, width, height, dark, fragment)
                page.picture(out / f"site-{width}-{'dark' if dark else 'light'}.png")
    for path in out.glob("*.png"):  # 256 colors: a third of the bytes
        Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    take(*map(Path, sys.argv[1:]))

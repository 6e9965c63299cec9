"""The gallery's page: data, script and style in one file.

Whatever a prompt says, no script comes out of it: the data are an inert block of JSON without a ``<``, the script
puts text into the page as text alone, and the page's policy lets nothing run but the one script known by its hash.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.gallery.records import Card, GalleryRun
from reports.pages import render
from reports.summary.notes import RANDOM_WEIGHTS
from wire.cards import MetricCard, card_of
from wire.vocabulary import COLORS, TAGS

_TEMPLATES = Path(__file__).with_name("templates")
#: Parts of the one script, in their order.
_SCRIPTS = ("cards.js", "grid.js", "detail.js", "tools.js")
#: Signs that could end the block of data, as JSON also lets one write them.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def gallery_html(runs: Sequence[GalleryRun], cards: Sequence[Card], home: str = "", rows: bool = False) -> str:
    """The page that shows runs, one record of :class:`GalleryRun` a card, as one file; ``home`` is a link's address;
    ``rows``: a card a line.
    """
    style = _TEMPLATES.joinpath("gallery.css").read_text(encoding="utf-8")
    script = "".join(_TEMPLATES.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return render(
        _TEMPLATES,
        "gallery.html.j2",
        style,
        script,
        # Images stand beside the page: on disk, or on whatever server it is put.
        policy="; img-src 'self' file:",
        data=_embedded(_data(runs, cards) | {"rows": rows or len(runs) > 2}),
        names=[run.name for run in runs],
        home=home,
        random=[run.name for run in runs if run.random_weights],
        random_note=RANDOM_WEIGHTS,
    )


def _embedded(record: Any) -> str:
    """JSON that can stand within an element of HTML, whatever its texts say."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _data(runs: Sequence[GalleryRun], cards: Sequence[Card]) -> dict[str, Any]:
    found = {record["tag"] for run in runs for record in run.records}
    metrics: dict[str, MetricCard] = {}
    for run in runs:
        for metric in run.metrics:
            metrics.setdefault(metric, card_of(metric, run.cards))
    return {
        "colors": COLORS,
        "tags": [tag for tag in TAGS if tag in found],
        "metrics": [
            {
                "id": card.metric,
                "title": card.name,
                "scale": f"{card.scale}; {card.direction}" if card.lower else card.scale,
                "normal": card.normal_form,
                "lower": card.lower if card.higher_is_better is not None else None,
            }
            for card in metrics.values()
        ],
        "runs": [{"name": run.name, "metrics": run.metrics, "records": run.records} for run in runs],
        "cards": [entry.places for entry in cards],
    }

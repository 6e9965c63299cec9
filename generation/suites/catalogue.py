"""The published suites: where each is to be had, and how its file is known to be the right one.

``sha256`` is filled in only where the official file itself was hashed (at the commit in its address). The others are
trusted on first use: their hash is recorded then, and a later file must have it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from generation.suites.suite import Metadata, parse
from wire.errors import UserError

#: Stands for the hub's address, which ``HF_ENDPOINT`` may change.
HUB = "hub://"


@dataclass(frozen=True)
class SuiteFile:
    """One file of a suite; the suffix of its name is its format."""

    name: str
    url: str
    #: Of the official file; empty where it is not known.
    sha256: str = ""
    #: Columns to keep, as (name in the file, name in the suite); empty keeps all.
    keep: tuple[tuple[str, str], ...] = ()
    #: What every line is given besides.
    add: Metadata = field(default_factory=dict)
    #: Give each line its position in the file as ``idx``.
    numbered: bool = False

    def lines(self, text: str, place: str) -> list[Metadata]:
        """The prompts in the file's text; a prompt with the same kept columns as one before it is dropped."""
        lines = parse(text, self.name.rpartition(".")[2], place)
        if self.keep:
            kept = [tuple((new, line.get(old, "")) for old, new in self.keep) for line in lines]
            lines = [dict(pairs) for pairs in dict.fromkeys(kept)]
        number = [{"idx": index} if self.numbered else {} for index in range(len(lines))]
        return [self.add | idx | line for idx, line in zip(number, lines, strict=True)]


@dataclass(frozen=True)
class PublishedSuite:
    """A suite that is fetched from its official place; ``prompts`` is how many its paper or page tells."""

    id: str
    title: str
    prompts: int
    licence: str
    files: tuple[SuiteFile, ...]
    #: :attr:`generation.suites.suite.Suite.sha256` of the whole; empty where it is not known.
    content: str = ""


def find_published(name: str) -> PublishedSuite:
    """The entry of that name.

    Raises:
        UserError: there is none.
    """
    if name not in PUBLISHED:
        raise UserError(f"{name}: no published suite of that name; known are {', '.join(PUBLISHED)}")
    return PUBLISHED[name]


_GITHUB = "https://raw.githubusercontent.com"
_HPDV2 = f"{HUB}datasets/zhwang/HPDv2/resolve/main/benchmark"
_DRAWBENCH = "https://docs.google.com/spreadsheets/d/1y7nAbmR4FREi6npB1u-Bo3GFdwdOPYJc617rBOxIRHY"

PUBLISHED: dict[str, PublishedSuite] = {
    suite.id: suite
    for suite in (
        PublishedSuite(
            "geneval-long",
            "GenEval with rewritten, long prompts (BAGEL, arXiv 2505.14683)",
            553,
            "Apache-2.0",
            (
                SuiteFile(
                    "evaluation_metadata_long.jsonl",
                    f"{_GITHUB}/ByteDance-Seed/Bagel/056b5fd51a88c1eb4547318609e25d40080fcf87"
                    "/eval/gen/geneval/prompts/evaluation_metadata_long.jsonl",
                    "09472cc9c24e225417b1d5df27e688e5f2a0fcac9ec772f33d9debe4e5d49f27",
                ),
            ),
            content="09472cc9c24e225417b1d5df27e688e5f2a0fcac9ec772f33d9debe4e5d49f27",
        ),
        PublishedSuite(
            "parti",
            "PartiPrompts (Yu et al. 2022, arXiv 2206.10789), the MIRO paper's suite for reward metrics",
            1632,
            "Apache-2.0",
            (
                SuiteFile(
                    "PartiPrompts.tsv",
                    f"{_GITHUB}/google-research/parti/5a657978134374ce28973948331b319adef164bd/PartiPrompts.tsv",
                    "fab29e41bb512a169b56acab4cf2a41dcb675e285df2efcde6640c7dd3c440eb",
                ),
            ),
            content="d24c7011e1e9f41b3c5c53eb5f21a75d60b3e8c244afbc93b331e25b78ccd727",
        ),
        PublishedSuite(
            "hpdv2",
            "HPDv2's benchmark, four styles (Wu et al. 2023, arXiv 2306.09341)",
            3200,
            "see its dataset card",
            tuple(
                SuiteFile(f"{style}.json", f"{_HPDV2}/{style}.json", add={"style": style}, numbered=True)
                for style in ("anime", "concept-art", "paintings", "photo")
            ),
        ),
        PublishedSuite(
            "drawbench",
            "DrawBench (Saharia et al. 2022, arXiv 2205.11487)",
            200,
            "not stated",
            (SuiteFile("drawbench.csv", f"{_DRAWBENCH}/gviz/tq?tqx=out:csv"),),
        ),
        PublishedSuite(
            "dpg",
            "DPG-Bench, dense prompts (ELLA, arXiv 2403.05135)",
            1065,
            "Apache-2.0",
            (
                SuiteFile(
                    "dpg_bench.csv",
                    f"{_GITHUB}/TencentQQGYLab/ELLA/3c228f1dc6c4d3cad0a47493816151a419f14db3/dpg_bench/dpg_bench.csv",
                    keep=(("item_id", "id"), ("prompt", "prompt")),
                ),
            ),
        ),
    )
}

"""The built GenEval suite is the published file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

from generation.suites import SUITES, build_geneval, geneval_jsonl
from generation.suites.geneval import SHA256
from tests.shared_data import shared
from wire.vocabulary import TAGS


def test_bytes_have_the_published_hash() -> None:
    assert hashlib.sha256(geneval_jsonl()).hexdigest() == SHA256
    assert SUITES["geneval"].sha256 == SHA256


def test_equals_the_published_file() -> None:
    assert geneval_jsonl() == shared("data/prompts/geneval_evaluation_metadata.jsonl").read_bytes()


def test_tags_have_their_published_sizes_and_order() -> None:
    tags = Counter(line["tag"] for line in build_geneval())
    assert list(tags) == list(TAGS)
    assert list(tags.values()) == [80, 99, 80, 94, 100, 100]


def test_importing_suites_needs_neither_torch_nor_miro() -> None:
    program = "import sys, generation.suites; sys.exit(bool({'torch', 'miro', 'transformers'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)

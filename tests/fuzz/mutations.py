"""Inputs that are nearly right: bytes changed, and JSON values put where others belong."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

#: In memory where there is such a place: the parsers take paths.
FOLDER = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())

#: What parsers stumble over.
ODD = (
    *(b'"', b"\\", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\n", b"\r", b"\\ud800", b"\x1b[31m"),
    *(
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"9" * 400,
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"[[[[",
        b'{"a":',
        b"''",
        b'"""',
    ),
    *(b"../../", b"/etc/passwd", b"#", b"= =", b"[a.b]", b"1979-05-27", b"inf", b"0x1F", b","),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1 << 70,
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        "\x00",
        "../x",
        [],
        {},
    ),
    *([[]], {"a": {}}, [None], "9" * 30, {"": ""}, -0.0, "00000/samples/0000.png", "\u202e"),
)


def mutate(seed: bytes, chance: random.Random) -> bytes:
    """One input made from a seed, by bytes or, where the seed is JSON, by values."""
    if chance.random() < 0.5:
        return _changed_bytes(seed, chance)
    lines = seed.split(b"\n")
    place = chance.randrange(len(lines))
    try:
        record = json.loads(lines[place])
    except ValueError:
        return _changed_bytes(seed, chance)
    for _ in range(chance.randint(1, 3)):
        record = _changed_value(record, chance)
    lines[place] = json.dumps(record).encode()
    return b"\n".join(lines)


def _changed_bytes(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        stop = min(len(data), start + chance.choice((0, 0, 1, 1, 2, 8, 64, 4096)))
        middle = data[start:stop]
        new = chance.choice((b"", bytes([chance.randrange(256)]), chance.choice(ODD), bytes(middle) * 2))
        data[start:stop] = new
    return bytes(data)


def _changed_value(record: Any, chance: random.Random) -> Any:
    """A copy with one value, somewhere inside, replaced, removed or renamed."""
    if not isinstance(record, (dict, list)) or not record or chance.random() < 0.15:
        return chance.choice(VALUES)
    copy = record.copy()
    key = chance.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    if chance.random() < 0.15:
        copy.pop(key)
    elif isinstance(copy, dict) and chance.random() < 0.1:
        copy[chance.choice(("", "x", "schema", "prompt"))] = copy.pop(key)
    else:
        copy[key] = _changed_value(copy[key], chance)
    return copy

"""``python -m rewards.tiny_world.vlm FOLDER``: write the judges' stand-ins; ``FOLDER`` is then an ``HF_HOME``."""

from __future__ import annotations

import sys
from pathlib import Path

from rewards.tiny_world.vlm.world import write_world

if len(sys.argv) != 2:
    sys.exit("usage: python -m rewards.tiny_world.vlm FOLDER")
write_world(Path(sys.argv[1]))

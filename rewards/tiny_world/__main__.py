"""``python -m rewards.tiny_world FOLDER``: write the stand-ins of this stage."""

from __future__ import annotations

import sys
from pathlib import Path

from rewards.tiny_world.world import write_world

if len(sys.argv) != 2:
    sys.exit("usage: python -m rewards.tiny_world FOLDER")
write_world(Path(sys.argv[1]))

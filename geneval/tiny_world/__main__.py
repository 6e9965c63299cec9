"""Write the stand-ins: ``python -m geneval.tiny_world FOLDER``."""

import sys
from pathlib import Path

from geneval.tiny_world.clip import write_clip
from geneval.tiny_world.detector import write_detector


def main(arguments: list[str]) -> int:
    """Write FOLDER/files/{mask2former.pth, mask2former_tiny.py, clip-vit-l-14.pt}; the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m geneval.tiny_world FOLDER\n")
        return 2
    files = Path(arguments[0]) / "files"
    files.mkdir(parents=True, exist_ok=True)
    write_detector(files)
    write_clip(files)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Everything that the judges need, in one folder."""

from __future__ import annotations

from pathlib import Path

from rewards.tiny_world.vlm.qwen2_vl import write_hpsv3
from rewards.tiny_world.vlm.qwen3_vl import write_qwen3_vl
from rewards.tiny_world.vlm.unified_reward import write_unified_reward


def write_world(folder: Path) -> None:
    """Write ``folder/hub``; ``folder`` is then an ``HF_HOME``. About 7 MB, the same bytes every time."""
    hub = folder / "hub"
    hub.mkdir(parents=True, exist_ok=True)
    (hub / "version.txt").write_text("1", encoding="ascii")
    write_qwen3_vl(hub)
    write_hpsv3(hub)
    write_unified_reward(hub)

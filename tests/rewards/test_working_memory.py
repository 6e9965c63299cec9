"""Expected memory against what is alive while networks of the real sizes run without numbers, on the meta device."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rewards import devices, memory
from rewards.memory import SHARE, SMALL, VIT_H, VIT_L, bytes_per_pair, rows_that_fit
from rewards.scorers import SCORERS
from tests.rewards.jobs import image_items, make_job, run_job

METRICS = ["aesthetic", "pick_score"]


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages, the model's own aside, that operations have made and still refer to."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self._live = self.peak = 0
        self._seen = {weight.untyped_storage()._cdata for weight in (*model.parameters(), *model.buffers())}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen.add(key)
            self._live += size
            self.peak = max(self.peak, self._live)
            weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._live -= size


def peak(model: torch.nn.Module, *arguments: Any, **named: Any) -> int:
    """Bytes a pair, of a batch of four."""
    with LiveBytes(model) as live, torch.no_grad():
        model(*arguments, **named)
    return live.peak // 4


def vit_h() -> int:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    sizes = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 4, "num_attention_heads": 16}
    with torch.device("meta"):
        model = CLIPVisionModel(CLIPVisionConfig(**sizes, patch_size=14)).eval()
    pixels = torch.zeros(4, 3, 224, 224, device="meta")
    return peak(model, pixels)


def t5_xl_encoder() -> int:
    from transformers import T5Config, T5EncoderModel

    sizes = {"d_model": 2048, "d_kv": 64, "d_ff": 5120, "num_layers": 3, "num_heads": 32}
    with torch.device("meta"):
        model = T5EncoderModel(T5Config(**sizes, vocab_size=32_100, feed_forward_proj="gated-gelu")).bfloat16().eval()
    states = torch.zeros(4, 644, 2048, device="meta", dtype=torch.bfloat16)
    return peak(model, inputs_embeds=states, attention_mask=torch.ones(4, 644, device="meta"))


@pytest.mark.parametrize(
    ("metric", "dtype", "network"), [("pick_score", "float32", vit_h), ("vqa_xl", "bfloat16", t5_xl_encoder)]
)
def test_the_bound_holds_and_is_no_more_than_twice_too_large(metric: str, dtype: str, network: Any) -> None:
    measured = network()
    assert measured <= bytes_per_pair(SCORERS[metric].card.network, dtype, SMALL) <= 2 * measured


def test_every_metric_is_known_and_a_users_own_is_not() -> None:
    assert all(bytes_per_pair(scorer.card.network, "bfloat16", SMALL) > 2**23 for scorer in SCORERS.values())
    assert bytes_per_pair(None, "float32", SMALL) == 0
    assert bytes_per_pair(VIT_H, "float32", SMALL - 1) == 0


@pytest.mark.parametrize(("free", "rows"), [(1 << 40, 16), (32 / SHARE, 16), (31 / SHARE, 8), (10 / SHARE, 4), (0, 1)])
def test_the_batch_is_halved_until_it_fits(free: int, rows: int) -> None:
    assert rows_that_fit(16, 2, free) == rows


def test_short_memory_is_told_and_costs_last_bits_only(
    tmp_path: Path, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = image_items(tmp_path / "run", prompts=3)
    parameters = {"files": files, "metrics": METRICS, "batch_size": 4, "group": "all"}
    job = make_job(tmp_path, items, parameters)
    whole, _ = run_job(job)
    Path(job.output).unlink()
    monkeypatch.setattr(memory, "SMALL", 0)
    free = int(2.9 * bytes_per_pair(VIT_L, "float32", 0) / SHARE)
    monkeypatch.setattr(devices, "free_memory", lambda device: free)
    rows, events = run_job(job)
    for row, expected in zip(rows, whole, strict=True):
        assert row["value"] == pytest.approx(expected["value"], abs=1e-5)
    warnings = [event["message"].partition(";")[0] for event in events if event["event"] == "warning"]
    beginnings = [f"{metric}: 4 at a time would not fit into free memory, beginning with 2" for metric in METRICS]
    assert warnings == beginnings

"""The reference detector: mmdet's Mask2Former with a Swin-S backbone.

Unless ``exact`` is asked for, it runs with only what inference needs, equal up to the order of additions. mmdet's head
predicts masks and classes after every decoder layer, which training asks for: 1 GFLOP and a hundred masks of 200 x 200
each time. Of all but the last only the signs at the next level's coarser places are used, to say where a query may
look. Scaling an image down and multiplying it by a query's weights can change places, both being linear: the mask
features are scaled down once a level. Windows of shifted attention are gathered in one step, not by padding, rolling
twice and partitioning.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.nn.functional import interpolate

from geneval.detectors import Execution, Size
from geneval.detectors.checkpoint import load_strictly, read_state
from geneval.detectors.deformable import attention, install_in_mmdet
from geneval.detectors.mask2former import CONFIG, Mask2Former, RawOutput, to_bfloat16
from wire.protocol import EnvironmentFailure, UserError

#: mmdet's names of the padded, resized and original size.
_SIZES = ("batch_input_shape", "img_shape", "ori_shape")
#: Added to attention between regions that only the shift made neighbours. Swin has -100 here: exp(-100) is denormal, so
#: small that it is lost beside any other weight, and several times slower to multiply by than nothing at all.
APART = float("-inf")


class _NotCompiled(ModuleType):
    """Stands in for ``mmcv._ext``, which mmdet imports and Mask2Former on this path does not call."""

    def __getattr__(self, name: str) -> Callable[..., str]:
        """Something to be called in place of the operator ``name``; only a question for versions is answered."""
        if name.startswith("__"):
            raise AttributeError(name)

        def operator(*_: Any, **__: Any) -> str:
            if name in ("get_compiling_cuda_version", "get_compiler_version"):
                return "not available"
            raise RuntimeError(f"{name} is one of mmcv's compiled operators, which mmcv-lite lacks")

        return operator


if find_spec("mmcv._ext") is None:
    sys.modules["mmcv._ext"] = _NotCompiled("mmcv._ext")
    sys.modules["mmcv._ext"].__spec__ = ModuleSpec("mmcv._ext", None)


class MmdetMask2Former(Mask2Former):
    """Mask2Former through mmdet 3: weights in the key layout of mmdet 2.x or 3.x; without a config the Swin-S one.
    Raises UserError: the config cannot be read; EnvironmentFailure: mmdet or its configs are not there, or the weights
    do not fit the config.
    """

    def __init__(self, weights: Path, config: Path | None, execution: Execution) -> None:
        from mmcv.transforms import Compose
        from mmdet.utils import get_test_pipeline_cfg

        settings = _read_config(config or shipped_config())
        self.name = f"mmdet/{(config or Path(CONFIG)).stem}{execution.suffix()}"
        self.max_per_image = settings.model.test_cfg.get("max_per_image", 100)  # mmdet's own default
        self.batch_size = execution.batch_size
        self._exact = execution.precision == "exact"
        self._model = build_model(settings)
        load_strictly(self._model, read_state(weights), weights)
        self._model.to(execution.device).eval()
        compiled = choose_deformable_attention(execution.device)
        ours = not compiled and not self._exact
        self.attention = attention(execution.device) if ours else "mmcv, compiled" if compiled else "mmcv, grid_sample"
        if not self._exact:
            install_windows(self._model)
        if ours:
            install_in_mmdet(self._model)
        if execution.precision == "bf16":
            to_bfloat16(self._model)
        steps = get_test_pipeline_cfg(settings.copy())
        steps[0].type = "mmdet.LoadImageFromNDArray"  # an array in place of a file
        self._pipeline = Compose(steps)

    def preprocess(self, pixels: Any) -> Any:
        """Resize and pack an RGB image (height, width, 3), as mmdet's test pipeline does."""
        # mmdet's pipelines read images with OpenCV, whose channels are BGR.
        return self._pipeline({"img": pixels[:, :, ::-1], "img_id": 0})

    def size(self, prepared: Any) -> Size:
        """Height and width of the resized image."""
        return Size(*prepared["data_samples"].metainfo["img_shape"][:2])

    def forward(self, batch: Sequence[Any]) -> list[RawOutput]:
        """Logits of the last decoder layer."""
        packed = {name: [image[name] for image in batch] for name in ("inputs", "data_samples")}
        with torch.inference_mode():
            data = self._model.data_preprocessor(packed, False)
            features, head = self._model.extract_feat(data["inputs"]), self._model.panoptic_head
            if self._exact:
                classes, masks = (every_layer[-1] for every_layer in head(features, data["data_samples"]))
            else:
                classes, masks = last_predictions(head, features)
        return [
            RawOutput(*logits, *(Size(*sample.metainfo[name][:2]) for name in _SIZES))
            for *logits, sample in zip(classes, masks, data["data_samples"], strict=True)
        ]


def shipped_config() -> Path:
    """Path of the Swin-S config inside the installed mmdet."""
    import mmdet

    path = Path(mmdet.__file__).parent / ".mim" / "configs" / CONFIG
    if not path.is_file():
        raise EnvironmentFailure(f"the installed mmdet has no configs ({CONFIG}): install its wheel, not its sources")
    return path


def _read_config(path: Path) -> Any:
    from mmengine.config import Config

    try:
        return Config.fromfile(path)
    except Exception as error:  # a config is a Python file: reading it can raise anything
        raise UserError(f"{path}: not a readable mmdet config ({type(error).__name__}: {error})") from error


def build_model(settings: Any) -> Any:
    """A config's model with random weights; the config's own pretrained backbone is not fetched."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    settings.model.backbone.init_cfg = None
    return MODELS.build(settings.model)


def choose_deformable_attention(device: str) -> bool:
    """Use mmcv's compiled deformable attention where it has code for a GPU; whether it is used on this device.

    mmcv takes the op wherever *torch* sees a GPU, and fails when mmcv itself was compiled without CUDA.
    """
    from mmcv.ops import get_compiling_cuda_version, multi_scale_deform_attn

    compiled = get_compiling_cuda_version() != "not available"
    if device != "cpu" and not compiled:
        multi_scale_deform_attn.IS_CUDA_AVAILABLE = False
    return device != "cpu" and compiled


def last_predictions(head: Any, features: Any) -> tuple[Any, Any]:
    """Class logits (batch, queries, classes + 1) and mask logits (batch, queries, height, width) of the last layer.

    ``head`` is mmdet's ``Mask2FormerHead``, ``features`` are the backbone's maps.
    """
    mask_features, memories = head.pixel_decoder(features)
    memories = memories[: head.num_transformer_feat_level]
    keys = [_keys(head, level, memory) for level, memory in enumerate(memories)]
    coarse = [
        interpolate(mask_features, memory.shape[-2:], mode="bilinear", align_corners=False) for memory in memories
    ]
    batch, normed = len(mask_features), head.transformer_decoder.post_norm
    queries, places = (table.weight.expand(batch, -1, -1) for table in (head.query_feat, head.query_embed))
    for number, layer in enumerate(head.transformer_decoder.layers):
        level = number % len(memories)
        key, position = keys[level]
        hidden = _hidden(_masks(head, normed(queries), coarse[level]), head.num_heads)
        queries = layer(
            query=queries, key=key, value=key, query_pos=places, key_pos=position, cross_attn_mask=hidden
        )  # fmt: skip
    last = normed(queries)
    return head.cls_embed(last), _masks(head, last, mask_features)


def _keys(head: Any, level: int, memory: Any) -> tuple[Any, Any]:
    """A level's pixels and their positional encodings, both (batch, places, channels)."""
    flat = head.decoder_input_projs[level](memory).flatten(2).permute(0, 2, 1) + head.level_embed.weight[level]
    nothing_padded = memory.new_zeros((len(memory), *memory.shape[-2:]), dtype=bool)
    return flat, head.decoder_positional_encoding(nothing_padded).flatten(2).permute(0, 2, 1)


def _masks(head: Any, normed: Any, mask_features: Any) -> Any:
    return (head.mask_embed(normed) @ mask_features.flatten(2)).unflatten(2, mask_features.shape[-2:])


def _hidden(masks: Any, heads: int) -> Any:
    """Where queries must not look: off their masks; one without a mask looks anywhere.

    From logits (batch, queries, height, width) to bool (batch x heads, queries, places).
    """
    outside = masks.flatten(2) < 0
    outside &= ~outside.all(dim=-1, keepdim=True)
    return outside[:, None].expand(-1, heads, -1, -1).flatten(0, 1)


def install_windows(model: Any) -> None:
    """Let the backbone's blocks gather their windows in one step; the numbers stay the same."""
    from mmdet.models.backbones.swin import ShiftWindowMSA

    for module in model.modules():
        if isinstance(module, ShiftWindowMSA):
            module.forward = partial(_attend_in_windows, module)


def _attend_in_windows(module: Any, query: Any, hw_shape: tuple[int, int]) -> Any:
    """As ``ShiftWindowMSA.forward`` in evaluation mode: (batch, height x width, channels) to the same."""
    batch, _, channels = query.shape
    size = module.window_size
    there, back, apart = _windows(*map(int, hw_shape), size, module.shift_size, str(query.device))
    padded = torch.cat([query, query.new_zeros(batch, 1, channels)], dim=1)
    windows = padded.index_select(1, there).view(-1, size * size, channels)
    seen = module.w_msa(windows, mask=apart)
    return seen.view(batch, -1, channels).index_select(1, back)


@lru_cache(maxsize=64)
def _windows(height: int, width: int, size: int, shift: int, device: str) -> tuple[Any, Any, Any]:
    """Where each place of each window comes from (padding is one place more than there are), where each place of the
    image is found again, and what is added to attention in each window; None where nothing is shifted."""
    lines, columns = (-(-side // size) * size for side in (height, width))
    numbers = torch.full((lines, columns), height * width)
    numbers[:height, :width] = torch.arange(height * width).view(height, width)
    there = _partition(numbers.roll((-shift, -shift), (0, 1)), size).flatten()
    back = torch.empty(height * width + 1, dtype=torch.long)
    back[there] = torch.arange(len(there))
    if not shift:
        return there.to(device), back[:-1].to(device), None
    regions = _partition(_region(lines, size, shift)[:, None] * 3 + _region(columns, size, shift), size)
    apart = torch.zeros(len(regions), size * size, size * size)
    apart[regions[:, None] != regions[:, :, None]] = APART
    return there.to(device), back[:-1].to(device), apart.to(device)


def _partition(image: Any, size: int) -> Any:
    """Windows of an image (height, width), line by line: (windows, size x size)."""
    height, width = image.shape
    return image.view(height // size, size, width // size, size).transpose(1, 2).reshape(-1, size * size)


def _region(side: int, size: int, shift: int) -> Any:
    """Which of three parts a line of the shifted image belongs to: attention does not cross between them."""
    place = torch.arange(side)
    return (place >= side - size).int() + (place >= side - shift).int()

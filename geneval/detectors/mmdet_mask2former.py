"""The reference detector: mmdet's Mask2Former with a Swin-S backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geneval.detectors.checkpoint import load_strictly, read_state
from geneval.detectors.deformable import install_in_mmdet
from geneval.detectors.instances import RawOutput
from geneval.detectors.mask2former import CONFIG, Execution, Mask2Former
from geneval.detectors.mmdet_inference import install_windows, last_predictions
from geneval.detectors.precision import to_bfloat16
from geneval.detectors.resize import Size
from wire.protocol import EnvironmentFailure, UserError

#: mmdet's names of the padded, resized and original size.
_SIZES = ("batch_input_shape", "img_shape", "ori_shape")


class MmdetMask2Former(Mask2Former):
    """Mask2Former through mmdet 3.

    Args:
        weights: checkpoint file, in the key layout of mmdet 2.x or 3.x.
        config: mmdet config file; None for the Swin-S one that mmdet ships.
        execution: device, precision and batch size.

    Raises:
        UserError: the config cannot be read.
        EnvironmentFailure: mmdet or its configs are not there, or the weights do not fit the config.
    """

    def __init__(self, weights: Path, config: Path | None, execution: Execution) -> None:
        settings = _read_config(config or shipped_config())
        self.name = f"mmdet/{(config or Path(CONFIG)).stem}{execution.suffix()}"
        self.max_per_image = settings.model.test_cfg.get("max_per_image", 100)  # mmdet's own default
        self.batch_size = execution.batch_size
        self._exact = execution.precision == "exact"
        self._model = _build(settings)
        load_strictly(self._model, read_state(weights), weights)
        self._model.to(execution.device).eval()
        self._hasten(execution)
        self._pipeline = _pipeline(settings)

    def _hasten(self, execution: Execution) -> None:
        compiled = _choose_deformable_attention(execution.device)
        if self._exact:
            return
        install_windows(self._model)
        if not compiled:
            install_in_mmdet(self._model)
        if execution.precision == "bf16":
            to_bfloat16(self._model)

    def preprocess(self, pixels: Any) -> Any:
        """Resize and pack an RGB image (height, width, 3), as mmdet's test pipeline does."""
        # mmdet's pipelines read images with OpenCV, whose channels are BGR.
        return self._pipeline({"img": pixels[:, :, ::-1], "img_id": 0})

    def size(self, prepared: Any) -> Size:
        """Height and width of the resized image."""
        return Size(*prepared["data_samples"].metainfo["img_shape"][:2])

    def forward(self, batch: Sequence[Any]) -> list[RawOutput]:
        """Logits of the last decoder layer."""
        import torch

        packed = {name: [image[name] for image in batch] for name in ("inputs", "data_samples")}
        with torch.inference_mode():
            data = self._model.data_preprocessor(packed, False)
            classes, masks = self._predict(self._model.extract_feat(data["inputs"]), data["data_samples"])
        return [
            RawOutput(*logits, *(Size(*sample.metainfo[name][:2]) for name in _SIZES))
            for *logits, sample in zip(classes, masks, data["data_samples"], strict=True)
        ]

    def _predict(self, features: Any, samples: Any) -> tuple[Any, Any]:
        if not self._exact:
            return last_predictions(self._model.panoptic_head, features)
        classes, masks = self._model.panoptic_head(features, samples)
        return classes[-1], masks[-1]


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


def _build(settings: Any) -> Any:
    """The model with random weights; the config's own pretrained backbone is not fetched."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    settings.model.backbone.init_cfg = None
    return MODELS.build(settings.model)


def _pipeline(settings: Any) -> Any:
    """The config's test pipeline, fed with an array in place of a file."""
    from mmcv.transforms import Compose
    from mmdet.utils import get_test_pipeline_cfg

    steps = get_test_pipeline_cfg(settings.copy())
    steps[0].type = "mmdet.LoadImageFromNDArray"
    return Compose(steps)


def _choose_deformable_attention(device: str) -> bool:
    """Use mmcv's compiled deformable attention where it has code for a GPU; tells whether it is used on this device.

    mmcv takes the op wherever *torch* sees a GPU, and fails when mmcv itself was compiled without CUDA.
    """
    from mmcv.ops import get_compiling_cuda_version, multi_scale_deform_attn

    compiled = get_compiling_cuda_version() != "not available"
    if device != "cpu" and not compiled:
        multi_scale_deform_attn.IS_CUDA_AVAILABLE = False
    return device != "cpu" and compiled

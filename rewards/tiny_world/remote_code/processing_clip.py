"""Stand-in for jina-clip-v2's processor: CLIP's preprocessing at 512 px."""

from typing import Any

import torch
from torchvision import transforms
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature
from transformers.models.clip import CLIPProcessor

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class JinaCLIPProcessor(CLIPProcessor):
    """Image processor and tokenizer of one repository."""

    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"


class JinaCLIPImageProcessor(BaseImageProcessor):
    """Shortest edge by PIL's bicubic filter, center crop, CLIP's normalisation."""

    model_input_names = ("pixel_values",)
    _valid_processor_keys = ("size",)

    def __init__(self, size: int = 512, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def preprocess(self, images: Any, **_: Any) -> BatchFeature:
        """PIL images, or one, to ``pixel_values`` (N, 3, size, size)."""
        steps = transforms.Compose(
            [
                transforms.Resize(self.size, interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop(self.size),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )
        listed = images if isinstance(images, list) else [images]
        return BatchFeature({"pixel_values": torch.stack([steps(image.convert("RGB")) for image in listed])})

"""Stand-in for jina-clip-v2, with the entry points that the real one offers."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedModel
from transformers.models.clip.modeling_clip import CLIPOutput

from .configuration_clip import JinaCLIPConfig
from .eva_model import EVAVisionTransformer
from .hf_model import HFTextEncoder


class JinaCLIPModel(PreTrainedModel):
    """Two towers into one space."""

    config_class = JinaCLIPConfig

    def __init__(self, config: JinaCLIPConfig, text_transformer: Any = None) -> None:
        super().__init__(config)
        self.text_model = HFTextEncoder(**config.text_config, transformer=text_transformer)
        self.vision_model = EVAVisionTransformer(**config.vision_config)
        text_width = self.text_model.transformer.config.hidden_size
        self.text_projection = nn.Linear(text_width, config.projection_dim, bias=False)
        self.visual_projection = nn.Linear(config.vision_config["width"], config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))

    def _init_weights(self, module: nn.Module) -> None:
        """Weights always come from the checkpoint."""

    def get_text_features(self, input_ids: Any = None, *_: Any, **__: Any) -> torch.Tensor:
        """(N, T) ids, padding told by its id, to (N, D), not normalised."""
        return self.text_projection(self.text_model(input_ids))

    def get_image_features(self, pixel_values: Any = None, *_: Any, **__: Any) -> torch.Tensor:
        """(N, 3, H, W) to (N, D), not normalised."""
        return self.visual_projection(self.vision_model(pixel_values))

    @torch.inference_mode()
    def encode_text(self, sentences: list[str], max_length: int = 512) -> torch.Tensor:
        """Texts to (N, D) unit vectors."""
        tokenizer = AutoTokenizer.from_pretrained(self.config._name_or_path, trust_remote_code=True)
        tokens = tokenizer(sentences, return_tensors="pt", padding=True, truncation=True, max_length=max_length)
        return functional.normalize(self.get_text_features(tokens.input_ids), dim=1)

    @torch.inference_mode()
    def encode_image(self, images: Any) -> torch.Tensor:
        """PIL images to (N, D) unit vectors."""
        processor = AutoImageProcessor.from_pretrained(self.config._name_or_path, trust_remote_code=True)
        return functional.normalize(self.get_image_features(processor(images)["pixel_values"]), dim=1)

    def forward(self, input_ids: Any = None, pixel_values: Any = None, **_: Any) -> CLIPOutput:
        """Logits of every image for every text."""
        images = functional.normalize(self.get_image_features(pixel_values), dim=-1)
        texts = functional.normalize(self.get_text_features(input_ids), dim=-1)
        logits = self.logit_scale.exp() * images @ texts.t()
        return CLIPOutput(logits_per_image=logits, logits_per_text=logits.t(), text_embeds=texts, image_embeds=images)

"""Configuration of the stand-in for jina-clip-v2."""

from typing import Any

from transformers import PretrainedConfig


class JinaCLIPConfig(PretrainedConfig):
    """Both towers' settings as plain dictionaries, and what joins them."""

    model_type = "jina_clip"

    def __init__(
        self,
        text_config: dict[str, Any] | None = None,
        vision_config: dict[str, Any] | None = None,
        projection_dim: int = 64,
        logit_scale_init_value: float = 2.6592,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.text_config = text_config or {}
        self.vision_config = vision_config or {}
        self.projection_dim = projection_dim
        self.logit_scale_init_value = logit_scale_init_value

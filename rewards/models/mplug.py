"""mPLUG-large for questions about images, by modelscope's model class, without its pipeline.

The pipeline would import every multi-modal model that modelscope has; what it does for mPLUG is a resize, a tokenizer
and the model's own ``forward`` (modelscope 1.40.2, ``MPlugPreprocessor`` and ``MPlugForVisualQuestionAnswering``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from modelscope.models.multi_modal.mplug import CONFIG_NAME, MPlugConfig
from modelscope.models.multi_modal.mplug.modeling_mplug import MPlugForVisualQuestionAnswering
from PIL.Image import Image
from torch import Tensor, nn
from torchvision import transforms
from transformers import BertTokenizer

from rewards.models.loading import check_keys, clear_errors, frozen, read_checkpoint

WEIGHTS = "pytorch_model.bin"
CONFIGURATION = "configuration.json"
#: Tokens of a question, where the repository's own configuration sets no other number.
MAX_TOKENS = 25
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class _SharedImage(nn.Module):
    """The vision tower for a batch in which all images are one: looked at once."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, images: Tensor, **options: Any) -> Tensor:
        found: Tensor = self.tower(images[:1], **options)
        return found.expand(len(images), -1, -1)


class Mplug:
    """The network with its tokenizer; answers are what its beam search finds, in lower-case words."""

    def __init__(self, folder: Path, device: str) -> None:
        """Load from a repository's folder.
        Raises EnvironmentFailure: a file is missing, or a weight of the network is.
        """
        with clear_errors("mPLUG"):
            facts = yaml.safe_load((folder / CONFIG_NAME).read_text(encoding="utf-8"))
            config = MPlugConfig(**facts | {"distill": False})
            config.model_dir = str(folder)
            self._tokens = _max_tokens(folder)
            self._tokenizer = BertTokenizer.from_pretrained(folder)
            network = MPlugForVisualQuestionAnswering(config)
            _fill(network, folder / WEIGHTS)
        network.visual_encoder.visual = _SharedImage(network.visual_encoder.visual)
        self._network = frozen(network, device)
        self._device = device
        self.edge = int(config.image_res)
        bicubic = transforms.InterpolationMode.BICUBIC
        steps = [transforms.Resize((self.edge, self.edge), interpolation=bicubic), transforms.ToTensor()]
        self._view = transforms.Compose([*steps, transforms.Normalize(_MEAN, _STD)])

    def pixels(self, image: Image) -> Tensor:
        """(3, edge, edge) float32, whatever the image's shape."""
        found: Tensor = self._view(image)
        return found

    def answers(self, pixels: Tensor, questions: Sequence[str]) -> list[str]:
        """The answer to each question about one image; the image is looked at once."""
        asked = self._tokenizer(
            [question.lower() for question in questions],
            padding="max_length",
            truncation=True,
            max_length=self._tokens,
            return_tensors="pt",
        ).to(self._device)
        images = pixels.unsqueeze(0).expand(len(questions), -1, -1, -1)
        found, _ = self._network(images, asked, train=False)
        return [self._tokenizer.decode(one[0], skip_special_tokens=True) for one in found]


def _max_tokens(folder: Path) -> int:
    path = folder / CONFIGURATION
    facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    preprocessor = facts.get("preprocessor")
    return int(preprocessor.get("tokenizer_max_length", MAX_TOKENS)) if isinstance(preprocessor, dict) else MAX_TOKENS


def _fill(network: nn.Module, path: Path) -> None:
    """Put the published weights in; the file may hold other tasks' heads, but none of this network may be lacking."""
    state = read_checkpoint(path)
    for wrapper in ("model", "module"):
        state = state.get(wrapper, state)
    state = {name.replace("model.", ""): weight for name, weight in state.items()}
    check_keys(path.name, network.load_state_dict(state, strict=False).missing_keys, [])

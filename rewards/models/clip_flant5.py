"""CLIP-FlanT5 and its question, as in t2v_metrics 1.2 (``clip_t5_model.py``), on plain transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, T5Config, T5ForConditionalGeneration, T5Tokenizer

from rewards.models.loading import check_keys, clear_errors, load_pretrained
from wire.errors import EnvironmentFailure

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
#: The conversation before and after the image; the image's tokens stand between them.
BEFORE = SYSTEM + " USER: "
AFTER = '\nDoes this figure show "{}"? Please answer yes or no. ASSISTANT: '
ANSWER = "Yes"
#: Longest text in tokens, the image counting as one (``context_len`` of the authors' model list).
CONTEXT = 2048
#: Question lengths are rounded up to a multiple, so that the batch's shape seldom depends on its prompts.
LENGTH_STEP = 32

_TOWER = "vision_tower.vision_tower."


class Question:
    """Tokens of the question; each half ends with the end token, as the slow T5 tokenizer in ``folder`` makes it."""

    def __init__(self, folder: Path) -> None:
        # legacy: the pieces after special tokens as in the release the authors used
        with clear_errors("T5 tokenizer"):
            self._tokenizer = T5Tokenizer.from_pretrained(folder, legacy=True, model_max_length=CONTEXT)
        self._before = self._ids(BEFORE)
        self.answer = torch.tensor(self._ids(ANSWER))
        self.vocabulary = len(self._tokenizer)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text).input_ids)

    def tokens(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens before the image (B,), after it (N, T) padded with 0, and the mask of the latter (N, T).

        The authors mask every padding token (``input_ids.ne(pad_token_id)``): one that a prompt spells out, too.
        """
        limit = CONTEXT - len(self._before) - 1
        halves = [self._ids(AFTER.format(prompt))[:limit] for prompt in prompts]
        length = -(-max(map(len, halves)) // LENGTH_STEP) * LENGTH_STEP
        after = torch.tensor([half + [0] * (length - len(half)) for half in halves])
        return torch.tensor(self._before), after, after.ne(0).long()


class ClipFlanT5(T5ForConditionalGeneration):
    """FLAN-T5 that reads image tokens: the vision tower's, through a two-layer projector."""

    config_class = T5Config

    def __init__(self, config: T5Config) -> None:
        super().__init__(config)
        width = config.mm_hidden_size
        self.vision_tower = nn.Module()
        self.vision_tower.vision_tower = CLIPVisionModel(CLIPVisionConfig(**config.vision))
        self.mm_projector = nn.Sequential(
            nn.Linear(width, config.d_model), nn.GELU(), nn.Linear(config.d_model, config.d_model)
        )
        self.post_init()

    @property
    def vision(self) -> Any:
        """The CLIP tower."""
        return self.vision_tower.vision_tower

    def image_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, 336, 336) to (N, 576, d_model): patch tokens of a hidden layer, projected."""
        hidden = self.vision(pixels.to(self.dtype), output_hidden_states=True).hidden_states
        return self.mm_projector(hidden[self.config.mm_vision_select_layer][:, 1:])

    def answer_likelihood(
        self, pixels: torch.Tensor, before: torch.Tensor, after: torch.Tensor, mask: torch.Tensor, answer: torch.Tensor
    ) -> torch.Tensor:
        """Geometric mean of the answer's token probabilities, (N,) float32.

        Of ``pixels`` (N, 3, H, W), tokens ``before`` the image (B,) and ``after`` it (N, T), ``mask`` (N, T), 0 where
        those are padding, and the ``answer`` (A,).
        """
        before, after, mask, answer = (tokens.to(self.device) for tokens in (before, after, mask, answer))
        image = self.image_tokens(pixels)
        head = self.shared(before).expand(len(image), -1, -1)
        seen = torch.ones(len(image), head.shape[1] + image.shape[1], dtype=mask.dtype, device=self.device)
        labels = answer.expand(len(image), -1)
        logits = self(
            inputs_embeds=torch.cat([head, image, self.shared(after)], dim=1),
            attention_mask=torch.cat([seen, mask], dim=1),
            decoder_input_ids=self._shift_right(labels),
            use_cache=False,
        ).logits
        chosen = logits.float().log_softmax(-1).gather(-1, labels[..., None]).squeeze(-1)
        return chosen.mean(-1).exp()


def load_clip_flant5(folder: Path, vision: Path, vocabulary: int, dtype: torch.dtype, what: str) -> ClipFlanT5:
    """The model, strictly loaded.
    ``folder``: the model's snapshot.
    ``vision``: snapshot of the CLIP tower, for its configuration, and its weights where ``folder`` has none.
    ``vocabulary``: length of the tokenizer; the authors cut the embedding (padded to 32128) to it, which changes the
    softmax.
    Raises EnvironmentFailure: the weights are not this model's.
    """
    # low_cpu_mem_usage would hide missing keys: it takes parameters that are not loaded yet for tied ones
    with clear_errors(what):
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kept = {key: value for key, value in stored.items() if key not in ("model_type", "architectures")}
        config = T5Config(**kept, vision=CLIPVisionConfig.from_pretrained(vision).to_dict())
        model, info = ClipFlanT5.from_pretrained(folder, config=config, torch_dtype=dtype, output_loading_info=True)
    tower = {_TOWER + key for key in model.vision.state_dict()}
    missing = set(info["missing_keys"])
    if tower <= missing:
        text_half = ("text_model.", "text_projection.", "visual_projection.", "logit_scale")
        model.vision_tower.vision_tower = load_pretrained(
            CLIPVisionModel, vision, "CLIP vision tower", dtype, spare=text_half
        )
        missing -= tower
    check_keys(what, missing, info["unexpected_keys"])
    if vocabulary > model.config.vocab_size:
        raise EnvironmentFailure(
            f"{what}: {model.config.vocab_size} embeddings for {vocabulary} tokens; fetch it again"
        )
    model.resize_token_embeddings(vocabulary)
    return model

"""VQAScore with Qwen3-VL, as t2v_metrics 3.1 has it (``models/vqascore_models/qwen3vl_model.py``)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from rewards.scorers.base import Batch, Outcome
from rewards.scorers.qwen3_vl import SIZE_8B, Qwen3Judge, card, needs_no_resizing, require_ratio

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

QUESTION = 'Does this figure show "{}"? Please answer Yes or No.'
ANSWER = "Yes"
#: The authors resize with qwen-vl-utils 0.0.14: sides of 32, so many pixels at least and at most.
RESIZING = (32, 4 * 32**2, 16_384 * 32**2)


class VqaQwen3Vl(Qwen3Judge):
    """Probability of the one token "Yes"; GenEval 2's metric of the name has another question and more spellings."""

    repo = SIZE_8B.repo
    card = card(
        SIZE_8B,
        SIZE_8B.repo,
        metric="vqa_qwen3vl",
        title="VQAScore with Qwen3-VL-8B",
        definition=f'P("Yes") as the first token of the answer to: {QUESTION.format("PROMPT")}',
        scale="probability, 0 to 1; not comparable with vqa",
        range=(0.0, 1.0),
        preprocessing="sides to multiples of 32 by PIL's bicubic filter, 4,096 to 16,777,216 pixels; control tokens in "
        "a prompt are letters",
        source="arXiv 2404.01291; github.com/linzhiqiu/t2v_metrics 3.1",
        decides={"question": QUESTION, "answer": ANSWER},
    )

    def pixel_key(self, size: tuple[int, int]) -> Hashable:
        """Shared with the other judges where nothing is resized."""
        return super().pixel_key(size) if needs_no_resizing(size) else "qwen3-vl, by qwen-vl-utils"

    def prepare_image(self, image: Image) -> Tensor:
        """See :meth:`Qwen3Judge.prepare_image`."""
        from PIL.Image import Resampling

        from rewards.preprocessing import smart_size

        require_ratio(image.size)
        resized = image.resize(smart_size(image.size, *RESIZING), Resampling.BICUBIC)
        return self._model.pixels(resized, resize=False)  # type: ignore[no-any-return]

    def judge(self, batch: Batch) -> list[Outcome]:
        """See :meth:`Scorer.judge`; where the likeliest answer is none, the authors' code gives no score either."""
        found: list[Outcome] = []
        texts = [[QUESTION.format(prompt)] for prompt in batch.prompts]
        (yes,) = self._model.tokenizer.encode(ANSWER)
        for (row,) in self._model.next_token(batch.pixels, texts):
            ended = int(row.argmax()) in self._model.ends
            found.append("the model's most likely answer is empty" if ended else float(row[yes]))
        return found

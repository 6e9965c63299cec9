from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from rewards.preprocessing import smart_size
from rewards.scorers.vqa_qwen3vl import RESIZING, VqaQwen3Vl
from tests.rewards.pairs import picture
from tests.vlm.pairs import LINES, images, judge, one_by_one
from tests.vlm.references import Generated

AUTHORS = (
    "https://raw.githubusercontent.com/linzhiqiu/t2v_metrics/6ecb74f92028f42c7e64546d3a71e98c8c73068f/t2v_metrics/"
    "models/vqascore_models/qwen3vl_model.py"
)
AUTHORS_SHA256 = "999009c94ec50f1458b696073dd16f452a2833c6ffb723497f664abeedf0717f"


@pytest.mark.parametrize(("precision", "dtype"), [("exact", torch.float32), ("reference", torch.bfloat16)])
def test_scores_are_those_of_the_authors_template_and_sizes(
    precision: str, dtype: torch.dtype, load: Callable[..., Any], world: Path
) -> None:
    scorer, pictures, reference = load("vqa_qwen3vl", precision), images(), Generated(VqaQwen3Vl.repo, dtype)
    found = one_by_one(scorer, pictures, LINES)
    theirs = [reference.vqa(image, line["prompt"]) for image, line in zip(pictures, LINES, strict=True)]
    assert found == pytest.approx(theirs, abs=1e-5 if precision == "exact" else scorer.card.tolerance.reference)
    assert judge(scorer, pictures, LINES) == pytest.approx(found, abs=1e-5 if precision == "exact" else 3e-2)


def test_scores_are_those_of_the_authors_own_class(
    load: Callable[..., Any],
    published: Callable[..., Path],
    packages: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """t2v_metrics' file as it is, but for its abstract base and ``device_map``, which needs another package."""
    source = published(AUTHORS, AUTHORS_SHA256).read_text(encoding="utf-8")
    monkeypatch.syspath_prepend(packages("qwen-vl-utils==0.0.14"))
    base = types.ModuleType("t2v_metrics_file.vqa_model")
    base.VQAScoreModel = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, base.__name__, base)
    script: dict[str, Any] = {"__name__": "t2v_metrics_file.qwen3vl_model", "__package__": "t2v_metrics_file"}
    exec(compile(source, "qwen3vl_model.py", "exec"), script)
    real = transformers.AutoModelForImageTextToText.from_pretrained
    with monkeypatch.context() as while_it_loads:
        while_it_loads.setattr(
            transformers.AutoModelForImageTextToText,
            "from_pretrained",
            lambda name, **_: real(name, dtype=torch.float32),
        )
        model = script["Qwen3VLModel"]("qwen3-vl-8b")
    pictures, theirs = images(), []
    for number, (image, line) in enumerate(zip(pictures, LINES, strict=True)):
        image.save(tmp_path / f"{number}.png")
        theirs += model.forward([str(tmp_path / f"{number}.png")], [line["prompt"]]).tolist()
    assert one_by_one(load("vqa_qwen3vl"), pictures, LINES) == pytest.approx(theirs, abs=1e-5)


def test_small_images_are_not_enlarged_as_the_processor_would(load: Callable[..., Any]) -> None:
    assert smart_size((200, 130), *RESIZING) == (192, 128)
    assert smart_size((1, 1), *RESIZING) == (64, 64)
    assert smart_size((5000, 5000), *RESIZING) == (4096, 4096)
    scorer, small = load("vqa_qwen3vl"), picture(4, (200, 130))
    assert scorer.prepare_image(small).shape[:2] == (8, 12)
    assert load("soft_tifa").prepare_image(small).shape[:2] == (14, 20)


def test_images_are_shared_where_nothing_is_resized(load: Callable[..., Any]) -> None:
    one, other = load("vqa_qwen3vl"), load("soft_tifa")
    assert one.pixel_key((512, 512)) == other.pixel_key((512, 512))
    image = picture(4, (512, 320))
    assert torch.equal(one.prepare_image(image), other.prepare_image(image))
    assert one.pixel_key((200, 130)) != other.pixel_key((200, 130))
    assert one.pixel_key((128, 128)) != other.pixel_key((128, 128))


def test_where_the_likeliest_answer_is_none_there_is_no_score(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = load("vqa_qwen3vl")
    found = scorer._model.next_token([scorer.prepare_image(picture(1))], [["x"]])
    likeliest = int(found[0].argmax())
    monkeypatch.setattr(scorer._model, "ends", frozenset([likeliest]))
    monkeypatch.setattr("rewards.scorers.vqa_qwen3vl.QUESTION", "x")
    assert judge(scorer, [picture(1)], LINES[:1]) == ["the model's most likely answer is empty"]


def test_a_strip_is_unscored(load: Callable[..., Any]) -> None:
    from rewards.scorers.base import Unfit

    for metric in ("vqa_qwen3vl", "soft_tifa", "hpsv3"):
        with pytest.raises(Unfit, match="2010 x 10 pixels: the model takes no edge more than 200 times the other"):
            load(metric).prepare_image(picture(0, (2010, 10)))

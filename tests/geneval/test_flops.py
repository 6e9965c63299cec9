from __future__ import annotations

import pytest

from geneval.flops import color_flops, detector_flops, network_flops


def test_image_sizes_that_are_resized_alike_cost_the_same() -> None:
    assert detector_flops(256, 256) == detector_flops(1024, 1024) == network_flops(800, 800)
    assert detector_flops(640, 400) == network_flops(800, 1280) > detector_flops(512, 512)
    assert 4.2e11 < detector_flops(512, 512) < 4.5e11


def test_torch_counts_the_same() -> None:
    pytest.importorskip("mmdet", reason="runs in the geneval environment")
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from geneval.detectors import mmdet_mask2former as ours
    from geneval.detectors.mmdet_mask2former import last_predictions

    model = ours.build_model(ours._read_config(ours.shipped_config())).eval().requires_grad_(False)
    size = (160, 224)  # neither is a multiple of the windows' sides
    with FlopCounterMode(display=False) as counter:
        last_predictions(model.panoptic_head, model.extract_feat(torch.zeros(1, 3, *size)))
    assert network_flops(*size) == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_torch_counts_the_same_for_colors() -> None:
    pytest.importorskip("open_clip", reason="runs in the geneval environment")
    import torch
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
    from torch.utils.flop_counter import FlopCounterMode

    vision = CLIPVisionCfg(layers=24, width=1024, patch_size=14, image_size=224)
    text = CLIPTextCfg(context_length=77, vocab_size=49408, width=768, heads=12, layers=12)
    with torch.device("meta"):
        model = CLIP(768, vision, text, quick_gelu=True).requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            model.encode_image(torch.zeros(2, 3, 224, 224))
        assert color_flops(2, 0) == pytest.approx(counter.get_total_flops(), rel=0.05)
        with FlopCounterMode(display=False) as counter:
            model.encode_text(torch.zeros(30, 77, dtype=torch.long))
    assert color_flops(0, 1) == pytest.approx(counter.get_total_flops(), rel=0.05)

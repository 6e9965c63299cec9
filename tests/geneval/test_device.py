from __future__ import annotations

import pytest

from geneval.parameters import device_faults_are_fatal
from wire.protocol import EnvironmentFailure


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CUDA error: no kernel image is available for execution on the device", "rebuild the geneval environment"),
        ("CUDA error: an illegal memory access was encountered\nCompile with ...", "^the GPU failed: CUDA error: an"),
    ],
)
def test_cuda_errors_are_fatal(text: str, message: str) -> None:
    with pytest.raises(EnvironmentFailure, match=message), device_faults_are_fatal():
        raise RuntimeError(text)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), device_faults_are_fatal():
        raise RuntimeError("shapes do not match")


def test_a_full_gpu_is_told_apart() -> None:
    with pytest.raises(EnvironmentFailure, match=r"memory is full: .* --batch-size"), device_faults_are_fatal():
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

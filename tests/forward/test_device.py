"""use_exact_arithmetic: exact inside the block, and torch's flags restored afterwards."""

from typing import Any

import pytest
import torch

from cambench.bench.forward.device import use_exact_arithmetic
from cambench.bench.forward.forward import Forward, Stream
from cambench.tests.support.nets import random_images


def flags() -> tuple[bool, ...]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark


@pytest.mark.parametrize("tf32", [True, False])
def test_exact_arithmetic_applies_inside_the_block_only(tf32: bool) -> None:
    initial = flags()
    with use_exact_arithmetic(tf32=tf32):
        assert flags() == (tf32, tf32, True, False)
        with use_exact_arithmetic(tf32=not tf32):
            assert flags() == (not tf32, not tf32, True, False)
        assert flags() == (tf32, tf32, True, False)
    assert flags() == initial


def test_flags_are_restored_after_an_error() -> None:
    initial = flags()
    with pytest.raises(ValueError, match="inside"), use_exact_arithmetic():
        raise ValueError("inside")
    assert flags() == initial


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_streams_are_made_in_fp32_and_passes_run_in_their_precision(precision: str) -> None:
    initial, making, passing = flags(), list[Any](), list[Any]()
    images = random_images(2)

    def make(start: int, stop: int) -> torch.Tensor:
        making.append(flags())
        return images[start:stop]

    class Recording(torch.nn.Flatten):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            passing.append(flags())
            return super().forward(images)

    hot = Forward(Recording(), precision)
    hot.compute_logits(Stream(2, make))
    tf32 = precision == "tf32"
    assert set(passing) == {(tf32, tf32, True, False)}
    assert set(making) == {(False, False, True, False)}
    assert flags() == initial

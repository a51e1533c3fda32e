"""The precision, memory limit and compilation of forward passes."""

import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import Fatal, ImageError, UsageError
from cambench.bench.forward import cost, precision
from cambench.bench.forward.forward import COPIES_PER_IMAGE, Forward, Stream
from cambench.bench.nets.net import Net
from cambench.tests.support.nets import random_images, tiny_pooled

CPU = torch.device("cpu")


def _stream(images: Tensor) -> Stream:
    return Stream(len(images), lambda start, stop: images[start:stop])


def test_a_precision_without_hardware_support_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(UsageError, match="tf32 needs a GPU"):
        precision.choose_precision("tf32", CPU)
    with pytest.raises(UsageError, match="fp16 needs a GPU, or a processor with units for it"):
        precision.choose_precision("fp16", CPU)
    assert precision.choose_precision("bf16", CPU) == "bf16", "slow, but right"
    assert precision.choose_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize("units", ["amx_bf16", "avx512_bf16"])
def test_auto_chooses_bf16_on_hardware_with_support(units: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {units: True, "amx_fp16": True})
    assert precision.choose_precision("auto", CPU) == "bf16"
    assert precision.choose_precision("fp16", CPU) == "fp16"


def test_fp16_is_taken_with_avx512_units_but_not_chosen_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_fp16": False, "avx512_fp16": True})
    assert precision.choose_precision("fp16", CPU) == "fp16"
    assert precision.choose_precision("auto", CPU) == "fp32"


def test_fp16_scores_are_closer_to_fp32_than_bf16_scores() -> None:
    images = random_images(6)
    fp32, fp16, bf16 = (tiny_pooled(name).scores(_stream(images)) for name in ("fp32", "fp16", "bf16"))
    assert 0 < float((fp16 - fp32).abs().max()) < float((bf16 - fp32).abs().max()) / 2


def test_an_overflow_in_fp16_is_reported() -> None:
    class Loud(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(12, 4), nn.Linear(4, 2)
            nn.init.constant_(self.first.weight, 3e4)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.last(self.first(images.flatten(1)))
            return logits

    images, net = torch.ones(1, 3, 2, 2), Loud().eval()
    assert Forward(net, "fp32").compute_logits(_stream(images)).isfinite().all()
    with pytest.raises(ImageError, match="overflow in fp16"):
        Forward(net, "fp16").compute_logits(_stream(images))


def test_a_memory_limit_is_respected_and_refused_if_too_small(pooled: Net) -> None:
    images, sizes = random_images(40), list[int]()
    hot = Forward(nn.Sequential(pooled.features, pooled.classify), "fp32")
    with torch.inference_mode():
        need = cost.measure_work(lambda: hot._score(images[:1]), CPU).peak_bytes + COPIES_PER_IMAGE * images[:1].nbytes
    hot.tune(5.5 * need, compile=False)
    logits = hot.compute_logits(_stream(images))
    hook = hot.net.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    torch.testing.assert_close(hot.compute_logits(_stream(images)), logits)
    hook.remove()
    assert set(sizes) == {5}

    class MakeImages:
        """Makes the images of a stream, within the memory limit."""

        def __call__(self, start: int, stop: int) -> Tensor:
            return images[start:stop].clone()

    with torch.inference_mode():
        assert cost.measure_work(lambda: hot.compute_logits(Stream(40, MakeImages())), CPU).peak_bytes <= 5.5 * need
    hot = Forward(nn.Sequential(pooled.features, pooled.classify), "fp32")
    hot.tune(need / 2, compile=False)
    with pytest.raises(Fatal, match=r"one image takes \d+ MB, more than --memory allows"):
        hot.compute_logits(_stream(images))


def test_compiled_passes_give_the_same_scores_and_run_whole_chunks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def compiled(net: nn.Module) -> nn.Module:
        copy = nn.Sequential(net)
        copy.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        return copy

    monkeypatch.setattr("cambench.bench.forward.forward.compile_net", compiled)
    net, images = tiny_pooled(), random_images(11)
    uncompiled = net.logits(_stream(images))
    net.configure(None, compiled=True)
    net._forward._chunk = 4
    torch.testing.assert_close(net.logits(_stream(images)), uncompiled)
    assert seen == [4, 4], "the last chunk, of 3 images, is not compiled"


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match=r"--compile needs a C\+\+ compiler"):
        precision.check_compiler(CPU)


def test_a_compiled_net_gives_the_scores_of_the_net(pooled: Net) -> None:
    try:
        precision.check_compiler(CPU)
    except UsageError as reason:
        pytest.skip(str(reason))
    net, images = nn.Sequential(pooled.features, pooled.classify), random_images(2)
    with torch.inference_mode():
        torch.testing.assert_close(precision.compile_net(net)(images), net(images), rtol=0, atol=1e-5)

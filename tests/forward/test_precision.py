"""The precisions of forward passes, the limit on their memory, and compiled ones."""

import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import UsageError
from cambench.bench.forward import cost, precision
from cambench.bench.forward.forward import MAKING, Forward, Stream
from cambench.bench.nets.net import Net
from cambench.tests.support.nets import random_images, tiny_pooled

CPU = torch.device("cpu")


def _stream(images: Tensor) -> Stream:
    return Stream(len(images), lambda start, stop: images[start:stop])


def test_a_precision_without_its_units_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(UsageError, match="tf32 needs a GPU"):
        precision.chosen("tf32", CPU)
    with pytest.raises(UsageError, match="fp16 needs a GPU, or a processor with AMX"):
        precision.chosen("fp16", CPU)
    assert precision.chosen("bf16", CPU) == "bf16", "slow, but right"
    assert precision.chosen("auto", CPU) == "fp32"


@pytest.mark.parametrize("units", ["amx_bf16", "avx512_bf16"])
def test_auto_takes_bf16_where_there_are_units(units: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {units: True, "amx_fp16": True})
    assert precision.chosen("auto", CPU) == "bf16"
    assert precision.chosen("fp16", CPU) == "fp16"


def test_tf32_is_on_inside_alone() -> None:
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    with precision.multiplying("tf32"):
        assert all(backend.allow_tf32 for backend in backends)
    assert [backend.allow_tf32 for backend in backends] == before
    with precision.multiplying("fp32"):
        assert [backend.allow_tf32 for backend in backends] == before


def test_fp16_scores_are_nearer_to_those_of_fp32_than_bf16s() -> None:
    images = random_images(6)
    exact, half, brain = (tiny_pooled(kind).scores(_stream(images)) for kind in ("fp32", "fp16", "bf16"))
    assert 0 < float((half - exact).abs().max()) < float((brain - exact).abs().max()) / 2


def test_an_overflow_in_fp16_is_said_to_be_one() -> None:
    class Loud(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(12, 4), nn.Linear(4, 2)
            nn.init.constant_(self.first.weight, 3e4)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.last(self.first(images.flatten(1)))
            return logits

    images, net = torch.ones(1, 3, 2, 2), Loud().eval()
    assert Forward(net, "fp32").logits(_stream(images)).isfinite().all()
    with pytest.raises(UsageError, match="overflow in fp16"):
        Forward(net, "fp16").logits(_stream(images))


def test_a_limit_on_memory_is_kept_and_one_too_small_refused(pooled: Net) -> None:
    images, sizes = random_images(40), list[int]()
    hot = Forward(nn.Sequential(pooled.features, pooled.classify), "fp32")
    with torch.inference_mode():
        need = cost.work(lambda: hot._score(images[:1]), CPU).peak_bytes + MAKING * images[:1].nbytes
    hot.tune(5.5 * need, compile=False)
    free = hot.logits(_stream(images))
    hook = hot.net.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    torch.testing.assert_close(hot.logits(_stream(images)), free)
    hook.remove()
    assert set(sizes) == {5}

    class Made:
        """What makes the stream holds no more than is allowed for it."""

        def __call__(self, start: int, stop: int) -> Tensor:
            return images[start:stop].clone()

    with torch.inference_mode():
        assert cost.work(lambda: hot.logits(Stream(40, Made())), CPU).peak_bytes <= 5.5 * need
    hot = Forward(nn.Sequential(pooled.features, pooled.classify), "fp32")
    hot.tune(need / 2, compile=False)
    with pytest.raises(UsageError, match=r"one image takes \d+ MB, more than --memory allows"):
        hot.logits(_stream(images))


def test_compiled_passes_give_the_same_scores_and_run_whole_chunks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def compiled(net: nn.Module) -> nn.Module:
        copy = nn.Sequential(net)
        copy.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        return copy

    monkeypatch.setattr("cambench.bench.forward.forward.compiled", compiled)
    net, images = tiny_pooled(), random_images(11)
    plain = net.logits(_stream(images))
    hot = net._forward
    hot._chunk = 4
    net.tune(None, compiled=True)
    torch.testing.assert_close(net.logits(_stream(images)), plain)
    assert seen == [4, 4], "the rest, of 3, is not worth a graph of its own"


def test_compiling_without_a_compiler_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match=r"--compile needs a C\+\+ compiler"):
        precision.check_compiler(CPU)


def test_a_compiled_net_scores_as_the_net_does(pooled: Net) -> None:
    try:
        precision.check_compiler(CPU)
    except UsageError as reason:
        pytest.skip(str(reason))
    net, images = nn.Sequential(pooled.features, pooled.classify), random_images(2)
    with torch.inference_mode():
        torch.testing.assert_close(precision.compiled(net)(images), net(images), rtol=0, atol=1e-5)

"""The hot loop: scores do not depend on the chunk size, and errors are one sentence."""

import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import Fatal, ImageError
from cambench.bench.forward import cost, forward
from cambench.bench.forward.forward import Forward, Stream
from cambench.bench.forward.layout import choose_layout
from cambench.bench.nets.net import Net
from cambench.tests.support.nets import architecture, cut_net, random_images, tiny_pooled, tiny_vgg


def _stream(images: Tensor) -> Stream:
    return Stream(len(images), lambda start, stop: images[start:stop])


def _in_chunks(hot: Forward, chunk: int) -> Forward:
    hot._chunk = chunk
    return hot


def _as_sequential(net: Net) -> nn.Sequential:
    return nn.Sequential(net.features, net.classify)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 256])
def test_scores_do_not_depend_on_the_chunk(chunk: int, pooled: Net) -> None:
    images = random_images(7)
    hot = _in_chunks(Forward(_as_sequential(pooled), "fp32"), chunk)
    with torch.inference_mode():
        expected = pooled(images).double().softmax(-1)
    scores = hot.compute_probabilities(_stream(images))
    assert scores.dtype == torch.float64
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-6)


def test_the_chunk_size_fits_the_budget_and_is_at_most_256(pooled: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def run(budget: float, count: int) -> None:
        sizes.clear()
        monkeypatch.setattr(forward, "_compute_budget", lambda *_: budget)
        hot = Forward(_as_sequential(pooled), "fp32")
        hot.net.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        hot.compute_logits(_stream(random_images(count, 8)))

    image, hot = random_images(1, 8), Forward(_as_sequential(pooled), "fp32")
    with torch.inference_mode():
        need = cost.measure_work(lambda: hot._score(image), torch.device("cpu")).peak_bytes
    run(0, 5)
    assert max(sizes) == 1
    run(1e15, 300)
    assert sizes == [1, 256, 16, 16, 16]  # one image measures the memory; four images fill up the last chunk
    run(20 * need, 60)
    assert sizes == [1, 20, 20, 20]


@pytest.mark.parametrize("chunk", [1, 3, 16, 64, 256])
def test_a_net_sees_at_most_three_sizes_and_few_images_that_fill_up(chunk: int) -> None:
    sizes = set[int]()
    for count in range(1, 600):
        done = passed = 0
        while done < count:
            size = forward.choose_size(count - done, chunk)
            sizes.add(size)
            done, passed = done + size, passed + size
        assert passed - count <= max(chunk / 4, 1)
    assert len(sizes) <= 3 and max(sizes) == chunk


def test_images_that_fill_up_a_chunk_are_not_counted_as_work(pooled: Net) -> None:
    hot = _in_chunks(Forward(_as_sequential(pooled), "fp32"), 64)
    seen: list[int] = []
    hot.net.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    hot.compute_logits(_stream(random_images(3)))
    cost.measure_work(lambda: hot.compute_logits(_stream(random_images(3))), torch.device("cpu"))
    assert seen == [4, 3]


FULL = torch.OutOfMemoryError("CUDA out of memory")
FULL_MACHINE = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 TB.")


class _SmallMemory(nn.Module):
    """A net on a device whose memory holds a few images."""

    def __init__(self, capacity: int, error: Exception = FULL) -> None:
        super().__init__()
        self.capacity = capacity
        self.error = error
        self.seen: list[int] = []
        self.refused: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.capacity:
            self.refused.append(len(images))
            raise self.error
        self.seen.append(len(images))
        return images.flatten(1)[:, :3] * 2


@pytest.mark.parametrize("error", [FULL, FULL_MACHINE, MemoryError("no memory")])
def test_out_of_memory_halves_the_chunk_without_changing_scores(error: Exception) -> None:
    images, net = random_images(23, 8), _SmallMemory(capacity=3, error=error)
    scores = Forward(net, "fp32").compute_probabilities(_stream(images))
    torch.testing.assert_close(scores, (images.flatten(1)[:, :3] * 2).double().softmax(-1))
    assert sum(net.seen) == 23 + 1 and max(net.seen) <= 3
    assert net.refused == [16, 8, 4]


@pytest.mark.parametrize("error", [FULL, FULL_MACHINE])
def test_an_image_that_does_not_fit_is_refused(error: Exception) -> None:
    with pytest.raises(Fatal, match="one image does not fit into the device's memory"):
        Forward(_SmallMemory(capacity=0, error=error), "fp32").compute_logits(_stream(random_images(2, 8)))


def test_another_error_of_a_net_is_raised() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        Forward(_SmallMemory(capacity=3, error=RuntimeError("shapes")), "fp32").compute_logits(
            _stream(random_images(9, 8))
        )


def test_a_reduced_chunk_size_is_remembered() -> None:
    images, net = random_images(23, 8), _SmallMemory(capacity=3)
    hot = Forward(net, "fp32")
    hot.compute_logits(_stream(images))
    count = len(net.seen)
    hot.compute_logits(_stream(images))
    assert len(set(net.seen[count:-1])) == 1, "it runs out of memory again"


def test_fewer_of_larger_images_fit_into_a_pass(pooled: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "_compute_budget", lambda *_: 2e6)
    hot = Forward(_as_sequential(pooled), "fp32")
    sizes: list[int] = []
    hot.net.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    largest = []
    for size in (16, 64, 16):
        hot.prepare(random_images(1, size))
        sizes.clear()
        hot.compute_logits(_stream(random_images(300, size)))
        largest.append(max(sizes))
    assert largest[0] == largest[2] > largest[1] > 1


def test_an_image_that_does_not_fit_into_memory_raises_fatal() -> None:
    images = random_images(4, 8)
    hot = _in_chunks(Forward(_SmallMemory(capacity=0), "fp32"), 4)
    with pytest.raises(Fatal, match="one image does not fit"):
        hot.compute_logits(_stream(images))


def test_a_first_image_that_does_not_fit_into_memory_raises_fatal() -> None:
    with pytest.raises(Fatal, match="one image does not fit"):
        Forward(_SmallMemory(capacity=0), "fp32").compute_logits(_stream(random_images(4, 8)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_are_refused(value: float) -> None:
    images = random_images(3, 8)
    images[2] = value
    with pytest.raises(ImageError, match="not finite"):
        Forward(nn.Flatten(), "fp32").compute_logits(_stream(images))


def test_a_stream_makes_each_image_once_in_order(pooled: Net) -> None:
    requests: list[tuple[int, int]] = []
    images = random_images(5)

    def make(start: int, stop: int) -> Tensor:
        requests.append((start, stop))
        return images[start:stop]

    _in_chunks(Forward(_as_sequential(pooled), "fp32"), 2).compute_logits(Stream(5, make))
    assert requests == [(0, 2), (2, 4), (4, 5)]


@pytest.mark.parametrize("make", [tiny_pooled, tiny_vgg])
def test_bf16_scores_are_near_those_of_fp32_on_tiny_nets(make: type) -> None:
    images = random_images(8)
    bf16, fp32 = (make(precision).scores(_stream(images)) for precision in ("bf16", "fp32"))
    assert not torch.equal(bf16, fp32), "bf16 ran in fp32"
    torch.testing.assert_close(bf16, fp32, rtol=0, atol=0.02)


def test_bf16_scores_are_near_those_of_fp32_and_the_net_itself_stays_fp32() -> None:
    images = random_images(4)
    module = architecture("squeezenet1_1")
    net = cut_net("squeezenet1_1", module, "bf16")
    with torch.inference_mode():
        expected = net(images).double().softmax(-1)
    scores = net.scores(_stream(images))
    assert not torch.equal(scores, expected)
    torch.testing.assert_close(scores, expected, rtol=0, atol=0.03)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
    assert not any(module_._forward_pre_hooks for module_ in net.modules()), "the hook belongs to the copy alone"


def test_the_last_layer_of_the_bf16_copy_stays_fp32() -> None:
    hot = Forward(_as_sequential(tiny_pooled()), "bf16")
    dtypes = [parameter.dtype for parameter in hot.net.parameters()]
    assert dtypes == [torch.bfloat16] * 4 + [torch.float32] * 2
    assert sum(len(module_._forward_pre_hooks) for module_ in hot.net.modules()) == 1
    logits = hot.compute_logits(_stream(random_images(3)))
    assert not torch.equal(logits, logits.bfloat16().float()), "logits are rounded to bf16"


def test_probabilities_keep_their_digits_near_one() -> None:
    logits = torch.tensor([[30.0, 0.0]]).view(1, 2, 1, 1)
    scores = Forward(nn.Flatten(), "fp32").compute_probabilities(_stream(logits))
    assert float(1 - scores[0, 0]) == pytest.approx(9.357622968839299e-14, rel=1e-2)


class _Normalised(nn.Module):
    """A convolution and a batch norm with random statistics; with `branching`, the computation depends on the image."""

    def __init__(self, branching: bool = False) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.conv, self.norm, self.branching = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), branching
        for values in self.norm.state_dict().values():
            if values.dim():
                values.copy_(torch.rand(4, generator=rng) + 0.5)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.norm(self.conv(images))
        if self.branching and maps.mean() > 0:
            return maps.amax((2, 3))
        return maps.mean((2, 3))


def test_batch_norms_are_folded_in_a_copy_of_the_net() -> None:
    net, images = _Normalised(), random_images(3, 12)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    hot = Forward(net, "fp32")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in hot.net.modules())
    torch.testing.assert_close(hot.compute_logits(_stream(images)), net(images), rtol=0, atol=1e-5)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_a_net_that_cannot_be_folded_is_used_unchanged() -> None:
    branching, hooked = _Normalised(branching=True), _Normalised()
    hooked.conv.register_forward_hook(lambda *_: None)
    assert Forward(branching, "fp32").net is branching
    assert Forward(hooked, "fp32").net is hooked


def test_weights_lie_as_is_fastest_for_their_device_and_precision() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert choose_layout(cpu, torch.float32) == choose_layout(cpu, torch.bfloat16) == torch.channels_last
    assert choose_layout(gpu, torch.float32) == torch.contiguous_format
    assert choose_layout(gpu, torch.float16) == torch.channels_last
    net = tiny_pooled("bf16")
    convolutions = [part for part in net._forward.net.modules() if isinstance(part, nn.Conv2d)]
    assert convolutions and all(part.weight.is_contiguous(memory_format=torch.channels_last) for part in convolutions)

"""Nets that use a layer more than once: perturbed images get the scores of the net, and a layer to explain is found."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cambench.bench.core.errors import Fatal
from cambench.bench.forward.forward import Stream
from cambench.bench.forward.precision import fold_batch_norms
from cambench.bench.nets import load
from cambench.bench.nets.layers import propose_layers
from cambench.bench.nets.net import Net

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


class Shared(nn.Module):
    """Convolutions and norms that subclasses use in their own way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.bn, self.bn2, self.relu = nn.BatchNorm2d(8), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.lin, self.bn1, self.fc = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)

    def end(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.fc(F.relu(maps).mean((2, 3)))
        return logits


class Once(Shared):
    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.bn(self.conv(F.relu(self.stem(x)))))


class Twice(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(F.relu(self.stem(x)))))
        return self.end(self.bn(self.conv(x)))


class OneConvolutionTwoNorms(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.end(self.bn(self.conv(x)) + self.bn2(self.conv(x)))


class WithAndWithoutNorm(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.end(F.relu(self.bn(self.conv(x))) + F.relu(self.conv(x)))


class OutputUsedTwice(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.relu(self.stem(x)))
        return self.end(self.bn(x) + x)


class WeightsUsedTwice(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.end(self.bn(self.conv(x)) + F.conv2d(x, self.conv.weight, self.conv.bias, padding=1))


class NormOverTokens(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(F.relu(self.stem(x)))[:, :, :2, :4].flatten(2)
        return self.end(self.bn1(self.lin(x)).unflatten(2, (2, 4)))


class OneNormTwice(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.stem(x))
        return self.end(self.bn(F.relu(x)))


def make(kind: Callable[[], Shared]) -> Shared:
    """A net with random averages, in eval mode."""
    torch.manual_seed(0)
    net = kind().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                assert values is not None
                values.uniform_(0.3, 2.0)
    return net


KINDS = [
    Once, Twice, OneConvolutionTwoNorms, WithAndWithoutNorm, OutputUsedTwice, WeightsUsedTwice, NormOverTokens, OneNormTwice,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_perturbed_images_get_the_scores_of_the_net(kind: Callable[[], Shared]) -> None:
    net = load.load_module(make(kind), preprocess="none", layer="stem", precision="fp32")
    with torch.no_grad():
        expected = make(kind)(IMAGES)
        stem = net.features(IMAGES)
    assert expected.abs().max() > 0.1
    logits = net.logits(Stream(3, lambda start, stop: IMAGES[start:stop]))
    assert torch.allclose(logits, expected, atol=1e-5)
    from_stem = net.classify_stream(Stream(3, lambda start, stop: stem[start:stop]))
    assert torch.allclose(from_stem, expected, atol=1e-5)


def count_norms(net: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def test_a_norm_is_folded_where_that_changes_nothing() -> None:
    net = make(Once)
    unused = 1  # bn2
    assert count_norms(net) == 1 + unused and count_norms(fold_batch_norms(net)) == 0
    assert count_norms(net) == 1 + unused, "the net itself stays as it is"
    for kind in KINDS[1:]:
        folded = fold_batch_norms(make(kind))
        assert torch.allclose(folded(IMAGES), make(kind)(IMAGES), atol=1e-5)


def test_a_net_whose_perturbed_images_have_other_scores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one into which batch norms are folded wrongly."""
    monkeypatch.setattr("cambench.bench.forward.forward.fold_batch_norms", lambda net: nn.Sequential(net, ScaleBy(1.1)))
    net = load.load_module(make(Once), name="mine", preprocess="none", layer="stem", precision="fp32")
    with pytest.raises(Fatal, match=r"mine gives perturbed images other scores than the net itself: they differ by \d"):
        net.prepare(IMAGES)
    monkeypatch.undo()
    load.load_module(make(Once), preprocess="none", layer="stem", precision="fp32").prepare(IMAGES)


def test_small_logits_are_compared_as_large_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cambench.bench.forward.forward.fold_batch_norms", lambda net: nn.Sequential(net, ScaleBy(-1.0))
    )
    module = nn.Sequential(make(Once), ScaleBy(0.05))
    net = load.load_module(module, preprocess="none", layer="0.stem", precision="fp32")
    assert float(net(IMAGES).abs().max()) < 0.5
    with pytest.raises(Fatal, match="other scores than the net itself"):
        net.prepare(IMAGES)
    lower = load.load_module(module, preprocess="none", layer="0.stem", precision="bf16")
    lower.prepare(IMAGES)  # in a lower precision scores differ anyway


class ScaleBy(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: Tensor) -> Tensor:
        return logits * self.factor


class Untraceable(Shared):
    """One ReLU that works in place, after each convolution, and control flow that depends on the values."""

    def forward(self, x: Tensor) -> Tensor:
        if float(x.abs().max()) > 1e6:
            raise ValueError("too bright")
        return self.end(self.relu(self.conv(self.relu(self.stem(x)))))


def test_a_net_that_shares_a_relu_in_place_is_cut_at_a_convolution() -> None:
    net = load.load_module(make(Untraceable), preprocess="none", precision="fp32")
    assert net.layer == "conv"


class OneModuleInAnother(nn.Module):
    """Three modules output the same map, the innermost one in place."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True)))
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.block(x).mean((2, 3)))
        return logits


def test_of_modules_that_output_the_same_map_the_outermost_is_proposed_then_the_innermost_last() -> None:
    proposed = list(propose_layers(OneModuleInAnother().eval(), IMAGES))
    assert proposed == ["block", "block.0", "block.0.1", "block.0.0"]


class InPlace(Shared):
    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.relu(self.conv(F.relu(self.stem(x)))))


class InPlaceAfterView(Shared):
    def forward(self, x: Tensor) -> Tensor:
        maps = F.dropout(self.conv(F.relu(self.stem(x))), training=self.training)  # in eval mode, the very tensor
        return self.end(self.relu(maps))


@pytest.mark.parametrize("kind", [InPlace, InPlaceAfterView, Untraceable])
def test_activations_stay_as_they_are_when_they_are_classified(kind: Callable[[], Shared]) -> None:
    net = load.load_module(make(kind), preprocess="none", layer="conv", precision="fp32")
    for first, second in (
        (net.features, net.classify),
        net.split_at(["conv"]),
        net.to_precision("bf16").split_at(["conv"]),
    ):
        activations = first(IMAGES)
        before = activations.clone()
        assert activations.min() < 0, "the ReLU that follows would change them"
        assert torch.allclose(second(activations), make(kind)(IMAGES), atol=1e-5)
        assert torch.equal(activations, before)


def test_activations_that_no_layer_overwrites_are_not_copied() -> None:
    net = load.load_module(make(Once), preprocess="none", layer="conv", precision="fp32")
    assert [part.copies for part in net.split_at(["stem", "conv"])] == [False, False, False]
    net = load.load_module(make(InPlace), preprocess="none", layer="conv", precision="fp32")
    assert [part.copies for part in net.split_at(["stem", "conv"])] == [False, False, True]


def find_norm(net: Net) -> nn.BatchNorm2d:
    return next(module for module in net.modules() if isinstance(module, nn.BatchNorm2d))


def add_to_average(norm: nn.BatchNorm2d) -> None:
    norm.running_mean.add_(0.5)  # type: ignore[union-attr]


def replace_average(norm: nn.BatchNorm2d) -> None:
    norm.running_mean = torch.ones(8)


def replace_weights(norm: nn.BatchNorm2d) -> None:
    norm.weight = nn.Parameter(torch.ones(8))


def run_in_train_mode(norm: nn.BatchNorm2d) -> None:
    """torch raises no version of the averages that this changes."""
    norm.train()(torch.rand(4, 8, 5, 5))
    norm.eval()


def write_through_data(norm: nn.BatchNorm2d) -> None:
    norm.weight.data[0] += 1


@pytest.mark.parametrize(
    ("read", "change"),
    [(Net.sum_weights, run_in_train_mode), (Net.sum_weights, write_through_data), (Net.protected_state, add_to_average),
     (Net.protected_state, replace_average), (Net.protected_state, replace_weights)],
)  # fmt: skip
def test_weights_and_averages_are_what_a_method_must_leave_unchanged(
    read: Callable[[Net], object], change: Callable[[nn.BatchNorm2d], None]
) -> None:
    """Changes that raise no version are told by the sums."""
    net = load.load_module(make(Once), preprocess="none", layer="stem", precision="fp32")
    before = read(net)
    net(IMAGES)
    assert read(net) == before
    change(find_norm(net))
    assert read(net) != before


class Counting(Once):
    """Keeps a statistic of its images, which does not enter its scores."""

    def __init__(self, *, replaces: bool) -> None:
        super().__init__()
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(3))
        self.replaces = replaces

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((0, 2, 3))
        if self.replaces:
            self.seen = 0.9 * self.seen + 0.1 * mean
        else:
            self.seen.mul_(0.9).add_(0.1 * mean)
        return super().forward(x)


@pytest.mark.parametrize("replaces", [True, False])
def test_what_the_net_itself_changes_a_method_may_change(replaces: bool) -> None:
    net = load.load_module(
        make(partial(Counting, replaces=replaces)), preprocess="none", layer="stem", precision="fp32"
    )
    state = net.protected_state()
    net(IMAGES)
    assert net.protected_state() == state
    add_to_average(find_norm(net))
    assert net.protected_state() != state


class Scaled(Once):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale), persistent=False)


def test_the_fingerprint_covers_buffers_that_a_state_leaves_out() -> None:
    nets = [load.load_module(make(partial(Scaled, scale)), layer="stem") for scale in (1.0, 9.0, 9.0)]
    assert len({net.fingerprint for net in nets}) == 2

"""Nets of the kinds that people bring, each as small as it can be. Those that end in `Head` return four class scores."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torchvision.ops import DeformConv2d

from .plain_torch import Transform, keep

CLASSES = 4


def conv(channels: int, width: int, stride: int = 1, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    """A convolution, batch norm and a ReLU that overwrites."""
    body = nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups)
    return nn.Sequential(body, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class Head(nn.Module):
    """Pools a map over its places, and scores it by a linear layer."""

    def __init__(self, width: int, pool: Transform = lambda maps: maps.mean((2, 3)), classes: int = CLASSES) -> None:
        super().__init__()
        self.pool, self.fc = pool, nn.Linear(width, classes)
        self.fc.weight.data *= 10  # so that class scores differ

    def forward(self, maps: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.pool(maps))
        return scores


class Stages(nn.Module):
    """A stem of stride 4, a block of 8 channels, and a head. `last` is applied to the class scores."""

    def __init__(
        self, block: nn.Module, head: nn.Module | None = None, last: Callable[[Tensor], Any] = keep, width: int = 8
    ) -> None:
        super().__init__()
        self.stem, self.block = nn.Sequential(conv(3, 8, 2), conv(8, 8, 2)), block
        self.head, self.last = head or Head(width), last

    def forward(self, images: Tensor) -> Any:
        return self.last(self.head(self.block(self.stem(images))))


class Prepared(nn.Module):
    """Does something to the images first, inside the net."""

    def __init__(self, first: Transform, channels: int = 3) -> None:
        super().__init__()
        self.first, self.body, self.head = first, nn.Sequential(conv(channels, 8, 2), conv(8, 8, 2)), Head(8)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(self.first(images)))
        return scores


class Apply(nn.Module):
    """Applies a function of a map and of submodules."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, maps: Tensor) -> Tensor:
        return self.function(maps, *self.parts)


class Overwritten(nn.Module):
    """A residual block whose sum and ReLU overwrite."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(maps))
        out += maps
        return F.relu_(out)


class Squeeze(nn.Module):
    """Weights channels by what they hold; registered before the convolution that it follows."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1), nn.Sigmoid()
        )
        self.conv = conv(8, 8)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.conv(maps)
        return maps * self.gate(maps)


def connect_densely(maps: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    """Give each convolution the outputs of all before it."""
    maps = torch.cat([maps, first(maps)], 1)
    return torch.cat([maps, second(maps)], 1)


def attend_places(maps: Tensor, gate: nn.Module) -> Tensor:
    """Weight places by a convolution of the channels' mean and maximum."""
    return maps * torch.sigmoid(gate(torch.stack([maps.mean(1), maps.amax(1)], 1)))


def shuffle(maps: Tensor, mix: nn.Module) -> Tensor:
    """Mix channels in groups, whose order is changed by views."""
    n, k, h, w = maps.shape
    shuffled: Tensor = mix(maps.view(n, 2, k // 2, h, w).transpose(1, 2).reshape(n, k, h, w))
    return shuffled


def filter_frequencies(maps: Tensor, weigh: nn.Module) -> Tensor:
    """Weight the channels of a Fourier transform."""
    spectrum = torch.fft.rfft2(maps, norm="ortho")
    filtered = torch.complex(weigh(spectrum.real), weigh(spectrum.imag))
    return torch.fft.irfft2(filtered, s=maps.shape[2:], norm="ortho")


def upsample_and_skip(maps: Tensor, down: nn.Module, up: nn.Module) -> Tensor:
    """A U-Net of one level."""
    low = F.interpolate(down(maps), maps.shape[2:], mode="bilinear")
    joined: Tensor = up(torch.cat([maps, low], 1))
    return joined


def exit_early(maps: Tensor, block: nn.Module) -> Tensor:
    """Run a block only where the first one is unsure, which depends on values."""
    result: Tensor = block(maps) if float(maps.detach().mean()) < 1e9 else maps
    return result


def route(maps: Tensor, gate: nn.Module, *experts: nn.Module) -> Tensor:
    """Give each image to the expert with the highest score."""
    chosen = gate(maps.mean((2, 3))).argmax(1)
    return torch.cat([experts[int(index)](maps[number : number + 1]) for number, index in enumerate(chosen)])


def mix_experts(maps: Tensor, gate: nn.Module, *experts: nn.Module) -> Tensor:
    """Weight experts by a softmax of an image."""
    weights = gate(maps.mean((2, 3))).softmax(1)
    return torch.einsum("ne,enkhw->nkhw", weights, torch.stack([expert(maps) for expert in experts]))


def transform_space(images: Tensor) -> Tensor:
    """Turn images by 0.3 of a half turn, by a grid of points."""
    theta = images.new_tensor([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0]]).expand(len(images), 2, 3)
    return F.grid_sample(images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False)


def stretch_each(images: Tensor) -> Tensor:
    """Bring each image to [0, 1] by itself."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low)


def subtract_in_place(images: Tensor) -> Tensor:
    """Write to the images themselves."""
    images -= 0.5
    images.mul_(2)
    return images


def use_numpy(maps: Tensor) -> Tensor:
    """Leave torch and come back."""
    return torch.from_numpy(maps.detach().numpy())


class Deformed(nn.Module):
    """A convolution whose places depend on the map."""

    def __init__(self) -> None:
        super().__init__()
        self.offset, self.conv = nn.Conv2d(8, 18, 3, padding=1), DeformConv2d(8, 8, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        moved: Tensor = self.conv(maps, self.offset(maps)).relu()
        return moved


class Places(nn.Module):
    """Layers on (n, h, w, k), as in an MLP over channels, between two permutations."""

    def __init__(self, *, turn_back: bool) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU())
        self.turn_back = turn_back

    def forward(self, maps: Tensor) -> Tensor:
        mixed: Tensor = self.mlp(maps.permute(0, 2, 3, 1))
        return mixed.permute(0, 3, 1, 2) if self.turn_back else mixed


class Columns(nn.Module):
    """An LSTM over the columns of a map."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(8, 6, batch_first=True, bidirectional=True), nn.Linear(12, classes)

    def forward(self, maps: Tensor) -> Tensor:
        outputs, _ = self.lstm(maps.mean(2).transpose(1, 2))
        scores: Tensor = self.fc(outputs[:, -1])
        return scores


class Encoder(nn.Module):
    """A layer of a transformer over the places of a map, with fewer weights than the layers before it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.layer(maps.flatten(2).transpose(1, 2)).mean(1))
        return scores


class Sum(nn.Module):
    """The sum of two nets, as of an ensemble, or of one net's scores of an image and of its mirror image."""

    def __init__(self, *, mirrored: bool) -> None:
        super().__init__()
        self.first = Stages(Overwritten())
        self.second = None if mirrored else Stages(Overwritten())

    def forward(self, images: Tensor) -> Tensor:
        first: Tensor = self.first(images)
        second: Tensor = self.first(images.flip(3)) if self.second is None else self.second(images)
        return first + second


class Pyramid(nn.Module):
    """Scores pooled maps of several stages together."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.fc = conv(3, 8, 4), conv(8, 8, 2), nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        one = self.one(images)
        two = self.two(one)
        scores: Tensor = self.fc(torch.cat([one.mean((2, 3)), two.mean((2, 3))], 1))
        return scores


class Recurrent(nn.Module):
    """Runs one convolution three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())

    def forward(self, maps: Tensor) -> Tensor:
        for _ in range(3):
            maps = maps + self.conv(maps)
        return maps


class Checkpointed(nn.Module):
    """Computes a block again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.block = conv(8, 8)

    def forward(self, maps: Tensor) -> Tensor:
        result: Tensor = checkpoint(self.block, maps, use_reentrant=False)
        return result


class Guided(torch.autograd.Function):
    """A ReLU that passes no negative gradients on."""

    @staticmethod
    def forward(context: Any, maps: Tensor) -> Tensor:
        context.save_for_backward(maps)
        return maps.relu()

    @staticmethod
    def backward(context: Any, gradients: Tensor) -> Tensor:  # type: ignore[override]
        (maps,) = context.saved_tensors
        return gradients.relu() * (maps > 0)


class Frozen(nn.Module):
    """Runs its first layers without gradients, as where only a new head is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Sequential(conv(3, 8, 2), conv(8, 8, 2)), nn.Sequential(conv(8, 8), Head(8))

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            maps = self.body(images)
        scores: Tensor = self.head(maps)
        return scores


class Mixed(nn.Module):
    """Runs its block in bfloat16, and its head too unless it is `half`."""

    def __init__(self, *, half: bool) -> None:
        super().__init__()
        self.stem, self.block, self.head, self.half_alone = conv(3, 8, 4), conv(8, 8), Head(8), half

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            maps = self.block(self.stem(images))
            if not self.half_alone:
                return self.head(maps)
        scores: Tensor = self.head(maps.float())
        return scores


class Keep(nn.Module):
    """Sets all but the first channels of a map to zero, because Score-CAM takes a forward pass for each."""

    def __init__(self, count: int, axis: int) -> None:
        super().__init__()
        self.count, self.axis = count, axis

    def forward(self, maps: Tensor) -> Tensor:
        size = maps.shape[self.axis]
        kept = (torch.arange(size, device=maps.device) < self.count).to(maps.dtype)
        return maps * kept.view(-1, *[1] * (maps.dim() - 1 - self.axis % maps.dim()))


def thin(module: nn.Module, layer: str, count: int = 8, axis: int = 1) -> nn.Module:
    """Keep the first channels that a layer outputs, and set the others to zero. The layer's name stays."""
    parent, _, name = layer.rpartition(".")
    inner = module.get_submodule(layer)
    setattr(module.get_submodule(parent), name, nn.Sequential(inner, Keep(count, axis)))
    return module


class Two(nn.Module):
    """Takes two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Stages(Overwritten())

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        scores: Tensor = self.net(images) - self.net(others)
        return scores


class Normal(nn.Module):
    """Stretches the images of a batch together."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Stages(Overwritten())

    def forward(self, images: Tensor) -> Any:
        return self.net((images - images.min()) / (images.max() - images.min()))


class Wrapper(nn.Module):
    """Runs another net."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Any:
        return self.net(images)


class Inference(Wrapper):
    """Runs another net in inference mode."""

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Any:
        return self.net(images)


def pool_by_attention(maps: Tensor) -> Tensor:
    """Weight places by a softmax of the channels' sum."""
    weights = maps.sum(1).flatten(1).softmax(1)
    return torch.einsum("nkp,np->nk", maps.flatten(2), weights)


def pool_pairs(maps: Tensor) -> Tensor:
    """Pool the products of all pairs of channels."""
    flat = maps.flatten(2)
    pairs = (flat @ flat.transpose(1, 2) / flat.shape[2]).flatten(1)
    return F.normalize(pairs / (pairs.abs() + 1e-2).sqrt())


def pool_power(maps: Tensor) -> Tensor:
    """Pool by a generalised mean."""
    return maps.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)

"""VGG16's three fully connected layers; the two large ones are products of thin factors, which keeps files small.

They take the 7x7 features, each position with its own weights, as VGG16 does: no pooling is hidden in them. Multiplied out,
they are torchvision's `classifier`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..bench.nets.quantised import Factors

RANK = 24
SPREAD = (
    0.2  # standard deviation of the stored numbers: the smaller it is, the larger is a step of Adam relative to them
)
DROPPED = 0.2  # the share of the hidden values dropped in training


class Thin(nn.Module):
    """A fully connected layer whose weight (m, n) is the product of left (m, r) and right (r, n)."""

    def __init__(self, inputs: int, outputs: int, rank: int = RANK) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.randn(outputs, rank) * SPREAD)
        self.right = nn.Parameter(torch.randn(rank, inputs) * SPREAD)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def compute_factors(self) -> Factors:
        """Return the factors, scaled as in He initialisation: values keep their variance whatever the number of inputs."""
        rank, inputs = self.right.shape
        return Factors(self.left * math.sqrt(2 / rank) / SPREAD, self.right * math.sqrt(1 / inputs) / SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        factors = self.compute_factors()
        return functional.linear(functional.linear(x, factors.right), factors.left, self.bias)


class Layers(nn.Module):
    """The layers that turn features (n, 512, h, w) into scores (n, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first, self.second = Thin(512 * 7 * 7, 4096), Thin(4096, 4096)
        self.last = nn.Linear(4096, classes)

    def forward(self, features: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(features, 7).flatten(1)
        for layer in (self.first, self.second):
            x = functional.dropout(functional.relu(layer(x)), DROPPED, self.training)
        scores: Tensor = self.last(x)
        return scores

    def make_state(self) -> dict[str, Tensor | Factors]:
        """Return the weights and biases by torchvision's names."""
        return {
            "classifier.0.weight": self.first.compute_factors(),
            "classifier.0.bias": self.first.bias,
            "classifier.3.weight": self.second.compute_factors(),
            "classifier.3.bias": self.second.bias,
            "classifier.6.weight": self.last.weight,
            "classifier.6.bias": self.last.bias,
        }

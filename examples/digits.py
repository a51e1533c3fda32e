"""A fully convolutional net for digits, with one channel for each class, averaged over the image, so plain CAM applies.

    python examples/digits.py weights          # trains the net on drawn digits, in seconds on two cores
    bench explain digits.png --size 56 --method cam --target 3,7,8 \\
        --net "examples/digits.py:DigitNet[weights=weights/digits.pt,mean=0.5,std=0.5]"

The net is trained on images of one digit and explained on images of several: the map of a class shows where that digit is. The
digits are drawn in typefaces (drawn_digits.py); for handwriting, train on `load_dataset("mnist")`.
"""

import sys
from pathlib import Path

import drawn_digits
import torch
from torch import Tensor, nn


class DigitNet(nn.Module):
    """Four convolutions; the last outputs one map for each class, whose mean is the logit."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        )  # fmt: skip
        self.maps = nn.Conv2d(64, 10, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, 10) of grey images (n, 1, h, w) in [-1, 1]."""
        return self.pool(self.maps(self.features(images))).flatten(1)


def draw_digits(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Draw images (n, 1, 56, 56) in [-1, 1] of one digit each; return them and their labels (n,)."""
    digits = drawn_digits.load(seed=seed)
    images = [digits[index] for index in range(count)]
    pixels = torch.stack([torch.tensor(image.pixels[None, :, :, 0]) for image in images])
    return pixels / 127.5 - 1, torch.tensor([image.label for image in images])


def train(count: int = 1200, epochs: int = 6) -> DigitNet:
    """Train a DigitNet on drawn digits; return it in eval mode."""
    torch.manual_seed(0)
    net = DigitNet()
    images, labels = draw_digits(1, count)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-2, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-2, total_steps=epochs * -(-count // 32))
    for _ in range(epochs):
        for rows in torch.randperm(count).split(32):
            loss = nn.functional.cross_entropy(net(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def compute_accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images whose predicted class is their label."""
    return float((net(images).argmax(1) == labels).float().mean())


def main(folder: Path) -> None:
    """Train the net and write its weights into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    net = train()
    torch.save(net.state_dict(), folder / "digits.pt")
    print(
        f"digits: {compute_accuracy(net, *draw_digits(2, 300)):.1%} accuracy on 300 drawn digits that it was not trained on"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "weights"))

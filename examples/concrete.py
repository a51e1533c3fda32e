"""Concrete with and without cracks: a small net written by hand, and a VGG16 of which only the head is trained.

    python examples/concrete.py weights        # trains both on drawn concrete, a minute or two on two cores
    bench explain wall.png --net "examples/concrete.py:SmallCNN[weights=weights/small_cnn.pt,preprocess=imagenet]"
    bench explain wall.png --net "examples/concrete.py:ConcreteVGG[weights=weights/concrete_vgg.pt,preprocess=imagenet]"

Photos of your own take the place of `walls`: anything that gives tensors as TRANSFORM makes them, and labels.
"""

import sys
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from cambench.bench.nets import quantised
from cambench.datasets import cracks

WEIGHTS = Path(quantised.__file__).parent / "weights"  # that ship with the suite
CLASSES = cracks.CLASSES  # intact, cracked
TRANSFORM = transforms.Compose(
    [
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


class SmallCNN(nn.Module):
    """Three convolutions with GELU, pooled 5 x 5 after the first two, and one linear layer on 64 * 8 * 8 features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.MaxPool2d(5),
            nn.Conv2d(8, 32, 3, padding=1), nn.GELU(), nn.MaxPool2d(5),
            nn.Conv2d(32, 64, 3, padding=1), nn.GELU(),
        )  # fmt: skip
        self.linear = nn.Linear(4096, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (n, 2) of images (n, 3, 224, 224), normalised."""
        return torch.log_softmax(self.linear(self.conv(images).flatten(1)), 1)


class ConcreteVGG(nn.Module):
    """torchvision's VGG16 with its convolutions frozen and a new head of two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg16 = torchvision.models.vgg16(
            init_weights=False
        )  # those of a file, or of `convolutions`, take their place
        for parameter in self.vgg16.parameters():
            parameter.requires_grad = False
        self.vgg16.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 256), nn.ReLU(), nn.Dropout(0.4), nn.Linear(256, len(CLASSES)), nn.LogSoftmax(dim=1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (n, 2) of images (n, 3, 224, 224), normalised."""
        scores: Tensor = self.vgg16(images)
        return scores


def walls(split: str, count: int) -> tuple[Tensor, Tensor]:
    """Drawn walls (n, 3, 224, 224), normalised, and their labels (n,)."""
    drawn = [cracks.Cracks(224, 0, split)[index] for index in range(count)]
    images = torch.stack([TRANSFORM(Image.fromarray(wall.pixels)) for wall in drawn])
    return images, torch.tensor([wall.label for wall in drawn])


def train(net: nn.Module, images: Tensor, labels: Tensor, *, epochs: int, rate: float, batch: int = 32) -> None:
    """Trains what is not frozen, in place."""
    free = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=rate, weight_decay=0.01)
    steps = epochs * -(-len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    net.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(batch):
            loss = nn.functional.nll_loss(net(images[chosen]), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose likeliest class is their label."""
    right = [net(part).argmax(1) == answer for part, answer in zip(images.split(32), labels.split(32), strict=True)]
    return float(torch.cat(right).float().mean())


def small_cnn(count: int = 600, epochs: int = 5) -> SmallCNN:
    """Trained from nothing."""
    torch.manual_seed(0)
    net = SmallCNN()
    train(net, *walls("train", count), epochs=epochs, rate=3e-3)
    return net


def concrete_vgg(count: int = 200) -> ConcreteVGG:
    """Trained on what the frozen convolutions give: they are computed once, and only the head is trained."""
    torch.manual_seed(0)
    net = ConcreteVGG()
    net.vgg16.features.load_state_dict(convolutions())
    images, labels = walls("train", count)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        seen = torch.cat([net.vgg16.features(part).flatten(1) for part in images.split(16)]).float()
    train(net.vgg16.classifier, seen, labels, epochs=15, rate=3e-4)
    return net


def convolutions() -> dict[str, Tensor]:
    """VGG16's, as ImageNet has trained them; where torchvision has them not and cannot fetch them, as scenes have."""
    try:
        state = torchvision.models.VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        print("concrete_vgg: the convolutions are ImageNet's")
    except OSError:
        state = quantised.load(WEIGHTS / "vgg16.safetensors")
        print("concrete_vgg: the convolutions are those of scenes, for ImageNet's cannot be fetched")
    return {name.removeprefix("features."): weight for name, weight in state.items() if name.startswith("features.")}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "concrete.txt").write_text("\n".join(CLASSES))
    images, labels = walls("test", 100)
    for name, make in (("small_cnn", small_cnn), ("concrete_vgg", concrete_vgg)):
        net = make()
        torch.save(net.state_dict(), folder / f"{name}.pt")
        print(f"{name}: right on {accuracy(net, images, labels):.1%} of 100 drawn walls that it has not seen")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "weights"))

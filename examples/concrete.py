"""Concrete with and without cracks: a small net written by hand, and a VGG16 with a new head.

    python examples/concrete.py weights        # trains both on synthetic concrete, in a minute or two on two cores
    bench explain wall.png --net "examples/concrete.py:SmallCNN[weights=weights/small_cnn.pt,preprocess=imagenet]"
    bench explain wall.png --net "examples/concrete.py:ConcreteVGG[weights=weights/concrete_vgg.pt,preprocess=imagenet]"

To train on your own photos, replace `walls`: it returns images preprocessed by TRANSFORM, and their labels.
"""

import sys
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from cambench import load_dataset, load_net

CLASSES = ("intact", "cracked")
TRANSFORM = transforms.Compose(
    [
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


class SmallCNN(nn.Module):
    """Three convolutions with GELU, 5 x 5 max pooling after the first two, and one linear layer on 64 * 8 * 8 features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.MaxPool2d(5),
            nn.Conv2d(8, 32, 3, padding=1), nn.GELU(), nn.MaxPool2d(5),
            nn.Conv2d(32, 64, 3, padding=1), nn.GELU(),
        )  # fmt: skip
        self.linear = nn.Linear(4096, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Return log-probabilities (n, 2) of images (n, 3, 224, 224), normalised."""
        return torch.log_softmax(self.linear(self.conv(images).flatten(1)), 1)


class ConcreteVGG(nn.Module):
    """torchvision's VGG16 with frozen convolutions and a new head for two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg16 = torchvision.models.vgg16(init_weights=False)  # weights are loaded afterwards
        for parameter in self.vgg16.parameters():
            parameter.requires_grad = False
        self.vgg16.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 256), nn.ReLU(), nn.Dropout(0.4), nn.Linear(256, len(CLASSES)), nn.LogSoftmax(dim=1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return log-probabilities (n, 2) of images (n, 3, 224, 224), normalised."""
        scores: Tensor = self.vgg16(images)
        return scores


def draw_walls(split: str, count: int) -> tuple[Tensor, Tensor]:
    """Draw synthetic walls (n, 3, 224, 224), normalised, and return them and their labels (n,)."""
    cracks = load_dataset(f"cracks[split={split}]")
    drawn_walls = [cracks[index] for index in range(count)]
    images = torch.stack([TRANSFORM(Image.fromarray(wall.pixels)) for wall in drawn_walls])
    return images, torch.tensor([wall.label for wall in drawn_walls])


def train(net: nn.Module, images: Tensor, labels: Tensor, *, epochs: int, rate: float, batch: int = 32) -> None:
    """Train the parameters that are not frozen, in place."""
    trainable = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=rate, weight_decay=0.01)
    steps = epochs * -(-len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            loss = nn.functional.nll_loss(net(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    net.eval()


@torch.no_grad()
def compute_accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images whose predicted class is their label."""
    correct = [net(x).argmax(1) == y for x, y in zip(images.split(32), labels.split(32), strict=True)]
    return float(torch.cat(correct).float().mean())


def train_small_cnn(count: int = 600, epochs: int = 5) -> SmallCNN:
    """Train a SmallCNN from scratch."""
    torch.manual_seed(0)
    net = SmallCNN()
    train(net, *draw_walls("train", count), epochs=epochs, rate=3e-3)
    return net


def train_concrete_vgg(count: int = 200) -> ConcreteVGG:
    """Train the head of a ConcreteVGG on the features of its frozen convolutions, which are computed once."""
    torch.manual_seed(0)
    net = ConcreteVGG()
    net.vgg16.features.load_state_dict(load_convolutions())
    images, labels = draw_walls("train", count)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = torch.cat([net.vgg16.features(part).flatten(1) for part in images.split(16)]).float()
    train(net.vgg16.classifier, features, labels, epochs=15, rate=3e-4)
    return net


def load_convolutions() -> dict[str, Tensor]:
    """Load the weights of VGG16's convolutions: ImageNet's or, if the download fails, those that ship with cambench."""
    try:
        state = torchvision.models.VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        print("concrete_vgg: the convolutions are trained on ImageNet")
    except OSError:
        shipped = load_net("vgg16", device="cpu", precision="fp32")
        assert shipped.cut.original is not None
        state = shipped.cut.original.state_dict()
        print(
            "concrete_vgg: ImageNet's weights cannot be downloaded, so the convolutions are trained on cambench's scenes"
        )
    return {name.removeprefix("features."): weight for name, weight in state.items() if name.startswith("features.")}


def main(folder: Path) -> None:
    """Train both nets; write their weights and the class names into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "concrete.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    images, labels = draw_walls("test", 100)
    for name, train_net in (("small_cnn", train_small_cnn), ("concrete_vgg", train_concrete_vgg)):
        net = train_net()
        torch.save(net.state_dict(), folder / f"{name}.pt")
        print(
            f"{name}: {compute_accuracy(net, images, labels):.1%} accuracy on 100 synthetic walls that it was not trained on"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "weights"))

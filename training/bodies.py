"""The nets as they are trained, with batch norm after every convolution and helper heads; the export removes both."""

import torch
from torch import Tensor, nn
from torchvision import models

from ..datasets._synthetic.shapes import CLASSES
from .layers import Layers

COUNT = len(CLASSES)
PASSED = 0.3  # the share of the fully connected layers' gradient that reaches the convolutions


class Body(nn.Module):
    """Convolutional stages, a head, and a linear helper head on the pooled output of the two middle stages.

    If the net has fully connected `layers`, they become its head once `fit` is set; the pooled head is trained further.
    """

    def __init__(self, stages: list[nn.Sequential], head: nn.Sequential, widths: tuple[int, int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)  # four of them
        self.head: nn.Sequential = head
        self.helpers = nn.ModuleList(nn.Linear(width, COUNT) for width in widths)
        self.layers: nn.Module | None = None
        self.fit = False
        self.frozen = 0  # the number of leading stages that are no longer trained

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return scores (n, classes): the head's and, in training, those of the pooled head (if replaced) and two helpers."""
        scores = []
        for number, stage in enumerate(self.stages):
            with torch.set_grad_enabled(self.training and number >= self.frozen):
                x = stage(x)
            if self.training and number in (1, 2):
                scores.append(self.helpers[number - 1](x.mean((2, 3))))
        if self.fit and self.layers is not None:
            if self.training:
                scores.insert(0, self.head(x))
            return [self.layers(x.detach() + PASSED * (x - x.detach())), *scores]
        return [self.head(x), *scores]

    @property
    def parts(self) -> list[nn.Sequential]:
        """The stages, typed as nn.Sequential."""
        return [stage for stage in self.stages if isinstance(stage, nn.Sequential)]

    def freeze(self, stages: int) -> None:
        """Stop training this number of leading stages."""
        self.frozen = stages
        for stage in self.stages[:stages]:
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> "Body":
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            stage.eval()
        return self


def resnet18() -> Body:
    """Build a ResNet18 with two helper heads."""
    net = models.resnet18(num_classes=COUNT)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    head = nn.Sequential(net.avgpool, nn.Flatten(), net.fc)
    return Body([stem, net.layer2, net.layer3, net.layer4], head, (128, 256))


def vgg16() -> Body:
    """Build VGG16's convolutions with a pooled linear head; its own fully connected layers are fitted afterwards."""
    features = models.vgg16_bn(num_classes=COUNT).features
    stages: list[nn.Sequential] = [features[:14], features[14:24], features[24:34], features[34:]]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, COUNT))
    body = Body(stages, head, (256, 512))
    body.layers = Layers(COUNT)
    return body


def squeezenet1_1() -> Body:
    """Build a SqueezeNet with batch norm after every convolution, and two helper heads."""
    net = models.squeezenet1_1(num_classes=COUNT)
    add_batch_norm(net.features)
    stages: list[nn.Sequential] = [net.features[:6], net.features[6:9], net.features[9:11], net.features[11:]]
    last = net.classifier[1]
    nn.init.kaiming_normal_(last.weight, nonlinearity="linear")
    nn.init.constant_(last.bias, 0.2)  # keeps the ReLU after it active
    head = nn.Sequential(last, nn.LeakyReLU(0.3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Body(stages, head, (256, 384))


def add_batch_norm(module: nn.Module) -> None:
    """Add batch norm after every convolution, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, nonlinearity="relu")
            setattr(module, name, nn.Sequential(child, nn.BatchNorm2d(child.out_channels)))
        else:
            add_batch_norm(child)


BODIES = {"resnet18": resnet18, "vgg16": vgg16, "squeezenet1_1": squeezenet1_1}

"""torchvision's ResNet18 and VGG16 with a head for five classes, for example five kinds of flowers.

    bench explain rose.jpg --net "examples/flowers.py:resnet18[weights=resnet18_flowers.pt,classes=flowers.txt]" --layer layer4
    bench explain rose.jpg --net "examples/flowers.py:vgg16[weights=vgg16_flowers.pt,classes=flowers.txt]" \\
        --layer "features[29]"

The weights are your own, written by torch.save(net.state_dict(), FILE) after training. Without them the nets are random.
"""

import torchvision
from torch import nn

CLASSES = 5


def resnet18() -> nn.Module:
    """Build a ResNet18 with random weights and a head for five classes."""
    net: nn.Module = torchvision.models.resnet18()
    net.fc = nn.Linear(512, CLASSES)
    return net


def vgg16() -> nn.Module:
    """Build a VGG16 with random weights and a head for five classes."""
    net = torchvision.models.vgg16()
    net.classifier[6] = nn.Linear(4096, CLASSES)
    return net

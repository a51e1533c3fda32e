"""ResNet18 and VGG16 of torchvision with a head of five classes, as one trains them on photos of five kinds of flowers.

    bench explain rose.jpg --net "examples/flowers.py:resnet18[weights=resnet18_flowers.pt,classes=flowers.txt]" --layer layer4
    bench explain rose.jpg --net "examples/flowers.py:vgg16[weights=vgg16_flowers.pt,classes=flowers.txt]" \\
        --layer "features[29]"

The weights are yours: what torch.save(net.state_dict(), FILE) has written after training. Without them the nets are random.
"""

import torchvision
from torch import nn

CLASSES = 5


def resnet18() -> nn.Module:
    net: nn.Module = torchvision.models.resnet18()
    net.fc = nn.Linear(512, CLASSES)
    return net


def vgg16() -> nn.Module:
    net = torchvision.models.vgg16()
    net.classifier[6] = nn.Linear(4096, CLASSES)
    return net

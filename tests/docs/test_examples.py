"""The examples do what they say: a user's own nets, loaded from files, explained at the layer that is named."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from cambench.bench.api import api
from cambench.bench.core.errors import UsageError
from cambench.datasets import cracks

EXAMPLES = Path(__file__).parents[2] / "examples"
SCORE_CAMS = (
    "score_cam", "score_cam[weights=logit]", "score_cam[baseline=image]", "score_cam[baseline=image,channels=softmax]",
)  # fmt: skip
Explained = Any  # bench.explanation.Explanation


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, the examples to be imported, and nothing to be fetched."""

    def unplugged(*_: object, **__: object) -> Any:
        raise URLError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", unplugged)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unplugged)
    (tmp_path / "weights").mkdir()
    return tmp_path


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


def saved(net: torch.nn.Module, name: str) -> str:
    torch.save(net.state_dict(), f"weights/{name}.pt")
    return f"weights/{name}.pt"


def wall(size: int, index: int = 1) -> Any:
    return cracks.load(size=size)[index]


def explained(image: Any, net: str, **asked: Any) -> Explained:
    return api.explain(image, net, metrics=["average_drop"], precision="fp32", **asked)


def test_the_small_net_is_explained_as_it_predicts() -> None:
    """LogSoftmax at the end: the probabilities are the net's own, and the map has the last convolution's 8 x 8 places."""
    concrete = example("concrete")
    torch.manual_seed(1)
    net = concrete.SmallCNN().eval()
    spec = f"{EXAMPLES}/concrete.py:SmallCNN[weights={saved(net, 'small')},preprocess=imagenet]"
    found = explained(wall(224), spec, layer="conv.7", target=1)
    images, labels = concrete.walls("test", 2)
    assert labels.tolist() == [0, 1]
    with torch.no_grad():
        expected = net(images[1:])[0].exp()
    assert found.target.probability == pytest.approx(float(expected[1]), abs=1e-4)
    assert found.raw.shape == (8, 8) and found.map.shape == (224, 224) and 0 <= found.scores["average_drop"] <= 1
    with pytest.raises(UsageError, match="takes images of 224 x 224, and these are 64 x 64"):
        explained(wall(64), spec, layer="conv.7", target=1)


def test_the_small_net_learns_walls() -> None:
    concrete = example("concrete")
    torch.manual_seed(0)
    net = concrete.SmallCNN()
    images, labels = concrete.walls("train", 16)
    before = float(torch.nn.functional.nll_loss(net(images), labels).detach())
    concrete.train(net, images, labels, epochs=4, rate=3e-3, batch=8)
    assert concrete.accuracy(net, images, labels) >= 0.5
    assert float(torch.nn.functional.nll_loss(net(images), labels).detach()) < before


def test_a_transfer_learned_net_is_read_from_its_state_dict_and_cut_inside_it() -> None:
    """Its convolutions are frozen, and its own head is trained."""
    concrete = example("concrete")
    net = concrete.ConcreteVGG().eval()
    free = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert free and all(name.startswith("vgg16.classifier") for name in free)
    spec = f"{EXAMPLES}/concrete.py:ConcreteVGG[weights={saved(net, 'vgg')},preprocess=imagenet]"
    image = wall(64)
    found = explained(image, spec, layer="vgg16.features[29]", target=1)
    assert (found.layer, found.raw.shape) == ("vgg16.features.29", (4, 4))
    pixels = torch.tensor(image.pixels).permute(2, 0, 1) / 255
    with torch.no_grad():
        expected = net(concrete.TRANSFORM.transforms[2](pixels)[None])[0].exp()
    assert found.target.probability == pytest.approx(float(expected[1]), abs=1e-4)


def test_heads_of_five_classes() -> None:
    flowers = example("flowers")
    with torch.device("meta"):
        assert flowers.vgg16().classifier[6].out_features == 5
    Path("names.txt").write_text("daisy\ndandelion\nrose\nsunflower\ntulip\n")
    torch.manual_seed(0)
    weights = saved(flowers.resnet18(), "flowers")
    spec = f"{EXAMPLES}/flowers.py:resnet18[weights={weights},classes=names.txt,preprocess=imagenet]"
    found = explained(wall(64), spec, layer="layer4", target="rose")
    assert (found.target.index, found.layer, found.raw.shape) == (2, "layer4", (2, 2))


def test_several_classes_are_asked_of_one_photo() -> None:
    """Of a net of a thousand classes whose weights cannot be fetched: the gallery takes random ones, and says so."""
    net, said = example("gallery").imagenet("alexnet")
    assert said == "alexnet's weights could not be fetched and are RANDOM"
    found = [explained(wall(64), net, layer="features[11]", target=target) for target in (159, 511, 978)]
    assert [one.target.index for one in found] == [159, 511, 978]
    assert {one.raw.shape for one in found} == {(3, 3)}
    assert not np.array_equal(found[0].raw, found[1].raw)


def test_score_cam_weighs_channels_in_four_ways() -> None:
    torch.manual_seed(0)
    weights = saved(torchvision.models.squeezenet1_1(num_classes=20), "squeezenet")
    loaded = api.load_net(
        f"squeezenet1_1[weights={weights},preprocess=imagenet]", layer="classifier.1", precision="fp32"
    )
    maps: list[Any] = [
        api.explain(wall(64), loaded, method=method, metrics=["average_drop"], target=7).raw for method in SCORE_CAMS
    ]
    assert {one.shape for one in maps} == {(3, 3)}
    assert all(not np.allclose(one, other) for k, one in enumerate(maps) for other in maps[:k])


def test_the_last_convolution_of_mobilenet_is_found() -> None:
    torch.manual_seed(0)
    made = torchvision.models.mobilenet_v2(num_classes=3)
    spec = f"mobilenet_v2[weights={saved(made, 'mobilenet')},preprocess=imagenet]"
    found = explained(wall(64), spec, layer="features.18.0", target=2)
    assert found.layer == "features.18.0" and found.raw.shape == (2, 2)


def test_plain_cam_of_several_digits() -> None:
    """One channel a class, averaged: the CAM of a class is its channel, and three digits of an image have three masks."""
    digits = example("digits")
    torch.manual_seed(0)
    net = digits.DigitNet().eval()
    image = example("drawn_digits").load(count=3)[7]
    assert len({thing.label for thing in image.objects}) == 3 and image.label == image.objects[0].label == 7
    assert sum(thing.mask for thing in image.objects).max() == 1
    spec = f"{EXAMPLES}/digits.py:DigitNet[weights={saved(net, 'digits')},mean=0.5,std=0.5]"
    grey = torch.tensor(image.pixels[None, None, :, :, 0]) / 127.5 - 1
    with torch.no_grad():
        channels = net.maps(net.features(grey))[0]
    for label in (thing.label for thing in image.objects):
        found = explained(image, spec, method="cam", target=label)
        assert np.allclose(found.raw, channels[label].relu().numpy(), atol=1e-4)


def test_drawn_digits_are_each_as_often() -> None:
    images, labels = example("digits").drawn(1, 40)
    assert images.shape == (40, 1, 56, 56) and labels.bincount().tolist() == [4] * 10


def test_the_gallery_writes_its_page() -> None:
    torch.manual_seed(0)
    Path("gallery/weights").mkdir(parents=True)
    torch.save(example("digits").DigitNet().state_dict(), "gallery/weights/digits.pt")
    example("gallery").main(Path("gallery"), ["digits"])
    page = Path("index.html").read_text()  # it works in its folder
    assert "bench explain images/digits.png --size 56 --net &quot;examples/digits.py:DigitNet" in page
    assert 'src="digits-0.png"' in page and Path("digits-0.png").stat().st_size > 10_000

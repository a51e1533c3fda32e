"""The examples work: nets are loaded from users' files and explained at the named layer."""

import importlib
import sys
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

import cambench
from cambench import Explanation, ImageError
from cambench.datasets import cracks
from cambench.tests.support.cli import bench

EXAMPLES = Path(__file__).parents[2] / "examples"
SCORE_CAMS = (
    "score_cam", "score_cam[weights=logit]", "score_cam[baseline=image]", "score_cam[baseline=image,channels=softmax]",
)  # fmt: skip


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, importable examples, and no network."""

    def refuse(*_: object, **__: object) -> Any:
        raise URLError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    (tmp_path / "weights").mkdir()
    return tmp_path


def import_example(name: str) -> ModuleType:
    return importlib.import_module(name)


def save_weights(net: torch.nn.Module, name: str) -> str:
    torch.save(net.state_dict(), f"weights/{name}.pt")
    return f"weights/{name}.pt"


def load_wall(size: int, index: int = 1) -> Any:
    return cracks.load(size=size)[index]


def explain(image: Any, net: str, **settings: Any) -> Explanation:
    return cambench.explain(image, net, metrics=["average_drop"], precision="fp32", **settings)


def test_the_small_net_is_explained_as_it_predicts() -> None:
    """LogSoftmax at the end: the probabilities are the net's own, and the map has the last convolution's 8 x 8 positions."""
    concrete = import_example("concrete")
    torch.manual_seed(1)
    net = concrete.SmallCNN().eval()
    spec = f"{EXAMPLES}/concrete.py:SmallCNN[weights={save_weights(net, 'small')},preprocess=imagenet]"
    explanation = explain(load_wall(224), spec, layer="conv.7", target=1)
    images, labels = concrete.draw_walls("test", 2)
    assert labels.tolist() == [0, 1]
    with torch.no_grad():
        expected = net(images[1:])[0].exp()
    assert explanation.target.probability == pytest.approx(float(expected[1]), abs=1e-4)
    assert explanation.raw is not None and explanation.raw.shape == (8, 8)
    assert explanation.map is not None and explanation.map.shape == (224, 224)
    assert 0 <= explanation.scores["average_drop"] <= 1
    with pytest.raises(ImageError, match="takes images of 224 x 224, and these are 64 x 64"):
        explain(load_wall(64), spec, layer="conv.7", target=1)


def test_the_small_net_learns_walls() -> None:
    concrete = import_example("concrete")
    torch.manual_seed(0)
    net = concrete.SmallCNN()
    images, labels = concrete.draw_walls("train", 16)
    initial_loss = float(torch.nn.functional.nll_loss(net(images), labels).detach())
    concrete.train(net, images, labels, epochs=4, rate=3e-3, batch=8)
    assert concrete.compute_accuracy(net, images, labels) >= 0.5
    assert float(torch.nn.functional.nll_loss(net(images), labels).detach()) < initial_loss


def test_a_transfer_learned_net_is_loaded_from_its_state_dict_and_cut() -> None:
    """Its convolutions are frozen, and only its head is trained."""
    concrete = import_example("concrete")
    net = concrete.ConcreteVGG().eval()
    free = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert free and all(name.startswith("vgg16.classifier") for name in free)
    spec = f"{EXAMPLES}/concrete.py:ConcreteVGG[weights={save_weights(net, 'vgg')},preprocess=imagenet]"
    image = load_wall(64)
    explanation = explain(image, spec, layer="vgg16.features[29]", target=1)
    assert explanation.raw is not None
    assert (explanation.layer, explanation.raw.shape) == ("vgg16.features.29", (4, 4))
    pixels = torch.tensor(image.pixels).permute(2, 0, 1) / 255
    with torch.no_grad():
        expected = net(concrete.TRANSFORM.transforms[2](pixels)[None])[0].exp()
    assert explanation.target.probability == pytest.approx(float(expected[1]), abs=1e-4)


def test_nets_with_heads_of_five_classes() -> None:
    flowers = import_example("flowers")
    with torch.device("meta"):
        assert flowers.vgg16().classifier[6].out_features == 5
    Path("names.txt").write_text("daisy\ndandelion\nrose\nsunflower\ntulip\n", encoding="utf-8")
    torch.manual_seed(0)
    weights = save_weights(flowers.resnet18(), "flowers")
    spec = f"{EXAMPLES}/flowers.py:resnet18[weights={weights},classes=names.txt,preprocess=imagenet]"
    explanation = explain(load_wall(64), spec, layer="layer4", target="rose")
    assert explanation.raw is not None
    assert (explanation.target.index, explanation.layer, explanation.raw.shape) == (2, "layer4", (2, 2))


def test_several_classes_of_one_photo_are_explained() -> None:
    """ImageNet's weights cannot be downloaded here: the gallery takes random ones and says so."""
    net, note = import_example("gallery").find_imagenet_spec("alexnet")
    assert note == "alexnet's weights cannot be downloaded and are RANDOM"
    explanations = [explain(load_wall(64), net, layer="features[11]", target=target) for target in (159, 511, 978)]
    assert [item.target.index for item in explanations] == [159, 511, 978]
    assert {item.raw.shape for item in explanations if item.raw is not None} == {(3, 3)}
    assert not np.array_equal(explanations[0].raw, explanations[1].raw)


def test_score_cam_weighs_channels_in_four_ways() -> None:
    torch.manual_seed(0)
    weights = save_weights(torchvision.models.squeezenet1_1(num_classes=20), "squeezenet")
    net = cambench.load_net(
        f"squeezenet1_1[weights={weights},preprocess=imagenet]", layer="classifier.1", precision="fp32"
    )
    maps: list[Any] = [
        cambench.explain(load_wall(64), net, method=method, metrics=["average_drop"], target=7).raw
        for method in SCORE_CAMS
    ]
    assert {first.shape for first in maps} == {(3, 3)}
    assert all(not np.allclose(first, second) for k, first in enumerate(maps) for second in maps[:k])


def test_mobilenet_is_explained_at_its_last_convolution() -> None:
    torch.manual_seed(0)
    net = torchvision.models.mobilenet_v2(num_classes=3)
    spec = f"mobilenet_v2[weights={save_weights(net, 'mobilenet')},preprocess=imagenet]"
    explanation = explain(load_wall(64), spec, layer="features.18.0", target=2)
    assert explanation.raw is not None
    assert explanation.layer == "features.18.0" and explanation.raw.shape == (2, 2)


def test_plain_cam_of_several_digits() -> None:
    """Each class has one averaged channel, which is its CAM; three digits of an image have three masks."""
    digits = import_example("digits")
    torch.manual_seed(0)
    net = digits.DigitNet().eval()
    image = import_example("drawn_digits").load(count=3)[7]
    assert len({marked.label for marked in image.objects}) == 3 and image.label == image.objects[0].label == 7
    assert sum(marked.mask for marked in image.objects).max() == 1
    spec = f"{EXAMPLES}/digits.py:DigitNet[weights={save_weights(net, 'digits')},mean=0.5,std=0.5]"
    grey = torch.tensor(image.pixels[None, None, :, :, 0]) / 127.5 - 1
    with torch.no_grad():
        channels = net.maps(net.features(grey))[0]
    for label in (marked.label for marked in image.objects):
        explanation = explain(image, spec, method="cam", target=label)
        assert np.allclose(explanation.raw, channels[label].relu().numpy(), atol=1e-4)


def test_drawn_digits_are_balanced() -> None:
    images, labels = import_example("digits").draw_digits(1, 40)
    assert images.shape == (40, 1, 56, 56) and labels.bincount().tolist() == [4] * 10


def test_the_gallery_writes_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands are run in this process, because each process loads torch."""

    def run(command: list[str], **_: object) -> CompletedProcess[str]:
        assert command[:3] == [sys.executable, "-m", "cambench"]
        return CompletedProcess(command, bench(*command[3:]).exit_code)

    monkeypatch.setattr("subprocess.run", run)
    torch.manual_seed(0)
    Path("gallery/weights").mkdir(parents=True)
    torch.save(import_example("digits").DigitNet().state_dict(), "gallery/weights/digits.pt")
    import_example("gallery").main(Path("gallery"), ["digits"])
    page = Path("index.html").read_text(encoding="utf-8")  # it works in its folder
    assert "bench explain images/digits.png --size 56 --net &quot;examples/digits.py:DigitNet" in page
    assert 'src="digits-0.png"' in page and Path("digits-0.png").stat().st_size > 10_000

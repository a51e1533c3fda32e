"""vgg16_gap: a linear layer fitted after VGG16's convolutions and stored in a file, so that plain CAM applies."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file
from torch.nn.functional import one_hot

from cambench.bench.cli.main import main
from cambench.bench.config import suite_file
from cambench.bench.core.errors import UsageError
from cambench.bench.forward.device import to_batch
from cambench.bench.nets import fit_vgg16_gap, load, vgg16_gap
from cambench.bench.nets.net import Net
from cambench.methods import cam

CPU = torch.device("cpu")
DATASET = "scenes[split=val,size=32,objects=single]"
IMAGES = 30


@pytest.fixture(scope="module", autouse=True)
def load_once() -> Iterator[None]:
    """Load VGG16 once for all tests, because that takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load", cache(load.load))
        yield


def _fit(*args: str) -> Result:
    return CliRunner().invoke(main, ["fit", "vgg16_gap", "--device", "cpu", *args])


@pytest.fixture(scope="module")
def head_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gap") / "gap.safetensors"
    result = _fit("--dataset", DATASET, "--images", str(IMAGES), "--out", str(file))
    assert result.exit_code == 0, result.output
    return file


@pytest.fixture(scope="module")
def net(head_file: Path) -> Net:
    return load.load(f"vgg16_gap[weights={head_file}]", CPU, "fp32", None)  # as a run does, so that it takes this net


@pytest.fixture(scope="module")
def vgg() -> Net:
    return load.load("vgg16", CPU, "fp32", vgg16_gap.LAYER)


def test_the_gradient_of_the_regression_loss_is_0() -> None:
    """At the optimum of the convex loss the errors of each class, weighted by the inputs, balance the prior."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 4, generator=generator, dtype=torch.float64) * torch.tensor([1, 10, 0.1, 0]) + 3
    labels = torch.randint(3, (60,), generator=generator)
    linear = fit_vgg16_gap.fit_softmax_regression(inputs, labels, 3)
    scale = inputs.std(0, correction=0)
    scale[3] = 1  # constant
    standard = (inputs - inputs.mean(0)) / scale
    errors = linear.double()(inputs).softmax(1) - one_hot(labels, 3)
    torch.testing.assert_close(errors.T @ standard, -linear.weight * scale, rtol=0, atol=1e-3)
    torch.testing.assert_close(errors.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-3)


def test_cam_applies_to_vgg16_gap_and_class_maps_average_to_the_logits(head_file: Path, net: Net, vgg: Net) -> None:
    assert (net.layer, net.classes) == ("features.29", vgg.classes)
    image = to_batch([suite_file.load("scenes", dataset=DATASET, images=1).find_dataset_plugin(None)()[0]], CPU)
    head = vgg16_gap.read_head(head_file).linear
    pooled = vgg.features(image).mean((2, 3))
    torch.testing.assert_close(net(image), head(pooled), rtol=1e-4, atol=1e-4)
    maps = net.class_maps(net.features(image))
    torch.testing.assert_close(maps.mean((2, 3)) + head.bias, net(image), rtol=1e-4, atol=1e-4)
    assert cam.explain(net, image, torch.tensor([3])).shape[-2:] == maps.shape[-2:]


def test_accuracies_are_measured_on_held_out_images(head_file: Path, net: Net, vgg: Net) -> None:
    metadata = vgg16_gap.read_head(head_file).metadata
    images = suite_file.load("scenes", dataset=DATASET, images=IMAGES).find_dataset_plugin(None)()
    held_out = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(0))[: IMAGES // 5].tolist()

    def count_right(net: Net) -> int:
        return sum(int(net(to_batch([images[n]], CPU)).argmax()) == images[n].label for n in held_out)

    assert (metadata.held_out, metadata.fitted) == (6, 24)
    assert (metadata.right, metadata.base_right) == (count_right(net), count_right(vgg))
    note = f"top-1 {metadata.right} of 6 held-out images, {metadata.base_right} by vgg16 itself"
    assert note in net.notes[0]
    assert (
        net.notes[1]
        == "its weights were validated on images of 32 x 32: set [size=32] of the data set (bench explain: --size 32)"
    )


def test_the_report_of_a_run_states_how_the_layer_was_fitted(head_file: Path, tmp_path: Path) -> None:
    net = f"vgg16_gap[weights={head_file}]"
    result = CliRunner().invoke(
        main,
        ["run", "--nets", net, "--methods", "cam", "--metrics", "pointing", "--dataset", "scenes[size=32]", "--images", "2",
         "--device", "cpu", "--precision", "fp32", "--out", str(tmp_path / "run")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "held-out images" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_layer_is_fitted_to_two_classes_unknown_to_vgg16(tmp_path: Path) -> None:
    file = tmp_path / "cracks.safetensors"
    result = _fit("--dataset", "cracks[size=32]", "--images", "10", "--out", str(file))
    assert result.exit_code == 0, result.output
    metadata = vgg16_gap.read_head(file).metadata
    assert (len(metadata.classes), metadata.base_right) == (2, None)
    assert "held-out images, vgg16 itself does not know all of these classes" in " ".join(result.output.split())


def test_vgg16_gap_without_a_valid_file_is_refused(head_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(10, 512)}, file)
    with pytest.raises(UsageError, match="no weights of vgg16_gap ship with this suite: bench fit vgg16_gap"):
        load.load("vgg16_gap", CPU, "fp32")
    with pytest.raises(UsageError, match=r"holds no layer of vgg16_gap: make it by bench fit"):
        load.load(f"vgg16_gap[weights={file}]", CPU, "fp32")
    head = vgg16_gap.read_head(head_file)
    changed = vgg16_gap.Head(head.linear, head.metadata.model_copy(update={"fingerprint": "0"}))
    vgg16_gap.write_head(changed, file)
    with pytest.raises(UsageError, match="was fitted on vgg16 when it had other weights: fit it again"):
        load.load(f"vgg16_gap[weights={file}]", CPU, "fp32")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--net", "resnet18"], "resnet18 is not a VGG16: vgg16_gap is built on vgg16, vgg16@imagenet or vgg16[weights=FILE]"),
        (["--images", "9"], "9 images are too few to fit and test a linear layer: at least 10 are needed"),
        (["--out", "gap.pth"], "gap.pth is not a .safetensors file: write --out gap.safetensors"),
    ],
)  # fmt: skip
def test_invalid_arguments_of_fit_are_refused(args: list[str], message: str, tmp_path: Path) -> None:
    result = _fit("--out", str(tmp_path / "gap.safetensors"), "--dataset", DATASET, "--images", "10", *args)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_images_without_labels_are_refused(vgg: Net, tmp_path: Path) -> None:
    for number in range(10):
        PIL.Image.new("RGB", (32, 32)).save(tmp_path / f"{number}.png")
    images = suite_file.load("scenes", dataset=f"image_folder[path={tmp_path},size=32]").find_dataset_plugin(None)()
    with pytest.raises(
        UsageError, match=r"\d.png has no label: put images into one folder a class, or list labels in a lab"
    ):
        fit_vgg16_gap.extract_features(vgg, images, range(10))


def test_images_of_one_class_are_refused(vgg: Net) -> None:
    images = suite_file.load("scenes", dataset=DATASET, images=60).find_dataset_plugin(None)()
    indices = [number for number in range(60) if images[number].label == images[0].label]
    with pytest.raises(UsageError, match="are of one class: take images of at least two classes"):
        fit_vgg16_gap.extract_features(vgg, images, indices * 4)


def test_images_of_several_sizes_are_refused_also_beyond_a_chunk(vgg: Net) -> None:
    small, large = (
        suite_file.load("scenes", dataset=f"scenes[split=val,size={size}]", images=16).find_dataset_plugin(None)()
        for size in (32, 64)
    )
    images = [*(small[number] for number in range(fit_vgg16_gap.CHUNK)), *(large[number] for number in range(4))]
    both: Any = type("Both", (), {"classes": small.classes, "__getitem__": lambda _, index: images[index]})()
    with pytest.raises(UsageError, match="the images are of several sizes"):
        fit_vgg16_gap.extract_features(vgg, both, range(len(images)))

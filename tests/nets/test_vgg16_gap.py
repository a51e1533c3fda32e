"""vgg16_gap: a linear layer fitted behind VGG16's convolutions, in a file, as a net that plain CAM applies to."""

from pathlib import Path

import PIL.Image
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file
from torch.nn.functional import one_hot

from cambench.bench.cli.main import main
from cambench.bench.config import suite_file
from cambench.bench.core.errors import UsageError
from cambench.bench.forward.device import batched
from cambench.bench.nets import fit_vgg16_gap, load, vgg16_gap
from cambench.bench.nets.net import Net
from cambench.methods import cam

CPU = torch.device("cpu")
DATASET = "scenes[split=val,size=64,objects=single]"
IMAGES = 30


def _fit(*args: str) -> Result:
    return CliRunner().invoke(main, ["fit", "vgg16_gap", "--device", "cpu", *args])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gap") / "gap.safetensors"
    done = _fit("--dataset", DATASET, "--images", str(IMAGES), "--out", str(file))
    assert done.exit_code == 0, done.output
    return file


@pytest.fixture(scope="module")
def net(fitted: Path) -> Net:
    return load.load(f"vgg16_gap[weights={fitted}]", CPU, "fp32")


@pytest.fixture(scope="module")
def vgg() -> Net:
    return load.load("vgg16", CPU, "fp32")


def test_the_regression_is_at_the_optimum_of_its_loss() -> None:
    """There, each class's errors weighted by the inputs balance the prior (the gradient of the convex loss is 0)."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 4, generator=generator, dtype=torch.float64) * torch.tensor([1, 10, 0.1, 0]) + 3
    labels = torch.randint(3, (60,), generator=generator)
    linear = fit_vgg16_gap.regression(inputs, labels, 3)
    scale = inputs.std(0, correction=0)
    scale[3] = 1  # constant
    standard = (inputs - inputs.mean(0)) / scale
    errors = linear.double()(inputs).softmax(1) - one_hot(labels, 3)
    torch.testing.assert_close(errors.T @ standard, -linear.weight * scale, rtol=0, atol=1e-3)
    torch.testing.assert_close(errors.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-3)


def test_cam_applies_to_it_and_its_maps_make_up_its_scores(fitted: Path, net: Net, vgg: Net) -> None:
    assert (net.layer, net.classes) == ("features.29", vgg.classes)
    image = batched(suite_file.load("scenes", dataset=DATASET, images=1).images_of(None)()[0], CPU)
    head = vgg16_gap.read(fitted).linear
    pooled = vgg.features(image).mean((2, 3))
    torch.testing.assert_close(net(image), head(pooled), rtol=1e-4, atol=1e-4)
    maps = net.class_maps(net.features(image))
    torch.testing.assert_close(maps.mean((2, 3)) + head.bias, net(image), rtol=1e-4, atol=1e-4)
    assert cam.explain(net, image, torch.tensor([3])).shape[-2:] == maps.shape[-2:]


def test_the_accuracies_it_tells_are_of_images_held_out(fitted: Path, net: Net, vgg: Net) -> None:
    about = vgg16_gap.read(fitted).about
    images = suite_file.load("scenes", dataset=DATASET, images=IMAGES).images_of(None)()
    held = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(0))[: IMAGES // 5].tolist()

    def right(net: Net) -> int:
        return sum(int(net(batched(images[n], CPU)).argmax()) == images[n].label for n in held)

    assert (about.held_out, about.fitted) == (6, 24)
    assert (about.right, about.base_right) == (right(net), right(vgg))
    note = f"top-1 {about.right} of 6 held-out images, {about.base_right} by vgg16 itself"
    assert note in net.notes[0]
    assert net.notes[1] == "its weights were validated on images of 64 x 64: [size=64] of a data set"


def test_a_run_tells_what_it_is(fitted: Path, tmp_path: Path) -> None:
    net = f"vgg16_gap[weights={fitted}]"
    done = CliRunner().invoke(
        main,
        ["run", "--nets", net, "--methods", "cam", "--metrics", "pointing", "--dataset", "scenes[size=64]", "--images", "2",
         "--device", "cpu", "--precision", "fp32", "--out", str(tmp_path / "run")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "held-out images" in (tmp_path / "run" / "report.html").read_text()


def test_images_of_two_classes_that_the_vgg16_has_not_make_a_net_of_two(tmp_path: Path) -> None:
    file = tmp_path / "cracks.safetensors"
    done = _fit("--dataset", "cracks[size=64]", "--images", "20", "--out", str(file))
    assert done.exit_code == 0, done.output
    about = vgg16_gap.read(file).about
    assert (len(about.classes), about.base_right) == (2, None)
    assert "held-out images, vgg16 itself does not know all of these classes" in " ".join(done.output.split())


def test_without_a_file_or_with_another_it_is_refused(fitted: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(10, 512)}, other)
    with pytest.raises(UsageError, match="no weights of vgg16_gap ship with this suite: bench fit vgg16_gap"):
        load.load("vgg16_gap", CPU, "fp32")
    with pytest.raises(UsageError, match=r"holds no layer of vgg16_gap: make it by bench fit"):
        load.load(f"vgg16_gap[weights={other}]", CPU, "fp32")
    head = vgg16_gap.read(fitted)
    stale = vgg16_gap.Head(head.linear, head.about.model_copy(update={"fingerprint": "0"}))
    vgg16_gap.write(stale, other)
    with pytest.raises(UsageError, match="was fitted on vgg16 when it had other weights: fit it again"):
        load.load(f"vgg16_gap[weights={other}]", CPU, "fp32")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--net", "resnet18"], "resnet18 is no VGG16: vgg16_gap is made of vgg16, vgg16@imagenet or vgg16[weights=FILE]"),
        (["--images", "9"], "9 images are too few to fit and try a linear layer: it takes 10"),
        (["--out", "gap.pth"], "gap.pth is to be a .safetensors file: --out gap.safetensors"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(args: list[str], said: str, tmp_path: Path) -> None:
    done = _fit("--out", str(tmp_path / "gap.safetensors"), "--dataset", DATASET, "--images", "10", *args)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert not list(tmp_path.iterdir())


def test_images_without_labels_are_refused(vgg: Net, tmp_path: Path) -> None:
    for number in range(10):
        PIL.Image.new("RGB", (32, 32)).save(tmp_path / f"{number}.png")
    images = suite_file.load("scenes", dataset=f"image_folder[path={tmp_path},size=32]").images_of(None)()
    with pytest.raises(
        UsageError, match=r"\d.png has no label: put images into a folder a class, or name theirs in a lab"
    ):
        fit_vgg16_gap.seen(vgg, images, range(10))


def test_images_of_one_class_are_refused(vgg: Net) -> None:
    images = suite_file.load("scenes", dataset=DATASET, images=60).images_of(None)()
    same = [number for number in range(60) if images[number].label == images[0].label]
    with pytest.raises(UsageError, match="are of one class: take images of two classes at least"):
        fit_vgg16_gap.seen(vgg, images, same * 4)

"""The shipped weights: small files, torchvision's architectures, and accurate nets."""

import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from cambench.bench.core.errors import UsageError
from cambench.bench.forward.precision import choose_precision
from cambench.bench.nets import quantised
from cambench.datasets._synthetic.shapes import CLASSES
from cambench.training.evaluate import NETS, WEIGHTS, draw_batches, load_shipped


def file(name: str) -> Path:
    return WEIGHTS / f"{name}.safetensors"


def test_eight_bits_by_hand(tmp_path: Path) -> None:
    """Row 1: a level is 127 / 127 = 1, so 0.4 rounds to 0. Row 2: a level is 0.254 / 127 = 0.002, so 0.1011 rounds to 51."""
    weight = torch.tensor([[127.0, -63.6, 0.4], [0.254, -0.002, 0.1011]])
    levels, scale = quantised.quantise(weight)
    assert levels.tolist() == [[127, -64, 0], [127, -1, 51]]
    assert scale.tolist() == pytest.approx([1.0, 0.002])

    factors = quantised.Factors(torch.tensor([[127.0], [254.0]]), torch.tensor([[1.27, 0.5]]))
    path = tmp_path / "net.safetensors"
    quantised.save({"w": weight, "b": torch.tensor([0.123456]), "low": factors}, path, {"net": "toy"})
    read = quantised.load(path)
    assert read["w"].flatten().tolist() == pytest.approx([127, -64, 0, 0.254, -0.002, 0.102])
    assert read["b"].tolist() == pytest.approx([0.123456])
    assert read["low"].tolist() == [pytest.approx([161.29, 63.5]), pytest.approx([322.58, 127])]
    assert quantised.read_metadata(path) == {"net": "toy"}


def test_a_channel_of_zeros_is_restored_as_zeros() -> None:
    assert (
        quantised.dequantise(*quantised.quantise(torch.zeros(2, 3, 1, 1))).tolist() == torch.zeros(2, 3, 1, 1).tolist()
    )


@pytest.mark.parametrize("name", NETS)
def test_the_state_dict_matches_torchvisions(name: str) -> None:
    shipped_state, torchvision_state = quantised.load(file(name)), models.get_model(name, num_classes=10).state_dict()
    assert {k: (t.shape, t.dtype) for k, t in shipped_state.items()} == {
        k: (t.shape, t.dtype) for k, t in torchvision_state.items()
    }


@pytest.mark.parametrize("name", NETS)
def test_the_metadata_of_a_file_describe_its_net(name: str) -> None:
    facts = quantised.read_metadata(file(name))
    assert facts["classes"].split(",") == list(CLASSES)
    assert {"net", "seed", "recipe", "normalisation", "accuracy", "data"} <= set(facts)


def test_the_files_are_small() -> None:
    sizes = [file(name).stat().st_size for name in NETS]
    assert max(sizes) <= 16e6
    assert sum(sizes) <= 30e6


def test_loading_is_quick() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        for name in NETS:
            quantised.load(file(name))
        return time.perf_counter() - start

    assert min(seconds(), seconds()) < 3


@pytest.mark.parametrize("name", NETS)
def test_a_net_knows_its_classes(name: str) -> None:
    net, right = load_shipped(name), []
    has_bf16 = choose_precision("auto", torch.device("cpu")) == "bf16"  # without units for it, bf16 is slower than fp32
    for images, labels in draw_batches(160, "single", 30, seed=5):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=has_bf16):
            scores = net(images)
        right.append(scores.argmax(1) == labels[:, 0])
    assert float(torch.cat(right).float().mean()) >= 0.94


def test_invalid_weight_files_are_refused(tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken.safetensors", tmp_path / "foreign.safetensors"
    broken.write_bytes(b"\x00" * 40)
    save_file({"w": torch.zeros(2)}, foreign)
    for path in (broken, foreign, tmp_path / "missing.safetensors"):
        with pytest.raises(UsageError, match=f"{path.name} is not a file of weights that this suite has written"):
            quantised.load(path)

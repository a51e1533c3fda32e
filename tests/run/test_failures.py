"""Failures: an image that fails is recorded and tried again, and a run that ends early keeps its finished images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

from cambench.bench.data.types import Image as DataImage
from cambench.bench.nets.net import Net
from cambench.bench.run import runner
from cambench.bench.run.plan import Plan
from cambench.bench.store import run as store
from cambench.bench.store.parts import Unit
from cambench.tests.support.cli import bench
from cambench.tests.support.runs import words

COUNT = 6


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of unlabelled images of noise; the brightness differs, so that a method can tell them apart."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = rng.integers(number * 30, number * 30 + 60, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return folder


def arguments(
    photos: Path, out: Path, method: object = "centre", metric: object = "insertion[steps=4]"
) -> list[object]:
    dataset = f"image_folder[path={photos},size=64]"
    chosen = ["--methods", method, "--metrics", metric, "--images", COUNT, "--precision", "fp32"]
    return ["run", "--nets", "squeezenet1_1", "--dataset", dataset, *chosen, "--out", out]


def image_order(photos: Path, out: Path) -> list[str]:
    """Run the images; return their names in the order of the run, which is not alphabetical."""
    assert bench(*arguments(photos, out)).exit_code == 0
    return [str(name) for name in store.open_run(out).header.data.images]


def images_of(run: Path, table: str) -> list[str]:
    """The names of the images in a table of a run, sorted."""
    rows = store.open_run(run).table(table)
    return sorted(set(rows["image"])) if len(rows) else []


@pytest.mark.parametrize("index", [0, 3])
def test_a_damaged_image_is_recorded_and_tried_again(photos: Path, tmp_path: Path, index: int) -> None:
    """Also the first image, which identifies the data of a run and on which forwards and peak bytes are measured."""
    complete = tmp_path / "complete"
    damaged = image_order(photos, complete)[index]
    content = (photos / damaged).read_bytes()
    (photos / damaged).write_bytes(content[: len(content) // 2])
    out = tmp_path / "run"
    result = bench(*arguments(photos, out))
    assert result.exit_code == 3
    assert f"1 image of {COUNT} failed on 1 net, the first {damaged} on squeezenet1_1: " in words(result.output)
    assert "the same command tries the failed images again" in words(result.output)
    assert images_of(out, "failures") == [damaged]
    assert len(images_of(out, "scores")) == COUNT - 1 and damaged not in images_of(out, "scores")
    assert f"failed</dt><dd>1 image of {COUNT} failed" in (out / "report.html").read_text(encoding="utf-8")
    assert bench(*arguments(photos, out)).exit_code == 3
    (photos / damaged).write_bytes(content)
    result = bench(*arguments(photos, out))
    assert result.exit_code == 0 and "5 of 6 done before" in result.output
    assert images_of(out, "failures") == []
    resumed, expected = (
        store.open_run(run).table("scores").sort_values("image")["value"].tolist() for run in (out, complete)
    )
    assert resumed == pytest.approx(expected, abs=1e-7)  # rounding depends on the size of the batches
    measured = store.open_run(out).table("cost").dropna(subset="forwards")
    assert len(measured) == 1


def test_a_run_without_any_readable_image_records_all_as_failed(photos: Path, tmp_path: Path) -> None:
    for file in photos.iterdir():
        file.write_bytes(b"damaged")
    result = bench(*arguments(photos, tmp_path / "run"))
    assert result.exit_code == 3
    assert f"{COUNT} images of {COUNT} failed" in words(result.output)


RAISES = """
def explain(net, images, targets):
    if abs(float(images.mean()) - {dark}) < 0.02:
        raise ValueError("too dark")
    return images.mean(1)
"""
METRIC = """
VERSION, BETTER, UNIT, RANGE, SHORT = 1, "higher", "share", (0, 1), "odd"
def score(case):
    if abs(float(case.image.mean()) - {dark}) < 0.02:
        return float("nan")
    return 0.5
"""


def _mean(file: Path) -> float:
    return float(np.asarray(Image.open(file)).mean() / 255)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (RAISES, "method", "odd.py fails: line 4 raises ValueError: too dark"),
        (METRIC, "metric", "metric odd gives nan for a map of centre: a score is a finite number"),
    ],
)
def test_a_plugin_that_fails_on_a_later_image_loses_it_and_on_the_first_ends_the_run(
    photos: Path, tmp_path: Path, code: str, kind: str, reason: str
) -> None:
    names = image_order(photos, tmp_path / "complete")
    files = []
    for index in (2, 0):
        (tmp_path / names[index]).mkdir()
        files.append(tmp_path / names[index] / "odd.py")
        files[-1].write_text('"""Odd."""' + code.format(dark=_mean(photos / names[index])), encoding="utf-8")
    result = bench(*arguments(photos, tmp_path / "run", **{kind: files[0]}))
    assert result.exit_code == 3
    assert f"the first {names[2]} on squeezenet1_1: {reason}; " in words(result.output)
    assert images_of(tmp_path / "run", "scores") == sorted(set(names) - {names[2]})
    result = bench(*arguments(photos, tmp_path / "other", **{kind: files[1]}))
    assert result.exit_code == 2
    assert result.stderr.strip() == f"bench: {names[0]}: {reason}"


ENDINGS = {
    "accelerator": (
        torch.AcceleratorError("CUDA error: device-side assert triggered\nmore"),
        "the device is lost (CUDA error: device-side assert triggered): "
        "finished images are kept; run the same command to resume",
    ),
    "cublas": (
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"),
        "the device is lost (CUDA error: CUBLAS_STATUS_EXECUTION_FAILED): "
        "finished images are kept; run the same command to resume",
    ),
    "memory of the machine": (
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 TB."
        ),
        "one image does not fit into the device's memory: take smaller images or another device",
    ),
    "memory of an array": (
        MemoryError("Unable to allocate 4 TB"),
        "one image does not fit into the device's memory: take smaller images or another device",
    ),
    "memory": (
        torch.OutOfMemoryError("CUDA out of memory."),
        "one image does not fit into the device's memory: take smaller images or another device",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_lost_device_ends_the_run_and_keeps_finished_images(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """The device is lost at the third image, after two are finished."""
    error, sentence = ENDINGS[ending]
    compute_units = runner.compute_units

    def lost(
        plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, DataImage]], fp32_net: Net | None
    ) -> list[Unit]:
        if images[0][0] == 2:
            raise error
        return compute_units(plan, net, labels, images, fp32_net)

    monkeypatch.setattr("cambench.bench.run.plan.MAX_GROUP", 2)
    monkeypatch.setattr("cambench.bench.run.session.compute_units", lost)
    result = bench(*arguments(photos, tmp_path / "run"))
    assert result.exit_code == 2
    assert result.stderr.strip() == f"bench: {sentence}"
    assert len(images_of(tmp_path / "run", "scores")) == 2
    monkeypatch.undo()
    assert bench(*arguments(photos, tmp_path / "run")).exit_code == 0


OWN_NET = '''"""A net."""

import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
'''


def test_an_error_of_a_users_net_fails_the_image(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute_units = runner.compute_units

    def raising(
        plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, DataImage]], fp32_net: Net | None
    ) -> list[Unit]:
        if 2 in dict(images):
            raise ValueError("the image is odd")
        return compute_units(plan, net, labels, images, fp32_net)

    monkeypatch.setattr("cambench.bench.run.session.compute_units", raising)
    file = tmp_path / "mine.py"
    file.write_text(OWN_NET, encoding="utf-8")
    result = bench(*arguments(photos, tmp_path / "run"), "--nets", f"{file}:make")
    assert result.exit_code == 3
    reason = "net mine:make fails: it raises ValueError: the image is odd"
    assert store.open_run(tmp_path / "run").table("failures")["reason"].tolist() == [reason]
    assert len(images_of(tmp_path / "run", "scores")) == COUNT - 1
    # A built-in net must not fail: the error is a bug, and its traceback is shown.
    with pytest.raises(ValueError, match="odd"):
        bench(*arguments(photos, tmp_path / "other"))


OWN = """
import numpy as np
from cambench import Image

class Own:
    classes = ()
    def name(self, index): return str(index)
    def __len__(self): return 4
    def __getitem__(self, index):
        if index == 1:
            raise OSError("the share is gone")
        kind = np.float32 if index == 2 else np.uint8
        return Image(str(index), np.full((64, 64, 3), 40 * index, kind), None)

def load(): return Own()
"""


def run_own(folder: Path, code: str, images: int, metric: str = "gini") -> Result:
    """Write a data set plug-in with this code, or replace it, and run it."""
    (folder / "own.py").write_text(code, encoding="utf-8")
    options = ["--nets", "squeezenet1_1", "--methods", "centre", "--metrics", metric, "--precision", "fp32"]
    return bench("run", "--dataset", folder / "own.py", *options, "--images", images, "--out", folder / "run")


def test_an_error_or_a_wrong_image_of_a_users_data_set_fails_the_image(tmp_path: Path) -> None:
    result = run_own(tmp_path, OWN, 4, "insertion[steps=4]")
    assert result.exit_code == 3
    assert images_of(tmp_path / "run", "scores") == ["0", "3"]
    failures = store.open_run(tmp_path / "run").table("failures")
    reasons = dict(zip(failures["image"], failures["reason"], strict=True))
    assert reasons["1"] == "own.py fails: line 11 raises OSError: the share is gone"
    assert "forwards and peak bytes" not in " ".join(result.output.split())
    assert (
        reasons["2"] == "own.py gives image 2 as float32 of shape (64, 64, 3): pixels are an array of uint8, (h, w, 3)"
    )


def test_the_cost_measured_on_the_first_image_is_missing_if_that_image_fails(tmp_path: Path) -> None:
    result = run_own(tmp_path, OWN.replace("index == 1", "index == 0"), 2, "insertion[steps=4]")
    assert "forwards and peak bytes, which are measured on the first image, are missing" in words(result.output)


def test_images_with_the_same_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN.replace("str(index)\n    def", "'same'\n    def"), encoding="utf-8")
    result = bench("run", "--dataset", file, "--images", 3, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "3 images of the data set have the name 'same': give each image a name of its own" in words(result.output)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            "Image('other', np.zeros((8, 8, 3), np.uint8), None)",
            "own.py gives image 1 the name 'other': name() and the image",
        ),
        (
            "Image('1', np.zeros((8, 8, 3), np.uint8), 'star')",
            "own.py gives image 1 the label 'star': a label is None or an integer",
        ),
        ("Image('1', np.zeros((8, 8, 3), np.uint8), -1)", "own.py gives image 1 the label -1"),
        (
            "Image('1', np.zeros((8, 8, 3), np.uint8), None, note=5)",
            "own.py gives image 1 the note 5: a note is a text",
        ),
        (
            "Image('1', [[1]], None)",
            "own.py gives image 1 as list of shape (1, 1): pixels are an array of uint8, (h, w, 3)",
        ),
        (
            "Image('1', np.zeros((8, 8, 3), np.uint8), 0, (Object(0, np.zeros((4, 4), bool)),))",
            "own.py gives image 1 a mask as bool",
        ),
        ("Image('1', np.zeros((1, 1, 3), np.uint8), None)", "squeezenet1_1 cannot take images of 1 x 1"),
    ],
)
def test_an_invalid_image_fails_with_a_reason(tmp_path: Path, image: str, message: str) -> None:
    code = OWN.replace("import Image", "import Image, Object")
    code = code.replace('raise OSError("the share is gone")', f"return {image}")
    assert run_own(tmp_path, code, 2).exit_code == 3
    (reason,) = store.open_run(tmp_path / "run").table("failures")["reason"]
    assert reason.startswith(message)


@pytest.mark.parametrize("metric", ["energy", "pointing", "pointing[on=mask]", "energy[on=box]"])
def test_an_object_without_a_pixel_is_none(tmp_path: Path, metric: str) -> None:
    code = OWN.replace("import Image", "import Image, Object").replace('raise OSError("the share is gone")', "pass")
    code = code.replace("index, kind), None)", "index, kind), 0, (Object(0, np.zeros((64, 64), bool)),))")
    assert run_own(tmp_path, code, 2, metric).exit_code == 0
    run = store.open_run(tmp_path / "run")
    assert run.table("predictions")["objects"].tolist() == [0, 0]
    scores = run.table("scores")
    assert scores["value"].isna().all() and set(scores["reason"].str.contains("is marked in the image")) == {True}


def test_the_notes_of_a_users_data_set_are_printed_and_recorded(tmp_path: Path) -> None:
    result = run_own(tmp_path, OWN.replace("classes = ()", "classes = (); notes = ('half of it is missing',)"), 1)
    assert result.exit_code == 0 and "half of it is missing" in result.output
    assert store.open_run(tmp_path / "run").header.data.notes == ["half of it is missing"]


def test_a_flipped_view_of_an_array_is_a_valid_image(tmp_path: Path) -> None:
    flipped = OWN.replace("np.full((64, 64, 3), 40 * index, kind)", "np.zeros((64, 64, 3), np.uint8)[::-1]")
    assert run_own(tmp_path, flipped, 1).exit_code == 0


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("classes = ()", "classes = 'ab'", "own.py gives classes ('a', 'b'): classes is a tuple of printable names"),
        ("classes = ()", "classes = ('a', 'a')", "own.py names a class twice"),
        ("classes = ()", "classes = None", "own.py fails (classes): it raises TypeError"),
        ("classes = ()", "classes = (); notes = 'ab'", "own.py gives notes 'ab': notes is a tuple of texts"),
        ("classes = ()", "classes = (); notes = (5,)", "own.py gives notes (5,): notes is a tuple of texts"),
        ("classes = ()", "classes = (); notes = 5", "own.py fails (notes): it raises TypeError"),
        ("return str(index)", "return index", "own.py names an image 0: a name is a printable string"),
        ("return 4", "return None", "own.py fails (len())"),
    ],
)
def test_an_invalid_data_set_is_refused(tmp_path: Path, before: str, after: str, message: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN.replace(before, after), encoding="utf-8")
    result = bench("run", "--dataset", file, "--nets", "squeezenet1_1", "--out", tmp_path / "run")
    assert result.exit_code == 2 and message in words(result.output)


def test_a_data_set_whose_code_changed_is_another_run(tmp_path: Path) -> None:
    """Images that failed before may have any content when the run is resumed; the code of the data set must be the same."""
    assert run_own(tmp_path, OWN, 4).exit_code == 3
    result = run_own(tmp_path, OWN.replace("index == 1", "index == 9"), 4)
    assert result.exit_code == 2
    assert "holds another run: its images, or the file that loads them, have changed since" in words(result.output)


def test_a_changed_image_is_another_run_even_if_another_image_was_unreadable(photos: Path, tmp_path: Path) -> None:
    damaged, other = image_order(photos, tmp_path / "complete")[:2]
    (photos / damaged).write_bytes(b"damaged")
    assert bench(*arguments(photos, tmp_path / "run")).exit_code == 3
    (photos / other).write_bytes((photos / damaged).read_bytes())
    result = bench(*arguments(photos, tmp_path / "run"))
    assert result.exit_code == 3  # `other` cannot be read either, but its scores are stored, so the run is the same
    Image.new("RGB", (64, 64), "red").save(photos / other)
    result = bench(*arguments(photos, tmp_path / "run"))
    assert result.exit_code == 2 and "have changed since" in words(result.output)

"""Nothing lost: what fails on one image is recorded and tried again, and what ends a run leaves what is done."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from cambench.bench.cli.main import main
from cambench.bench.data.types import Image as DataImage
from cambench.bench.nets.net import Net
from cambench.bench.run import runner
from cambench.bench.run.plan import Plan
from cambench.bench.store import run as store
from cambench.tests.support.runs import words

COUNT = 6


def bench(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs of noise, each of its own brightness, from dark to bright; none is labelled."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = rng.integers(number * 30, number * 30 + 60, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return folder


def asked(photos: Path, out: Path, method: object = "centre", metric: object = "insertion") -> list[object]:
    dataset = f"image_folder[path={photos},size=64]"
    chosen = ["--methods", method, "--metrics", metric, "--images", COUNT, "--precision", "fp32"]
    return ["run", "--nets", "squeezenet1_1", "--dataset", dataset, *chosen, "--out", out]


def order(photos: Path, out: Path) -> list[str]:
    """The images' names in the order of the run, which is another one than that of the names."""
    assert bench(*asked(photos, out)).exit_code == 0
    return [str(name) for name in store.read(out).header["data"]["images"]]


def of(run: Path, table: str) -> list[str]:
    rows = store.read(run).table(table)
    return sorted(set(rows["image"])) if len(rows) else []


@pytest.mark.parametrize("place", [0, 3])
def test_a_torn_image_is_recorded_and_tried_again(photos: Path, tmp_path: Path, place: int) -> None:
    """Also the first, with which a run's data are known again, and which has its work counted."""
    whole = tmp_path / "whole"
    torn = order(photos, whole)[place]
    content = (photos / torn).read_bytes()
    (photos / torn).write_bytes(content[: len(content) // 2])
    out = tmp_path / "run"
    result = bench(*asked(photos, out))
    assert result.exit_code == 3
    assert f"1 image of {COUNT} failed on 1 net, the first {torn} on squeezenet1_1: " in words(result.output)
    assert "the same command tries again what failed" in words(result.output)
    assert of(out, "failures") == [torn]
    assert len(of(out, "scores")) == COUNT - 1 and torn not in of(out, "scores")
    assert f"failed</dt><dd>1 image of {COUNT} failed" in (out / "report.html").read_text()
    assert bench(*asked(photos, out)).exit_code == 3
    (photos / torn).write_bytes(content)
    result = bench(*asked(photos, out))
    assert result.exit_code == 0 and "5 of 6 done before" in result.output
    assert of(out, "failures") == []
    again, once = (store.read(run).table("scores").sort_values("image")["value"].tolist() for run in (out, whole))
    assert again == pytest.approx(once, abs=1e-7)  # batches of other sizes round otherwise
    counted = store.read(out).table("cost").dropna(subset="forwards")
    assert len(counted) == 1


def test_no_image_can_be_read(photos: Path, tmp_path: Path) -> None:
    for file in photos.iterdir():
        file.write_bytes(b"torn")
    result = bench(*asked(photos, tmp_path / "run"))
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
def test_what_raises_on_one_image_fails_there_and_on_the_first_ends_the_run(
    photos: Path, tmp_path: Path, code: str, kind: str, reason: str
) -> None:
    names = order(photos, tmp_path / "whole")
    files = []
    for place in (2, 0):
        (tmp_path / names[place]).mkdir()
        files.append(tmp_path / names[place] / "odd.py")
        files[-1].write_text('"""Odd."""' + code.format(dark=_mean(photos / names[place])))
    result = bench(*asked(photos, tmp_path / "run", **{kind: files[0]}))
    assert result.exit_code == 3
    assert f"the first {names[2]} on squeezenet1_1: {reason}; " in words(result.output)
    assert of(tmp_path / "run", "scores") == sorted(set(names) - {names[2]})
    result = bench(*asked(photos, tmp_path / "other", **{kind: files[1]}))
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(reason)


ENDINGS = {
    "accelerator": (
        torch.AcceleratorError("CUDA error: device-side assert triggered\nmore"),
        "the device is lost (CUDA error: device-side assert triggered): what is done is kept, and the same command goes on",
    ),
    "cublas": (
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"),
        "the device is lost (CUDA error: CUBLAS_STATUS_EXECUTION_FAILED): what is done is kept, and the same command goes on",
    ),
    "memory": (
        torch.OutOfMemoryError("CUDA out of memory."),
        "one image does not fit into the device's memory: take smaller images or another device",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_lost_device_ends_the_run_and_keeps_what_is_done(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Not the run's first image: two are done before."""
    error, sentence = ENDINGS[ending]
    whole = runner.units

    def lost(plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, DataImage]]) -> list[store.Unit]:
        if images[0][0] == 2:
            raise error
        return whole(plan, net, labels, images)

    monkeypatch.setattr("cambench.bench.run.plan.GROUP_MOST", 2)
    monkeypatch.setattr("cambench.bench.run.session.units", lost)
    result = bench(*asked(photos, tmp_path / "run"))
    assert result.exit_code == 2
    assert result.stderr.strip() == f"bench: {sentence}"
    assert len(of(tmp_path / "run", "scores")) == 2
    monkeypatch.undo()
    assert bench(*asked(photos, tmp_path / "run")).exit_code == 0


OWN_NET = '''"""A net."""

import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
'''


def test_what_a_net_of_the_users_own_raises_is_that_images_failure(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runner.units

    def raising(
        plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, DataImage]]
    ) -> list[store.Unit]:
        if 2 in dict(images):
            raise ValueError("the image is odd")
        return whole(plan, net, labels, images)

    monkeypatch.setattr("cambench.bench.run.session.units", raising)
    file = tmp_path / "mine.py"
    file.write_text(OWN_NET)
    result = bench(*asked(photos, tmp_path / "run"), "--nets", f"{file}:make")
    assert result.exit_code == 3
    reason = "net mine:make fails: it raises ValueError: the image is odd"
    assert store.read(tmp_path / "run").table("failures")["reason"].tolist() == [reason]
    assert len(of(tmp_path / "run", "scores")) == COUNT - 1
    with pytest.raises(ValueError, match="odd"):  # of a net of this suite it is a bug, and shown
        bench(*asked(photos, tmp_path / "other"))


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


def run_own(folder: Path, text: str, images: int, metric: str = "gini") -> Result:
    """A run of a data set of the user's own file of this text, which may have been another before."""
    (folder / "own.py").write_text(text)
    chosen = ["--nets", "squeezenet1_1", "--methods", "centre", "--metrics", metric, "--precision", "fp32"]
    return bench("run", "--dataset", folder / "own.py", *chosen, "--images", images, "--out", folder / "run")


def test_what_a_data_set_of_the_users_own_raises_or_makes_is_that_images_failure(tmp_path: Path) -> None:
    done = run_own(tmp_path, OWN, 4, "insertion")
    assert done.exit_code == 3
    assert of(tmp_path / "run", "scores") == ["0", "3"]
    failures = store.read(tmp_path / "run").table("failures")
    said = dict(zip(failures["image"], failures["reason"], strict=True))
    assert said["1"] == "own.py fails: line 11 raises OSError: the share is gone"
    assert "the work and the memory" not in " ".join(done.output.split())
    assert said["2"] == "own.py gives 2 as float32 of shape (64, 64, 3): pixels are an array of uint8, (h, w, 3)"


def test_where_the_first_image_failed_the_costs_that_are_its_are_missing(tmp_path: Path) -> None:
    done = run_own(tmp_path, OWN.replace("index == 1", "index == 0"), 2, "insertion")
    assert "the work and the memory of methods are those of the run's first image, which is among them" in words(
        done.output
    )


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN.replace("str(index)\n    def", "'same'\n    def"))
    done = CliRunner().invoke(main, ["run", "--dataset", str(file), "--images", "3", "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert "the data set names 3 images 'same': give each a name of its own" in words(done.output)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("Image('other', np.zeros((8, 8, 3), np.uint8), None)", "own.py gives 1 under the name 'other': they are one"),
        (
            "Image('1', np.zeros((8, 8, 3), np.uint8), 'star')",
            "own.py gives 1 the label 'star': it is None, or a whole",
        ),
        ("Image('1', np.zeros((8, 8, 3), np.uint8), -1)", "own.py gives 1 the label -1"),
        ("Image('1', [[1]], None)", "own.py gives 1 as list of shape (1, 1): pixels are an array of uint8, (h, w, 3)"),
        (
            "Image('1', np.zeros((8, 8, 3), np.uint8), 0, (Object(0, np.zeros((4, 4), bool)),))",
            "own.py gives 1 a mask as bool",
        ),
        ("Image('1', np.zeros((1, 1, 3), np.uint8), None)", "squeezenet1_1 cannot take images of 1 x 1"),
    ],
)
def test_what_is_no_image_is_told(tmp_path: Path, made: str, said: str) -> None:
    text = OWN.replace("import Image", "import Image, Object").replace(
        'raise OSError("the share is gone")', f"return {made}"
    )
    assert run_own(tmp_path, text, 2).exit_code == 3
    (reason,) = store.read(tmp_path / "run").table("failures")["reason"]
    assert reason.startswith(said)


def test_a_flipped_view_is_an_image(tmp_path: Path) -> None:
    flipped = OWN.replace("np.full((64, 64, 3), 40 * index, kind)", "np.zeros((64, 64, 3), np.uint8)[::-1]")
    assert run_own(tmp_path, flipped, 1).exit_code == 0


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("classes = ()", "classes = 'ab'", "own.py gives classes ('a', 'b'): they are a tuple of names"),
        ("classes = ()", "classes = ('a', 'a')", "own.py names a class twice"),
        ("classes = ()", "classes = None", "own.py fails (classes): it raises TypeError"),
        ("return str(index)", "return index", "own.py names an image 0: a name is a printable text"),
        ("return 4", "return None", "own.py fails (len())"),
    ],
)
def test_a_data_set_that_is_none_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN.replace(before, after))
    done = bench("run", "--dataset", file, "--nets", "squeezenet1_1", "--out", tmp_path / "run")
    assert done.exit_code == 2 and said in words(done.output)


def test_a_data_set_of_other_code_is_another_run(tmp_path: Path) -> None:
    """Images that could not be read may be any when they can; the file that gives them may not be another."""
    assert run_own(tmp_path, OWN, 4).exit_code == 3
    done = run_own(tmp_path, OWN.replace("index == 1", "index == 9"), 4)
    assert done.exit_code == 2
    assert "holds another run: its images, or the file that gives them, have changed since" in words(done.output)


def test_images_that_changed_are_another_run_though_one_could_not_be_read(photos: Path, tmp_path: Path) -> None:
    torn, other = order(photos, tmp_path / "whole")[:2]
    (photos / torn).write_bytes(b"torn")
    assert bench(*asked(photos, tmp_path / "run")).exit_code == 3
    (photos / other).write_bytes((photos / torn).read_bytes())
    done = bench(*asked(photos, tmp_path / "run"))
    assert done.exit_code == 3  # that image is unread now, and its scores are there
    Image.new("RGB", (64, 64), "red").save(photos / other)
    done = bench(*asked(photos, tmp_path / "run"))
    assert done.exit_code == 2 and "have changed since" in words(done.output)

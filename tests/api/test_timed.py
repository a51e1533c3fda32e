"""Runs with a time limit: what is computed first, what is left out, and that the rest can be computed later."""

import builtins
from collections import Counter
from itertools import count
from pathlib import Path
from time import perf_counter

import pandas as pd
import pytest
from PIL import Image as Picture

from cambench import load, load_dataset
from cambench.bench.api import execute, progress
from cambench.bench.core import plugins
from cambench.bench.core.errors import FAILED
from cambench.bench.core.plugins import METHOD
from cambench.bench.forward import cost
from cambench.bench.run.describe import FINGERPRINTED
from cambench.bench.stats.answer import Answer
from cambench.bench.stats.ranking import rank_methods
from cambench.bench.store.run import open_run

from ..support.cli import bench, refused
from ..support.runs import words

EXPENSIVE = '''"""A method that takes a hundred seconds by the clock of these tests."""

import builtins

VERSION = 1
EXPENSIVE = True


def explain(net, images, targets):
    builtins.clock_of_tests += 100
    return net.compute_activations(images).mean(1)
'''


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that only the expensive method moves, once an image: by the true clock it is short, and would be timed twice."""
    monkeypatch.setattr(cost, "SHORT", 0.0)
    monkeypatch.setattr("builtins.clock_of_tests", 0.0, raising=False)
    monkeypatch.setattr(progress, "monotonic", lambda: vars(builtins)["clock_of_tests"])


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    file = tmp_path_factory.mktemp("method") / "expensive.py"
    file.write_text(EXPENSIVE, encoding="utf-8")
    return [
        "run", "--nets", "squeezenet1_1,resnet18", "--dataset", "scenes[size=64]", "--images", "6",
        "--methods", f"grad_cam,{file},random", "--metrics", "average_drop", "--precision", "fp32",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a limit."""
    vars(builtins)["clock_of_tests"] = 0.0
    out = tmp_path_factory.mktemp("whole") / "run"
    assert bench(*command, "--out", out).exit_code == 0
    return out


def count_images(directory: Path) -> dict[tuple[str, str], int]:
    scores = open_run(directory).table("scores")
    return dict(Counter(zip(scores["net"], scores["method"].map(lambda method: Path(method).stem), strict=True)))


def assert_close(first: Path, second: Path) -> None:
    """Two runs have the same rows, and values that differ by rounding only: their batches differ."""
    keys = ["net", "image", "method", "metric"]
    one, two = (open_run(path).table("scores").astype(dict.fromkeys(keys, str)).set_index(keys)["value"].sort_index()
                for path in (first, second))  # fmt: skip
    assert one.index.equals(two.index) and len(one) == 2 * 6 * 3
    assert one.to_numpy() == pytest.approx(two.to_numpy(), abs=1e-4)


def test_with_time_enough_everything_is_computed(command: list[str], whole: Path, tmp_path: Path) -> None:
    result = bench(*command, "--out", tmp_path / "run", "--time", "2h")
    assert result.exit_code == 0 and "time is up" not in result.output
    assert_close(tmp_path / "run", whole)
    assert result.output.count(": 4 of 6 images, fp32") == result.output.count(": 6 images, fp32") == 2


def test_expensive_methods_that_do_not_fit_are_left_out(command: list[str], whole: Path, tmp_path: Path) -> None:
    result = bench(*command, "--out", tmp_path / "run", "--time", "10min")
    text = words(result.output)
    assert "time is up" not in text, "it is not, but the expensive method does not fit"
    assert "the other methods are done, and the rest would not end in time. Not computed: " in text
    assert "Run the same command again to continue, without --time to the end" in text
    for net in ("squeezenet1_1", "resnet18"):
        assert f"expensive on {net}, 5 images (about 8 min)" in text
        counts = count_images(tmp_path / "run")
        assert [counts[net, method] for method in ("grad_cam", "random", "expensive")] == [6, 6, 1]
    counts_said = "squeezenet1_1 6 of 6 (expensive 1), resnet18 6 of 6 (expensive 1)."
    assert f"This run is not complete; images so far: {counts_said}" in (tmp_path / "run" / "report.html").read_text(
        "utf-8"
    )
    answer = open_answer(tmp_path / "run")
    assert answer.images == 6, "one image of the expensive method does not stop the others from being compared"
    assert bench(*command, "--out", tmp_path / "run").exit_code == 0
    assert_close(tmp_path / "run", whole)


def test_a_slow_method_is_left_out_though_it_does_not_say_that_it_is_expensive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: perf_counter() + vars(builtins)["clock_of_tests"])
    file = tmp_path / "slow.py"
    file.write_text(EXPENSIVE.replace("EXPENSIVE = True\n", ""), encoding="utf-8")
    command = ["run", "--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--images", "12", "--methods",
               f"grad_cam,{file},random", "--metrics", "gini", "--precision", "fp32", "--out", tmp_path / "run"]  # fmt: skip
    text = words(bench(*command, "--time", "20min").output)
    assert "Not computed: slow on squeezenet1_1, 8 images (about 13 min)" in text
    counts = count_images(tmp_path / "run")
    assert [counts["squeezenet1_1", method] for method in ("grad_cam", "random", "slow")] == [12, 12, 4]
    assert "the time is up" in words(bench(*command, "--time", "5min").output), "the same command goes on with it"
    assert 4 < count_images(tmp_path / "run")["squeezenet1_1", "slow"] < 12
    assert bench(*command).exit_code == 0
    again = bench(*command, "--time", "20min").output
    assert count_images(tmp_path / "run")["squeezenet1_1", "slow"] == 12 and again.count(": 12 images, fp32") == 1


@pytest.mark.parametrize("others", ["", ",./other.py"])
def test_methods_that_alone_can_be_taken_are_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: str
) -> None:
    """Of more images than fit into the time, all methods get as many as fit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.perf_counter", lambda: perf_counter() + vars(builtins)["clock_of_tests"])
    for name in ("slow", "other"):
        Path(f"{name}.py").write_text(EXPENSIVE.replace("EXPENSIVE = True\n", ""), encoding="utf-8")
    command = ["run", "--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--images", "40", "--methods",
               f"./slow.py,random{others}", "--metrics", "gini", "--precision", "fp32", "--out", tmp_path / "run"]  # fmt: skip
    text = words(bench(*command, "--time", "20min").output)
    counts = count_images(tmp_path / "run")
    assert "the time is up. Not computed: " in text and "images on squeezenet1_1" in text
    assert 4 < counts["squeezenet1_1", "slow"] == counts["squeezenet1_1", "random"] < 40
    if others:
        assert counts["squeezenet1_1", "other"] == counts["squeezenet1_1", "slow"]


def test_an_expensive_method_goes_on_though_a_first_image_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("expensive.py").write_text(EXPENSIVE, encoding="utf-8")
    Path("own.py").write_text(UNREADABLE, encoding="utf-8")
    command = ["run", "--nets", "squeezenet1_1", "--dataset", "./own.py", "--images", "8",
               "--methods", "grad_cam,./expensive.py", "--metrics", "gini", "--precision", "fp32",
               "--out", tmp_path / "run", "--time", "6min"]  # fmt: skip
    done = []
    for _ in range(3):
        assert bench(*command).exit_code == FAILED
        done.append(count_images(tmp_path / "run")["squeezenet1_1", "expensive"])
    assert done[0] < done[1] <= done[2] == 7


UNREADABLE = """
import numpy as np
from cambench import load_dataset, Image

class Images:
    classes = ()
    def __len__(self): return 8
    def name(self, index): return str(index)
    def __getitem__(self, index):
        if index == 2: raise OSError("it is gone")
        return Image(str(index), np.full((64, 64, 3), 20 * index, np.uint8), None)

def load(): return Images()
"""

FAILING = '''"""A method that fails on the images that are brighter than some."""

import torch

from cambench import ImageError

VERSION = 1


def explain(net, images, targets):
    if bool((images.mean((1, 2, 3)) > LIMIT).any()):
        raise ImageError("it is too bright")
    return images.mean(1)
'''


def test_images_that_fail_are_not_said_to_lack_time(command: list[str], tmp_path: Path) -> None:
    """On the first image a method must not fail, so the limit lies above it."""
    images = load_dataset("scenes[size=64]")
    means = [float((images[index].pixels / 255).mean()) for index in range(6)]
    limit = means[0] + 1e-4
    failing = sum(mean > limit for mean in means)
    assert 0 < failing < 5, "some images fail, and not all"
    file = tmp_path / "failing.py"
    file.write_text(FAILING.replace("LIMIT", repr(limit)), encoding="utf-8")
    expensive = command[command.index("--methods") + 1].split(",")[1]
    shorter = ("--nets", "squeezenet1_1", "--time", "10min")
    result = bench(*command, *shorter, "--methods", f"random,{file}", "--out", tmp_path / "cheap")
    assert result.exit_code == FAILED and "failed on 1 net" in words(result.output)
    assert "Not computed" not in result.output and "without --time" not in result.output
    result = bench(*command, *shorter, "--methods", f"random,{file},{expensive}", "--out", tmp_path / "expensive")
    assert result.exit_code == FAILED
    rest = (
        f"the rest would not end in time. Not computed: expensive on squeezenet1_1, {5 - failing} images (about 8 min)."
    )
    assert rest in words(result.output)


def open_answer(directory: Path) -> Answer:
    return load(directory).answer()[0]


def test_what_the_time_cuts_off_is_said_and_computed_by_the_same_command(
    command: list[str], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()
    monkeypatch.setattr(progress, "monotonic", lambda: float(next(looks)))
    result = bench(*command, "--out", tmp_path / "run", "--time", "3s")
    text = words(result.output)
    assert "the time is up. Not computed: " in text and "6 images on resnet18" in text
    assert "expensive on squeezenet1_1, 6 images; expensive on resnet18, 6 images." in text, "it was not begun"
    assert {method for _, method in count_images(tmp_path / "run")} == {"grad_cam", "random"}, (
        "cheap methods come first"
    )
    monkeypatch.undo()
    vars(builtins)["clock_of_tests"] = 0.0
    assert bench(*command, "--out", tmp_path / "run").exit_code == 0
    assert_close(tmp_path / "run", whole)


def test_a_long_run_is_told_how_to_be_shorter(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cambench.bench.run.plan.MAX_GROUP", 1)
    monkeypatch.setattr(execute, "LONG", 0)
    text = words(bench(*command, "--out", tmp_path / "run").output)
    assert text.count(" left; --time 4min computes what fits into a time that you choose") == 1


def test_methods_that_take_dozens_of_passes_declare_it() -> None:
    expensive = {name for name in plugins.list_names(METHOD) if _is_expensive(name)}
    assert expensive == {
        "ablation_cam", "group_cam", "is_cam", "occlusion", "opti_cam", "recipro_cam", "rise", "score_cam", "ss_cam",
    }  # fmt: skip


def _is_expensive(name: str) -> bool:
    return name not in ("torchcam", "pytorch_grad_cam") and plugins.find(METHOD, name).expensive


def test_a_method_on_fewer_than_half_of_the_images_leaves_the_ranking() -> None:
    values = pd.DataFrame({"a": [0.9, 0.8, 0.7, 0.9], "b": [0.5, 0.4, 0.3, 0.5], "c": [0.99, None, None, None]})
    ranking = rank_methods(values, better="higher")
    assert ranking.n == 4 and ranking.left_out == ("c",) and [each.method for each in ranking.methods] == ["a", "b"]
    values["c"] = [0.99, 0.9, None, None]
    assert rank_methods(values, better="higher").n == 2


def test_a_picture_that_has_changed_since_it_was_explained_ends_the_run(tmp_path: Path) -> None:
    """Other methods would be scored on another picture. The pictures of the first images alone are part of the run's header."""
    (tmp_path / "expensive.py").write_text(EXPENSIVE, encoding="utf-8")
    photos = tmp_path / "photos"
    photos.mkdir()
    scenes = load_dataset("scenes[size=64]")
    for index in range(FINGERPRINTED + 2):
        Picture.fromarray(scenes[index].pixels).save(photos / f"{index:02}.png")
    command = [
        "run", "--nets", "squeezenet1_1", "--dataset", photos, "--methods", f"grad_cam,{tmp_path}/expensive.py,random",
        "--metrics", "average_drop", "--precision", "fp32", "--images", FINGERPRINTED + 2, "--out", tmp_path / "run",
    ]  # fmt: skip
    assert bench(*command, "--time", "250s").exit_code == 0
    before = open_run(tmp_path / "run").table("scores")
    last = photos / open_run(tmp_path / "run").header.data.images[-1]
    picture = last.read_bytes()
    Picture.fromarray(scenes[99].pixels).save(last)
    assert f"the picture of {last.name} has changed since it was first explained" in refused(*command)
    last.write_bytes(picture)
    assert bench(*command).exit_code == 0
    after = open_run(tmp_path / "run").table("scores")
    assert len(after) > len(before) and len(after) == 3 * (FINGERPRINTED + 2)

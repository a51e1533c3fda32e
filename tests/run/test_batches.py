"""Batches: what would make a GPU wait, counted on the CPU, the batch sizes that a net sees, and methods that fail on one."""

import math
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cambench.bench.config import suite_file
from cambench.bench.data.seeds import hash_image
from cambench.bench.data.types import Image
from cambench.bench.nets.net import Net
from cambench.bench.run import plan as planning
from cambench.bench.run.plan import Plan, make_plan
from cambench.bench.run.session import Session
from cambench.bench.store.parts import Unit
from cambench.tests.support.nets import MANY_LIVE_CHANNELS
from cambench.tests.support.waits import CountWaits, mark

METHODS = [
    "cam", "grad_cam", "score_cam", "grad_cam_pp", "layer_cam", "xgrad_cam", "hires_cam", "eigen_cam",
    "opti_cam[iterations=2]", "random", "centre", "uniform", "edge", "fake_cam",
]  # fmt: skip
METRICS = [
    "insertion[steps=8]", "deletion[steps=8]", "average_drop", "average_increase", "average_gain", "pointing", "energy",
    "road", "adcc", "gini", "entropy", "complexity", "sparsity", "distractor", "coherency",
]  # fmt: skip
MOST_WAITS = 16  # a batch, of all methods and metrics together

HIGHEST = """
BETTER, UNIT, RANGE, SHORT = "higher", "share", (0, 1), "high"

def score(case):
    return case.map.max()
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(MANY_LIVE_CHANNELS)
    return f"{tmp_path}/nets.py:tiny"


def count_waits(
    net: str,
    images: int,
    monkeypatch: pytest.MonkeyPatch,
    methods: Sequence[str] = METHODS,
    metrics: Sequence[str] = METRICS,
) -> CountWaits:
    """Count the waits of one batch of this many images, which is not the first and not timed."""
    monkeypatch.setattr(planning, "MAX_GROUP", images)
    monkeypatch.setattr(planning, "PAIRS_PER_GROUP", 10**9)
    suite = suite_file.load(
        "smoke", nets=[net], methods=list(methods), metrics=list(metrics), images=4 * images, precision="fp32",
        dataset="scenes[size=32]", target="predicted",
    ).model_copy(update={"timed": 1})  # fmt: skip
    plan = make_plan(suite, "cpu")
    session = Session(plan, plan.suite.nets[0])
    list(session.compute(plan.groups[:3]))
    for weight in (*session.net.parameters(), *session.net.buffers()):
        mark(weight)
    with CountWaits() as waits:
        (units,) = session.compute(plan.groups[3:4])
    assert len(units) == images and not any(unit.rows.get("failures") for unit in units)
    return waits


def test_a_batch_of_more_images_waits_no_more_often(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (count_waits(net, images, monkeypatch) for images in (2, 8))
    assert few.downloads == many.downloads and many.downloads.total() <= MOST_WAITS
    assert many.uploads.total() - few.uploads.total() <= 8 - 2, "more is moved to the device than an image's noise"


def test_metrics_of_maps_wait_once_for_all_of_them(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(*metrics: str) -> int:
        waits = count_waits(net, 4, monkeypatch, ["grad_cam", "centre"], metrics)
        return waits.downloads["cpu"]

    assert count("average_drop", "gini", "entropy", "energy", "coherency") == count("average_drop") == count("gini")


def test_maps_are_copied_to_the_host_only_for_a_metric_that_reads_them(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = count_waits(net, 4, monkeypatch, ["grad_cam", "centre"], ["gini", "insertion"])
    (tmp_path / "highest.py").write_text(HIGHEST)
    more = count_waits(net, 4, monkeypatch, ["grad_cam", "centre"], ["gini", "insertion", f"{tmp_path}/highest.py"])
    assert more.downloads - waits.downloads == {"cpu": 1}


def test_a_users_method_waits_for_the_sums_of_weights_alone(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a batch, and once after each such method."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("def explain(net, images, targets):\n    return images.mean(1)\n")
    own = [[], [f"{tmp_path}/one.py"], [f"{tmp_path}/one.py", f"{tmp_path}/two.py"]]
    waits = [[count_waits(net, images, monkeypatch, ["centre", *methods], ["gini"]).downloads.total() for methods in own]
             for images in (2, 8)]  # fmt: skip
    assert waits[0] == waits[1], "the number of images does not matter"
    none, one, two = waits[0]
    assert (one - none, two - none) == (2, 3)


def test_a_net_sees_few_batch_sizes_in_a_run(net: str) -> None:
    suite = suite_file.load(
        "smoke", nets=[net], methods=["score_cam", "grad_cam"], metrics=["insertion", "average_drop"], images=50,
        precision="fp32", dataset="scenes[size=32]", target="predicted",
    )  # fmt: skip
    plan = make_plan(suite, "cpu")
    session, sizes, live = Session(plan, plan.suite.nets[0]), set[int](), set[int]()
    list(session.compute(plan.groups[:1]))  # the first image also counts the work, without images that fill up a chunk
    session.net._forward.net.register_forward_pre_hook(lambda _, inputs: sizes.add(len(inputs[0])))
    session.net.features.register_forward_hook(lambda *results: live.update(_count_live(results[2])))
    list(session.compute(plan.groups[1:]))
    assert len(live) > 5, "the images have too few numbers of live channels for this test"
    assert len(sizes) <= 4


@pytest.mark.parametrize(("gigabytes", "images"), [(1, 1), (24, 12), (139, 32)])
def test_a_device_other_than_the_cpu_takes_as_many_images_as_fit_into_its_memory(
    net: str, monkeypatch: pytest.MonkeyPatch, gigabytes: int, images: int
) -> None:
    suite = suite_file.load("smoke", nets=[net], images=100, dataset="scenes[size=32]", target="predicted")
    plan = replace(make_plan(suite, "cpu"), device=torch.device("cuda"))
    monkeypatch.setattr(planning, "measure_memory", lambda _: (0, gigabytes * 2**30))
    assert plan.batch_size == images
    alone = [index for index in plan.indices if plan.find_timing(index) == "single"]
    assert plan.indices[: len(alone)] == alone and [index for group in plan.groups for index in group] == plan.indices
    assert max(map(len, plan.groups)) == images
    assert {replace(plan, measures_seconds=False).find_timing(index) for index in plan.indices} == {None}
    timings = [{plan.find_timing(index) for index in group} for group in plan.groups]
    assert all(len(timing) == 1 for timing in timings), "the images of a group are timed in different ways"
    timed = [group for group, timing in zip(plan.groups, timings, strict=True) if timing == {"batch"}]
    assert [len(group) for group in timed] == ([images] if images > 1 else [])


def test_images_that_do_not_fit_are_tried_in_halves_and_later_ones_in_batches_that_fit(
    net: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, held = list[int](), list[weakref.ref[Tensor]]()

    def compute(
        plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]], _: Net | None
    ) -> Any:
        tried.append(len(images))
        assert [tensor() for tensor in held] == [None] * len(held), (
            "the tensors of an attempt that failed are still there"
        )
        tensor = torch.zeros(1)
        held.append(weakref.ref(tensor))
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [Unit((net.name, image.name)) for _, image in images]

    monkeypatch.setattr("cambench.bench.run.session.compute_units", compute)
    suite = suite_file.load("smoke", nets=[net], images=20, dataset="scenes[size=32]", target="predicted")
    plan = make_plan(suite, "cpu")
    groups = [list(range(8)), list(range(8, 16)), list(range(16, 20))]
    units = list(Session(plan, plan.suite.nets[0]).compute(groups))
    assert [[unit.net_image[1] for unit in of_group] for of_group in units] == [
        [plan.images.name(index) for index in group] for group in groups
    ]
    assert tried == [8, 4, 2, 2, 2, 2, *[2] * 4, *[2] * 2]


def _count_live(activations: Tensor) -> list[int]:
    counts: list[int] = (activations.amax((2, 3)) > activations.amin((2, 3))).sum(1).tolist()
    return counts


def test_the_batch_after_the_images_that_are_timed_alone_is_timed_as_a_whole(net: str) -> None:
    suite = suite_file.load(
        "smoke", nets=[net], methods=["grad_cam"], metrics=["average_drop"], images=24, precision="fp32",
        dataset="scenes[size=32]", target="predicted",
    )  # fmt: skip
    plan = make_plan(suite, "cpu")
    units = [unit for group in Session(plan, plan.suite.nets[0]).compute(plan.groups) for unit in group]
    costs = [unit.rows["cost"][0] for unit in units]
    assert [cost["seconds"] > 0 for cost in costs] == [True] * 8 + [False] * 16
    assert [cost["batch"] for cost in costs] == [None] * 8 + [8] * 8 + [None] * 8
    assert len({cost["batch_seconds"] for cost in costs[8:16]}) == 1 and costs[8]["batch_seconds"] > 0


COLD = """
import time

last = None

def explain(net, images, targets):
    global last
    key = images.shape, float(images.sum())
    first, last = key != last, key
    if first:
        time.sleep(0.08)
    return images.mean(1)
"""


def test_seconds_are_those_of_a_second_call(net: str, tmp_path: Path) -> None:
    """A method whose first call with a batch takes longer, as where caches are cold."""
    (tmp_path / "cold.py").write_text(COLD)
    suite = suite_file.load(
        "smoke", nets=[net], methods=[f"{tmp_path}/cold.py"], metrics=["average_drop"], images=8, precision="fp32",
        dataset="scenes[size=32]", target="predicted",
    )  # fmt: skip
    plan = make_plan(suite, "cpu")
    groups = [plan.indices[:4], plan.indices[4:]]
    costs = [unit.rows["cost"][0] for group in Session(plan, plan.suite.nets[0]).compute(groups) for unit in group]
    assert [cost["seconds"] < 0.06 for cost in costs] == [True] * 4 + [False] * 4
    assert all(4 * cost["batch_seconds"] < 0.06 for cost in costs[4:])


METHOD = """
def explain(net, images, targets, seeds):
    maps, odd = images.mean(1), {seed}
    if odd in seeds:
        {fault}
    return maps
"""


def run_with_fault(folder: Path, net: str, fault: str) -> tuple[dict[str, Unit], str]:
    """Compute images in batches by a method with a fault at the third image of a batch; return units by image, and its name."""
    suite = suite_file.load(
        "smoke", nets=[net], methods=["centre"], metrics=["average_drop"], images=16, precision="fp32",
        dataset="scenes[size=32]", target="predicted",
    ).model_copy(update={"timed": 1})  # fmt: skip
    plan = make_plan(suite, "cpu")
    odd = plan.images[plan.indices[10]]
    (folder / "odd.py").write_text(METHOD.format(seed=hash_image(odd.pixels), fault=fault))
    plan = make_plan(suite.model_copy(update={"methods": [f"{folder}/odd.py", "centre"]}), "cpu")
    groups = [plan.indices[:8], plan.indices[8:]]
    units = [unit for found in Session(plan, plan.suite.nets[0]).compute(groups) for unit in found]
    return {unit.net_image[1]: unit for unit in units}, odd.name


def list_values(units: dict[str, Unit], *, without: str = "") -> dict[tuple[str, str], float]:
    rows = [row for unit in units.values() for row in unit.rows.get("scores", []) if row["image"] != without]
    return {(row["image"], row["method"]): row["value"] for row in rows}


@pytest.mark.parametrize(
    ("fault", "reason", "not_finite"),
    [
        ('raise ValueError("too odd")', "odd.py fails: line 5 raises ValueError: too odd", False),
        ("maps = maps[: len(images) - 1 or 1]", "", False),
        ("maps = maps[:, 0]", "method odd gives (1, 32) for one image: a map is a real tensor (1, h, w)", False),
        ("if len(maps) == 1: maps = maps[:, ::2, ::2]", "", False),
        ("maps[seeds.index(odd)] = float('nan')", "", True),
        ("maps[seeds.index(odd), 3, 3] = float('inf')", "", True),
    ],
)
def test_a_method_that_fails_for_one_image_of_a_batch_leaves_the_others_as_they_are(
    net: str, tmp_path: Path, fault: str, reason: str, not_finite: bool
) -> None:
    expected = list_values(run_with_fault(tmp_path, net, "pass")[0])
    (tmp_path / "faulty").mkdir()
    units, name = run_with_fault(tmp_path / "faulty", net, fault)
    failures = [row["reason"] for unit in units.values() for row in unit.rows.get("failures", [])]
    assert failures == ([reason] if reason else [])
    found = list_values(units, without=name)
    assert len(found) == 2 * 15
    assert found == pytest.approx({key: expected[key] for key in found}, abs=1e-6)
    flags = {
        (image, row["nan_map"])
        for image, unit in units.items()
        for row in unit.rows.get("scores", [])
        if row["method"] == "odd" and (row["nan_map"] or image == name)
    }
    assert flags == (set() if reason else {(name, not_finite)})


def test_a_method_that_does_not_apply_to_one_image_of_a_batch_keeps_the_maps_of_the_others(
    net: str, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    expected = list_values(run_with_fault(tmp_path / "plain", net, "pass")[0])
    refusal = "from cambench import NotApplicable; raise NotApplicable('too odd')"
    units, name = run_with_fault(tmp_path, net, refusal)
    found = list_values(units)
    assert math.isnan(found.pop((name, "odd"))) and expected.pop((name, "odd")) > 0
    assert found == pytest.approx(expected, abs=1e-6)
    reasons = [row["reason"] for unit in units.values() for row in unit.rows["scores"] if row["reason"]]
    assert reasons == ["too odd"]


def test_a_refusal_leaves_the_batches_of_other_methods_as_they_are(net: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    refusal = "from cambench import NotApplicable; raise NotApplicable('too odd')"
    batches = []
    for folder, fault in ((tmp_path / "plain", "pass"), (tmp_path, refusal)):
        units, _ = run_with_fault(folder, net, fault)
        rows = [row for unit in units.values() for row in unit.rows["cost"] if row["method"] == "centre"]
        batches.append([row["batch"] for row in rows])
    assert batches[0] == batches[1] and 7 in batches[0]


def test_a_round_of_some_methods_is_timed_as_one_of_all(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "PAIRS_PER_GROUP", 8)
    suite = suite_file.load(
        "smoke", nets=[net], methods=["centre", "random", "edge", "cam"], metrics=["gini", "complexity"], images=12,
        precision="fp32", dataset="scenes[size=32]", target="predicted",
    )  # fmt: skip
    plan = make_plan(suite, "cpu")
    assert plan.batch_size == 1
    assert replace(plan, methods=plan.methods[:1]).batch_size == 1


def test_a_method_that_applies_to_no_image_has_its_reason(net: str, tmp_path: Path) -> None:
    (tmp_path / "never.py").write_text(
        "from cambench import NotApplicable\n\n\ndef explain(net, images, targets):\n    raise NotApplicable('never')\n"
    )
    suite = suite_file.load(
        "smoke", nets=[net], methods=[f"{tmp_path}/never.py", "centre"], metrics=["average_drop"], images=8,
        precision="fp32", dataset="scenes[size=32]", target="predicted",
    )  # fmt: skip
    plan = make_plan(suite, "cpu")
    units = [unit for found in Session(plan, plan.suite.nets[0]).compute(plan.groups) for unit in found]
    assert [row["reason"] for unit in units for row in unit.rows["scores"]] == ["never", None] * 8

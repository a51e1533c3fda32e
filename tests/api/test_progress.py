"""The line of progress: the time that is left follows from what images have taken, and from what nets not begun will take."""

from collections.abc import Iterator
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
import torch
from rich.console import Console

from cambench.bench.api import progress
from cambench.bench.api.progress import Deadline, Forecast, follow
from cambench.bench.config import suite_file
from cambench.bench.core import plugins
from cambench.bench.core.plugins import ENGINE
from cambench.bench.forward.forward import Stream
from cambench.bench.nets.net import Net
from cambench.bench.run.describe import make_header
from cambench.bench.run.forecast import time_passes
from cambench.bench.run.plan import Plan, Round, make_plan
from cambench.bench.store.run import open_run
from cambench.bench.store.writer import Writer

NETS = ["squeezenet1_1", "resnet18"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def record(forecast: Forecast, clock: list[float], net: str, seconds: float) -> None:
    clock[0] += seconds
    forecast.record(net)


def test_a_net_that_is_not_begun_weighs_what_its_predictions_cost(clock: list[float]) -> None:
    forecast = Forecast({"small": [1, 1, 1, 1], "large": [1, 1]}, {"small": 3.0, "large": 30.0})
    for seconds in (4, 2):
        record(forecast, clock, "small", seconds)
    assert forecast.seconds == 2 * 2 + 2 * 20 and forecast.share == 6 / 50
    record(forecast, clock, "large", 30)
    assert forecast.seconds == 2 * 2 + 30, "what was measured replaces what was forecast"
    assert forecast.share == 36 / 70


@pytest.mark.parametrize("passes", [{}, {"large": 30.0}, {"small": 3.0}])
def test_nets_of_unknown_cost_are_taken_to_be_like_the_others(clock: list[float], passes: dict[str, float]) -> None:
    forecast = Forecast({"small": [1, 1, 1, 1], "large": [1, 1]}, passes)
    for _ in range(2):
        record(forecast, clock, "small", 2)
    assert forecast.seconds == 2 * 2 + 2 * 2


def test_the_first_group_of_a_net_counts_as_long_as_there_is_no_other(clock: list[float]) -> None:
    """It takes longer: the net is warmed up, and its work is counted."""
    forecast = Forecast({"small": [1, 1, 1], "large": [1, 1]}, {"small": 3.0, "large": 30.0})
    record(forecast, clock, "small", 9)
    assert forecast.seconds is None and forecast.share is None
    record(forecast, clock, "small", 2)
    assert forecast.seconds == 2 + 2 * 20
    alone = Forecast({"small": [1], "large": [1]}, {"small": 3.0, "large": 30.0})
    record(alone, clock, "small", 9)
    assert alone.seconds == 90


def test_images_that_are_computed_together_take_the_time_of_their_group_together(clock: list[float]) -> None:
    forecast = Forecast({"small": [2, 2], "large": [2]}, {"small": 3.0, "large": 30.0})
    for seconds in (8, 0):
        record(forecast, clock, "small", seconds)
    assert forecast.seconds is None
    record(forecast, clock, "small", 5)
    assert forecast.seconds is None and forecast.left["small"] == 1, (
        "the first image comes when its whole group is done"
    )
    record(forecast, clock, "small", 1)
    assert forecast.seconds == 2 * 30 and forecast.share == 14 / 74


@pytest.fixture(scope="module")
def plan() -> Plan:
    changes = {"nets": NETS, "dataset": "scenes[size=64]", "methods": ["cam", "centre"], "metrics": ["gini"]}
    return make_plan(suite_file.load("smoke", images=6, precision="fp32", **changes), "cpu")


def test_a_pass_is_timed_in_the_precision_of_the_run(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a first one, and the same images for each net."""
    passes: list[tuple[str, torch.Size]] = []
    logits = Net.logits

    def record_pass(net: Net, stream: Stream) -> torch.Tensor:
        passes.append((net.name, stream.make(0, stream.count).shape))
        return logits(net, stream)

    monkeypatch.setattr(Net, "logits", record_pass)
    seconds = time_passes(plan, NETS)
    assert list(seconds) == NETS and min(seconds.values()) > 0
    assert passes == [(net, torch.Size((8, 3, 64, 64))) for net in NETS for _ in range(2)]
    assert time_passes(plan, NETS[:1]) == {}, "of one net, nothing has to be known"


def test_groups_that_are_computed_at_the_same_time_count_from_the_first(clock: list[float]) -> None:
    """Four workers take ten seconds for an image: forty images take a hundred."""
    forecast = Forecast({"net": [1] * 40}, {}, is_concurrent=True)
    for _ in range(2):
        for seconds in (10, 0, 0, 0):
            record(forecast, clock, "net", seconds)
    assert forecast.seconds == 80 and forecast.share == 0.2


def test_images_of_a_group_that_is_not_done_are_still_to_come(clock: list[float]) -> None:
    forecast = Forecast({"net": [2, 2, 2]}, {})
    for _ in range(4):
        record(forecast, clock, "net", 1)
    assert forecast.seconds == 2
    record(forecast, clock, "net", 1)
    assert forecast.seconds == 2, "one is done, but its seconds count with those of its group"


def run_rounds(
    plan: Plan, directory: Path, rounds: Iterator[Round], describe: progress.Describe, end: Deadline
) -> str | None:
    """Let the local engine compute rounds of groups of one image."""
    writer = Writer(directory, make_header(plan))
    try:
        engine = plugins.find(ENGINE, "local")
        planned = replace(plan, schedule=lambda: rounds)
        return follow(engine, planned, writer, Console(quiet=True), describe=describe, deadline=end)
    finally:
        writer.close()


def test_a_round_that_is_over_begins_no_further_group(plan: Plan, tmp_path: Path) -> None:
    """What it has computed is on disk when the next round is asked for."""
    seen: list[str] = []
    counts: list[int] = []

    def schedule() -> Iterator[Round]:
        groups = [[index] for index in plan.indices]
        yield Round({"squeezenet1_1": groups[:4]}, is_over=lambda: len(seen) >= 1)
        counts.append(len(open_run(tmp_path / "run").table("predictions")))
        yield Round({"squeezenet1_1": groups[4:]})

    def describe(net: str, image: str) -> tuple[str, None]:
        seen.append(image)
        return net, None

    assert run_rounds(plan, tmp_path / "run", schedule(), describe, Deadline.after(None)) is None
    names = open_run(tmp_path / "run").header.data.images
    assert seen == [names[0], names[1], names[4], names[5]] and counts == [2]


def test_the_deadline_is_looked_at_after_each_group(plan: Plan, tmp_path: Path, clock: list[float]) -> None:
    seen: list[str] = []

    def describe(net: str, image: str) -> tuple[str, float]:
        seen.append(image)
        clock[0] += 10
        return net, nan

    rounds = iter([Round({net: [[index] for index in plan.indices] for net in NETS})])
    assert run_rounds(plan, tmp_path / "run", rounds, describe, Deadline.after(25)) == "squeezenet1_1"
    assert len(seen) == 3

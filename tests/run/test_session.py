"""A net is loaded, split and lowered once, and is in memory only while it is needed."""

import gc
import io
import pickle
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import cambench
from cambench.bench.api.execute import execute, show_plan
from cambench.bench.config import suite_file
from cambench.bench.config.suite import Suite
from cambench.bench.core import plugins
from cambench.bench.core.errors import PluginError, UsageError
from cambench.bench.core.plugins import ENGINE
from cambench.bench.engines import _worker
from cambench.bench.engines._shards import Shard
from cambench.bench.nets import load, split
from cambench.bench.nets.net import Net
from cambench.bench.run import forecast
from cambench.bench.run.describe import make_header
from cambench.bench.run.loaded_nets import LoadedNets
from cambench.bench.run.plan import make_plan
from cambench.bench.store import run as store
from cambench.bench.store.writer import Writer

NETS = ["squeezenet1_1", "resnet18"]
SMALL = {"dataset": "scenes[size=64]", "methods": ["grad_cam"], "metrics": ["deletion[steps=4]"]}


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record the modules that are split into nets."""
    modules: list[object] = []
    original = split.split_net

    def record(*arguments: Any) -> split.SplitNet:
        modules.append(arguments[0])
        return original(*arguments)

    monkeypatch.setattr(split, "split_net", record)
    return modules


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_builds_each_net_once(precision: str, tmp_path: Path, builds: list[object]) -> None:
    """Also if the first images are scored in fp32 too, to measure the drift of bf16."""
    cambench.run(
        "smoke", out=tmp_path / "run", device="cpu", quiet=True, nets=NETS, images=2, precision=precision,
        drift=1, **SMALL,
    )  # fmt: skip
    assert len(builds) == len(NETS)


def test_a_forecast_builds_a_net_once(builds: list[object]) -> None:
    suite = suite_file.load("smoke", nets=["squeezenet1_1"], precision="fp32", **SMALL)
    plan = make_plan(suite.model_copy(update={"images": forecast.compute_min_images(suite.drift)}), "cpu")
    assert forecast.measure_needs(plan, "squeezenet1_1").forwards > 0
    assert len(builds) == 1


def test_the_net_in_fp32_is_made_once_and_freed_after_the_images_that_measure_the_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cambench.bench.run.plan.MAX_GROUP", 1)
    made: weakref.WeakSet[Net] = weakref.WeakSet()
    counts: list[int] = []  # of nets in fp32 that are alive, at each prediction of an image
    to_precision, prepare = Net.to_precision, Net.prepare

    def record(net: Net, precision: str) -> Net:
        exact = to_precision(net, precision)
        made.add(exact)
        counts.append(-1)
        return exact

    def count(net: Net, images: Any) -> None:
        gc.collect()
        counts.append(len(made))
        prepare(net, images)

    monkeypatch.setattr(Net, "to_precision", record)
    monkeypatch.setattr(Net, "prepare", count)
    changes = {"nets": NETS[:1], "images": 4, "precision": "bf16", "drift": 2}
    cambench.run("smoke", out=tmp_path / "run", device="cpu", quiet=True, **changes, **SMALL)
    assert counts.count(-1) == 1 and counts[-1] == 0


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record each net that is loaded, and how many nets were in memory before."""
    recorded: list[tuple[str, int]] = []
    alive: weakref.WeakSet[Net] = weakref.WeakSet()
    original = load.load

    def record(spec: str, *arguments: Any) -> Net:
        gc.collect()
        recorded.append((spec, len(alive)))
        net = original(spec, *arguments)
        alive.add(net)
        return net

    monkeypatch.setattr(load, "load", record)
    return recorded


def small_suite(**changes: Any) -> Suite:
    return suite_file.load("smoke", **{"precision": "fp32", "images": 2, **SMALL, **changes})


def test_parts_are_checked_before_the_first_runs_and_load_a_net_once(
    tmp_path: Path, loads: list[tuple[str, int]]
) -> None:
    nets = [*NETS, NETS[0]]
    parts = [small_suite(nets=[net]).model_copy(update={"name": str(part)}) for part, net in enumerate(nets)]
    console, engine = Console(file=io.StringIO()), plugins.find(ENGINE, "local")
    suite = small_suite(nets=NETS).model_copy(update={"parts": parts})
    assert execute(suite, tmp_path, partial(make_plan, device="cpu"), console, engine) == 0
    assert [net for net, _ in loads] == NETS
    first, last = (store.open_run(tmp_path / part).table("scores") for part in ("0", "2"))
    assert first["value"].equals(last["value"])
    wrong = parts[1].model_copy(update={"nets": ["resnet18[layer=none]"], "name": "wrong"})
    suite = suite.model_copy(update={"parts": [parts[0].model_copy(update={"name": "new"}), wrong]})
    with pytest.raises(UsageError, match="there is no layer 'none'"):
        execute(suite, tmp_path, partial(make_plan, device="cpu"), console, engine)
    assert not (tmp_path / "new").exists()


def test_a_net_is_held_until_the_last_plan_has_taken_it(loads: list[tuple[str, int]]) -> None:
    loaded = LoadedNets()
    plans = [make_plan(small_suite(nets=NETS[:1]), "cpu", loaded=loaded) for _ in range(2)]
    nets = [weakref.ref(plan.take_net(NETS[0])) for plan in plans]
    gc.collect()
    assert len(loads) == 1 and [net() for net in nets] == [None, None]


def test_a_net_that_has_changed_since_it_was_checked_is_refused() -> None:
    plan = make_plan(small_suite(nets=NETS[:1]), "cpu")
    plan.drop_nets()
    assert plan.take_net(NETS[0]).name == NETS[0]
    other = plan.nets[NETS[0]].model_copy(update={"fingerprint": "0"})
    with pytest.raises(UsageError, match="squeezenet1_1 is not the one of this run: it has another fingerprint"):
        replace(plan, nets={NETS[0]: other}).take_net(NETS[0])


def start_worker(suite: Suite, folder: Path, monkeypatch: pytest.MonkeyPatch) -> _worker.Worker:
    """A worker in this process, for a run that has begun."""
    monkeypatch.setattr(_worker, "_set_up_process", lambda _: None)
    Writer(folder, make_header(make_plan(suite, "cpu"))).close()
    return _worker.Worker(_worker.Task(suite, "cpu", None, folder, folder))


def test_a_worker_loads_the_net_that_it_works_on_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loads: list[tuple[str, int]]
) -> None:
    worker = start_worker(small_suite(nets=NETS), tmp_path / "run", monkeypatch)
    loads.clear()
    assert worker.begin().error is None and not loads
    for net in NETS:
        assert worker.work(Shard(net, [[0], [1]]), net).error is None
    assert loads == [(net, 0) for net in NETS]


def test_an_error_of_a_worker_keeps_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        '"""Mine."""\n\n\ndef explain(net, images, targets):\n    raise ValueError("no")\n', encoding="utf-8"
    )
    suite = small_suite(nets=NETS[:1], methods=[str(file)])
    worker = start_worker(suite, tmp_path / "run", monkeypatch)
    reply = pickle.loads(pickle.dumps(worker.work(Shard(NETS[0], [[0]]), "part")))
    assert (
        type(reply.error) is PluginError
        and str(reply.error) == "test-00000: mine.py fails: line 5 raises ValueError: no"
    )


@pytest.mark.parametrize(("images", "compiled"), [(99, False), (100, True)])
def test_nets_are_compiled_in_long_runs_only(images: int, compiled: bool) -> None:
    suite = suite_file.load("smoke", nets=NETS[:1], images=images, compile=True, precision="fp32", **SMALL)
    output = io.StringIO()
    plan = make_plan(suite, "cpu")
    show_plan(plan, 0, Console(file=output, width=200))
    assert plan.compiled is compiled
    assert ("nets are not compiled" in output.getvalue()) is not compiled

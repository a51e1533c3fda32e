"""The reference results are those of this code: what defines them is unchanged, and a sample of them comes out again."""

import re
from pathlib import Path

import numpy as np
import pytest

from cambench.bench.config import suite_file
from cambench.bench.run.describe import make_header
from cambench.bench.run.plan import make_plan
from cambench.bench.run.session import Session
from cambench.bench.store.comparability import describe_meaning, find_difference, find_net_difference, select_net_facts
from cambench.bench.store.layout import FILE
from cambench.bench.store.run import open_run
from cambench.bench.store.shipped import RESULTS, list_shipped
from cambench.tools.reference import load_suite

SUITE = "reference"
ROUNDING = 2e-3  # of a score, on another processor: where values of a map nearly tie, their order may change
SAMPLE = {  # position of the image, methods, metrics: cheap ones on the large net
    "squeezenet1_1": (9, "grad_cam_pp,eigen_cam,random", "insertion,road,average_gain,pointing,distractor,gini"),
    "resnet18": (8, "layer_cam,edge", "deletion,average_drop,average_increase,energy,randomisation[stages=2]"),
    "vgg16": (0, "grad_cam,centre", "average_drop,average_gain,coherency,energy,complexity"),
}


def test_what_defines_the_results_has_not_changed() -> None:
    """Where a VERSION is raised, `python -m cambench.tools.reference` computes the results anew."""
    stored = open_run(SUITE).header
    suite = suite_file.load(SUITE)
    now = make_header(make_plan(load_suite(suite.nets[:1]), "cpu"))
    assert stored.suite.nets == suite.nets and now.data == stored.data
    assert list(now.methods) == list(stored.methods) and list(now.metrics) == list(stored.metrics)
    for method in now.methods:
        for metric in now.metrics:
            meanings = [describe_meaning(header, suite.nets[0], method, metric) for header in (stored, now)]
            assert find_difference(*meanings) is None


@pytest.mark.parametrize("net", SAMPLE)
def test_a_sample_of_the_results_comes_out_again(net: str) -> None:
    position, methods, metrics = SAMPLE[net]
    suite = suite_file.load(SUITE, nets=[net], methods=methods.split(","), metrics=metrics.split(","))
    plan = make_plan(suite, "cpu")
    run = open_run(SUITE)
    assert find_net_difference(*(select_net_facts(nets[net]) for nets in (run.header.nets, plan.nets))) is None
    (unit,) = next(Session(plan, net).compute([[plan.indices[position]]]))
    stored = run.table("scores", [unit.net_image[1]], net=net).set_index(["method", "metric"])
    assert len(unit.rows["scores"]) == len(plan.methods) * len(plan.measures)
    for row in unit.rows["scores"]:
        kept = stored.loc[(row["method"], row["metric"])]
        assert row["target"] == kept["target"]
        if row["value"] is None:
            assert np.isnan(kept["value"]) and row["reason"] == kept["reason"]
        else:
            assert row["value"] == pytest.approx(kept["value"], abs=ROUNDING)


@pytest.mark.parametrize("name", list_shipped())
def test_the_results_are_whole_small_and_name_nothing_of_the_machine_but_device_and_versions(name: str) -> None:
    run = open_run(name)
    run.check()
    assert sum(file.stat().st_size for file in RESULTS.rglob("*") if file.is_file()) < 8e6
    assert {"device", "torch", "commit"} <= run.header.environment.keys()
    assert not any("/" in value for value in run.header.environment.values())
    assert not re.search(r"/(home|root|tmp|work)\b", (run.directory / FILE).read_text(encoding="utf-8"))
    assert Path(run.directory).parent == RESULTS

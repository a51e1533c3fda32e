"""The gate catches mutations of the project's own methods, and lets noise pass; the figures of the README are of these."""

import json
from pathlib import Path

import pytest

from cambench.bench.compare.snapshot import Recorded
from cambench.bench.compare.verdicts import ALPHA
from cambench.bench.config import suite_file
from cambench.tests.support import gate
from cambench.tests.support.gate import FIGURES, MUTATIONS

QUICK = {"nets": ["squeezenet1_1"], "metrics": gate.quick()}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return gate.ran(["grad_cam"], tmp_path_factory.mktemp("base") / "run", **QUICK)


def test_a_copy_of_a_method_is_the_same(base: Recorded, tmp_path: Path) -> None:
    unchanged = gate.Mutation("nothing", "grad_cam", "VERSION = 1", "VERSION = 1  # as it was")
    found = gate.judge(unchanged, base, tmp_path, **QUICK)
    assert set(found.counts) == {"same"}


@pytest.mark.parametrize("what", ["sign flipped", "upsampling off by one cell", "channels shuffled"])
def test_a_mutation_is_worse_even_on_one_net(base: Recorded, tmp_path: Path, what: str) -> None:
    (mutation,) = [one for one in MUTATIONS if (one.method, one.what) == ("grad_cam", what)]
    assert gate.outcome(gate.judge(mutation, base, tmp_path, **QUICK)) == "worse"


def test_a_little_noise_is_the_same(base: Recorded, tmp_path: Path) -> None:
    (noise,) = [one for one in MUTATIONS if one.what == "1 % noise"]
    assert gate.outcome(gate.judge(noise, base, tmp_path, **QUICK)) == "same"


def test_other_draws_on_other_images_are_no_alarm(tmp_path: Path) -> None:
    assert not any(gate.false_alarm(seed, tmp_path / str(seed)) for seed in (1, 2))


def test_every_mutation_changes_its_method(tmp_path: Path) -> None:
    for number, one in enumerate(MUTATIONS):
        changed = gate.copied(one.method, tmp_path / f"{number}-changed", one.old, one.new)
        assert Path(changed).read_text() != Path(gate.copied(one.method, tmp_path / f"{number}-copied")).read_text()


def test_the_figures_kept_are_of_these_mutations_and_hold() -> None:
    figures = json.loads(FIGURES.read_text())
    assert [(one["method"], one["what"]) for one in figures["mutations"]] == [(m.method, m.what) for m in MUTATIONS]
    assert figures["images"] == suite_file.load("smoke").images
    assert figures["alpha"] == round(ALPHA, 6)
    assert figures["alarms"] <= figures["alpha"] * figures["reruns"]
    harmful = [one for one in figures["mutations"] if one["many"] == "worse"]
    assert all(one["smoke"] in ("worse", "unclear") for one in harmful)  # none passes under --strict

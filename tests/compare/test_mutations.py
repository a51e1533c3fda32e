"""bench compare detects mutations of the project's methods and passes noise; docs/ci.md quotes the figures."""

import json
from pathlib import Path

import pytest

from cambench.bench.compare.snapshot import Snapshot
from cambench.bench.config import suite_file
from cambench.bench.stats.estimate import ALPHA
from cambench.tests.support import gate
from cambench.tests.support.gate import FIGURES, MUTATIONS

QUICK = {"nets": ["squeezenet1_1"], "metrics": gate.quick_metrics()}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return gate.run_smoke(["grad_cam"], tmp_path_factory.mktemp("base") / "run", **QUICK)


def test_an_unchanged_copy_of_a_method_is_the_same(base: Snapshot, tmp_path: Path) -> None:
    unchanged = gate.Mutation("nothing", "grad_cam", "VERSION = 1", "VERSION = 1  # as it was")
    comparison = gate.judge(unchanged, base, tmp_path, **QUICK)
    assert set(comparison.counts) == {"same"}


@pytest.mark.parametrize("what", ["sign flipped", "wrong layer", "upsampling off by one cell", "channels shuffled"])
def test_a_mutation_is_worse_on_one_net(base: Snapshot, tmp_path: Path, what: str) -> None:
    (mutation,) = [change for change in MUTATIONS if (change.method, change.what) == ("grad_cam", what)]
    assert gate.outcome(gate.judge(mutation, base, tmp_path, **QUICK)) == "worse"


def test_a_little_noise_is_the_same(base: Snapshot, tmp_path: Path) -> None:
    (noise,) = [change for change in MUTATIONS if change.what == "1 % noise"]
    assert gate.outcome(gate.judge(noise, base, tmp_path, **QUICK)) == "same"


def test_other_random_draws_give_no_false_alarm(tmp_path: Path) -> None:
    assert not gate.false_alarm(1, tmp_path)


def test_every_mutation_changes_its_method(tmp_path: Path) -> None:
    for number, mutation in enumerate(MUTATIONS):
        changed = gate.copy_method(mutation.method, tmp_path / f"{number}-changed", mutation.old, mutation.new)
        assert Path(changed).read_text(encoding="utf-8") != Path(
            gate.copy_method(mutation.method, tmp_path / f"{number}-copied")
        ).read_text(encoding="utf-8")


def test_the_stored_figures_match_the_mutations_and_the_error_rate() -> None:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert [(row["method"], row["what"]) for row in figures["mutations"]] == [(m.method, m.what) for m in MUTATIONS]
    assert figures["images"] == suite_file.load("smoke").images
    assert figures["alpha"] == round(ALPHA, 6)
    assert figures["alarms"] <= figures["alpha"] * figures["reruns"]
    harmful = [row for row in figures["mutations"] if row["many"] == "worse"]
    assert all(row["smoke"] in ("worse", "unclear") for row in harmful)  # none passes under --strict

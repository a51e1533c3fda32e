"""The stored coverage of intervals is that of a smaller simulation, and is what docs/statistics.md promises.

`python -m cambench.tests.benchmarks.coverage` takes four thousand samples of each kind.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .coverage import LEAST, RANKED, SAMPLES, SIZES, Figures, Population, list_populations, measure, measure_rankings

RESULTS = Path(__file__).parents[1] / "data" / "coverage.json"
CONTENT: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
STORED: list[dict[str, Any]] = CONTENT["figures"]
POPULATIONS = list_populations()
FEWER = 300


def _find(figures: Figures) -> dict[str, Any]:
    """Find the stored figures of the same population and number of images."""
    key = (figures.kind, figures.population, figures.n)
    (row,) = [row for row in STORED if (row["kind"], row["population"], row["n"]) == key]
    return row


def _is_near(share: float, stored: float) -> bool:
    """Tell whether a share of FEWER samples is within four standard errors of the stored one."""
    rate = (share * FEWER + stored * SAMPLES) / (FEWER + SAMPLES)
    error = np.sqrt(rate * (1 - rate) * (1 / FEWER + 1 / SAMPLES))
    return bool(abs(share - stored) <= 4 * error + 1e-12)


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: f"{population.kind} {population.name}")
def test_a_smaller_simulation_agrees_with_the_stored_figures(population: Population) -> None:
    n = SIZES[POPULATIONS.index(population) % 3]  # one of the sizes: those of 100 images take long
    figures = measure(population, n, FEWER, seed=1)
    stored = _find(figures)
    assert _is_near(figures.covered, stored["covered"]) and stored["samples"] == SAMPLES == 4000
    assert figures.half == pytest.approx(stored["half"], rel=0.15)
    assert (figures.claimed is None) == (population.mean != 0 or "difference" not in population.kind)
    if figures.claimed is not None and figures.rejected is not None:
        assert _is_near(figures.claimed, stored["claimed"]) and _is_near(figures.rejected, stored["rejected"])


def test_every_population_and_size_is_stored() -> None:
    expected = [(population.kind, population.name, n) for population in POPULATIONS for n in SIZES]
    assert [(row["kind"], row["population"], row["n"]) for row in STORED] == expected


def test_every_interval_that_is_to_hold_does() -> None:
    for row in STORED:
        assert row["covered"] >= LEAST or not row["holds"], row
        assert row["holds"] or row["n"] < 30


def test_tests_of_equal_methods_keep_their_level() -> None:
    """Within the random error; where most images favour one method, the means are equal but the methods are not."""
    tested = [row for row in STORED if row["claimed"] is not None]
    assert len(tested) == 8 * len(SIZES)
    for row in tested:
        assert row["claimed"] <= row["rejected"]
        if not row["population"].startswith("none on average"):
            assert row["rejected"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SAMPLES), row


def test_rankings_of_equal_methods_keep_their_level() -> None:
    assert [(row["methods"], row["n"]) for row in CONTENT["rankings"]] == [(k, n) for k in RANKED for n in SIZES]
    for row in CONTENT["rankings"]:
        assert row["wrong"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / row["rankings"]), row
    assert measure_rankings(17, 30, 100).wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_an_interval_that_is_too_short_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    population = next(population for population in POPULATIONS if "Beta(2, 3)" in population.name)
    monkeypatch.setattr("cambench.bench.stats.estimate.TAIL", 0.1)  # an interval for 80 %
    figures = measure(population, 12, FEWER)
    assert not _is_near(figures.covered, _find(figures)["covered"]) and figures.covered < LEAST

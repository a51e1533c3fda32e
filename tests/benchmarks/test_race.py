"""Simulated races, in short: the best method is hardly ever dropped, claims are right, and most of the work is saved.

`python -m cambench.tests.benchmarks.race` takes a thousand races of each kind.
"""

import numpy as np
import pytest

from cambench.bench.stats.race import Rules

from .race import METRICS, Figures, Population, load, make_near, measure

RACES = 20


@pytest.fixture(scope="module")
def populations() -> list[Population]:
    return load()


def test_the_stored_scores_are_those_of_the_default_methods(populations: list[Population]) -> None:
    assert [population.net for population in populations] == ["squeezenet1_1", "resnet18", "vgg16"]
    for population in populations:
        assert {"grad_cam", "score_cam", "random", "centre"} <= set(population.methods)
        assert population.controls.sum() == 2 and population.metrics == METRICS
        assert not np.isnan(population.goodness[0]).any() and population.goodness.max() <= 1
    means = dict(zip(populations[0].methods, populations[0].goodness[0].mean(1).round(3), strict=True))
    assert means["cam"] == 0.885 and means["random"] == 0.602  # as the README shows


def test_races_by_one_metric_are_decided_with_a_part_of_the_work(populations: list[Population]) -> None:
    figures = measure("insertion", populations[0].select(METRICS[:1]), RACES)
    assert figures.decided == 1 and figures.wrong <= 0.05 and figures.work < 0.4


def test_a_method_that_is_best_by_little_more_than_the_slack_is_hardly_ever_dropped(
    populations: list[Population],
) -> None:
    near = make_near(populations[0].select(METRICS[:1]))
    means = near.goodness.mean((0, 2))
    assert means[1] - means[0] == pytest.approx(0.025) and near.find_best(0.02) == 1
    figures = measure("near", near, RACES)
    assert figures.best == "best" and figures.dropped == 0 == figures.wrong


def test_an_error_of_the_races_would_be_seen(populations: list[Population]) -> None:
    """With hardly any confidence asked for, the best method drops out often."""
    near = make_near(populations[0].select(METRICS[:1]))
    careless: Figures = measure("near", near, RACES, rules=Rules(confidence=0.01))
    assert careless.dropped and careless.dropped > 0.05

"""Races on resampled scores: how often a race drops the best method, and what it costs beside a full run.

    python -m cambench.tests.benchmarks.race                           # a thousand races of each kind, minutes
    python -m cambench.tests.benchmarks.race --races 20                # that the script works
    python -m cambench.tests.benchmarks.race --store tests/data/race.json

The scores are those of the stored run of the default suite, `tests/data/scenes`. A race draws its images from them with
replacement, so the truth is known: the means of the stored scores.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable

from cambench.bench.stats.estimate import Floats
from cambench.bench.stats.outcome import make_board
from cambench.bench.stats.race import Board, Mask, Rules, Stage, play
from cambench.bench.stats.summary import build_table
from cambench.bench.store.header import Header
from cambench.bench.store.run import open_run

DATA = Path(__file__).parents[1] / "data" / "scenes"
RACES, IMAGES, FEW_IMAGES = 1000, 1000, 200
CURVE_FORWARDS, OTHER_FORWARDS = 29, 1  # forward passes that score a map: of the insertion curve, and of another metric
METRICS = ("insertion", "average_gain", "energy")


@dataclass(frozen=True)
class Population:
    """The stored scores of a net: goodness (metrics, methods, images), and what a map of each method costs."""

    net: str
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    controls: Mask
    goodness: Floats
    forwards: Floats

    def select(self, metrics: Sequence[str], methods: Sequence[str] | None = None) -> "Population":
        """Select some metrics and methods."""
        rows = [self.metrics.index(metric) for metric in metrics]
        columns = [index for index, method in enumerate(self.methods) if methods is None or method in methods]
        return Population(
            self.net, tuple(metrics), tuple(self.methods[index] for index in columns), self.controls[columns],
            self.goodness[np.ix_(rows, columns)], self.forwards[columns],
        )  # fmt: skip

    def find_best(self, slack: float) -> int | None:
        """Find the method that is better than all others by more than the slack, by every metric."""
        means = np.nanmean(self.goodness, axis=2)
        for index in np.flatnonzero(~self.controls):
            others = np.delete(means, index, axis=1)
            if (means[:, index, None] > others + slack).all():
                return int(index)
        return None


@dataclass(frozen=True)
class Figures:
    """What races of one kind show."""

    name: str
    races: int
    full: int  # images of the full run
    best: str | None  # the method that is best by more than the slack
    dropped: float | None  # the share of races in which it dropped out
    wrong: float  # the share of races in which any method lost to one that is not better
    decided: float  # the share of races that were decided
    work: float  # the work of a race over that of the full run, the mean
    images: float  # the images of the method that had the most, the median


def load(directory: Path = DATA) -> list[Population]:
    """Load the stored scores of each net, without the methods that do not apply to it."""
    run = open_run(directory)
    content = run.header.model_dump()
    content["suite"]["race"] = asdict(Rules())
    header = Header.model_validate(content)
    populations = []
    for net in header.nets:
        forwards = {method: cost.forwards for method, cost in build_table(run, net).costs.items()}
        board = make_board(header, run.table("scores", net=net), forwards)
        whole = Population(
            net, tuple(header.metrics), tuple(header.methods), board.controls, board.goodness, board.forwards
        )
        applied = [method for method in header.methods if method in forwards]
        populations.append(whole.select(METRICS, applied))
    return populations


def simulate(population: Population, rules: Rules, races: int, images: int, seed: int = 0) -> Iterator[Stage]:
    """Yield the ends of races, each on images drawn from a population with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(races):
        drawn = rng.integers(0, population.goodness.shape[2], images)
        first = _play(population, rules, drawn[: images // 2], images)  # half of the images are often enough
        yield _play(population, rules, drawn, images) if first.targets else first


def _play(population: Population, rules: Rules, drawn: NDArray[np.int64], images: int) -> Stage:
    scored = np.full(len(population.methods), len(drawn))
    goodness = population.goodness[:, :, drawn]
    return play(Board(population.controls, goodness, population.forwards, scored, images, rules))


def measure(name: str, population: Population, races: int, images: int = IMAGES, rules: Rules | None = None) -> Figures:
    """Measure the figures of races on a population."""
    rules = rules or Rules()
    ends = list(simulate(population, rules, races, images))
    best = population.find_best(rules.slack)
    means = np.nanmean(population.goodness, axis=2)
    not_better = means[:, :, None] <= means[:, None, :] - 1e-12  # the first method is worse than the second
    price = population.forwards + CURVE_FORWARDS * ("insertion" in population.metrics) + OTHER_FORWARDS
    return Figures(
        name, races, images,
        None if best is None else population.methods[best],
        None if best is None else float(np.mean([not end.remaining[best] for end in ends])),
        float(np.mean([(end.ahead & not_better).any() for end in ends])),
        float(np.mean([not end.open.any() for end in ends])),
        float(np.mean([(end.counts * price).sum() for end in ends]) / (images * price.sum())),
        float(np.median([end.counts.max() for end in ends])),
    )  # fmt: skip


def list_kinds(populations: Sequence[Population]) -> Iterator[tuple[str, Population, int]]:
    """List the kinds of races, with the images of the full run.

    All methods race by each metric and by all of them, and on few images; and two methods of which one is best by little.
    """
    for population in populations:
        for metrics in (*[(metric,) for metric in METRICS], METRICS):
            yield f"{population.net}, by {', '.join(metrics)}", population.select(metrics), IMAGES
        yield f"{population.net}, by {METRICS[0]}, few images", population.select(METRICS[:1]), FEW_IMAGES
        yield f"{population.net}, best by 2.5 %", make_near(population.select(METRICS[:1])), IMAGES


def make_near(population: Population, lead: float = 0.025) -> Population:
    """Make a population with an expensive method that is better than a cheap one by a little more than the slack.

    The cheap one has the scores of the other on other images, so that the differences vary.
    """
    own = population.goodness[:, np.flatnonzero(~population.controls)[0]]
    own = own - own.mean(1, keepdims=True)
    own *= (1 - lead) / 2 / np.abs(own).max()
    scores = np.stack([0.5 - lead / 2 + np.roll(own, 1, axis=1), 0.5 + lead / 2 + own], axis=1)
    return replace(
        population, methods=("cheap", "best"), controls=np.zeros(2, dtype=bool), goodness=scores,
        forwards=np.array([1.0, 2.0]),
    )  # fmt: skip


def show(figures: Sequence[Figures]) -> RichTable:
    """Show the figures in a table."""
    table = RichTable(box=None, pad_edge=False)
    for head in ("race", "best", "dropped", "wrong", "decided", "work", "images"):
        table.add_column(head, justify="left" if head in ("race", "best") else "right")
    for row in figures:
        dropped = "-" if row.dropped is None else f"{row.dropped:.1%}"
        shares = (f"{row.wrong:.1%}", f"{row.decided:.0%}", f"{row.work:.0%}", f"{row.images:.0f}")
        table.add_row(row.name, row.best or "-", dropped, *shares)
    return table


def main() -> None:
    """Measure all kinds of races, and print or store the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=RACES)
    parser.add_argument("--store", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures = [measure(name, kind, options.races, images) for name, kind, images in list_kinds(load())]
    Console().print(show(figures))
    if options.store:
        content = {"rules": asdict(Rules()), "figures": [asdict(row) for row in figures]}
        options.store.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

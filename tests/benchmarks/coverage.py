"""Coverage of the intervals that reports show, and error rates of the paired tests, by simulation.

    python -m cambench.tests.benchmarks.coverage                            # four thousand samples of each kind, two minutes
    python -m cambench.tests.benchmarks.coverage --samples 200              # that the script works
    python -m cambench.tests.benchmarks.coverage --store tests/data/coverage.json

Populations have the shapes of real scores: hits and misses, drops that are 0 on most images, values near an end of the range,
few different values, and the stored scores of the default suite, `tests/data/scenes`, drawn with replacement. The true mean of
each is known. Rankings are of methods that are equally good, whose scores are normal.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table as RichTable

from cambench.bench.stats.estimate import ALPHA, Estimate, Floats, estimate_columns, estimate_mean
from cambench.bench.stats.paired import Pair, PairedSample, compare_pairs
from cambench.bench.stats.ranking import rank_methods
from cambench.bench.store.run import open_run

DATA = Path(__file__).parents[1] / "data" / "scenes"
SAMPLES, BATCH = 4000, 100
SIZES = (8, 12, 30, 100)
RANKED = (2, 5, 17)  # methods in a ranking
SAMPLES_PER_RANKING = 8  # samples of a pair for each ranking: a ranking takes much longer
LEAST = 0.93  # the coverage that an interval for 95 % is to have

Kind = Literal["mean", "rate", "difference", "difference of rates"]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


@dataclass(frozen=True)
class Population:
    """A population of scores, or of differences of scores, with its true mean.

    From so many images on, `holds_from`, its interval covers the mean in at least LEAST of the samples.
    """

    kind: Kind
    name: str
    mean: float
    draw: Draw
    holds_from: int = 0


@dataclass(frozen=True)
class Figures:
    """What samples of one size from a population show, as shares of the samples."""

    kind: Kind
    population: str
    mean: float
    n: int
    samples: int
    covered: float  # the interval contains the mean
    half: float  # half of the interval's width, the mean
    rejected: float | None  # if there is no difference: the test is significant at 5 %
    claimed: float | None  # if there is no difference: one method is said to be better
    holds: bool  # whether the interval is to cover the mean in at least LEAST of the samples


def list_populations() -> list[Population]:
    """List all populations."""
    return [*_list_means(), *_list_rates(), *_list_differences(), *_list_rate_differences()]


def _list_means() -> Iterator[Population]:
    yield Population("mean", "0 on 95 % of images, else uniform", 0.025, _mix(0.05, partial(_uniform, 0, 1)))
    yield Population("mean", "0 on half, else small: Beta(.5, 3)", 0.5 / 7, _mix(0.5, partial(_beta, 0.5, 3)))
    yield Population("mean", "near 0, skewed: Beta(.4, 4)", 0.4 / 4.4, partial(_beta, 0.4, 4), holds_from=30)
    yield Population("mean", "near 1: Beta(8, 1)", 8 / 9, partial(_beta, 8, 1))
    yield Population("mean", "in the middle: Beta(2, 3)", 0.4, partial(_beta, 2, 3))
    yield Population("mean", "0, .25, .5 or 1", 0.275, partial(_choose, (0, 0.25, 0.5, 1), (0.4, 0.3, 0.2, 0.1)))
    yield Population("mean", ".2, .4 or .6", 0.3, partial(_choose, (0.2, 0.4, 0.6), (0.6, 0.3, 0.1)))
    for net, metric, method in (
        ("squeezenet1_1", "insertion", "cam"), ("resnet18", "deletion", "score_cam"), ("resnet18", "energy", "centre"),
        ("squeezenet1_1", "average_drop", "cam"), ("vgg16", "average_gain", "grad_cam"),
    ):  # fmt: skip
        yield _resample("mean", f"{net}: {metric} of {method}", _read(net, metric, method))


def _list_rates() -> Iterator[Population]:
    for rate in (0.05, 0.5, 0.95):
        yield Population("rate", f"{100 * rate:.0f} %", rate, partial(_choose, (0, 1), (1 - rate, rate)))


def _list_differences() -> Iterator[Population]:
    yield Population("difference", "none: spread over all images", 0, _subtract_equals)
    yield Population("difference", "none: 0 on half of the images", 0, _mix(0.5, partial(_uniform, -0.8, 0.8)))
    yield Population("difference", "none: -.1, 0 or .1", 0, partial(_choose, (-0.1, 0, 0.1), (0.3, 0.4, 0.3)))
    yield Population("difference", "none on average: skewed", 0, _centre_skewed, holds_from=30)
    yield Population(
        "difference",
        "none on average: -.05 on 90 %, else .45",
        0,
        partial(_choose, (-0.05, 0.45), (0.9, 0.1)),
        holds_from=30,
    )
    yield Population(
        "difference", "0 on 80 %, else -.2 to .8", 0.06, _mix(0.2, partial(_uniform, -0.2, 0.8)), holds_from=30
    )
    for net, metric, first, second, holds_from in (
        ("squeezenet1_1", "insertion", "cam", "random", 0), ("vgg16", "insertion", "grad_cam", "centre", 0),
        ("resnet18", "deletion", "score_cam", "random", 0), ("resnet18", "energy", "cam", "score_cam", 0),
        ("vgg16", "average_drop", "centre", "grad_cam", 30), ("vgg16", "average_gain", "grad_cam", "score_cam", 0),
    ):  # fmt: skip
        differences = _read(net, metric, first) - _read(net, metric, second)
        yield _resample("difference", f"{net}: {metric}, {first} - {second}", differences, holds_from)


def _list_rate_differences() -> Iterator[Population]:
    for name, first_alone, second_alone in (
        ("none: 50 % and 50 %, independent", 0.25, 0.25), ("none: 95 % and 95 %, independent", 0.0475, 0.0475),
        ("none: 1 % each alone", 0.01, 0.01), ("95 % and 50 %", 0.475, 0.025),
    ):  # fmt: skip
        shares = (second_alone, 1 - first_alone - second_alone, first_alone)
        yield Population("difference of rates", name, first_alone - second_alone, partial(_choose, (-1, 0, 1), shares))


def _read(net: str, metric: str, method: str) -> Floats:
    """Read the stored scores of the default suite."""
    scores = open_run(DATA).table("scores", net=net)
    rows = scores[(scores["metric"] == metric) & (scores["method"] == method)]
    return rows["value"].to_numpy(dtype=np.float64)


def _resample(kind: Kind, name: str, values: Floats, holds_from: int = 0) -> Population:
    return Population(kind, name, float(values.mean()), lambda rng, shape: rng.choice(values, shape), holds_from)


def _mix(share: float, draw: Draw) -> Draw:
    """Draw from a population that is 0 but for a share."""
    return lambda rng, shape: np.where(rng.random(shape) < share, draw(rng, shape), 0.0)


def _uniform(low: float, high: float, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.uniform(low, high, shape)


def _beta(a: float, b: float, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.beta(a, b, shape)


def _choose(
    values: Sequence[float], shares: Sequence[float], rng: np.random.Generator, shape: tuple[int, int]
) -> Floats:
    return rng.choice(np.array(values, dtype=np.float64), shape, p=shares)


def _subtract_equals(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.beta(2, 3, shape) - rng.beta(2, 3, shape)


def _centre_skewed(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.beta(0.4, 4, shape) - 0.4 / 4.4


def measure(population: Population, n: int, samples: int = SAMPLES, seed: int = 0) -> Figures:
    """Measure the figures of samples of n images."""
    columns = population.draw(np.random.default_rng((seed, n)), (n, samples))
    batches = [columns[:, start : start + BATCH] for start in range(0, samples, BATCH)]
    mean, tested = population.mean, population.kind.startswith("difference") and not population.mean
    pairs = [pair for batch in batches for pair in _compare(population.kind, batch)] if tested else []
    estimates = [pair.difference for pair in pairs] or [
        estimate for batch in batches for estimate in _estimate(population.kind, batch)
    ]
    return Figures(
        population.kind, population.name, mean, n, samples,
        float(np.mean([estimate.low - 1e-12 <= mean <= estimate.high + 1e-12 for estimate in estimates])),
        float(np.mean([estimate.high - estimate.low for estimate in estimates]) / 2),
        float(np.mean([pair.p < ALPHA for pair in pairs])) if tested else None,
        float(np.mean([pair.verdict != "undecided" for pair in pairs])) if tested else None,
        n >= population.holds_from,
    )  # fmt: skip


@dataclass(frozen=True)
class RankingFigures:
    """In which share of rankings of equally good methods some method is said to be worse than the best."""

    methods: int
    n: int
    rankings: int
    wrong: float


def measure_rankings(methods: int, n: int, rankings: int) -> RankingFigures:
    """Rank methods that are equally good on n images, many times."""
    rng = np.random.default_rng((3, methods, n))
    names = [str(number) for number in range(methods)]
    tops = [
        rank_methods(pd.DataFrame(rng.normal(size=(n, methods)), columns=names), better="higher").top_group
        for _ in range(rankings)
    ]
    return RankingFigures(methods, n, rankings, float(np.mean([len(top) < methods for top in tops])))


def _estimate(kind: Kind, columns: Floats) -> list[Estimate]:
    """Estimate the mean of each column, of scores or of differences."""
    if kind == "rate":
        return [estimate_mean(column, binary=True) for column in columns.T]
    if kind == "difference of rates":
        return [pair.difference for pair in _compare(kind, columns)]
    return estimate_columns(columns, bounds=(0, 1) if kind == "mean" else (-np.inf, np.inf))


def _compare(kind: Kind, columns: Floats) -> list[Pair]:
    """Compare the two methods of each column of differences."""
    binary = kind == "difference of rates"
    samples = [PairedSample("a", "b", column, "higher", binary) for column in columns.T]
    return compare_pairs(samples, families=[str(index) for index in range(len(samples))])


def show(figures: Sequence[Figures]) -> RichTable:
    """Show the figures in a table."""
    table = RichTable(box=None, pad_edge=False)
    for head in ("statistic", "population", "n", "covered", "half width", "rejected", "claimed"):
        table.add_column(head, justify="left" if head in ("statistic", "population") else "right")
    for row in figures:
        errors = ["-" if share is None else f"{share:.1%}" for share in (row.rejected, row.claimed)]
        covered = f"{row.covered:.1%}{'' if row.covered >= LEAST else ' *'}"
        table.add_row(row.kind, row.population, str(row.n), covered, f"{row.half:.3f}", *errors)
    return table


def main() -> None:
    """Measure all populations, and print or store the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--store", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures = [measure(population, n, options.samples) for population in list_populations() for n in SIZES]
    count = max(1, options.samples // SAMPLES_PER_RANKING)
    rankings = [measure_rankings(methods, n, count) for methods in RANKED for n in SIZES]
    Console().print(show(figures))
    Console().print(*(f"{row.methods} methods, {row.n} images: {row.wrong:.1%}" for row in rankings), sep="\n")
    if options.store:
        content = {
            "least": LEAST,
            "figures": [asdict(row) for row in figures],
            "rankings": [asdict(row) for row in rankings],
        }
        options.store.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

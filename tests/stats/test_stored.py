"""All statistics of comparisons on the stored run, with gaps and ties: against SciPy, statsmodels and plain loops."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, friedmanchisquare, norm, rankdata

from cambench.bench.stats.agreement import measure_consistency
from cambench.bench.stats.frames import pivot_scores
from cambench.bench.stats.friedman import rank_in_blocks
from cambench.bench.stats.paired import Pair, compare_pairs, pair_methods
from cambench.bench.store.run import open_run

DATA = Path(__file__).parents[1] / "data" / "scenes"
BINARY = ("average_increase", "pointing")
NETS = ("squeezenet1_1", "resnet18", "vgg16")


def _read(net: str) -> dict[str, pd.DataFrame]:
    """Read the scores of a net by metric, leave some out, and round others so that they tie."""
    run = open_run(DATA)
    tables = pivot_scores(run.table("scores", net=net), list(run.header.methods))
    for number, values in enumerate(tables.values()):
        values.iloc[number % len(values), number % 3 + 1] = np.nan
        if number % 2:
            values[:] = values.round(1)
    return {metric: values.dropna(axis=1, how="all") for metric, values in tables.items()}


def _compare(net: str) -> Iterator[tuple[str, pd.DataFrame, list[Pair]]]:
    for metric, values in _read(net).items():
        samples = pair_methods(values, better="higher", binary=metric in BINARY)
        yield metric, values, compare_pairs(samples)


def _subtract(values: pd.DataFrame, pair: Pair) -> list[float]:
    """The differences of the images that both methods have; those up to rounding are 0."""
    rows = zip(values[pair.first].tolist(), values[pair.second].tolist(), strict=True)
    differences = [first - second for first, second in rows if not math.isnan(first) and not math.isnan(second)]
    return [0.0 if abs(difference) <= 1e-6 else difference for difference in differences]


def _sign_p(differences: list[float]) -> float:
    """McNemar's exact p as statsmodels computes it."""
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    ahead, behind = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    return min(1.0, float(mcnemar([[0, ahead], [behind, 0]], exact=True).pvalue)) if ahead + behind else 1.0


def _signed_rank_p(differences: list[float]) -> float:
    """The p over all patterns of signs: each pattern of the nonzero differences is equally likely."""
    ranks = rankdata(np.abs(differences))[np.array(differences) != 0]
    patterns = np.arange(2 ** len(ranks))[:, None] >> np.arange(len(ranks)) & 1
    observed = ranks[np.array([d for d in differences if d]) > 0].sum() if len(ranks) else 0.0
    sums = patterns @ ranks if len(ranks) else np.zeros(1)
    return float(min(1.0, 2 * min((sums <= observed + 1e-9).mean(), (sums >= observed - 1e-9).mean())))


def _correct(p_values: list[float]) -> list[float]:
    """Holm's correction: the smallest of k is multiplied by k, the next by k - 1, and none becomes smaller than one before."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = largest
    return corrected


@pytest.mark.parametrize("net", NETS)
def test_every_test_and_its_correction_agree_with_independent_code(net: str) -> None:
    for metric, values, pairs in _compare(net):
        assert len(pairs) == len(values.columns) * (len(values.columns) - 1) // 2
        samples = [_subtract(values, pair) for pair in pairs]
        rates = [metric in BINARY and set(differences) <= {-1, 0, 1} for differences in samples]
        expected = [(_sign_p if rate else _signed_rank_p)(one) for rate, one in zip(rates, samples, strict=True)]
        assert [pair.p for pair in pairs] == pytest.approx(expected, abs=1e-12)
        assert [pair.corrected_p for pair in pairs] == pytest.approx(_correct(expected), abs=1e-12)
        assert [pair.n for pair in pairs] == [len(_subtract(values, pair)) for pair in pairs]


def _search_images(differences: list[float], family: int) -> int:
    """The first number of images, more than there are, on which a comparison is decided with a probability of .8.

    The interval excludes 0, and so many images differ that a test can be significant: `decisive` of them.
    """
    mean, n = abs(np.mean(differences)), len(differences) + 1
    spread, share = max(np.std(differences, ddof=1), 1e-12), np.mean(np.array(differences) != 0)
    decisive = next(count for count in itertools.count(1) if 2 * 0.5**count * family <= 0.05)
    while (
        norm.sf(norm.ppf(1 - 0.025 / family) - mean / spread * math.sqrt(n)) < 0.8
        or binom.sf(decisive - 1, n, share) < 0.8 - 1e-12
    ):
        n += 1
    return n


@pytest.mark.parametrize("net", NETS)
def test_every_forecast_of_images_is_that_of_a_search(net: str) -> None:
    searched = 0
    for _, values, pairs in _compare(net):
        for pair in pairs:
            differences = _subtract(values, pair)
            if pair.images_needed == "never":
                assert abs(np.mean(differences)) < 1e-9
            elif isinstance(pair.images_needed, int) and pair.images_needed < 3000:
                assert pair.images_needed == _search_images(differences, len(pairs))
                searched += 1
    assert searched > 5


def _rank(row: list[float]) -> list[float]:
    """The ranks of a row, 1 the highest. Neighbours in order that differ by rounding tie, and share the mean of their ranks."""
    order = sorted(range(len(row)), key=lambda index: -row[index])
    groups = [[order[0]]]
    for last, index in itertools.pairwise(order):
        if row[last] - row[index] > 1e-6:
            groups.append([])
        groups[-1].append(index)
    ranks, start = [0.0] * len(row), 0
    for group in groups:
        for index in group:
            ranks[index] = start + (len(group) + 1) / 2
        start += len(group)
    return ranks


@pytest.mark.parametrize("net", NETS)
def test_ranks_of_images_with_ties_agree_with_scipy(net: str) -> None:
    for values in _read(net).values():
        complete = values.dropna()
        ranks = rank_in_blocks(complete, "higher")
        rows = np.array([_rank(row) for row in complete.to_numpy().tolist()])
        if np.ptp(rows, axis=1).any():
            result = friedmanchisquare(*rows.T)
            assert (ranks.statistic, ranks.p) == pytest.approx((result.statistic, result.pvalue))
        means = dict(zip(complete.columns, rows.mean(0), strict=True))
        assert dict(zip(ranks.methods, ranks.mean_ranks, strict=True)) == pytest.approx(means)


@pytest.mark.parametrize("net", NETS)
def test_alpha_with_ties_and_gaps_is_one_minus_observed_over_expected_disagreement(net: str) -> None:
    """The disagreement of two ranks of a method is ordinal: the number of values from one to the other, squared."""
    for values in _read(net).values():
        ranks = np.array([_rank(row) for row in values.dropna().to_numpy().tolist()])
        if len(np.unique(ranks)) < 2:
            continue
        levels, counts = np.unique(ranks, return_counts=True)
        ends = np.cumsum(counts) - counts / 2  # the place of each rank in the order of all values
        places = ends[np.searchsorted(levels, ranks)]
        observed = np.mean([(a - b) ** 2 for item in places.T for a, b in itertools.permutations(item, 2)])
        expected = np.mean([(a - b) ** 2 for a, b in itertools.permutations(places.ravel(), 2)])
        assert measure_consistency(values).alpha.mean == pytest.approx(1 - observed / expected, abs=1e-9)

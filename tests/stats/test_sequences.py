"""Capital and claims against hand-worked cases, an independent loop, exact enumeration and simulations."""

from itertools import product
from math import log, pi, sin

import numpy as np
import pytest

from cambench.bench.stats.sequences import NEVER, compute_capital, count_until_sure

SHARES = [sin(pi * (number + 0.5) / 32) ** 2 for number in range(16)] + [0.99]


def bet(values: list[float], mean: float) -> list[float]:
    """The capital after each value: each share of the capital is bet on its own, in plain Python."""
    capitals, history = [1 / 64] * 16 + [3 / 4], []
    for value in values:
        if value == value:
            capitals = [
                capital * (1 - share + share * value / mean) for capital, share in zip(capitals, SHARES, strict=True)
            ]
        history.append(sum(capitals))
    return history


def claim(differences: list[float], margin: float, alpha: float) -> int:
    """After how many differences the mean is surely above -margin."""
    history = bet([(1 + difference) / 2 for difference in differences], (1 - margin) / 2)
    return next((number for number, capital in enumerate(history, 1) if capital >= 1 / alpha), NEVER)


def test_the_capital_after_one_value_is_that_of_the_shares_on_average() -> None:
    # Of three quarters .99 is bet, and half of the rest: .8675 on average. It doubles for a 1, and is lost for a 0.
    for value, capital in ((1.0, 1.8675), (0.0, 0.1325), (0.5, 1.0), (np.nan, 1.0)):
        assert compute_capital(np.array([value]), 0.5)[0] == pytest.approx(capital, abs=1e-12)


def test_the_capital_is_that_of_an_independent_loop() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((40, 2, 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    for mean in (0.3, 0.5, 1.0):
        capital = compute_capital(values, mean)
        for column in np.ndindex(2, 3):
            assert capital[:, *column] == pytest.approx(bet(values[:, *column].tolist(), mean), rel=1e-10)


def test_a_fair_game_neither_wins_nor_loses_on_average() -> None:
    """Exactly: the mean over all sequences of eight fair coins, and of coins with a mean of 1/4."""
    coins = np.array(list(product((0.0, 1.0), repeat=8))).T
    assert compute_capital(coins, 0.5).mean(1) == pytest.approx(np.ones(8), rel=1e-12)
    weights = np.prod(np.where(coins == 1, 0.25, 0.75), axis=0)
    assert compute_capital(coins, 0.25) @ weights == pytest.approx(np.ones(8), rel=1e-12)


def test_the_order_of_the_values_does_not_change_the_last_capital() -> None:
    values = np.random.default_rng(1).random(30)
    assert compute_capital(values, 0.4)[-1] == pytest.approx(compute_capital(values[::-1], 0.4)[-1], rel=1e-12)


def test_claims_are_made_when_the_capital_of_the_loop_says_so() -> None:
    rng = np.random.default_rng(2)
    differences = np.clip(rng.normal([0.0, 0.05, 0.15, 0.4, -0.2], 0.2, (120, 5)), -1, 1)
    for margin, alpha in ((0.0, 0.05), (0.0, 0.001), (0.02, 0.01), (0.3, 0.01)):
        counts = count_until_sure(differences, margin, alpha)
        assert counts.tolist() == [claim(column.tolist(), margin, alpha) for column in differences.T]
    assert count_until_sure(differences, 0.3, 0.01)[3] < 20 and count_until_sure(differences, 0.0, 0.05)[4] == NEVER


def test_missing_differences_are_no_evidence_but_count_as_images() -> None:
    differences = np.full(80, 0.5)
    dense = int(count_until_sure(differences, 0.0, 0.01))
    sparse = np.full(160, np.nan)
    sparse[1::2] = differences
    assert count_until_sure(sparse, 0.0, 0.01) == 2 * dense
    assert count_until_sure(np.empty((0, 3)), 0.0, 0.01).tolist() == [NEVER] * 3


@pytest.mark.parametrize("margin", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["coin", "skewed", "narrow"])
def test_a_false_claim_is_ever_made_as_rarely_as_promised(kind: str, margin: float) -> None:
    """The true mean is just what the claim denies, and one looks after each of 400 values, 1,000 times."""
    rng, alpha, shape = np.random.default_rng(3), 0.1, (400, 1000)
    values = {
        "coin": rng.choice([-1.0, 1.0], shape),
        "skewed": rng.choice([-0.05, 0.95], shape, p=[0.95, 0.05]),
        "narrow": rng.uniform(-0.1, 0.1, shape),
    }[kind]
    # A value of -1 in place of a share of the values moves their mean from 0 to -margin.
    moved = np.where(rng.random(shape) < margin, -1.0, values)
    false = count_until_sure(moved, margin, alpha) < NEVER
    assert false.mean() <= alpha + 3 * (alpha * (1 - alpha) / 1000) ** 0.5
    if kind == "coin" and not margin:
        assert false.mean() > alpha / 5  # the bound is not idle: a test that never claims anything would pass


def test_capital_of_any_size_is_no_error() -> None:
    long = np.stack([np.ones(5000), np.zeros(5000), np.r_[np.ones(3000), np.zeros(2000)]], axis=1)
    capital = compute_capital(long, 0.5)
    assert capital[-1, 0] == np.inf and 0 <= capital[-1, 1] < 1e-6 and not np.isnan(capital).any()
    soon = claim([1.0] * 40, 0.0, 1e-6)
    assert count_until_sure(2 * long - 1, 0.0, 1e-6).tolist() == [soon, NEVER, soon]


def test_a_clear_difference_is_found_about_as_soon_as_any_bet_could() -> None:
    # Betting everything on a constant difference d multiplies the capital by 1 + d at each image.
    for difference in (0.1, 0.3):
        fewest = log(1000) / log(1 + difference)
        assert fewest < count_until_sure(np.full(400, difference), 0.0, 0.001) < 1.15 * fewest


def test_values_that_vary_much_cost_little_more_than_the_best_bet() -> None:
    """Of -1 and 1, a whole bet loses everything: the capital is then that of the last quarter, beside the best single share."""
    values = np.random.default_rng(4).choice([0.0, 1.0], 300, p=[0.4, 0.6])
    best = max(float(np.log1p(share * (2 * values - 1)).sum()) for share in np.linspace(0, 0.99, 100))
    assert best - 5 < log(compute_capital(values, 0.5)[-1]) < best

"""Races on boards made by hand: who drops out when, who is scored next, and what is left."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cambench.bench.api.race import describe_reach
from cambench.bench.stats.estimate import Floats
from cambench.bench.stats.race import Board, Rules, Stage, play
from cambench.bench.stats.sequences import NEVER, count_until_sure

IMAGES = 600
RNG = np.random.default_rng(0)
IMAGE_EFFECT = RNG.uniform(-0.1, 0.1, IMAGES)  # an image is easy or hard for all methods


def noise(size: float = 0.02) -> Floats:
    return RNG.uniform(-size, size, IMAGES)


def test_forwards_are_compared_to_one_decimal() -> None:
    board = make_board(*[0.5] * 4, forwards=[1.01, 1.0, 1.06, 0.9])
    assert board.ranks.tolist() == [1, 2, 3, 0], "of equals the first is the cheapest"


def make_board(*levels: Floats, controls: int = 0, forwards: Sequence[float] = (), rules: Rules | None = None) -> Board:
    """A board of one metric: the scores of each method; the last `controls` of them are controls."""
    count = len(levels)
    return Board(
        np.arange(count) >= count - controls,
        np.stack([np.broadcast_to(level, IMAGES) + IMAGE_EFFECT for level in levels])[None],
        np.array(forwards or [1.0] * count),
        np.full(count, IMAGES),
        IMAGES,
        rules or Rules(),
    )


def names(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(mask).tolist()


def test_the_level_is_divided_by_the_pairs_with_a_method_and_by_the_metrics() -> None:
    board = make_board(*[0.5 + noise() for _ in range(5)], controls=2)
    board = replace(board, goodness=np.concatenate([board.goodness] * 2))
    # 3 pairs of methods and 3 x 2 with a control, by 2 metrics
    assert board.alpha == pytest.approx(0.05 / 18)
    assert make_board(0.5, 0.6).alpha == pytest.approx(0.05)


@pytest.mark.parametrize("images", [5, 10, 20, 100])
def test_the_smallest_difference_that_so_few_images_make_sure(images: int) -> None:
    board = replace(make_board(0.5, 0.6, 0.7, controls=1), images=images)
    smallest = board.find_smallest_difference()
    needed = [int(count_until_sure(np.full(images, step), 0.0, 0.05 / 3)) for step in np.arange(1, 21) / 20]
    assert smallest == next((pytest.approx((k + 1) / 20) for k, count in enumerate(needed) if count <= images), None)
    assert (smallest is None) is (images == 5)
    warning = describe_reach(images, smallest)
    assert (warning is None) is (images == 100) and ("too few for a race" in (warning or "")) is (images == 5)


def test_a_race_ends_once_the_others_are_surely_behind() -> None:
    board = make_board(0.8 + noise(), 0.4 + noise(), 0.6 + noise(), forwards=[3.0, 1.0, 2.0])
    end = play(board)
    assert names(end.remaining) == [0] and not end.open.any() and end.targets == {}
    for loser in (1, 2):
        differences = board.goodness[0, 0] - board.goodness[0, loser]
        needed = int(count_until_sure(differences, 0.0, 0.05 / 3))
        assert end.board.ahead[0, 0, loser] == needed
        # It drops out after the first round in which it is sure: rounds end at 8, 16, 24, ... images.
        assert end.counts[loser] == -(-needed // 8) * 8
    assert end.counts[0] == end.counts[2] > end.counts[1]


def test_lower_counts_stay_with_the_methods_that_dropped_out() -> None:
    end = play(make_board(0.8 + noise(), 0.1 + noise(), 0.7 + noise()))
    assert end.counts[1] < end.counts[2] < IMAGES


def test_the_cheapest_of_methods_within_the_slack_is_left_to_take() -> None:
    board = make_board(0.7 + noise(), 0.705 + noise(), 0.3, forwards=[50.0, 2.0, 1.0], rules=Rules(slack=0.05))
    end = play(board)
    assert names(end.remaining) == [0, 1] and end.cheapest == 1 and names(end.covered) == [0]
    assert not end.open.any() and end.counts[0] < IMAGES
    differences = board.goodness[0, 1] - board.goodness[0, 0]
    assert end.board.within[0, 1, 0] == int(count_until_sure(differences, 0.05, 0.05 / 3))


def test_a_method_that_is_better_by_more_than_the_slack_is_not_covered() -> None:
    end = play(make_board(0.6 + noise(), 0.8 + noise(), forwards=[1.0, 900.0]))
    assert names(end.remaining) == [1]


def test_covered_methods_come_back_if_the_cheapest_drops_out() -> None:
    """The middle method is less than the slack better than the cheapest, which then loses to the best."""
    rules = Rules(slack=0.1)
    board = make_board(0.6 + noise(), 0.63 + noise(), 0.66 + noise(), forwards=[1.0, 2.0, 3.0], rules=rules)
    counts = np.array([200, 120, 200])
    ahead = np.full((1, 3, 3), NEVER)
    early, late = Stage(board, counts), Stage(board, counts)
    early.board.__dict__["ahead"] = ahead
    assert names(early.covered) == [1, 2]
    sure = ahead.copy()
    sure[0, 2, 0] = 150
    late.board.__dict__["ahead"] = sure
    assert names(late.remaining) == [1, 2] and late.cheapest == 1 and names(late.covered) == [2]


def test_a_method_that_does_not_beat_the_controls_is_not_proven() -> None:
    control = 0.8 + noise()
    end = play(make_board(0.8 + noise(), 0.3 + noise(), control, controls=1))
    assert names(end.remaining) == [0] and not end.proven.any()
    assert end.counts[0] == IMAGES == end.counts[2] and end.open.any()  # all images are used, and it is not decided
    beaten = play(make_board(0.8 + noise(), 0.3 + noise(), 0.5 + noise(), controls=1))
    assert names(beaten.proven) == [0] and not beaten.open.any()


def test_methods_that_lose_to_a_control_drop_out() -> None:
    end = play(make_board(0.3 + noise(), 0.4 + noise(), 0.7 + noise(), controls=1))
    assert not end.remaining.any() and end.counts.max() < 100 and end.targets == {}


def test_an_expensive_method_is_tried_late_and_only_against_what_is_left() -> None:
    board = make_board(0.8 + noise(), 0.5 + noise(), 0.7 + noise(), forwards=[1.0, 1.0, 2000.0])
    end = play(board)
    assert end.cheapest == 0 and names(end.covered) == [1, 2]  # it may be a little better, which is not worth its price
    rounds = list_rounds(board)
    first_of_expensive = next(index for index, targets in enumerate(rounds) if targets.get(2) == 8)
    assert rounds[0] == {0: 1, 1: 1, 2: 1} and rounds[1] == {0: 8, 1: 8}
    assert all(2 not in targets for targets in rounds[1:first_of_expensive])
    assert {1} & set().union(*rounds[:first_of_expensive]) and not {1} & set().union(*rounds[first_of_expensive:])
    cheap = list_rounds(replace(board, forwards=np.ones(3)))
    assert cheap[1] == {0: 8, 1: 8, 2: 8}


def list_rounds(board: Board) -> list[dict[int, int]]:
    """The rounds of a race in which only what is asked for is scored, from the first image on."""
    rounds: list[dict[int, int]] = []
    scored = np.zeros(len(board.controls), dtype=np.int64)
    while True:
        known = np.arange(IMAGES) < scored[:, None]
        seen = replace(board, goodness=np.where(known, board.goodness, np.nan)[:, :, : scored.max()], scored=scored)
        targets = play(seen).targets
        if not targets:
            return rounds
        rounds.append(targets)
        scored = scored.copy()
        scored[list(targets)] = list(targets.values())


def test_a_race_that_sees_only_what_was_scored_ends_like_one_that_sees_all() -> None:
    """Scores that are not in the record yet change nothing: a race can be stopped and played again from its record."""
    for expensive in (1.0, 30.0, 700.0):
        board = make_board(
            *(level + noise(0.1) for level in (0.75, 0.74, 0.6, 0.4)), controls=1, forwards=[1.0, expensive, 2.0, 0.0]
        )
        whole, rounds = play(board), list_rounds(board)
        counts = np.zeros(4, dtype=np.int64)
        for targets in rounds:
            for method, count in targets.items():
                assert count > counts[method]
                counts[method] = count
        assert counts.tolist() == whole.counts.tolist()


def test_methods_with_the_same_scores_run_as_one() -> None:
    own = 0.8 + noise()
    end = play(make_board(own, 0.5 + noise(), own, forwards=[3.0, 1.0, 2.0]))
    assert names(end.shadowed) == [0] and end.counts[0] == 8 and names(end.remaining) == [2]
    # Methods that are both right on all of the first images need not be the same.
    flat = make_board(0.8 - IMAGE_EFFECT, 0.8 - IMAGE_EFFECT, forwards=[3.0, 1.0])
    assert not play(flat).shadowed.any()


def test_whether_methods_are_the_same_does_not_depend_on_scores_that_come_later() -> None:
    """A wide range of an expensive method's scores does not make two others the same."""
    rng = np.random.default_rng(1)
    base = 0.5 + rng.uniform(-0.1, 0.1, IMAGES)
    board = make_board(0.0, 0.0, 0.0, forwards=[3.0, 2.0, 700.0])
    for wide in (0.01, 0.5):
        scores = base, base + rng.uniform(-0.004, 0.004, IMAGES), 0.5 + rng.uniform(-wide, wide, IMAGES)
        assert replace(board, goodness=np.stack(scores)[None]).models.tolist() == [0, 1, 2]


def test_a_method_without_a_score_by_a_metric_of_others_drops_out() -> None:
    board = make_board(0.8 + noise(), 0.7 + noise(), 0.75 + noise())
    goodness = np.concatenate([board.goodness] * 3)
    goodness[1, 1] = np.nan  # the second method has no score by the second metric
    goodness[2] = np.nan  # nobody has a score by the third metric
    goodness[0, 2, :300] = np.nan  # the images say nothing of the third method at first
    end = play(replace(board, goodness=goodness))
    assert names(end.unscored) == [1, 2] and end.counts[1:].tolist() == [8, 8]
    assert end.relevant.tolist() == [True, True, False]
    none = play(replace(board, goodness=np.full_like(goodness, np.nan)))
    assert names(none.unscored) == [0, 1, 2] and none.targets == {} and none.counts.tolist() == [8, 8, 8]


def test_by_several_metrics_a_method_drops_out_that_is_behind_by_one() -> None:
    first, second = make_board(0.8 + noise(), 0.5 + noise()), make_board(0.5 + noise(), 0.8 + noise())
    split = play(replace(first, goodness=np.concatenate([first.goodness, second.goodness])))
    assert not split.remaining.any() and split.targets == {}
    tie = make_board(0.5 + noise(), 0.5 + noise())
    won = play(replace(first, goodness=np.concatenate([first.goodness, tie.goodness])))
    assert names(won.remaining) == [0] and not won.open.any()


def test_a_method_is_set_aside_only_if_it_is_within_the_slack_by_every_metric() -> None:
    """By the first metric the expensive method is worse, by the second it is much better: neither is to be set aside."""
    rules, images = Rules(slack=0.3), 80
    board = make_board(0.8 + noise(), 0.75 + noise(), forwards=[1.0, 9.0], rules=rules)
    second = make_board(0.3 + noise(), 0.7 + noise(), rules=rules)
    both = replace(board, goodness=np.concatenate([board.goodness, second.goodness]))
    stage = Stage(both, np.full(2, images))
    assert (stage.board.within <= images)[:, 0, 1].tolist() == [True, False]
    stage.board.__dict__["ahead"] = np.full((2, 2, 2), NEVER)
    assert names(stage.remaining) == [0, 1] and not stage.covered.any()


def test_of_a_pair_the_method_with_fewer_images_goes_on() -> None:
    """The cheap method has all that a comparison can use, although its next round would cost less."""
    board = make_board(0.8 + noise(), 0.8 + noise(), forwards=[1.0, 500.0])
    assert Stage(board, np.array([64, 8])).targets == {1: 16}
    assert Stage(board, np.array([64, 64])).targets == {0: 80}

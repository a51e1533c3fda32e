"""Perturbed images of several maps and images share batches, without an effect on scores."""

from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor

from cambench.bench.config import suite_file
from cambench.bench.core.plugins import METRIC, find
from cambench.bench.forward.forward import Stream, join_streams
from cambench.bench.nets.net import Net
from cambench.bench.run import plan as planning
from cambench.bench.run.plan import Plan, make_plan
from cambench.bench.run.session import Session
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.case import Case
from cambench.bench.store.parts import Unit
from cambench.tests.support.nets import FakeNet, brightness, case_of, random_images, random_maps

METRICS = ("insertion[steps=7]", "deletion[steps=7]", "average_drop", "average_increase")


def _stream(images: Tensor) -> Stream:
    return Stream(len(images), lambda start, stop: images[start:stop])


@pytest.mark.parametrize("span", [(0, 9), (0, 1), (2, 3), (1, 8), (3, 6), (8, 9)])
def test_joined_streams_follow_one_another(span: tuple[int, int]) -> None:
    images = random_images(9, 8)
    stream = join_streams([_stream(images[:3]), _stream(images[3:4]), _stream(images[4:])])
    assert stream.count == 9
    assert torch.equal(stream.make(*span), images[slice(*span)])


def _cases() -> list[Case]:
    """Two maps of one image, one of another, and one of the second for another class."""
    images, maps = random_images(2, 24), random_maps(4, 24)
    pairs = [(images[0], 1), (images[0], 1), (images[1], 1), (images[1], 0)]
    return [case_of(image, map_, target) for (image, target), map_ in zip(pairs, maps, strict=True)]


def _values(scores: list[Any]) -> list[float]:
    return [getattr(score, "area", score) for score in scores]


def test_cases_scored_together_get_the_scores_of_cases_scored_alone(pooled: Net) -> None:
    cases, metrics = _cases(), [find(METRIC, spec) for spec in METRICS]
    together = scoring.score(pooled, cases, metrics)
    for case, scores in zip(cases, together, strict=True):
        alone = scoring.score(pooled, [case], metrics)[0]
        assert _values(scores) == pytest.approx(_values(alone), abs=1e-6)


def test_cases_of_several_images_share_one_stream_without_repeated_images() -> None:
    streams: list[int] = []

    class Counting(FakeNet):
        def scores(self, stream: Stream) -> Tensor:
            streams.append(stream.count)
            return super().scores(stream)

    scoring.score(
        Counting(brightness), _cases(), [find(METRIC, spec) for spec in ("insertion[steps=7]", "average_drop")]
    )
    # For each map 6 points of the curve and the masked image; for each image and class both ends of the curve, one of which
    # is the clean image.
    assert streams == [4 * 7 + 3 * 2]


def _units(planned: Plan) -> list[Unit]:
    (net,) = planned.suite.nets
    return list(chain(*Session(planned, net).compute(planned.groups)))


def test_grouped_images_give_the_same_scores_as_single_images(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = suite_file.load(
        "scenes", nets=["squeezenet1_1"], dataset="scenes[size=64]", methods=["grad_cam", "random"],
        metrics=["average_drop", "deletion[steps=4]"], images=3, precision="fp32",
    ).model_copy(update={"timed": 0})  # fmt: skip

    def rows(pairs: int) -> dict[tuple[str, ...], float]:
        monkeypatch.setattr(planning, "PAIRS_PER_GROUP", pairs)
        planned = make_plan(suite, "cpu")
        assert [len(group) for group in planned.groups] == ([1, 1, 1] if pairs == 0 else [2, 1])
        score_rows = [row for unit in _units(planned) for row in unit.rows["scores"]]
        return {(row["image"], row["method"], row["metric"]): row["value"] for row in score_rows}

    alone, grouped = rows(0), rows(8)
    assert len(alone) == 3 * 2 * 2
    assert grouped == pytest.approx(alone, abs=1e-6)


def test_drift_rows_equal_the_scores_of_a_run_in_fp32() -> None:
    def run_units(**changes: Any) -> list[Any]:
        suite = suite_file.load(
            "scenes", nets=["squeezenet1_1"], dataset="scenes[size=64]", methods=["grad_cam", "random"],
            metrics=["average_drop", "deletion[steps=4]"], images=2, **changes,
        )  # fmt: skip
        return _units(make_plan(suite, "cpu"))

    (first, second), exact = run_units(precision="bf16", drift=1), run_units(precision="fp32", drift=1)

    def values(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], float]:
        return {(row["image"], row["method"], row["metric"]): row["value"] for row in rows}

    in_fp32 = pytest.approx(values(exact[0].rows["scores"]), abs=2e-6)  # the batches differ
    assert values(first.rows["drift"]) == in_fp32
    assert values(first.rows["scores"]) != in_fp32
    assert not second.rows["drift"] and not exact[0].rows["drift"], (
        "only as many images as set, and only in another precision"
    )

"""Methods that are run again for many images, and methods that share work on a batch."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from cambench.bench.core.errors import NotApplicable, PluginError
from cambench.bench.core.plugins import METHOD, METRIC, find
from cambench.bench.nets.net import Net
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.impute import impute
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.bench.scoring.rerun import MethodRunner
from cambench.methods._gradients import compute_gradients
from cambench.tests.support.nets import FakeNet, brightness, case_of, random_images, random_maps


def test_each_image_of_several_calls_has_its_own_target_and_seed(pooled: Net) -> None:
    images, targets, seeds = random_images(5, 32), [3, 1, 4, 1, 5], [7, 8, 9, 10, 11]
    for method in ("grad_cam", "random"):
        runner = MethodRunner(find(METHOD, method), pooled, lambda maps: stretch(fit(maps, (32, 32))), batch=2)
        together = runner.explain(images, targets, seeds)
        alone = [runner.explain(images[n : n + 1], targets[n : n + 1], seeds[n : n + 1])[0] for n in range(5)]
        torch.testing.assert_close(together, torch.stack(alone))


def test_methods_share_gradients_of_the_same_score_and_targets_only(pooled: Net) -> None:
    images, targets, others = random_images(2, 32), torch.tensor([3, 3]), torch.tensor([7, 7])
    expected = {of: compute_gradients(pooled, images, targets, of)[1] for of in ("logit", "softmax")}
    expected_of_others = compute_gradients(pooled, images, others, "logit")[1]
    with pooled.share_work(images):
        first = compute_gradients(pooled, images, targets, "logit")
        assert compute_gradients(pooled, images, targets, "logit")[1] is first[1], "they are computed again"
        assert torch.equal(first[1], expected["logit"])
        assert torch.equal(compute_gradients(pooled, images, targets, "softmax")[1], expected["softmax"])
        assert torch.equal(compute_gradients(pooled, images, others, "logit")[1], expected_of_others)
        assert not torch.equal(compute_gradients(pooled, images.flip(0), targets, "logit")[0], first[0])
    assert compute_gradients(pooled, images, targets, "logit")[1] is not first[1], "they outlive the batch"


def test_the_masks_of_several_maps_are_imputed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = list[int]()

    def counted(image: Tensor, missing: Tensor) -> Tensor:
        sizes.append(len(missing))
        return impute(image, missing)

    monkeypatch.setattr("cambench.bench.scoring.blend.impute", counted)
    image, shared = random_images(1, 16)[0], dict[Hashable, Any]()
    cases = [replace(case_of(image, map_), shared=shared) for map_ in random_maps(3, 16)]
    scoring.score(FakeNet(brightness), cases, [find(METRIC, name) for name in ("insertion", "road", "average_drop")])
    assert sizes == [3 * 18]


class _Answering:
    """A method as far as running it again takes one: it gives the maps, or raises."""

    spec, function, foreign, is_users_own, takes_seeds = "own", None, False, False, False

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __call__(self, *_: object) -> Tensor:
        if isinstance(self.answer, Exception):
            raise self.answer
        maps: Tensor = self.answer
        return maps


def test_a_map_whose_range_is_not_finite_counts_as_constant_when_a_method_is_run_again(pooled: Net) -> None:
    maps = torch.tensor([[[3e38, -3e38]], [[0.0, 1.0]], [[float("nan"), 1.0]]])
    method: Any = _Answering(maps)
    found = MethodRunner(method, pooled, lambda maps: maps).explain(random_images(3, 32), [0, 1, 2], [0, 0, 0])
    assert found.tolist() == [[[0, 0]], [[0, 1]], [[0, 0]]]


def test_a_method_that_refuses_to_be_run_again_is_named(pooled: Net) -> None:
    method: Any = _Answering(NotApplicable("unknown image"))
    with pytest.raises(PluginError, match=r"^method own does not apply when it is run again: unknown image$"):
        MethodRunner(method, pooled, lambda maps: maps).explain(random_images(1, 32), [0], [0])

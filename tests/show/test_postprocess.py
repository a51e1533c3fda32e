"""Pictures show the maps that are scored: NumPy fits and stretches as torch does, for every setting of a protocol."""

from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from cambench.bench.config import protocol
from cambench.bench.config.protocol import Fit, Order, Stretch
from cambench.bench.scoring.postprocess import fit, postprocess
from cambench.bench.show.postprocess import Postprocessing, fit_map
from cambench.bench.store import run as store
from cambench.tests.support import runs

SIZES = [
    ((7, 7), (224, 224)),
    ((3, 5), (14, 11)),
    ((1, 4), (8, 8)),
    ((9, 4), (9, 4)),
    ((20, 12), (7, 5)),
    ((6, 3), (1, 1)),
]


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("choices", list(product(*map(get_args, (Fit, Stretch, Order)))), ids=str)
def test_a_picture_shows_the_map_that_is_scored(
    old: tuple[int, int], new: tuple[int, int], choices: tuple[Fit, Stretch, Order]
) -> None:
    fit, stretch, order = choices
    rules = protocol.find_protocol("default").model_copy(update={"fit": fit, "stretch": stretch, "order": order})
    maps = torch.randn(3, *old, generator=torch.Generator().manual_seed(0))
    maps[1] = -1 - torch.rand(old, generator=torch.Generator().manual_seed(1))  # no positive value
    maps[2] = 0  # constant
    scored = postprocess(maps.double(), new, rules).numpy()  # float64: in float32 torch's bicubic is off by up to 2e-6
    drawn = [Postprocessing(fit, stretch, order)(values.numpy(), new) for values in maps]
    np.testing.assert_allclose(drawn, scored, atol=1e-6)


def test_nearest_breaks_ties_as_torch_does() -> None:
    for old, new in product(range(1, 16), (5, 41, 49, 61, 224)):
        map_ = np.arange(old, dtype=np.float32)[None]
        np.testing.assert_array_equal(
            fit_map(map_, (1, new), "nearest"), fit(torch.tensor(map_[None]), (1, new), "nearest")[0]
        )


def test_the_settings_are_those_of_the_metrics_protocol(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=1))
    first, second = list(run.header.protocols)[:2]
    run.header.protocols[second] |= {"protocol fit": "corners", "fit": "a setting of the metric", "stretch": "max"}
    assert Postprocessing.from_run(run) == Postprocessing.from_run(run, first) == Postprocessing()
    assert Postprocessing.from_run(run, second) == Postprocessing("corners", "max", "fit-stretch")

"""Metrics and methods give the values of their authors' own code, or differ by what is documented (tests/data/authors)."""

import json
import tomllib

import pytest
import torch

from cambench.tests.support import authors
from cambench.tools.authors import find_bound

TOLERANCE = 1e-4


@pytest.mark.parametrize("key", authors.read_quantities())
def test_a_quantity_equals_its_authors_code(key: str) -> None:
    """A difference is reproduced; it is written down only if there is one, and its figure is the one in the docs."""
    quantity = authors.read_quantities()[key]
    as_is, equal = authors.find_differences(key)
    stored, remaining = json.loads(authors.DIFFERENCES.read_text(encoding="utf-8"))[key]
    bound = find_bound(remaining)  # what the docs print
    assert bound is not None and equal < bound
    assert bool(quantity.reason) == bool(quantity.equal or quantity.reproduction) == (as_is > TOLERANCE)
    assert as_is == pytest.approx(stored, rel=0.1, abs=TOLERANCE if as_is > TOLERANCE else bound)


def test_every_recorded_value_belongs_to_a_quantity_and_every_quantity_to_a_code() -> None:
    codes = tomllib.loads(authors.SOURCES.read_text(encoding="utf-8"))["codes"]
    quantities = authors.read_quantities()
    assert {value.key for value in authors.read_values()} == set(quantities)
    assert {quantity.code for quantity in quantities.values()} == set(codes)
    assert set(json.loads(authors.DIFFERENCES.read_text(encoding="utf-8"))) == set(quantities)


def test_recorded_values_vary() -> None:
    """A constant would be equal to anything that is constant too."""
    for key in authors.read_quantities():
        values = torch.cat([value.numbers for value in authors.read_values() if value.key == key])
        assert values.isfinite().all() and values.unique().numel() >= 2, key

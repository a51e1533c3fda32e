"""Numbers as tables and sentences show them."""

import pytest

from cambench.bench.core.formatting import format_effect


@pytest.mark.parametrize(("value", "text"), [(0.0312, ".031"), (0.0005, ".001"), (0.00023, ".00023"), (2e-6, "2e-06")])
def test_an_effect_that_is_not_0_is_not_shown_as_0(value: float, text: str) -> None:
    assert format_effect(value) == text

"""Text in CSV that a spreadsheet would compute as a formula begins with an apostrophe."""

import pytest

from cambench.bench.core.spreadsheet import escape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "\t'=1"), ("a\n=1", "a\n'=1"),
        ("a;=1", "a;'=1"), ("a=1", "a=1"), ("fill=black; steps=2", "fill=black; steps=2"), ("x-ray", "x-ray"), ("", ""),
    ],
)  # fmt: skip
def test_a_formula_is_text(text: str, expected: str) -> None:
    assert escape(text) == expected


@pytest.mark.parametrize("value", [-1, -0.5, None, True])
def test_other_values_stay(value: object) -> None:
    assert escape(value) is value

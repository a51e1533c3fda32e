"""Format the simulated coverage of intervals and the error rates of tests, for docs/statistics.md."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..bench.core.markdown import format_table

RESULTS = (
    Path(__file__).parents[1] / "tests" / "data" / "coverage.json"
)  # written by tests/benchmarks/coverage.py --store


def format_coverage() -> str:
    """Format how often each interval contains the true mean: a row for each population, a column for each sample size."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    populations = _group(stored["figures"])
    heads = ["interval of", "population", *(f"{row['n']} images" for row in populations[0])]
    rows = [
        [rows[0]["kind"], rows[0]["population"], *(_format_covered(row, stored["least"]) for row in rows)]
        for rows in populations
    ]
    return "\n".join(["", *format_table(heads, (False, False, *[True] * (len(heads) - 2)), rows), "", ""])


def format_errors() -> str:
    """Format how often a test is significant, and how often a method is said to be better, where there is no difference."""
    populations = _group(
        [row for row in json.loads(RESULTS.read_text(encoding="utf-8"))["figures"] if row["claimed"] is not None]
    )
    heads = ["values", "differences", *(f"{row['n']} images" for row in populations[0])]
    rows = [
        ["hits and misses" if "rates" in rows[0]["kind"] else "scores", rows[0]["population"],
         *(f"{row['rejected']:.1%} / {row['claimed']:.1%}" for row in rows)]
        for rows in populations
    ]  # fmt: skip
    return "\n".join(["", *format_table(heads, (False, False, *[True] * (len(heads) - 2)), rows), "", ""])


def format_rankings() -> str:
    """Format how often some method of a ranking is said to be worse than the best, where all are equally good."""
    rankings = json.loads(RESULTS.read_text(encoding="utf-8"))["rankings"]
    sizes = list(dict.fromkeys(row["n"] for row in rankings))
    counts = list(dict.fromkeys(row["methods"] for row in rankings))
    wrong = {(row["methods"], row["n"]): f"{row['wrong']:.1%}" for row in rankings}
    rows = [[str(count), *(wrong[count, n] for n in sizes)] for count in counts]
    heads = ["methods", *(f"{n} images" for n in sizes)]
    return "\n".join(["", *format_table(heads, [True] * len(heads), rows), "", ""])


def _group(figures: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Group the figures by population, in order."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in figures:
        groups.setdefault((row["kind"], row["population"]), []).append(row)
    return list(groups.values())


def _format_covered(row: dict[str, Any], least: float) -> str:
    """Format a coverage and half of the interval's width; a coverage that is too low is bold."""
    mark = "**" if row["covered"] < least else ""
    half = f"{row['half']:.2f}".removeprefix("0")
    return f"{mark}{row['covered']:.1%}{mark} ± {half}"

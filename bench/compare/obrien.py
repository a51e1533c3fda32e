"""Judges a method by all of its metrics on all nets at once: O'Brien's test for multiple endpoints (Biometrics 1984).

For each image, the improvements by all metrics are added, each divided by its root mean square, and the sums are tested by
Student's t: there are few images but many metrics, which all score the same maps. A metric that changed by less than its slack
is divided by the slack, so that rounding errors of one sign add nothing.
"""

from collections.abc import Sequence
from math import nan

import numpy as np

from ..core.formatting import format_count
from ..stats.estimate import ALPHA, Floats
from ..stats.significance import sign_test
from .verdicts import OVERALL, NumberResult, PairedValues, Verdict, correct, t_test

JudgedValues = tuple[PairedValues, NumberResult]


def judge_methods(numbers: Sequence[PairedValues], results: Sequence[NumberResult]) -> list[NumberResult]:
    """Judge each method that changed by more than the slack of some metric; `results` are those of `numbers`."""
    methods: dict[str, list[JudgedValues]] = {}
    for number, result in zip(numbers, results, strict=True):
        methods.setdefault(number.key[1], []).append((number, result))
    sums = {method: sum_improvements([number for number, _ in judged]) for method, judged in methods.items()}
    changed = {method: by_image for method, by_image in sums.items() if by_image.any()}
    p_values = correct(
        [_test([number for number, _ in methods[method]], by_image) for method, by_image in changed.items()]
    )
    judged = (
        _judge_method(methods[method], changed[method], float(p)) for method, p in zip(changed, p_values, strict=True)
    )
    return [result for result in judged if result]


def sum_improvements(numbers: Sequence[PairedValues]) -> Floats:
    """Sum the improvements of each image (n,), each divided by its metric's root mean square, or by the slack if larger."""
    images = np.unique(np.concatenate([number.images for number in numbers]))
    sums = np.zeros(len(images))
    for number in numbers:
        improvements = number.differences if number.metric.better == "higher" else -number.differences
        if unit := max(float(np.sqrt((improvements**2).mean())), number.slack):
            sums[np.searchsorted(images, number.images)] += improvements / unit
    return sums


def _test(numbers: Sequence[PairedValues], sums: Floats) -> float:
    """Return p of Student's t-test; for binary values, of the sign test."""
    if sums.size < 2:
        return nan
    binary = all(number.binary for number in numbers if number.differences.any())
    return sign_test(sums).p if binary else t_test(sums)


def _judge_method(numbers: Sequence[JudgedValues], sums: Floats, p: float) -> NumberResult | None:
    """Judge a method by all of its metrics; return None if no metric changed by more than its slack."""
    directions = [_find_direction(result) for _, result in numbers if result.verdict != "same"]
    if not directions:
        return None
    side: Verdict = "better" if sums.mean() > 0 else "worse"
    verdict: Verdict = side if p < ALPHA and side in directions else "unclear"
    nets = list(dict.fromkeys(result.key[0] for _, result in numbers))
    net = nets[0] if len(nets) == 1 else f"all {format_count(len(nets), 'net')}"
    why = f"{directions.count(side)} of {len(numbers)} {side}"
    return NumberResult((net, numbers[0][1].key[1], OVERALL), verdict, p=p, why=why, short=OVERALL)


def _find_direction(result: NumberResult) -> Verdict:
    """Return better or worse by the sign of the change."""
    assert result.change is not None
    return "better" if (result.change.mean > 0) == (result.better == "higher") else "worse"

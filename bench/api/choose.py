"""Makes the suite of a race: the methods of a suite, by the metrics named or a balanced choice of the suite's."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from ..config import suite_file
from ..config.suite import Race, Suite
from ..core.errors import UsageError
from ..run.plan import Measure
from ..stats.answer import choose_balanced


def make_suite(name: str, race: Race, by: Sequence[str] | None = None, **changes: Any) -> Suite:
    """Make the suite of a race from a suite with changes to its keys; see `suite_file.load`.

    Raise UsageError for a suite with parts, and for fewer than two methods.
    """
    suite = suite_file.load(name, **changes, metrics=list(by) if by else None, race=race)
    if suite.parts:
        raise UsageError(f"the suite {name} has parts, and a race has one set of metrics: name another suite")
    if len(suite.methods) < 2:
        raise UsageError(f"a race needs two methods at least, and there is one: {suite.methods[0]}")
    if by:
        return suite
    measures = [Measure(*pair) for pair in suite.find_metric_plugins(suite.load_protocols())]
    bounded = [measure.metric for measure in measures if all(map(isfinite, measure.metric.bounds))]
    return suite.model_copy(update={"metrics": [metric.spec for metric in choose_balanced(bounded)] or None})

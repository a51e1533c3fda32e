"""Makes the suite and the plan of a race: the methods of a suite, by the metrics named or a balanced choice of the suite's."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import isfinite
from typing import Any

from ..config import suite_file
from ..config.suite import Race, Suite
from ..core.errors import BenchError, UsageError
from ..run.loaded_nets import LoadedNets
from ..run.plan import Measure, Plan, make_plan
from ..stats.answer import choose_balanced
from ..stats.outcome import format_percent

LOOKED_AT = 8  # images, to see whether they have objects


def make_rules(confidence: float, slack: float) -> Race:
    """Make the rules of a race. Raise UsageError for a confidence below 50 %, and for any that is not a share."""
    if not 0.5 <= confidence < 1:
        raise UsageError(
            f"a race is from 50 % to less than 100 % sure, and its confidence is {format_percent(confidence)}"
        )
    if not 0 < slack < 1:
        raise UsageError(
            f"the slack of a race is between 0 % and 100 % of a metric's range, and not {format_percent(slack)}"
        )
    return Race(confidence=confidence, slack=slack)


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


def make_race_plan(
    suite: Suite, *, device: str, by: Sequence[str] | None, loaded: LoadedNets | None = None, skip_missing: bool = False
) -> Plan:
    """Make the plan of a race: without metrics of objects if none are named (`by`), and the first images have no objects."""
    plan = make_plan(suite, device, loaded=loaded, skip_missing=skip_missing)
    usable = [measure for measure in plan.measures if "object" not in measure.metric.needs]
    if by or not usable or len(usable) == len(plan.measures) or _has_objects(plan):
        return plan
    changed = plan.suite.model_copy(update={"metrics": [measure.metric.spec for measure in usable]})
    return replace(plan, suite=changed, measures=usable)


def _has_objects(plan: Plan) -> bool:
    for index in plan.indices[:LOOKED_AT]:
        with suppress(BenchError):  # the run will say so
            if plan.images[index].objects:
                return True
    return False

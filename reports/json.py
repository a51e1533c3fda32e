"""The answer for each net, how each method stands by each metric, and the records of `csv`, for other programs.

Unknown numbers are null.
"""

import json
from typing import Any

from ..bench.core.formatting import make_title
from ..bench.stats.answer import Answer, find_answer
from ..bench.stats.records import make_frame
from ..bench.stats.standings import find_standings
from ..bench.stats.summary import Table, build_tables
from ..bench.store.run import Run

VERSION = 1


def render(run: Run) -> str:
    """Render the answers and the records of a run as JSON."""
    nets = [_describe_net(table) for table in build_tables(run)]
    records: list[dict[str, Any]] = json.loads(make_frame(run).to_json(orient="records"))
    title = make_title(run.name, run.header.suite.dataset)
    return json.dumps({"run": title, "nets": nets, "records": records}, indent=1, allow_nan=False) + "\n"


def _describe_net(table: Table) -> dict[str, Any]:
    standings = find_standings(table)
    by_metric = {spec: _describe_answer(find_answer(table, [spec], standings)) for spec in standings.by_metric}
    return {
        "net": table.net, "layer": table.layer, "images": table.images, "planned": table.planned,
        "answer": _describe_answer(find_answer(table, known=standings)), "answer_by_metric": by_metric,
        "standings": {spec: of_metric.standings for spec, of_metric in standings.by_metric.items()},
    }  # fmt: skip


def _describe_answer(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    by = [of_metric.metric.spec for of_metric in answer.by]
    return {
        "state": answer.state, "take": answer.take, "top": list(answer.top), "by": by,
        "same_scores": [list(group) for group in answer.alike], "images": answer.images, "text": answer.text,
    }  # fmt: skip

"""Format the stored figures for the README and the documentation: the kept run, the gate's self-test, the benchmarks."""

import io
import json
from collections.abc import Mapping
from itertools import chain
from math import isnan
from pathlib import Path
from typing import Any

from rich.console import Console

from ..bench.core.formatting import format_duration
from ..bench.core.markdown import escape, format_table
from ..bench.show.grid import Cell
from ..bench.show.score_table import make_score_table
from ..bench.show.terminal import WIDTH, show_methods
from ..bench.stats.answer import find_answers
from ..bench.stats.estimate import format_interval
from ..bench.stats.summary import build_table
from ..bench.store.run import open_run

DATA = Path(__file__).parents[1] / "tests" / "data"
RECORDS = DATA / "scenes"  # the run of the default suite
GATE = DATA / "gate.json"  # written by tests/support/gate.py
SPEED = DATA / "speed.json"  # written by tests/benchmarks if CAMBENCH_SPEED names it
DRIFT = DATA / "drift.json"  # written by tests/benchmarks/drift.py --store
NET = "resnet18"
METRICS = ("insertion", "deletion", "average_drop", "average_gain", "energy")


def format_results() -> str:
    """Format a short table of the kept run on one net: a row per method, and the answer for each net."""
    run = open_run(RECORDS)
    table = build_table(run, NET)
    grid = make_score_table(table, NET)
    columns = [index for index, head in enumerate(grid.heads) if head.data.get("metric") in METRICS]
    heads = ["method", *(grid.heads[index].text.replace("_", " ") for index in columns), "time an image"]
    rows = [
        [f"`{method}`", *(_format_score(row.cells[index]) for index in columns),
         format_duration(table.costs[method].seconds)]
        for method, row in zip(table.methods, grid.rows, strict=True)
    ]  # fmt: skip
    lines = [f"- **{escape(answer.net)}**: {escape(answer.text)}." for answer in find_answers(run)]
    return "\n".join(["", *format_table(heads, (False, *[True] * (len(heads) - 1)), rows), "", *lines, "", ""])


def _format_score(cell: Cell) -> str:
    """Format a mean and its 95 % interval: .885 (.803 to .967); the best mean is bold."""
    if cell.estimate is None:
        return cell.text
    mean = f"**{cell.text}**" if cell.bold else cell.text
    return mean if isnan(cell.estimate.low) else f"{mean} ({format_interval(cell.estimate)})"


def format_scenes() -> str:
    """Format the tables of the kept run as the terminal prints them, and the machine that measured them."""
    run = open_run(RECORDS)
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True, highlight=False)
    for net in run.header.suite.nets:
        console.print(show_methods(run, net))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    environment = run.header.environment
    machine = f"Measured with torch {environment['torch']} on {environment['cores']} cores of {environment['device']}."
    return f"\n```text\n{lines}\n```\n\n{machine}\n\n"


def format_gate() -> str:
    """Format the changes that `bench compare` detects and those that it misses, from the stored figures."""
    figures = json.loads(GATE.read_text(encoding="utf-8"))
    mutations = figures["mutations"]
    verdicts = {"worse": "worse", "unclear": "unclear: fails with `--strict`", "same": "same"}
    lines = [
        f"| {mutation['method']}: {mutation['what']} | {verdicts[mutation['smoke']]} | {mutation['many']} |"
        for mutation in mutations
    ]
    harmful = [mutation for mutation in mutations if mutation["many"] == "worse"]
    caught = sum(mutation["smoke"] == "worse" for mutation in harmful)
    strict = sum(mutation["smoke"] != "same" for mutation in harmful)
    large = f"{figures['many']} images of squeezenet1_1"
    summary = (
        f"Of {len(harmful)} changes that are worse on {large}, the smoke suite calls {caught} worse on its "
        f"{figures['images']} images, and fails {strict} with `--strict`. As a control, {figures['reruns']} "
        f"comparisons of equal methods gave {figures['alarms']} false alarms (nominal {100 * figures['alpha']:g} %): only the "
        "images and the draws of random maps and of RISE differed. A method without random draws "
        "gives the same numbers again, and no alarm."
    )
    head = f"| a method's source, changed | on smoke's {figures['images']} images | on {large} |"
    return "\n".join(["", head, "|---|---|---|", *lines, "", summary, ""])


def format_speed() -> str:
    """Format the results of the benchmarks beside the bounds that they should meet."""
    data = json.loads(SPEED.read_text(encoding="utf-8"))
    environment, figures = data["environment"], data["figures"]
    lines = [
        f"| {figure['what']} | {figure['figure']:.2f} {figure['unit']} | "
        f"{'at most' if figure['most'] else 'at least'} {figure['bound']:g} | {'yes' if figure['met'] else 'no'} |"
        for figure in figures
    ]
    profiles = [f"* {figure['what']}: {figure['profile']}" for figure in figures if figure["profile"]]
    cores = f"{environment['threads']} of {environment['cores']} cores"
    machine = f"Measured with torch {environment['torch']} on {cores} of {environment['device']}."
    table = ["| | measured | bound | met |", "|---|---|---|---|", *lines]
    return "\n".join(["", *table, "", machine, "Where the time goes:", "", *profiles, ""])


def format_drift() -> str:
    """Format how far lower precisions change scores: a row for each net and metric, three columns for each precision."""
    stored = json.loads(DRIFT.read_text(encoding="utf-8"))
    cells = {(row["net"], row["metric"], row["precision"]): row for row in stored["figures"]}
    precisions = list(dict.fromkeys(precision for *_, precision in cells))
    heads = [
        "net",
        "metric",
        *(f"{precision}: {kind}" for precision in precisions for kind in ("mean", "largest", "pairs")),
    ]
    rows = [
        [net, f"`{metric}`", *chain.from_iterable(_format_drift(cells[net, metric, name]) for name in precisions)]
        for net, metric in dict.fromkeys((net, metric) for net, metric, _ in cells)
    ]
    machine = f"Measured with torch {stored['torch']} on {stored['device']}, on {stored['images']} images of each net."
    return "\n".join(["", *format_table(heads, [False, False, *[True] * (len(heads) - 2)], rows), "", machine, "", ""])


def _format_drift(row: Mapping[str, Any]) -> list[str]:
    return [f"{row['mean']:.1g}", f"{row['largest']:.1g}", str(row["swapped"])]

"""Several runs side by side: what differs between them, and their scores where the protocols are the same."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from ...bench.store.header import PARTS, UNMEANT
from ...bench.store.run import Run
from .._tables.grid import Cell, Grid, Head, Row, estimated, name
from .analysis import Sheet, names

LONG = 60  # letters of what is shown of a value
PLAIN = ("name", "nets", "methods", "metrics", "images")  # of a suite: told elsewhere
OTHER = "another protocol"


def differences(runs: Sequence[Run]) -> Grid | None:
    """A row for each thing that the headers of the runs say otherwise; None of one run."""
    if len(runs) < 2:
        return None
    flat = [dict(_flat(run.header)) for run in runs]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    rows = [
        Row([name(key), *(Cell(one.get(key, "–")) for one in flat)])
        for key in keys
        if len({one.get(key) for one in flat}) > 1
    ]
    heads = [Head("what"), *(Head(label) for label in names(runs))]
    notes = [] if rows else ["The headers of these runs say the same."]
    return Grid("differences", "What differs between the runs", heads, rows, notes, "text")


def sides(sheets: Sequence[Sheet], runs: Sequence[Run]) -> list[Grid]:
    """For each net that several runs have: a row per method and metric, a column per run."""
    nets = list(dict.fromkeys(sheet.table.net for sheet in sheets))
    groups = {net: [sheet for sheet in sheets if sheet.table.net == net] for net in nets}
    return [_side(net, own) for net, own in groups.items() if len(own) > 1]


def _side(net: str, own: list[Sheet]) -> Grid:
    metrics = list(dict.fromkeys(spec for sheet in own for spec in sheet.views))
    methods = list(dict.fromkeys(method for sheet in own for method in sheet.table.methods))
    rows = [
        Row([name(method), name(metric), *_cells(own, method, metric)], {"method": method, "metric": metric})
        for metric in metrics
        for method in methods
    ]
    heads = [
        Head("method"),
        Head("metric"),
        *(Head(sheet.label, "mean, 95 % interval, n", number=True) for sheet in own),
    ]
    note = f"‘{OTHER}’: the run measured this method, metric, net or data otherwise than the first that has it; not comparable."
    return Grid(f"side-by-side-{net}", f"Runs side by side on {net}", heads, rows, [note])


def _cells(own: list[Sheet], method: str, metric: str) -> Iterator[Cell]:
    first = next((sheet for sheet in own if _has(sheet, method, metric)), None)
    for sheet in own:
        if first is None or not _has(sheet, method, metric):
            yield Cell("–", float("nan"))
        elif _meaning(sheet, method, metric) != _meaning(first, method, metric):
            yield Cell(OTHER, float("nan"), css="none")
        else:
            cell = estimated(sheet.table.entry(method, sheet.views[metric].metric).estimate)
            count = f"n = {cell.estimate.n}" if cell.estimate else ""
            small = ", ".join(filter(None, (cell.small, count)))
            yield Cell(cell.text, cell.value, small, estimate=cell.estimate)


def _has(sheet: Sheet, method: str, metric: str) -> bool:
    return metric in sheet.views and method in sheet.table.methods


def _meaning(sheet: Sheet, method: str, metric: str) -> tuple[Any, ...]:
    """What must be the same for two numbers to be of one thing."""
    header = sheet.run.header
    net, data = header["nets"].get(sheet.table.net, {}), header["data"]
    made = header["methods"].get(method, {})
    return (
        header["protocols"].get(metric), header["suite"].get("dataset"), data.get("settings"), data.get("version"),
        net.get("fingerprint"), net.get("layer"), made.get("version"), made.get("settings"),
    )  # fmt: skip


def _flat(header: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What fixes the meaning of a run's numbers, as lines of text."""
    for part in PARTS:
        for key, value in header[part].items():
            if key in UNMEANT or (part == "suite" and key in PLAIN):
                continue
            if isinstance(value, dict):
                said = {name: one for name, one in value.items() if name not in (*UNMEANT, "classes", "images")}
                yield from ((f"{part}: {key}: {name}", _brief(one)) for name, one in said.items())
            else:
                yield f"{part}: {key}", _brief(value)


def _brief(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}… ({len(text)} letters, {_digest(text)})"


def _digest(text: str) -> str:
    """A few letters that differ where long texts do."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]

"""The section "Protocol": what fixes the meaning of each number."""

from collections.abc import Iterable, Sequence

from ...bench.core.formatting import format_settings
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_name_cell
from ...bench.show.protocols import describe_protocols, is_set
from ...bench.store.header import Header, Settings
from ...bench.store.run import Run
from .analysis import NetAnalysis
from .render import fill
from .section import Section


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section:
    """Return tables of the metrics, the methods and the nets of each run."""
    parts = [(run, _make_tables(run, [analysis for analysis in analyses if analysis.run is run])) for run in runs]
    tables = [grid for _, grids in parts for grid in grids]
    return Section("protocol", "Protocol", fill("protocol.html", parts=parts), tables=tables)


def _make_tables(run: Run, analyses: Sequence[NetAnalysis]) -> list[Grid]:
    return [
        _make_metric_grid(run.header),
        _make_grid("Methods", ["method", "what it does", "settings"], _make_method_rows(run.header)),
        _make_grid(
            "Nets and images",
            ["net", "layer", "on these images", "fingerprint of the weights"],
            [_make_net_row(run.header, analysis) for analysis in analyses],
        ),
    ]


def _make_grid(caption: str, heads: Sequence[str], rows: Iterable[GridRow], notes: Sequence[str] = ()) -> Grid:
    columns = [ColumnHead(head, row_header=not index) for index, head in enumerate(heads)]
    return Grid(f"protocol-{caption.lower()}", caption, columns, list(rows), notes, css="text")


def _make_metric_grid(header: Header) -> Grid:
    protocols = describe_protocols(header)
    heads = ["metric", "what it measures", "better", "unit", "protocol"]
    notes = [f"All metrics: {protocols.shared}."] if protocols.shared else []
    return _make_grid("Metrics", heads, _make_metric_rows(header, protocols.own), notes)


def _make_metric_rows(header: Header, protocols: dict[str, str]) -> list[GridRow]:
    return [
        GridRow(
            [
                make_name_cell(spec), Cell(metric.description, small=metric.caveat), Cell(metric.better), Cell(metric.unit),
                Cell(protocols[spec]),
            ],
            {"metric": spec},
        )
        for spec, metric in header.metrics.items()
    ]  # fmt: skip


def _make_method_rows(header: Header) -> list[GridRow]:
    return [
        GridRow(
            [
                make_name_cell(spec), Cell(method.description),
                Cell(", ".join(filter(None, (_format_set(method.settings), f"version {method.version}")))),
            ],
            {"method": spec},
        )
        for spec, method in header.methods.items()
    ]  # fmt: skip


def _format_set(settings: Settings) -> str:
    return format_settings({key: value for key, value in settings.items() if is_set(value)})


def _make_net_row(header: Header, analysis: NetAnalysis) -> GridRow:
    table = analysis.table
    net = header.nets[table.net]
    name = Cell(table.net, table.net, small="; ".join(net.notes))
    return GridRow([name, Cell(table.layer), Cell(table.accuracy), Cell(net.fingerprint[:16])])

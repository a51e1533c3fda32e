"""bench show: what a method, metric, data set, net, protocol, suite or any other plug-in is, with its settings."""

import ast
import inspect
from collections.abc import Iterator
from math import isinf
from pathlib import Path
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ..config import protocol, suite_file
from ..core import plugins, specs
from ..core.errors import UsageError, find_close_names
from ..core.formatting import format_settings
from ..core.plugins import DATASET, ENGINE, METHOD, METRIC, REFERENCE, REPORT, Kind, Plugin
from ..core.settings import SettingFacts, list_settings
from .listing import list_by_kind

WIDTH = 100
EXAMPLES = {METHOD: "bench run --methods {}", METRIC: "bench run --metrics {}", DATASET: "bench run --dataset {}"}
PLUGINS = (METHOD, METRIC, DATASET, REPORT, REFERENCE, ENGINE)


@click.command()
@click.argument("name")
def show(name: str) -> None:
    """Show what a method, metric, data set, net, protocol or suite is.

    NAME is one that `bench list` names, the head of a metric's column, or your own file. Settings are shown with their
    defaults and what each may be, a metric with its direction and range, and each with an example.
    """
    console = Console(highlight=False, emoji=False)
    console.width = min(console.width, WIDTH)
    known = list_by_kind()
    parts: list[RenderableType] = []
    for kind in PLUGINS:
        if _is_known(kind, name, known):
            parts += _show_plugin(kind, plugins.find(kind, name), name)
    parts += _show_net(name, known)
    if _is_listed(name, known["protocols"]):
        parts += _show_protocol(name)
    if _is_listed(name, known["suites"]):
        parts += _show_suite(name)
    if not parts and (metric := _find_metric_by_head(name)):
        parts += _show_plugin(METRIC, metric, metric.name)
    if _is_listed(name, known["results"]):
        parts.append(f"{name}: results that ship with cambench; see `bench report {name}` and docs/which.md")
    if not parts:
        names = [row[0] for rows in known.values() for row in rows]
        close = find_close_names(name, names, 3, own_file=plugins.name_own_file(name))
        hint = f"did you mean {' or '.join(close)}?" if close else "bench list names everything"
        raise UsageError(f"nothing is called {name!r}: {hint}")
    console.print(*parts, sep="\n")


def _is_known(kind: Kind, name: str, known: dict[str, list[tuple[str, str]]]) -> bool:
    """Tell whether a kind has a plug-in of this name; a user's file is of the kind whose function it defines."""
    if (file := Path(name.partition("[")[0])).suffix == ".py":
        return kind.function in _list_functions(file)
    word = specs.parse(kind.word, name).name
    return _is_listed(word, known[f"{kind.word}s"])


def _find_metric_by_head(head: str) -> Plugin | None:
    """Find the metric whose column has this head in tables of the terminal."""
    metrics = (plugins.find(METRIC, name) for name in plugins.list_names(METRIC))
    return next((metric for metric in metrics if metric.short == head), None)


def _is_listed(name: str, rows: list[tuple[str, str]]) -> bool:
    return any(name == row[0] for row in rows)


def _list_functions(file: Path) -> list[str]:
    """List the functions that a file defines; none if it cannot be read as Python."""
    try:
        return [node.name for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.FunctionDef)]
    except (OSError, SyntaxError, ValueError):
        return []


def _show_plugin(kind: Kind, plugin: Plugin, name: str) -> Iterator[RenderableType]:
    """Yield what is shown of a plug-in; `name` is what commands take: of a user's file, its path; perhaps with settings."""
    yield _make_head(plugin.name, kind.word, plugin.description)
    if kind is METRIC:
        yield from map(_indent, _describe_metric(plugin))
    if kind is METHOD and plugin.control:
        yield _indent("A control: a baseline that any useful method should beat.")
    settings = list_settings(f"{kind.word} {plugin.name!r}", plugin.function)
    if settings:
        yield _make_settings_table(settings)
    if text := _read_details(plugin):
        yield _indent(text)
    if kind in EXAMPLES:
        example = f"'{name}'" if "[" in name else make_example(name, settings)
        yield _indent(Text(f"example: {EXAMPLES[kind].format(example)}", style="bold"))


def _describe_metric(metric: Plugin) -> Iterator[str]:
    low, high = ("no bound" if isinf(end) else f"{end:g}" for end in metric.bounds)
    yield f"{metric.better} is better; {metric.unit}, from {low} to {high}; in tables: {metric.short}"
    if metric.needs:
        yield f"needs: {', '.join(metric.needs)}"
    if metric.caveat:
        yield f"Caveat: {metric.caveat}"


def _make_settings_table(settings: list[SettingFacts]) -> RenderableType:
    table = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in ("setting", "default", "may be"):
        table.add_column(head, overflow="fold")
    for setting in settings:
        table.add_row(*map(Text, (setting.name, format_default(setting.default), setting.rule)))
    return _indent(table)


def format_default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "(must be given)"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def make_example(name: str, settings: list[SettingFacts]) -> str:
    """Make a spec with the first setting that has another value than its default; else the name."""
    for setting in settings:
        other = next((value for value in setting.values if value != setting.default and value is not None), None)
        if other is not None:
            return f"'{name}[{setting.name}={format_default(other)}]'"
        if isinstance(setting.default, int) and setting.default:
            return f"'{name}[{setting.name}={2 * setting.default}]'"
    return name


def _read_details(plugin: Plugin) -> str:
    """Return the text of the function's docstring, with each paragraph on one line."""
    text = inspect.getdoc(plugin.function) or ""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _show_net(name: str, known: dict[str, list[tuple[str, str]]]) -> Iterator[RenderableType]:
    for net, description in known["nets"]:
        if net == name:
            yield _make_head(name, "net", description)
            yield _indent(Text(f"example: bench run --nets {name}", style="bold"))


def _show_protocol(name: str) -> Iterator[RenderableType]:
    rules = protocol.find_protocol(name)
    yield _make_head(name, "protocol", rules.description)
    yield _indent(f"Source: {rules.source}")
    yield _indent(format_settings({key: value for key, value in rules.list_choices().items() if value}))
    for metric, settings in (rules.metrics or {}).items():
        yield _indent(f"{metric}: {format_settings(settings) or 'its defaults'}")
    yield _indent(Text(f"example: bench run --protocols {name}", style="bold"))


def _show_suite(name: str) -> Iterator[RenderableType]:
    suite = suite_file.load(name)
    yield _make_head(name, "suite", suite.description)
    for word in ("nets", "methods", "metrics", "protocols"):
        if names := getattr(suite, word):
            yield _indent(f"{word}: {', '.join(names)}")
    yield _indent(f"{suite.images:,} images of {suite.dataset}")
    yield _indent(Text(f"example: bench run {name}", style="bold"))


def _make_head(name: str, word: str, description: str) -> Text:
    return Text.assemble((name, "bold"), f" ({word})\n", description)


def _indent(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))

"""Format what the pages of the documentation say of each method and metric: direction, range, settings, an example."""

import inspect
from collections.abc import Iterator
from math import isinf

from ..bench.cli.show import EXAMPLES, format_default, make_example
from ..bench.core import plugins
from ..bench.core.formatting import join_names
from ..bench.core.markdown import format_table
from ..bench.core.plugins import METHOD, METRIC, Kind, Plugin
from ..bench.core.settings import list_settings

NEEDS = {
    "object": "an object of the target class that is marked in the image",
    "other object": "objects of the target class and of another class that are marked in the image",
    "method": "the method, which runs again",
}


def format_methods() -> str:
    """Format a table of all methods, and a section for each."""
    methods = [plugins.find(METHOD, name) for name in plugins.list_names(METHOD)]
    rows = [(_link(each), escape(each.description), _describe_limits(each)) for each in methods]
    table = format_table(("method", "what it is", "note"), (False,) * 3, rows)
    return "\n".join(["", *table, "", *(line for each in methods for line in _format_section(METHOD, each)), ""])


def format_metrics() -> str:
    """Format a table of all metrics, and a section for each."""
    metrics = [plugins.find(METRIC, name) for name in plugins.list_names(METRIC)]
    rows = [
        (_link(each), f"`{each.short}`", each.better, _format_range(each), escape(each.family) or "-")
        for each in metrics
    ]
    table = format_table(("metric", "column", "better", "range", "group"), (False,) * 5, rows)
    return "\n".join(["", *table, "", *(line for each in metrics for line in _format_section(METRIC, each)), ""])


def escape(text: str) -> str:
    """Escape what Markdown would read as a table, a tag or emphasis; text in backticks stays code."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _format_section(kind: Kind, plugin: Plugin) -> Iterator[str]:
    """Yield the lines of a section: what the plug-in is, what its function's docstring says, settings and an example."""
    yield from (f"### `{plugin.name}`", "", escape(plugin.description), "")
    if kind is METRIC:
        yield from (_describe_metric(plugin), "")
    for paragraph in (inspect.getdoc(plugin.function) or "").split("\n\n"):
        yield from (escape(paragraph), "")
    if plugin.caveat:
        yield from (f"**Caveat.** {escape(plugin.caveat)}", "")
    settings = list_settings(f"{kind.word} {plugin.name!r}", plugin.function)
    if settings:
        rows = [(f"`{one.name}`", f"`{format_default(one.default) or ' '}`", escape(one.rule)) for one in settings]
        yield from (*format_table(("setting", "default", "may be"), (False,) * 3, rows), "")
    yield from ("```sh", EXAMPLES[kind].format(make_example(plugin.name, settings)), "```", "")


def _describe_metric(metric: Plugin) -> str:
    sentence = f"{metric.better.capitalize()} is better; {_format_range(metric)} ({escape(metric.unit)})."
    needs = [NEEDS[need] for need in metric.needs if need != "object" or "other object" not in metric.needs]
    return f"{sentence} It needs {join_names(needs)}." if needs else sentence


def _describe_limits(method: Plugin) -> str:
    """Say whether the method is expensive, whether its map is the same for every class, and which library it needs."""
    words = ["expensive"] * method.expensive + ["same map for every class"] * (
        method.class_blind and not method.control
    )
    return ", ".join([*words, *(f"needs `{library}`" for library in method.requires)])


def _format_range(metric: Plugin) -> str:
    low, high = metric.bounds
    if isinf(low) and isinf(high):
        return "any number"
    return f"from {low:g} up" if isinf(high) else f"up to {high:g}" if isinf(low) else f"from {low:g} to {high:g}"


def _link(plugin: Plugin) -> str:
    return f"[`{plugin.name}`](#{plugin.name})"

"""Format what `bench list` lists for the pages of the documentation: protocols, published numbers, and all other kinds."""

from collections.abc import Iterator

from ..bench.cli.listing import list_by_kind
from ..bench.config import protocol
from ..bench.config.protocol import Protocol
from ..bench.core.formatting import format_settings
from ..bench.core.markdown import format_table
from ..bench.published.published import PublishedTable, read_tables
from .plugin_pages import escape

TITLES = {
    "nets": "Networks",
    "datasets": "Data sets",
    "suites": "Suites",
    "results": "Results that ship with cambench",
    "reports": "Reports",
    "references": "Reference libraries",
    "engines": "Engines",
}


def format_lists() -> str:
    """Format a section with a table for each kind that has no page of its own."""
    lists = list_by_kind()
    lines = [""]
    for kind, title in TITLES.items():
        rows = [(f"`{name}`", escape(description)) for name, description in lists[kind]]
        lines += [f"## {title}", "", *format_table(("name", "what it is"), (False, False), rows), ""]
        lines += ["```sh", f"bench list {kind}", "```", ""]
    return "\n".join([*lines, ""])


def format_protocols() -> str:
    """Format a section for each protocol: its choices, its source, an example."""
    lines = [""]
    for name in protocol.list_names():
        rules = protocol.find_protocol(name)
        lines += [f"### `{name}`", "", escape(rules.description), "", f"Source: {escape(rules.source)}", ""]
        lines += [*_format_choices(rules), ""]
        lines += ["```sh", f"bench run --protocols {name}", "```", ""]
    return "\n".join([*lines, ""])


def _format_choices(rules: Protocol) -> Iterator[str]:
    """Yield a list of what a protocol chooses for all metrics, and for each."""
    choices = {key: value for key, value in rules.list_choices().items() if value and key != "name"}
    yield f"- {format_settings(choices)}"
    for metric, settings in (rules.metrics or {}).items():
        yield f"- `{metric}`: {format_settings(settings) or 'its defaults'}"


def format_published() -> str:
    """Format a section for each published table, with the digits that the publication prints."""
    return "\n".join(["", *(line for table in read_tables() for line in _format_table(table)), ""])


def _format_table(table: PublishedTable) -> Iterator[str]:
    images = f", {table.images:,} images" if table.images else ""
    under = f" under `{table.protocol}`" if table.protocol else ""
    yield from (f"**{table.spec}**{under}: {table.data}{images}. {escape(table.source)}.", "")
    yield from (escape(_explain_state(table)), "")
    rows = [
        (f"`{method}`", *("" if value.is_nan() else str(value).removeprefix("0") for value in values))
        for method, values in table.values.items()
    ]
    heads = ("method", *(f"`{metric}`" for metric in table.metrics))
    yield from (*format_table(heads, (False, *(True for _ in table.metrics)), rows), "")


def _explain_state(table: PublishedTable) -> str:
    """Explain why the numbers of a table were not measured for the documentation."""
    if why := table.why_not or table.needs:
        return f"Cannot be reproduced: {why}"
    return f"Not measured yet: `bench run published` measures it, with {table.data} and the weights of {table.spec}."

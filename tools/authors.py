"""Format how cambench's numbers compare with those of authors' own code, for docs/authors.md, from the stored figures."""

import json
import tomllib
from collections.abc import Collection, Iterator
from typing import Any

from ..bench.core.markdown import escape, format_table
from ..bench.core.plugins import METHOD, METRIC, Kind, find, list_names
from ..bench.core.specs import DEFAULT, join_protocol, parse
from .figures import DATA

SOURCES = DATA / "authors" / "sources.toml"
DIFFERENCES = DATA / "authors" / "differences.json"  # written by tests/support/authors.py
HEADS = ("quantity", "their code", "largest difference", "reason")
LEAST = 5e-6  # differences below it are rounding
BOUNDS = (LEAST, 1e-4)  # the lowest one above a difference is printed, and the tests hold it


def format_authors() -> str:
    """Format a section for each repository: a row for each quantity, and what was changed to run the code."""
    sources = tomllib.loads(SOURCES.read_text(encoding="utf-8"))
    lines = [""]
    for name, code in sources["codes"].items():
        quantities = [quantity for quantity in sources["quantities"] if quantity["code"] == name]
        lines += [*_format_code(code, quantities), ""]
    compared = {parse("quantity", quantity["spec"]).name for quantity in sources["quantities"]}
    lines += [*_list_others("methods", METHOD, compared), *_list_others("metrics", METRIC, compared)]
    return "\n".join([*lines, ""])


def _list_others(title: str, kind: Kind, compared: Collection[str]) -> Iterator[str]:
    """Yield a sentence with the plug-ins of a kind that have no row, but for controls and adapters of libraries."""
    others = [name for name in list_names(kind) if name not in compared]
    own = [name for name in others if not (plugin := find(kind, name)).control and not plugin.requires]
    if own:
        yield from (f"These {title} are not compared with authors' code: {', '.join(f'`{name}`' for name in own)}.", "")


def _format_code(code: dict[str, str], quantities: list[dict[str, str]]) -> Iterator[str]:
    yield from (f"**{code['repository']}** {code['commit']} ({escape(code['paper'])}). {escape(code['changes'])}", "")
    differences = json.loads(DIFFERENCES.read_text(encoding="utf-8"))
    rows = [_format_row(quantity, *differences[quantity["key"]]) for quantity in quantities]
    yield from format_table(HEADS, (False, False, True, False), rows)


def _format_row(quantity: dict[str, Any], difference: float, remaining: float) -> tuple[str, ...]:
    label = join_protocol(quantity["spec"], quantity.get("protocol", DEFAULT))
    settings = f"; {quantity['settings']}" if "settings" in quantity else ""
    reason = quantity.get("reason", "")
    if reason:
        equal = join_protocol(quantity.get("equal", ""), quantity.get("protocol", DEFAULT))
        how = "With this reproduced in the test" if "reproduction" in quantity else f"By `{equal}`"
        reason = f"{reason} {how}, the difference is {_format_difference(remaining)}."
    return f"`{label}`", f"`{quantity['place']}`{escape(settings)}", _format_difference(difference), reason


def _format_difference(value: float) -> str:
    """Format a difference as below a bound, or with two digits."""
    bound = find_bound(value)
    return f"{value:.2g}".removeprefix("0") if bound is None else f"below {bound:.0e}".replace("e-0", "e-")


def find_bound(value: float) -> float | None:
    """Find the lowest of BOUNDS above a difference; None if it is larger than all."""
    return next((bound for bound in BOUNDS if value < bound), None)

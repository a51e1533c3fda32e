"""Text and tables in Markdown; tabulate would be one more dependency for these lines, and does not escape names."""

import re
from collections.abc import Iterable, Sequence


def escape(text: object) -> str:
    """Escape text so that Markdown shows it literally, in a cell of a table too."""
    flat = " ".join(str(text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|\[\]#~$]|(?<!\w)_|_(?!\w))", r"\\\1", flat)


def format_table(heads: Sequence[str], numeric: Sequence[bool], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format the lines of a table whose heads and cells are Markdown already; a numeric column is aligned to the right."""
    rule = ["---:" if right else "---" for right in numeric]
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]

"""Text in CSV that a spreadsheet shows as it is."""

import re
from typing import Any

# A formula begins a cell, or follows what some spreadsheets separate cells by.
FORMULA = re.compile(r"(^|[;\t\r\n])(?=[=+\-@])")


def escape(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would compute as a formula; return any other value as it is."""
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value

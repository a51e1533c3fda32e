"""Values of command-line options that click has no type for."""

import re
from typing import Any

import click

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


class Size(click.ParamType[float]):
    """Bytes: 2GB, 500MB, 1.5e9."""

    name = "size"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        found = re.fullmatch(r"(?P<number>\d+(\.\d*)?(e\d+)?) ?(?P<unit>[KMG]?)(i?B)?", str(value), re.IGNORECASE)
        if found is None or not float(found["number"]):
            self.fail(f"{value!r} is no size: write 2GB or 500MB", parameter, context)
        return float(found["number"]) * UNITS[found["unit"].upper()]


SIZE = Size()

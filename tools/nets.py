"""Write the table of libraries' nets into docs/nets.md: `python -m cambench.tools.nets`."""

import json
import re
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
NETS = ROOT / "docs" / "nets.md"
RESULTS = ROOT / "tests" / "data" / "zoo.json"  # written by tests/zoo/test_libraries.py if CAMBENCH_ZOO names it
TABLE = re.compile(r"(?<=<!-- libraries -->\n).*?(?=<!-- end of libraries -->)", re.DOTALL)
USUAL_AXES = "nkhw"
REFUSAL = "the net cannot be explained: "  # begins most of the sentences

Row = dict[str, str]


def format_libraries() -> str:
    """Format the stored results: a row for the nets of a family that are explained at one layer, or refused alike."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows.sort(key=lambda row: (row["library"] == "timm", row["family"].casefold(), _describe(row)))
    lines = [
        f"| {library} | {family}: {', '.join(row['net'] for row in alike)} | {description} |"
        for (library, family, description), alike in groupby(
            rows, lambda row: (row["library"], row["family"], _describe(row))
        )
    ]
    return "\n".join(
        ["", "| library | family: nets | layer | grid | result |", "|---|---|---|---|---|", *lines, "", ""]
    )


def _describe(row: Row) -> str:
    """Write the last three cells of a row."""
    if row["refused"]:
        return f"| | refused: {row['refused'].removeprefix(REFUSAL).replace('|', '&#124;')}"
    axes = "" if row["axes"] == USUAL_AXES else f", from ({', '.join(row['axes'])})"
    return f"`{row['layer']}` | {row['grid']} of {row['size']}{axes} | explained"


def main() -> None:
    """Write the table into docs/nets.md."""
    text = NETS.read_text(encoding="utf-8")
    NETS.write_text(TABLE.sub(lambda _: format_libraries(), text), encoding="utf-8")


if __name__ == "__main__":
    main()

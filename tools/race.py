"""Write the table of simulated races into docs/choose.md: `python -m cambench.tools.race`."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "choose.md"
RESULTS = ROOT / "tests" / "data" / "race.json"  # written by tests/benchmarks/race.py --store
TABLE = re.compile(r"(?<=<!-- race -->\n).*?(?=<!-- end of race -->)", re.DOTALL)
HEAD = "| race | full run | drops the best | a false claim | decided | images, the median | work of the full run |"


def format_races() -> str:
    """Format the stored figures: a row for each kind of race."""
    figures = json.loads(RESULTS.read_text(encoding="utf-8"))["figures"]
    lines = [f"| {' | '.join(_format_cells(row))} |" for row in figures]
    return "\n".join(["", HEAD, "|---|---:|---|---:|---:|---:|---:|", *lines, "", ""])


def _format_cells(row: dict[str, Any]) -> list[str]:
    dropped = "none is best by more than the slack" if row["best"] is None else f"{row['best']}: {row['dropped']:.1%}"
    shares = [f"{row['wrong']:.1%}", f"{row['decided']:.0%}", f"{row['images']:.0f}", f"{row['work']:.0%}"]
    return [row["name"], f"{row['full']:,} images", dropped, *shares]


def main() -> None:
    """Write the table into the page."""
    page = TABLE.sub(lambda _: format_races(), PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Write the table of simulated races into docs/choose.md: `python -m cambench.tools.race`."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "choose.md"
RESULTS = ROOT / "tests" / "data" / "race.json"  # written by tests/benchmarks/race.py --store
TABLE = re.compile(r"(?<=<!-- race -->\n).*?(?=<!-- end of race -->)", re.DOTALL)
HEAD = "| race | dropped the best | a false claim | decided | images, the median | work of the full run |"


def format_races() -> str:
    """Format the stored figures: a row for each kind of race."""
    content = json.loads(RESULTS.read_text(encoding="utf-8"))
    lines = [
        f"| {row['name']} | {_format_dropped(row)} | {row['wrong']:.1%} | {row['decided']:.0%} | {row['images']:.0f} | "
        f"{row['work']:.0%} |"
        for row in content["figures"]
    ]
    races = f"{content['figures'][0]['races']:,} races of each kind, on at most {content['images']:,} images each."
    return "\n".join(["", HEAD, "|---|---|---:|---:|---:|---:|", *lines, "", races, ""])


def _format_dropped(row: dict[str, str | float | None]) -> str:
    return "none is best by more than the slack" if row["best"] is None else f"{row['best']}: {row['dropped']:.1%}"


def main() -> None:
    """Write the table into the page."""
    page = TABLE.sub(lambda _: format_races(), PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

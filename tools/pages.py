"""Write the generated parts of the README and of the documentation: `python -m cambench.tools.pages [RUN]`.

With a run of the default suite, its records and pictures are kept first. The tests check each part against what it shows.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..bench.store.run import open_run
from .authors import format_authors
from .figures import RECORDS, format_drift, format_gate, format_results, format_scenes, format_speed
from .lists import format_lists, format_protocols, format_published
from .montage import draw_montage
from .plugin_pages import format_methods, format_metrics
from .records import read_rows, write_run
from .statistics import format_coverage, format_errors, format_rankings
from .which import format_which

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "montage.png"
KEPT = ("scores", "curves", "cost", "predictions")


@dataclass(frozen=True)
class Part:
    """A generated part of a page: the text between the comments `<!-- NAME -->` and `<!-- end of NAME -->`."""

    page: str
    name: str
    format: Callable[[], str]

    def read(self) -> str:
        """Read the part from its page."""
        (found,) = self._pattern.findall(self._read_page())
        return str(found)

    def write(self) -> None:
        """Generate the part, and write it into its page."""
        text = self._pattern.sub(lambda _: self.format(), self._read_page())
        (ROOT / self.page).write_text(text, encoding="utf-8")

    def _read_page(self) -> str:
        return (ROOT / self.page).read_text(encoding="utf-8")

    @property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<=<!-- {self.name} -->\n).*?(?=<!-- end of {self.name} -->)", re.DOTALL)


PARTS = (
    Part("README.md", "results", format_results),
    Part("docs/scenes.md", "tables", format_scenes),
    Part("docs/methods.md", "methods", format_methods),
    Part("docs/metrics.md", "metrics", format_metrics),
    Part("docs/protocols.md", "protocols", format_protocols),
    Part("docs/published.md", "published", format_published),
    Part("docs/authors.md", "authors", format_authors),
    Part("docs/which.md", "which", format_which),
    Part("docs/lists.md", "lists", format_lists),
    Part("docs/ci.md", "gate", format_gate),
    Part("docs/statistics.md", "coverage", format_coverage),
    Part("docs/statistics.md", "errors", format_errors),
    Part("docs/statistics.md", "rankings", format_rankings),
    Part("docs/speed.md", "speed", format_speed),
    Part("docs/speed.md", "drift", format_drift),
)


def main(directory: str | None = None) -> None:
    """Write all parts; with the directory of a run, first keep its records and draw its pictures."""
    if directory is not None:
        keep_run(directory)
    for part in PARTS:
        part.write()


def keep_run(directory: str) -> None:
    """Draw the picture of a run, and write its records, without maps and images, to the tests."""
    run = open_run(directory)
    PICTURE.write_bytes(draw_montage(run))
    write_run(RECORDS, run.header, {table: read_rows(run, table) for table in KEPT})


if __name__ == "__main__":
    main(*sys.argv[1:])

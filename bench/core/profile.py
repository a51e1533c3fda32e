"""Where a run's time went, as a terminal shows it."""

from rich.table import Table

from .profiling import Spans

SAID = {
    "forwards": "perturbed images through the net",
    "perturbing": "making them",
    "ordering": "the ranks of a map's pixels",
    "explaining": "methods, but for their perturbed images",
    "loading": "reading or making the data set's images, where the run waited for it",
    "writing": "records to disk",
    "reporting": "tables and the page",
    "other": "loading nets, the metrics' own arithmetic, and the rest",
}


def profile(spans: Spans) -> Table:
    """A row for each part of a run: its seconds, and its share of all."""
    total = sum(spans.seconds.values())
    table = Table(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    for head in ("", "s", "%"):
        table.add_column(head, justify="right" if head else "left", no_wrap=bool(head))
    table.add_column("", overflow="fold")
    for name, seconds in sorted(spans.seconds.items(), key=lambda one: -one[1]):
        said = SAID[name] + (f": {spans.images}" if name == "forwards" else "")
        table.add_row(name, f"{seconds:.2f}", f"{100 * seconds / total:.0f}", said)
    table.add_row("all", f"{total:.2f}", "100", "")
    return table

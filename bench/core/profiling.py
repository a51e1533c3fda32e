"""Where a run's time goes: seconds by named span, each without the spans nested in it. Off unless `--profile` asks for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.table import Table as RichTable

_active: list["Spans"] = []
DESCRIPTIONS = {
    "forwards": "perturbed images through the net",
    "perturbing": "making perturbed images",
    "ordering": "ranking the pixels of maps",
    "explaining": "methods, without the forward passes of perturbed images",
    "loading": "waiting for images of the data set",
    "writing": "waiting until records are on disk",
    "reporting": "making tables and the page",
    "other": "loading nets, arithmetic of metrics, and everything else",
}


class Spans:
    """Seconds by span. `wait` synchronises the device at both ends of a span: a GPU's work counts where it is caused."""

    def __init__(self, wait: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self.images: int = 0  # perturbed images that went through a net
        self._wait = wait
        self._names: list[str] = []
        self._since = 0.0

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """Add the time inside to a span, without the spans nested in it."""
        self._book()
        self._names.append(name)
        try:
            yield
        finally:
            self._book()
            self._names.pop()

    def _book(self) -> None:
        """Add the time since the last call to the innermost span."""
        self._wait()
        now = time.perf_counter()
        if self._names:
            self.seconds[self._names[-1]] = self.seconds.get(self._names[-1], 0.0) + now - self._since
        self._since = now


@contextmanager
def record_spans(wait: Callable[[], None] = lambda: None) -> Iterator[Spans]:
    """Record the spans of the code inside; time outside any span is `other`."""
    spans = Spans(wait)
    _active.append(spans)
    try:
        with spans.record("other"):
            yield spans
    finally:
        _active.pop()


@contextmanager
def time_span(name: str) -> Iterator[None]:
    """Add the time inside to a span, if spans are being recorded."""
    if not _active:
        yield
        return
    with _active[-1].record(name):
        yield


def count_images(images: int) -> None:
    """Count perturbed images that went through a net, if spans are being recorded."""
    if _active:
        _active[-1].images += images


def make_profile_table(spans: Spans) -> RichTable:
    """Make a table with a row for each span: its seconds, its share of the total, and what it contains."""
    total = sum(spans.seconds.values())
    table = RichTable(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    for head in ("", "s", "%"):
        table.add_column(head, justify="right" if head else "left", no_wrap=bool(head))
    table.add_column("", overflow="fold")
    for name, seconds in sorted(spans.seconds.items(), key=lambda item: -item[1]):
        description = DESCRIPTIONS[name] + (f": {spans.images}" if name == "forwards" else "")
        table.add_row(name, f"{seconds:.2f}", f"{100 * seconds / total:.0f}", description)
    table.add_row("all", f"{total:.2f}", "100", "")
    return table

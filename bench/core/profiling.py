"""Where a run's time goes: spans of it by name, each without the spans inside it. Nothing is timed unless asked for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.table import Table

_opened: list["Spans"] = []
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


class Spans:
    """Seconds by name; on a GPU every span waits for the device at its ends, which costs what is then not overlapped."""

    def __init__(self, wait: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self.images: int = 0  # that went through a net
        self._wait = wait
        self._names: list[str] = []
        self._since = 0.0

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        self._turn()
        self._names.append(name)
        try:
            yield
        finally:
            self._turn()
            self._names.pop()

    def _turn(self) -> None:
        """Books the time since the last turn to the innermost span."""
        self._wait()
        now = time.perf_counter()
        if self._names:
            self.seconds[self._names[-1]] = self.seconds.get(self._names[-1], 0.0) + now - self._since
        self._since = now


@contextmanager
def profiled(wait: Callable[[], None] = lambda: None) -> Iterator[Spans]:
    """The spans of what runs inside, the rest under `other`."""
    spans = Spans(wait)
    _opened.append(spans)
    try:
        with spans.of("other"):
            yield spans
    finally:
        _opened.pop()


@contextmanager
def span(name: str) -> Iterator[None]:
    """Books the time inside to a name, where somebody asked for a profile."""
    if not _opened:
        yield
        return
    with _opened[-1].of(name):
        yield


def passed(images: int) -> None:
    """Counts images that went through a net."""
    if _opened:
        _opened[-1].images += images


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

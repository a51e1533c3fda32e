"""Where a run's time goes: spans of it by name, each without the spans inside it. Nothing is timed unless asked for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_opened: list["Spans"] = []


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

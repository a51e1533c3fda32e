"""Computes in this process, on one device: net by net, in the order of the images."""

from collections.abc import Iterator

from ..run.plan import Plan
from ..run.session import Session
from ..store.run import Cell
from ..store.writer import Writer


def work(plan: Plan, writer: Writer) -> Iterator[Cell]:
    """Compute the cells that are not done, and yield each. When the last of a net is yielded, all of them are on disk."""
    for net, groups in plan.list_remaining(writer.done).items():
        remaining = len(groups)
        for units in Session(plan, net).compute(groups):
            remaining -= 1
            writer.add(units, last=not remaining)
            yield from (unit.cell for unit in units)

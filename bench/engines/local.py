"""One process, one device: net by net, in the order of the images."""

from collections.abc import Iterator

from ..run.plan import Plan
from ..run.session import Ready
from ..store.run import Cell
from ..store.writer import Writer


def work(plan: Plan, writer: Writer) -> Iterator[Cell]:
    """Works off the cells that are not done, and yields each; at the last of a net, all of it is on disk."""
    for spec, groups in plan.open(writer.done).items():
        left = len(groups)
        for units in Ready(plan, spec).units(groups):
            left -= 1
            writer.add(units, last=not left)
            yield from (unit.cell for unit in units)

"""Computes in this process, on one device: net by net, in the order of the images."""

from collections.abc import Iterator

from ..run.plan import Plan
from ..run.session import Session
from ..store.parts import NetImage
from ..store.writer import Writer


def work(plan: Plan, writer: Writer) -> Iterator[NetImage]:
    """Compute the images that are not done, net by net, and yield each with its net.

    When the last of a net is yielded, all of them are on disk.
    """
    remaining_groups = plan.list_remaining(writer.done)
    plan.drop_nets([net for net in plan.nets if net not in remaining_groups])
    for net, groups in remaining_groups.items():
        remaining = len(groups)
        for units in Session(plan, net).compute(groups):
            remaining -= 1
            writer.add(units, last=not remaining)
            yield from (unit.net_image for unit in units)

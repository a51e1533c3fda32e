"""Computes in this process, on one device: net by net, in the order of the images."""

from collections.abc import Iterator

from ..run.plan import Plan
from ..run.session import Session
from ..store.parts import NetImage
from ..store.writer import Writer


def work(plan: Plan, writer: Writer) -> Iterator[NetImage]:
    """Compute the rounds of a plan, net by net, and yield each image with its net.

    When the last image of a net in a round is yielded, all of them are on disk, also if the round is over before its end.
    """
    plan.drop_nets(plan.nets.keys() - plan.list_remaining(writer.done).keys())
    session: Session | None = None
    for planned in plan.list_rounds(writer.done, writer.begun):
        for net, groups in planned.groups.items():
            if session is None or session.net.name != net:
                session = None  # frees the memory of the other net first
                session = Session(plan, net)
            for number, units in enumerate(session.compute(groups, planned.methods), 1):
                last = number == len(groups) or planned.is_over()
                writer.add(units, last=last)
                yield from (unit.net_image for unit in units)
                if last:
                    break

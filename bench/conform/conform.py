"""Conformance tests: do reference libraries, given the same images and nets, compute the same numbers as this suite?

Each plug-in in `references/` wraps one library and yields its numbers beside ours, quantity by quantity. A difference above
the tolerance must be a documented fault of the library: when the fault is reproduced, our numbers equal the library's.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version

import torch
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text
from torch import Tensor

from ..config.protocol import DEFAULT
from ..config.suite import Suite, distinct
from ..core import plugins
from ..core.errors import Missing, UsageError
from ..core.formatting import number, plural
from ..core.plugins import REFERENCE, Plugin
from ..nets import load
from ..nets.net import Net
from ..run.plan import Plan, plan
from ..show.terminal import WIDTH

SAME, DIFFERS, KNOWN = "same", "differs", "known fault"
FEW, MANY = 1e-5, 1e-4  # tolerances, for the rounding of a few passes through the net, and of one for every channel


@dataclass(frozen=True)
class Fault:
    """A documented fault of a reference library, and the two numbers that agree if the fault is the only difference."""

    line: str
    ours: Tensor
    theirs: Tensor


@dataclass(frozen=True)
class Quantity:
    """What a reference and this suite both compute, of each image or pixel, as the protocol named has it."""

    name: str  # the spec of our method or metric
    protocol: str
    ours: Tensor
    theirs: Tensor
    tolerance: float
    fault: Fault | None = None

    @property
    def difference(self) -> float:
        return apart(self.ours, self.theirs)

    @property
    def verdict(self) -> str:
        if self.difference <= self.tolerance:
            return SAME
        return KNOWN if self.fault and apart(self.fault.ours, self.fault.theirs) <= self.tolerance else DIFFERS

    @property
    def label(self) -> str:
        return self.name if self.protocol == DEFAULT else f"{self.name}@{self.protocol}"


def apart(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference; NaN, which is within no tolerance, where a number is."""
    if ours.shape != theirs.shape:
        raise ValueError(f"{tuple(ours.shape)} and {tuple(theirs.shape)} cannot be compared")
    return float((ours.double().cpu() - theirs.double().cpu()).abs().max())


def in_shares(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (n, h, w) as shares of the highest value of ours, so that a tolerance means the same on every net."""
    highest = ours.amax((1, 2), keepdim=True)
    scale = torch.where(highest > 0, highest, 1)
    return ours / scale, theirs.to(ours) / scale


def run(asked: Suite, references: Sequence[str] | None, device: str, console: Console) -> bool:
    """Prints a table for each reference on each net. False if a difference is out of its tolerance, and no known fault.

    Raises UsageError where no reference is installed.
    """
    found = _installed(references, asked.seed, console)
    planned = plan(asked, device)
    loaded = [load.load(spec, planned.device, "fp32") for spec in asked.nets]
    images, verdicts = _images(planned), Counter[str]()
    for reference in found:
        for net in loaded:
            with console.status(f"{reference.spec} on {net.name}"):
                quantities = list(reference(net, images, _predicted(net, images)))
            console.print(table(f"{_named(reference)} on {net.name}, {net.layer}", len(images), quantities))
            verdicts.update(quantity.verdict for quantity in quantities)
    faults = plural(verdicts[KNOWN], KNOWN)
    console.print(f"{verdicts[SAME]} {SAME}, {faults}, {verdicts[DIFFERS]} {DIFFERS[:-1]}")
    return not verdicts[DIFFERS]


def table(title: str, images: int, quantities: Sequence[Quantity]) -> Group:
    """A row per quantity; below, what the known faults are, and how far apart the numbers are with them."""
    grid = Grid(box=None, padding=(0, 0, 0, 1), pad_edge=False, width=WIDTH)
    grid.add_column(Text("quantity"), ratio=1, overflow="fold")
    for head in ("ours", "theirs", "largest\ndifference", "toler-\nance"):
        grid.add_column(Text(head), justify="right", no_wrap=True)
    grid.add_column(Text("verdict"), no_wrap=True, min_width=len(KNOWN))
    notes: list[RenderableType] = []
    for one in quantities:
        means = (number(float(values.double().mean())) for values in (one.ours, one.theirs))
        verdict = Text(one.verdict, style={DIFFERS: "bold red", KNOWN: "bold"}.get(one.verdict, ""))
        grid.add_row(Text(_spaced(one.label)), *means, _small(one.difference), _small(one.tolerance), verdict)
        if one.fault and one.verdict != SAME:
            left = _small(apart(one.fault.ours, one.fault.theirs))
            note = Text(f"{_spaced(one.label)}: {one.fault.line}; with that, ours is {left} apart", style="dim")
            notes.append(Padding(note, (0, 0, 0, 1), expand=False))
    return Group(Text(f"{title}: {plural(images, 'image')}", style="bold"), grid, *notes)


def _spaced(label: str) -> str:
    """A spec that a line can be broken in."""
    return re.sub(",(?! )", ", ", label)


def _small(value: float) -> str:
    if not value or value >= 1e-3:
        return number(value) if value else "0"
    return f"{value:.0e}"


def _installed(references: Sequence[str] | None, seed: int, console: Console) -> list[Plugin]:
    found, asked = [], plugins.names(REFERENCE) if references is None else references
    for spec in asked:
        try:
            found.append(plugins.find(REFERENCE, spec, seed))
        except Missing as reason:
            console.print(f"{reason}; skipped", markup=False, soft_wrap=True)
    if not found:
        raise UsageError(
            f"none of {', '.join(asked)} is installed: pip install '{plugins.PACKAGE}[references]' brings them"
        )
    return distinct(found)


def _named(reference: Plugin) -> str:
    """A reference with the version of its library."""
    required = getattr(reference.module, "REQUIRES", ())
    library = required if isinstance(required, str) else next(iter(required), "")
    distributions = packages_distributions().get(library, [])
    return f"{reference.spec} {version(distributions[0])}" if distributions else reference.spec


def _images(planned: Plan) -> Tensor:
    """The images (n, 3, h, w) in [0, 1]."""
    pixels = [torch.tensor(planned.images[index].pixels, device=planned.device) for index in planned.chosen]
    return torch.stack(pixels).permute(0, 3, 1, 2).contiguous().float() / 255


@torch.no_grad()
def _predicted(net: Net, images: Tensor) -> Tensor:
    targets: Tensor = net(images).argmax(1)
    return targets

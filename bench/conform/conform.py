"""Conformance tests: do reference libraries compute the same numbers as this suite, on the same images and nets?

Each plug-in in `references/` wraps one library and yields pairs of quantities, the suite's own and the library's. A difference
above the tolerance must be a documented fault of the library: when the fault is reproduced, the numbers are equal.
"""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions, version
from math import inf, isnan

import torch
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text
from torch import Tensor

from ..config.suite import Suite, check_distinct
from ..core import plugins
from ..core.errors import MissingLibrary, PluginError, UsageError, show_value
from ..core.formatting import format_count, format_number
from ..core.plugins import REFERENCE, Plugin
from ..core.specs import join_protocol
from ..forward.device import to_batch, use_exact_arithmetic
from ..nets.net import Net
from ..run.plan import Plan, make_plan
from ..show.terminal import WIDTH

SAME, DIFFERS, KNOWN, UNDETERMINED = "same", "differs", "known fault", "undetermined"
FEW, MANY = 1e-5, 1e-4  # tolerances for methods of a few passes, and for one pass per channel


@dataclass(frozen=True)
class Fault:
    """A documented fault of a reference library, and the two numbers that agree if the fault is the only difference."""

    line: str
    own: Tensor
    library: Tensor


@dataclass(frozen=True)
class Quantity:
    """The same numbers from this suite and from a reference library: one for each image or pixel, under a protocol.

    `tolerance` is the largest difference that rounding explains: one number, or one for each image (n,). It is infinite where
    rounding may change the numbers to any others; such images are not compared.
    """

    name: str  # the spec of this suite's method or metric
    protocol: str
    own: Tensor
    library: Tensor
    tolerance: float | Tensor
    fault: Fault | None = None

    @property
    def worst(self) -> tuple[float, float]:
        """The difference and the tolerance of the image whose difference is the largest in units of its tolerance."""
        return _find_worst(self.own, self.library, self.tolerance)

    @property
    def undetermined(self) -> int:
        """The number of images that are not compared."""
        return int((self.tolerance == inf).sum()) if isinstance(self.tolerance, Tensor) else 0

    @property
    def verdict(self) -> str:
        difference, tolerance = self.worst
        if tolerance == inf:
            return UNDETERMINED
        if difference <= tolerance:  # NaN exceeds every tolerance
            return SAME
        if self.fault is None:
            return DIFFERS
        difference, tolerance = _find_worst(self.fault.own, self.fault.library, self.tolerance)
        return KNOWN if difference <= tolerance else DIFFERS

    @property
    def label(self) -> str:
        return join_protocol(self.name, self.protocol)


def max_difference(own: Tensor, library: Tensor) -> float:
    """Return the largest absolute difference; NaN, which exceeds every tolerance, if a number is NaN."""
    if own.shape != library.shape:
        raise ValueError(f"{tuple(own.shape)} and {tuple(library.shape)} cannot be compared")
    return float((own.cpu().double() - library.cpu().double()).abs().max())


def _find_worst(own: Tensor, library: Tensor, tolerance: float | Tensor) -> tuple[float, float]:
    """Find the largest ratio of a difference and its tolerance; images of an infinite tolerance count only if all have it."""
    if not isinstance(tolerance, Tensor):
        return max_difference(own, library), tolerance
    differences = (max_difference(*pair) for pair in zip(own, library, strict=True))
    return max(zip(differences, tolerance.tolist(), strict=True), key=_measure_excess)


def _measure_excess(pair: tuple[float, float]) -> float:
    """Measure a difference in units of its tolerance: -1 if that is infinite, infinite for NaN."""
    difference, tolerance = pair
    if tolerance == inf:
        return -1
    return inf if isnan(difference) or isnan(tolerance) else difference / max(tolerance, sys.float_info.min)


def rescale(own: Tensor, library: Tensor) -> tuple[Tensor, Tensor]:
    """Divide maps (n, h, w) by the highest value of the suite's own, so that a tolerance means the same on every net."""
    highest = own.amax((1, 2), keepdim=True)
    scale = torch.where(highest > 0, highest, 1)
    return own / scale, library.to(own) / scale


@use_exact_arithmetic()
def run_conformance(suite: Suite, references: Sequence[str] | None, device: str, console: Console) -> bool:
    """Print a table for each reference library on each net. False if a number differs and no known fault explains it.

    Raise UsageError if no reference library is installed.
    """
    installed = _find_installed(references, suite.seed, console)
    planned = make_plan(suite.model_copy(update={"precision": "fp32", "compile": False}), device)
    loaded = [planned.take_net(name) for name in planned.suite.nets]
    images, verdicts = _load_images(planned), Counter[str]()
    for reference in installed:
        for net in loaded:
            with console.status(f"{reference.spec} on {net.name}"):
                quantities = _list_quantities(reference, net, images)
            console.print(
                make_table(f"{_name_with_version(reference)} on {net.name}, {net.layer}", len(images), quantities)
            )
            verdicts.update(quantity.verdict for quantity in quantities)
    faults = format_count(verdicts[KNOWN], KNOWN)
    undetermined = f", {verdicts[UNDETERMINED]} {UNDETERMINED}" if verdicts[UNDETERMINED] else ""
    console.print(f"{verdicts[SAME]} {SAME}, {faults}, {verdicts[DIFFERS]} {DIFFERS[:-1]}{undetermined}")
    return not verdicts[DIFFERS]


def _list_quantities(reference: Plugin, net: Net, images: Tensor) -> list[Quantity]:
    """List what a reference library computes. Raise PluginError for a user's own file that yields anything else."""
    with reference.blame():
        quantities = list(reference(net, images, _predict(net, images)))
        if odd := [each for each in quantities if not isinstance(each, Quantity)]:
            raise PluginError(
                f"reference {reference.spec} yields {show_value(odd[0])}: it yields a Quantity for each number"
            )
        for quantity in quantities:
            _ = quantity.label, quantity.verdict  # raise an error for what cannot be named or compared
    return quantities


def make_table(title: str, images: int, quantities: Sequence[Quantity]) -> Group:
    """Make a table with a row for each quantity, and notes below it.

    The difference and the tolerance of a row are of one image. A note describes a known fault, and the difference once the
    fault is reproduced.
    """
    grid = RichTable(box=None, padding=(0, 0, 0, 1), pad_edge=False, width=WIDTH)
    grid.add_column(Text("quantity"), ratio=1, overflow="fold")
    for head in ("own", "library", "largest\ndifference", "toler-\nance"):
        grid.add_column(Text(head), justify="right", no_wrap=True)
    grid.add_column(Text("verdict"), no_wrap=True, min_width=len(UNDETERMINED))
    notes: list[RenderableType] = []
    for quantity in quantities:
        means = (format_number(float(values.cpu().double().mean())) for values in (quantity.own, quantity.library))
        verdict = Text(quantity.verdict, style={DIFFERS: "bold red", KNOWN: "bold"}.get(quantity.verdict, ""))
        name = _break_lines(quantity.label)
        if quantity.undetermined:
            name += f" ({quantity.undetermined} of {format_count(images, 'image')} undetermined)"
        grid.add_row(Text(name), *means, *map(_format_small, quantity.worst), verdict)
        if quantity.fault and quantity.verdict in (KNOWN, DIFFERS):
            remaining = _format_small(_find_worst(quantity.fault.own, quantity.fault.library, quantity.tolerance)[0])
            agreement = f"with the fault reproduced, the difference is {remaining}"
            note = Text(f"{_break_lines(quantity.label)}: {quantity.fault.line}; {agreement}", style="dim")
            notes.append(Padding(note, (0, 0, 0, 1), expand=False))
    return Group(Text(f"{title}: {format_count(images, 'image')}", style="bold"), grid, *notes)


def _break_lines(label: str) -> str:
    """Put a space after each comma of a spec, so that a table cell can break its line."""
    return re.sub(",(?! )", ", ", label)


def _format_small(value: float) -> str:
    if value == inf:
        return "any"
    if not value or value >= 1e-3:
        return format_number(value) if value else "0"
    return f"{value:.0e}"


def _find_installed(references: Sequence[str] | None, seed: int, console: Console) -> list[Plugin]:
    """Find the reference libraries that are installed, and print a line for each other one."""
    installed, specs = [], plugins.list_names(REFERENCE) if references is None else references
    for spec in specs:
        try:
            installed.append(plugins.find(REFERENCE, spec, seed))
        except MissingLibrary as reason:
            console.print(f"{reason}; skipped", markup=False, soft_wrap=True)
    if not installed:
        raise UsageError(
            f"none of {', '.join(specs)} is installed: pip install '{plugins.PACKAGE}[references]' brings them"
        )
    return check_distinct(installed)


def _name_with_version(reference: Plugin) -> str:
    """Name a reference library with its version."""
    library = next(iter(reference.requires), "")
    distributions = _list_distributions().get(library, [])
    return f"{reference.spec} {version(distributions[0])}" if distributions else reference.spec


@cache
def _list_distributions() -> Mapping[str, list[str]]:
    """List the distributions of each installed library: this reads the files of all of them, which takes seconds."""
    return packages_distributions()


def _load_images(planned: Plan) -> Tensor:
    """Load the images (n, 3, h, w) in [0, 1]. Raise UsageError if they are of several sizes."""
    images = [planned.images[index] for index in planned.indices]
    if len({image.pixels.shape for image in images}) > 1:
        raise UsageError("the images are of several sizes: maps are compared on images of one size")
    return to_batch(images, planned.device)


@torch.no_grad()
def _predict(net: Net, images: Tensor) -> Tensor:
    """Return the likeliest class of each image (n,)."""
    targets: Tensor = net(images).argmax(1)
    return targets

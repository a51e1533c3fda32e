"""Two runs, or a run and a baseline: what got worse, what got better, what cannot be told, each with its evidence."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path

import numpy as np

from ..core.errors import UsageError
from ..core.formatting import plural
from ..store import run as store
from . import baseline, verdicts
from .comparable import differs, method_differs
from .obrien import overall
from .snapshot import COUNTED, Key, Recorded, recorded
from .verdicts import FAILING, Judged, Paired, Verdict, judged

EXACT = 1e-9  # relative: costs that are the same every time


@dataclass(frozen=True)
class Comparison:
    """What was judged, cell by cell, and what was left out of it."""

    base: Recorded
    new: Recorded
    cells: tuple[Judged, ...]
    images: int  # in both
    notes: tuple[str, ...]
    strict: bool = False  # whether what is unclear fails too
    remedy: str = ""  # the command that records the baseline anew, where there is one

    @cached_property
    def counts(self) -> Counter[Verdict]:
        return Counter(cell.verdict for cell in self.cells)

    @property
    def failed(self) -> bool:
        return any(map(self.fails, self.cells))

    def fails(self, cell: Judged) -> bool:
        return cell.verdict in FAILING or (self.strict and cell.verdict == "unclear")


def load(path: Path) -> Recorded:
    """A run's directory, or a baseline's file. Raises UsageError for what is neither."""
    if path.is_dir():
        return recorded(store.read(path))
    if not path.exists():
        raise UsageError(f"there is no run and no baseline {path}")
    return baseline.read(path)


def compare(base: Recorded, new: Recorded, *, strict: bool = False) -> Comparison:
    """Raises UsageError where the two have no net or no image in common."""
    images, notes = _shared(base, new)
    scored = list(_scores(base, new, images, notes))
    paired = [one for one in scored if isinstance(one, Paired)]
    found = judged(paired)
    each = iter(found)
    cells = [next(each) if isinstance(one, Paired) else one for one in scored]
    costs = _costs(base, new, images, notes)
    return Comparison(base, new, (*overall(paired, found), *cells, *costs), len(images), tuple(notes), strict)


def _shared(base: Recorded, new: Recorded) -> tuple[list[str], list[str]]:
    """The images of both, by name and pixels, and what is to be said of the others."""
    if not base.nets.keys() & new.nets.keys():
        raise UsageError(
            f"{base.name} and {new.name} have no net in common: {', '.join(base.nets)}, and {', '.join(new.nets)}"
        )
    named = [image for image in base.images if image in new.images]
    shared = [image for image in named if base.images[image] == new.images[image]]
    if not shared:
        how = f"of {plural(len(named), 'name')} in both the pixels differ" if named else "not even a name is in both"
        raise UsageError(f"{base.name} and {new.name} have no image in common: {how}")
    notes = (
        [f"{plural(len(named) - len(shared), 'image')} left out: the pixels differ"] if len(named) > len(shared) else []
    )
    for one, other in ((base, new), (new, base)):
        if alone := len(one.images.keys() - other.images.keys()):
            notes.append(f"{plural(alone, 'image')} left out: only in {one.name}")
    return shared, notes


def _scores(base: Recorded, new: Recorded, images: list[str], notes: list[str]) -> Iterator[Judged | Paired]:
    explained = {net: _explained(base, new, net, images, notes) for net in base.nets if net in new.nets}
    for key in {**base.scores, **new.scores}:
        if key not in new.scores:
            yield _word(base, key, "gone")
        elif key not in base.scores:
            yield _word(new, key, "new")
        elif why := differs(base, new, key):
            yield _word(new, key, "not comparable", why)
        else:
            yield _paired(base, new, key, explained[key[0]], notes)


def _explained(base: Recorded, new: Recorded, net: str, images: list[str], notes: list[str]) -> list[str]:
    """The images on which both runs explain the same class."""
    one, other = base.targets.get(net, {}), new.targets.get(net, {})
    found = [image for image in images if one.get(image) == other.get(image)]
    if len(found) < len(images):
        image = next(image for image in images if image not in found)
        notes.append(
            f"{plural(len(images) - len(found), 'image')} left out on {net}: another class is explained "
            f"({image}: {one.get(image)} → {other.get(image)})"
        )
    return found


def _paired(base: Recorded, new: Recorded, key: Key, images: list[str], notes: list[str]) -> Judged | Paired:
    one, other = base.scores[key], new.scores[key]
    there = [image for image in images if image in one and image in other]
    if not there:
        return _word(new, key, "not comparable", "no image of both explains the same class")
    lost = [image for image in there if isinstance(one[image], float) and isinstance(other[image], str)]
    if lost:
        had = sum(isinstance(one[image], float) for image in there)
        return _word(new, key, "broken", f"no value on {len(lost)} of {plural(had, 'image')}: {other[lost[0]]}")
    gained = [image for image in there if isinstance(one[image], str) and isinstance(other[image], float)]
    valued = [image for image in there if isinstance(one[image], float)]
    if gained and not valued:
        return _word(new, key, "fixed", f"has values on {plural(len(gained), 'image')}, which had none")
    if gained:
        notes.append(f"{', '.join(key)}: judged on {len(valued)} images; {len(gained)} more have a value now")
    if not valued:
        return _word(new, key, "same", str(other[there[0]]))
    values = np.array([(one[image], other[image]) for image in valued], dtype=np.float64)
    return Paired(key, tuple(valued), values[:, 0], values[:, 1], base.metrics[key[2]])


def _word(of: Recorded, key: Key, verdict: Verdict, why: str = "") -> Judged:
    return Judged(key, verdict, of.metrics[key[2]]["better"], why=why, short=of.metrics[key[2]]["short"])


def _costs(base: Recorded, new: Recorded, images: list[str], notes: list[str]) -> Iterator[Judged]:
    """What the first image cost; bytes only where the same library made them on the same kind of device."""
    both = [key for key in base.costs if key in new.costs]
    if both and (next(iter(base.images)) not in images or next(iter(base.images)) != next(iter(new.images))):
        notes.append("costs not judged: the first image, of which they are, is another")
        return
    unlike = [
        f"{key} {base.made[key]} → {new.made[key]}" for key in ("device", "torch") if base.made[key] != new.made[key]
    ]
    if both and unlike:
        notes.append(f"peak_bytes not judged: {', '.join(unlike)}")
    for net, method in both:
        if net in new.nets and net in base.nets and not method_differs(base, new, net, method):
            for name in COUNTED[:1] if unlike else COUNTED:
                one, other = base.costs[net, method][name], new.costs[net, method][name]
                if not isnan(one) and not isnan(other):
                    yield verdicts.cost((net, method, name), one, other, tolerance=EXACT)

"""Compares two runs, or a run and a baseline: a verdict on each number and cost, with its evidence."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.formatting import format_count
from ..store import run as store
from ..store.comparability import (
    find_difference,
    find_environment_difference,
    find_image_difference,
    find_pixel_difference,
    find_same_pixels,
    find_shared_images,
)
from ..store.shipped import find_shipped
from . import baseline
from .obrien import judge_methods
from .snapshot import COUNTED, Key, Scores, Snapshot, take_snapshot
from .verdicts import FAILING, NumberResult, PairedValues, Verdict, judge_cost, judge_numbers

Positions = NDArray[np.intp]  # (2, n): the indices of n images in the scores of two runs


@dataclass(frozen=True)
class Comparison:
    """The result for each number, and notes on images and costs that were left out."""

    base: Snapshot
    new: Snapshot
    results: tuple[NumberResult, ...]
    images: int  # in both
    notes: tuple[str, ...]
    lost: int = 0  # images of the base that are not compared on every net that both have
    strict: bool = False  # whether unclear results and lost images fail too
    remedy: str = ""  # the command that writes the baseline again, if there is one

    @cached_property
    def counts(self) -> Counter[Verdict]:
        return Counter(result.verdict for result in self.results)

    @property
    def failed(self) -> bool:
        return any(map(self.fails, self.results)) or (self.strict and self.lost > 0)

    def fails(self, result: NumberResult) -> bool:
        """Tell whether a result makes the comparison fail."""
        return result.verdict in FAILING or (self.strict and result.verdict == "unclear")


def load_snapshot(path: Path) -> Snapshot:
    """Load the snapshot of a run directory or of a baseline file. Raise UsageError for anything else."""
    if find_shipped(path):
        raise UsageError(
            f"{path} ships with cambench and is not complete: it is compared with a run by `bench compare {path} RUN`"
        )
    if path.is_dir():
        return take_snapshot(store.open_run(path))
    if not path.exists():
        raise UsageError(f"there is no run or baseline at {path}")
    return baseline.read_baseline(path)


def load_pair(base: Path, new: Path) -> tuple[Snapshot, Snapshot]:
    """Load what is compared; of shipped results, named as the base, what the other side has too.

    Raise UsageError for what cannot be read, and for a run that has no net or no image of the shipped results.
    """
    if not find_shipped(base):
        return load_snapshot(base), load_snapshot(new)
    run, after = store.open_run(base), load_snapshot(new)
    before = take_snapshot(run, str(base), partial=True)
    if why := find_mismatch(before, after):
        raise UsageError(f"{base} and {new} have {why}: the images of {base} are those of {run.header.suite.dataset}")
    return before.select_shared(after), after


def check_nothing_failed(base: Snapshot, new: Snapshot) -> None:
    """Raise UsageError if an image failed on a net in the new snapshot that has scores there in the base."""
    for net in base.nets:
        for image, reason in new.failures.get(net, {}).items():
            if image in base.targets.get(net, {}):
                raise UsageError(f"{image} failed on {net} in {new.name}, and has scores in {base.name}: {reason}")


def compare_snapshots(base: Snapshot, new: Snapshot, *, strict: bool = False) -> Comparison:
    """Compare two snapshots on the images that failed on none of their nets.

    Raise UsageError if they have no net or no image in common.
    """
    if why := find_mismatch(base, new):
        raise UsageError(f"{base.name} and {new.name} have {why}")
    notes = _note_failed(base, new, base.nets.keys() & new.nets.keys())
    base, new = leave_failed_out(base, new)
    images, more_notes = _select_images(base, new)
    notes += more_notes
    scored = list(_pair_scores(base, new, images, notes))
    paired = [number for number in scored if isinstance(number, PairedValues)]
    judged = judge_numbers(paired)
    remaining = iter(judged)
    results = [next(remaining) if isinstance(number, PairedValues) else number for number in scored]
    costs = _judge_costs(base, new, images, notes)
    results = [*judge_methods(paired, judged), *results, *costs]
    lost = 0 if find_shipped(Path(base.name)) else len(base.image_hashes) - _count_compared(base, new, images)
    return Comparison(base, new, tuple(results), len(images), tuple(notes), lost, strict)


def find_mismatch(base: Snapshot, new: Snapshot) -> str | None:
    """Find why two snapshots cannot be compared at all: no net or no image in common; None if they can be compared."""
    if not base.nets.keys() & new.nets.keys():
        return f"no net in common: {', '.join(base.nets) or 'none'}, and {', '.join(new.nets) or 'none'}"
    if why := find_pixel_difference(base.image_hashes, new.image_hashes):
        return why
    left = [snapshot.image_hashes for snapshot in leave_failed_out(base, new)]
    return "no image in common that did not fail in one of them" if find_pixel_difference(*left) else None


def leave_failed_out(base: Snapshot, new: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Leave the images out of both snapshots that failed in either, on a net that both have."""
    nets = base.nets.keys() & new.nets.keys()
    failed = {*base.list_failed(nets), *new.list_failed(nets)}
    return base.leave_out(failed), new.leave_out(failed)


def _select_images(base: Snapshot, new: Snapshot) -> tuple[list[str], list[str]]:
    """Select the images with the same pixels in both runs, and write notes on the others."""
    same = find_same_pixels(base.image_hashes, new.image_hashes)
    changed = len(base.image_hashes.keys() & new.image_hashes.keys()) - len(same)
    notes = [f"{format_count(changed, 'image')} left out: the pixels differ"] if changed else []
    for snapshot, other in ((base, new), (new, base)):
        if alone := len(snapshot.image_hashes.keys() - other.image_hashes.keys()):
            notes.append(f"{format_count(alone, 'image')} left out: only in {snapshot.name}")
    return same, notes


def _count_compared(base: Snapshot, new: Snapshot, images: Collection[str]) -> int:
    """Count the images with the same pixels of which the explained class is the same on every net that both have."""
    compared = set(images)
    for net in base.nets.keys() & new.nets.keys():
        compared &= set(find_shared_images(base.find_net_images(net), new.find_net_images(net)))
    return len(compared)


def _note_failed(base: Snapshot, new: Snapshot, nets: Collection[str]) -> list[str]:
    """Write a note on how many images failed on one of the nets, and in which of the runs."""
    by_image: dict[str, list[str]] = {}
    for snapshot in (base, new):
        for image in snapshot.list_failed(nets):
            by_image.setdefault(image, []).append(snapshot.name)
    counts = Counter(" and ".join(dict.fromkeys(names)) for names in by_image.values())
    return [f"{format_count(count, 'image')} left out: failed in {names}" for names, count in counts.items()]


def _pair_scores(
    base: Snapshot, new: Snapshot, images: list[str], notes: list[str]
) -> Iterator[NumberResult | PairedValues]:
    """Pair the scores of each number, or yield a result without numbers; add to the notes what was left out."""
    nets = [net for net in base.nets if net in new.nets]
    for net in nets:
        notes += _note_other_classes(base, new, net, images)
    images_of = {net: (base.find_net_images(net), new.find_net_images(net)) for net in nets}
    unshared = {net: find_image_difference(*pair) for net, pair in images_of.items()}
    shared = {net: _find_positions(base, new, find_shared_images(*pair)) for net, pair in images_of.items()}
    for key in {**base.scores, **new.scores}:
        if key not in new.scores:
            yield _make_result(base, key, "gone")
        elif key not in base.scores:
            yield _make_result(new, key, "new")
        elif why := find_difference(base.describe_meaning(*key), new.describe_meaning(*key)) or unshared[key[0]]:
            yield _make_result(new, key, "not comparable", why)
        elif not (images_of_key := _select_computed(base.scores[key], shared[key[0]])).size:
            yield _make_result(new, key, "new")
        else:
            yield _pair_values(base, new, key, images_of_key, notes)


def _select_computed(scores: Scores, images: Positions) -> Positions:
    """Select the images (2, n) that the base has computed: of a complete run all, of shipped results perhaps a part."""
    return images[:, ~np.isnan(scores.values[images[0]]) | np.isin(images[0], list(scores.reasons))]


def _note_other_classes(base: Snapshot, new: Snapshot, net: str, images: list[str]) -> Iterator[str]:
    """Write a note if the explained class differs on some of the images with the same pixels."""
    shared = set(find_shared_images(base.find_net_images(net), new.find_net_images(net)))
    explained = base.targets.get(net, {}).keys() & new.targets.get(net, {}).keys()
    others = [image for image in images if image in explained and image not in shared]
    if others:
        base_class, new_class = (snapshot.targets.get(net, {}).get(others[0]) for snapshot in (base, new))
        yield (
            f"{format_count(len(others), 'image')} left out on {net}: the explained class differs "
            f"({others[0]}: {base_class} → {new_class})"
        )


def _find_positions(base: Snapshot, new: Snapshot, images: list[str]) -> Positions:
    """Find the indices (2, n) of images in the scores of both runs."""
    pairs = [[snapshot.positions[image] for image in images] for snapshot in (base, new)]
    return np.array(pairs, dtype=np.intp)


def _pair_values(
    base: Snapshot, new: Snapshot, key: Key, images: Positions, notes: list[str]
) -> NumberResult | PairedValues:
    """Pair the values of a number on the images given, or make a result without numbers if one side lacks values."""
    before, now = base.scores[key].values[images[0]], new.scores[key].values[images[1]]
    reasons = new.scores[key].reasons
    had, has = ~np.isnan(before), ~np.isnan(now)
    if (lost := had & ~has).any():
        reason = reasons[int(images[1][lost][0])]
        why = f"no value on {lost.sum()} of {format_count(int(had.sum()), 'image')}: {reason}"
        return _make_result(new, key, "broken", why)
    gained = int((has & ~had).sum())
    if gained and not had.any():
        return _make_result(new, key, "fixed", f"has values on {format_count(gained, 'image')}, where it had none")
    if gained:
        notes.append(f"{', '.join(key)}: judged on {had.sum()} images; {gained} more with a value now")
    if not had.any():
        return _make_result(new, key, "same", reasons[int(images[1][0])])
    return PairedValues(key, images[0][had], before[had], now[had], base.metrics[key[2]])


def _make_result(snapshot: Snapshot, key: Key, verdict: Verdict, why: str = "") -> NumberResult:
    """Make a result without numbers."""
    metric = snapshot.metrics[key[2]]
    return NumberResult(key, verdict, metric.better, why=why, short=metric.short)


def _note_lost_costs(base: Snapshot, new: Snapshot) -> Iterator[str]:
    """Write a note on the methods of which one of the two has no costs."""
    for snapshot, other in ((base, new), (new, base)):
        lost = [
            key for key in snapshot.costs if key not in other.costs and key[0] in other.nets and key[1] in other.methods
        ]
        if lost:
            names = ", ".join(f"{method} on {net}" for net, method in lost)
            yield f"costs not judged: {other.name} has none of {names}"


def _judge_costs(base: Snapshot, new: Snapshot, images: list[str], notes: list[str]) -> Iterator[NumberResult]:
    """Judge the costs of the first image; peak bytes only if device and torch are the same."""
    both = [key for key in base.costs if key in new.costs]
    if both and (
        next(iter(base.image_hashes)) not in images or next(iter(base.image_hashes)) != next(iter(new.image_hashes))
    ):
        notes.append("costs not judged: they are measured on the first image, which differs")
        return
    notes += _note_lost_costs(base, new)
    environments = find_environment_difference(base.origin, new.origin)
    if both and environments:
        notes.append(f"peak_bytes not judged: {environments}")
    for net, method in both:
        if (
            net in new.nets
            and net in base.nets
            and not find_difference(base.describe_meaning(net, method), new.describe_meaning(net, method))
        ):
            for name in COUNTED[:1] if environments else COUNTED:
                before, now = base.costs[net, method][name], new.costs[net, method][name]
                if not isnan(before) and not isnan(now):
                    yield judge_cost((net, method, name), before, now)

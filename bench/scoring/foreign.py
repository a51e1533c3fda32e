"""Checks what a metric of foreign code asks and returns, so that a mistake is named before anything is computed from it."""

import math
from dataclasses import fields, is_dataclass, replace
from functools import singledispatch
from typing import Any, get_args
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import NotApplicable, PluginError, read_message, show_value
from ..core.plugins import Plugin
from .case import Case, Curve, FloatMap, IsTop1, MapOf, MapQuestion, MapValue, Question, RandomisedMap, Score
from .perturbations import (
    Clean,
    Custom,
    CustomSeries,
    Fill,
    ImputedSeries,
    Inside,
    InsideSeries,
    Kept,
    KeptSeries,
    Masked,
    Perturbed,
    RegionSeries,
    Series,
    TieOrder,
    Ties,
)

FILLS = get_args(Fill)
MAX_RANK = 2**31 - 1
ROUNDING = 1e-4  # by which a score may exceed its range
WORDS = "a score is a finite number, a Curve, or a reason why there is none (NotApplicable)"


def check_questions(metric: Plugin, case: Case, questions: Any) -> list[Question | MapQuestion]:
    """Return what a metric asks about a case. Raise PluginError for anything but a list of sound questions."""
    if (
        not isinstance(questions, list)
        or not questions
        or not all(isinstance(each, Question | MapQuestion) for each in questions)
    ):
        raise PluginError(f"metric {metric.spec} yields {show_value(questions)}: yield a list of perturbed images")
    for question in questions:
        if fault := _find_fault(question, case):
            raise PluginError(f"metric {metric.spec} asks for {show_value(question)}: {fault}")
    return [_copy_arrays(question) for question in questions]


_copies: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # by what was asked: what metrics ask again is scored once


def _copy_arrays(asked: Any) -> Any:
    """Return a question with copies of its tensors and arrays: foreign code may fill one array again for the next question."""
    if asked in _copies and _has_same_arrays(asked, _copies[asked]):
        return _copies[asked]
    changes: dict[str, Any] = {}
    for field in fields(asked):
        value = getattr(asked, field.name)
        if isinstance(value, Tensor):
            changes[field.name] = value.clone()
        elif isinstance(value, np.ndarray):
            changes[field.name] = value.copy()
        elif is_dataclass(value) and (copied := _copy_arrays(value)) is not value:
            changes[field.name] = copied
    if not changes:
        return asked
    _copies[asked] = replace(asked, **changes)
    return _copies[asked]


def _has_same_arrays(asked: Any, copied: Any) -> bool:
    """Tell whether a question still has the tensors and arrays that were copied: it may be asked again with others."""
    for field in fields(asked):
        value, known = getattr(asked, field.name), getattr(copied, field.name)
        if isinstance(value, Tensor) and not torch.equal(value, known):
            return False
        if isinstance(value, np.ndarray) and not np.array_equal(value, known):
            return False
        if is_dataclass(value) and not _has_same_arrays(value, known):
            return False
    return True


def check_score(metric: Plugin, score: Any, *, bounded: bool = True) -> Score:
    """Return what a metric returns, with plain numbers. Raise PluginError for anything but a score.

    If it is `bounded`, it also has to be within the metric's range.
    """
    if isinstance(score, NotApplicable):
        return NotApplicable(read_message(score) or "no reason is given")
    try:
        if isinstance(score, Curve):
            curve = _convert_curve(score)
            _check_range(metric, curve.area, bounded=bounded)
            return curve
        if isinstance(score, int | float | np.integer | np.floating | np.bool_):
            _check_range(metric, float(score), bounded=bounded)
            return float(score)
    except (TypeError, ValueError, OverflowError) as error:
        raise PluginError(f"metric {metric.spec} gives {show_value(score)}: {read_message(error)}; {WORDS}") from None
    raise PluginError(f"metric {metric.spec} gives {show_value(score)}: {WORDS}")


def check_values(metric: Plugin, values: Any, maps: Tensor) -> Tensor:
    """Return what a metric's function computes of maps (n, h, w). Raise PluginError for anything but n numbers."""
    if (
        not isinstance(values, Tensor)
        or values.shape != maps.shape[:1]
        or values.device != maps.device
        or values.is_complex()
        or values.layout is not torch.strided
    ):
        found = str(tuple(values.shape)) if isinstance(values, Tensor) else show_value(values)
        raise PluginError(
            f"metric {metric.spec} computes {found} of {len(maps)} maps: "
            f"compute returns a tensor ({len(maps)},) of real numbers on {maps.device}"
        )
    return values.detach()


def _check_range(metric: Plugin, value: float, *, bounded: bool) -> None:
    """Raise PluginError for a bounded score outside the range that the metric declares; rounding may exceed it."""
    low, high = metric.bounds if bounded else (-math.inf, math.inf)
    if value < low - ROUNDING or value > high + ROUNDING:
        raise PluginError(f"metric {metric.spec} gives {value:g}: its RANGE is {low:g} to {high:g}")


def check_numbers(metric: Plugin, values: NDArray[np.float64]) -> None:
    """Raise PluginError if a number that a metric's function computed is not finite."""
    if not np.isfinite(values).all():
        unsound = float(values[~np.isfinite(values)][0])
        raise PluginError(f"metric {metric.spec} computes {unsound} of a map: a number of a map is finite")


def _convert_curve(curve: Curve) -> Curve:
    """Return a curve of plain numbers. Raise an error for one whose lists are no numbers, or of different lengths."""
    shares, scores = _convert_numbers(curve.shares), _convert_numbers(curve.scores)
    if len(shares) != len(scores) or not len(shares):
        raise ValueError(f"a curve has as many scores as shares, and these are {len(scores)} and {len(shares)}")
    if (np.diff(shares) < 0).any() or shares[0] < 0 or shares[-1] > 1:
        raise ValueError("the shares of a curve ascend from 0 to 1")
    if len(curve.pictures) not in (0, len(shares)):
        raise ValueError("a curve has as many pictures as shares, or none")
    value = None if curve.value is None else float(curve.value)
    return Curve(shares.tolist(), scores.tolist(), value, tuple(_convert_picture(each) for each in curve.pictures))


def _convert_numbers(values: Any) -> NDArray[np.float64]:
    if not isinstance(values, list | tuple | np.ndarray):
        raise TypeError(f"a curve is of lists of numbers, not of a {type(values).__name__}")
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError("a curve is of lists of finite numbers")
    return numbers


def _convert_picture(picture: Any) -> FloatMap:
    values: FloatMap = np.asarray(picture, dtype=np.float32)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError("the pictures of a curve are maps (h, w) of finite numbers")
    return values


@singledispatch
def _find_fault(question: Question | MapQuestion, case: Case) -> str:
    """Return what is wrong with a question about a case; empty if nothing is."""
    raise TypeError(f"no question: {question!r}")


@_find_fault.register
def _(question: Clean, case: Case) -> str:
    return ""


@_find_fault.register
def _(question: IsTop1, case: Case) -> str:
    return _find_fault_of_image(question.image, case)


@_find_fault.register
def _(question: MapOf, case: Case) -> str:
    return _find_fault_of_image(question.image, case)


@_find_fault.register
def _(question: MapValue, case: Case) -> str:
    if not callable(question.compute):
        return "compute is a function of maps"
    if question.mask is not None and not _is_array(question.mask, "b", case.size):
        return f"its mask is a boolean array {case.size}"
    if question.other is None:
        return ""
    return _find_fault(question.other, case) if isinstance(question.other, MapQuestion) else "other asks for no map"


def _find_fault_of_image(image: Any, case: Case) -> str:
    return _find_fault(image, case) if isinstance(image, Perturbed | Series) else "it holds no perturbed image"


@_find_fault.register
def _(question: RandomisedMap, case: Case) -> str:
    sound = isinstance(question.share, float | int) and 0 <= question.share <= 1 and _is_rank(question.seed)
    return "" if sound else "share is a number from 0 to 1, and seed a whole number"


@_find_fault.register
def _(question: Masked, case: Case) -> str:
    if question.top is not None and not _is_rank(question.top):
        return "top is None or a whole number"
    return _find_fault_of_fill(question.fill)


@_find_fault.register
def _(question: Kept, case: Case) -> str:
    return _find_fault(KeptSeries(((question.first, question.last),), question.fill, question.ties), case)


def _is_tie_order(ties: Ties) -> bool:
    if isinstance(ties, str):
        return ties in get_args(TieOrder)
    return _is_rank(ties) and ties >= 0


@_find_fault.register
def _(question: KeptSeries, case: Case) -> str:
    if not _is_tie_order(question.ties):
        return "ties is reading, reverse or a seed"
    return _find_fault_of_bounds(question.bounds) or _find_fault_of_fill(question.fill)


@_find_fault.register
def _(question: RegionSeries, case: Case) -> str:
    if not _is_array(question.ranks, "iu", case.size):
        return f"its ranks are an array {case.size} of whole numbers"
    return _find_fault_of_bounds(question.bounds) or _find_fault_of_fill(question.fill)


@_find_fault.register
def _(question: Inside, case: Case) -> str:
    if not _is_array(question.mask, "b", case.size):
        return f"its mask is a boolean array {case.size}"
    return _find_fault_of_fill(question.fill)


@_find_fault.register
def _(question: InsideSeries, case: Case) -> str:
    if not _is_array(question.masks, "b", (*np.shape(question.masks)[:1], *case.size)) or not len(question.masks):
        return f"its masks are a boolean array (n, {case.size[0]}, {case.size[1]})"
    return _find_fault_of_fill(question.fill)


@_find_fault.register
def _(question: Custom, case: Case) -> str:
    return _find_fault_of_tensor(question.image, case, ())


@_find_fault.register
def _(question: CustomSeries, case: Case) -> str:
    return _find_fault_of_tensor(question.images, case, tuple(getattr(question.images, "shape", ()))[:1])


@_find_fault.register
def _(question: ImputedSeries, case: Case) -> str:
    thresholds = question.thresholds
    if not isinstance(thresholds, tuple) or not all(isinstance(each, float | int) for each in thresholds):
        return "its thresholds are a tuple of numbers"
    fault = "" if thresholds else _find_fault_of_bounds(question.bounds)
    return fault or _find_fault_of_tensor(question.noise, case, ())


def _find_fault_of_tensor(images: Any, case: Case, count: tuple[int, ...]) -> str:
    device, shape = case.image.device, (*count, *case.image.shape)
    if not isinstance(images, Tensor) or images.shape != shape or not images.numel():
        return f"it is a tensor {tuple(case.image.shape)}, or several in a series"
    if images.device != device or not images.is_floating_point() or images.layout is not torch.strided:
        return f"it is a dense tensor of floating-point numbers on {device}"
    return ""


def _find_fault_of_bounds(bounds: Any) -> str:
    pairs = isinstance(bounds, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in bounds)
    if not pairs or not bounds or not all(_is_rank(rank) for pair in bounds for rank in pair):
        return "its bounds are a tuple of pairs of whole numbers, (first, last)"
    return ""


def _find_fault_of_fill(fill: Any) -> str:
    sound = isinstance(fill, str) and fill in FILLS
    return "" if sound else f"a fill is one of {', '.join(FILLS)}"


def _is_rank(value: Any) -> bool:
    return isinstance(value, int | np.integer) and abs(int(value)) <= MAX_RANK


def _is_array(values: Any, kinds: str, shape: tuple[int, ...]) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in kinds and values.shape == shape

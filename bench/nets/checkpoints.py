"""Reads weights from a file without running any code in it, and loads them into a net."""

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..core.errors import UsageError

WRAPPERS = ("module", "_orig_mod")  # that DataParallel and torch.compile add to the names of weights
LOSSES = ("criterion", "loss", "loss_fn", "loss_func")  # usual names of a training loss, which is no part of a net
COUNTERS = ("total_ops", "total_params")  # buffers that profilers leave in every module
TRACKED = "num_batches_tracked"  # a counter of batch norms, which old files lack and no score depends on
FEW = 3  # a message lists at most this many names
State = dict[str, Tensor]


@dataclass(frozen=True)
class Selection:
    """The weights in a file that belong to a net, by the net's names."""

    source: Path
    state: State
    prefix: str = ""  # of their names in the file; ends in a dot unless empty
    left_out: tuple[str, ...] = ()  # names in the file of what is no part of the net
    repeated: tuple[str, ...] = ()  # names in the file of weights that it also holds under the net's own names

    def drop(self, starts: tuple[str, ...]) -> "Selection":
        """Return the selection without the weights whose names begin so, which are left out."""
        dropped = [name for name in self.state if name.startswith(starts)]
        state = {name: weight for name, weight in self.state.items() if name not in dropped}
        return replace(self, state=state, left_out=(*self.left_out, *(self.prefix + name for name in dropped)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out and why, in sentences for the report."""
        reasons = {
            "as no part of the net": self.left_out,
            "as the same names without wrappers are there": self.repeated,
        }
        taken = f", whose {self.prefix}* it takes" if self.prefix else ""
        return tuple(
            f"left out of {self.source.name}{taken}, {reason}: {_list_groups(names, self.prefix)}"
            for reason, names in reasons.items()
            if names
        )


def read_weights(path: Path) -> State:
    """Read all tensors in a .safetensors or PyTorch file by their names; those of nested dictionaries are joined by dots.

    Raise UsageError for a file that is missing, damaged or holds anything but weights.
    """
    state = dict(_flatten(_read(path), ""))
    if not state or any(weight.is_meta for weight in state.values()):
        raise UsageError(f"{path} holds no weights by name: write it with torch.save(net.state_dict(), ...)")
    return state


def _read(path: Path) -> Any:
    """Read whatever a file of weights holds. Raise UsageError for a file that is missing or holds other objects."""
    if not path.is_file():
        raise UsageError(f"there is no file of weights {path}")
    try:
        return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except SafetensorError as error:
        raise UsageError(f"{path} is not a safetensors file: {error}") from None
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError):
        raise UsageError(
            f"{path} holds objects other than weights, which are not loaded: write it with "
            "torch.save(net.state_dict(), FILE), or as safetensors"
        ) from None


def _flatten(content: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested dictionaries, by their keys joined by dots; other values are left out."""
    for key, value in content.items() if isinstance(content, Mapping) else ():
        if isinstance(key, str):
            if isinstance(value, Tensor):
                yield prefix + key, value
            yield from _flatten(value, f"{prefix}{key}.")


def select_weights(state: State, net: nn.Module, source: Path, prefix: str = "") -> Selection:
    """Select the weights of a net among those of a file, which may have a prefix and others beside them.

    `prefix` is the user's choice among several sets of weights. Raise UsageError if there are several and none is chosen.
    """
    expected = net.state_dict().keys()
    start = _find_start(state, expected, prefix, source)
    chosen = _choose_prefix([name for name in state if name.startswith(start)], expected, start, source)
    own_names = {name: _find_own_name(name.removeprefix(chosen), expected) for name in state if name.startswith(chosen)}
    names = _choose_names(own_names, chosen, source)
    selected = {own: state[name] for own, name in names.items() if own in expected or not _is_foreign(own)}
    left_out = [name for name in state if own_names.get(name) not in selected and not name.endswith(COUNTERS)]
    repeated = [name for name, own in own_names.items() if own in selected and names[own] != name]
    return Selection(source, selected, chosen, tuple(left_out), tuple(repeated))


def _choose_names(own_names: Mapping[str, str], prefix: str, source: Path) -> dict[str, str]:
    """Return the name in a file of each weight: of several, the one that is the net's own after the prefix.

    Raise UsageError if there are several and none is.
    """
    names: dict[str, str] = {}
    for name, own in own_names.items():
        first = names.setdefault(own, name)
        if prefix + own in own_names:
            names[own] = prefix + own
        elif first != name:
            raise UsageError(f"{source} holds two weights named {own} ({first}, {name}): choose one with prefix=")
    return names


def _find_start(names: Collection[str], expected: Collection[str], prefix: str, source: Path) -> str:
    """Return the user's prefix with a dot: the beginning of names, or parts of the prefix of one set of weights only.

    Raise UsageError for another.
    """
    start = f"{prefix.rstrip('.')}." if prefix else ""
    if any(name.startswith(start) for name in names):
        return start
    counts = _count_prefixes(names, expected, "")
    best = [found for found, count in counts.items() if found and count == max(counts.values())]
    matching = [found for found in best if f".{start}" in f".{found}"]
    if len(matching) == 1:
        return matching[0]
    groups = [found.rstrip(".") for found in best] or dict.fromkeys(name.partition(".")[0] for name in names)
    raise UsageError(f"{source} has no weights under the prefix {prefix!r}: its names begin with {_list_few(groups)}")


def _choose_prefix(names: Collection[str], expected: Collection[str], start: str, source: Path) -> str:
    """Return the prefix, at least `start`, under which most of the expected names are found.

    Raise UsageError if several prefixes are equally good.
    """
    counts = _count_prefixes(names, expected, start)
    most = max(counts.values(), default=0)
    best = [prefix for prefix, count in counts.items() if count == most]
    if not best or start in best:
        return start
    if len(best) == 1 or 2 * most < len(expected):  # of a file for another net, no set of weights fits
        return best[0]
    listed = ", ".join(prefix.rstrip(".") for prefix in best)
    raise UsageError(
        f"{source} holds {len(best)} sets of weights that fit ({listed}): choose one, [prefix={best[0].rstrip('.')}]"
    )


def _count_prefixes(names: Collection[str], expected: Collection[str], start: str) -> Counter[str]:
    """Count the expected names that are found under each prefix, at least `start`."""
    return Counter(prefix for name in names for prefix in _list_prefixes(name, start, expected))


def _list_prefixes(name: str, start: str, expected: Collection[str]) -> Iterator[str]:
    """Yield each prefix, at least `start`, without which a name is an expected one."""
    parts = name.removeprefix(start).split(".")
    for index, part in enumerate(parts):
        rest = ".".join(parts[index:])
        if rest in expected or (part not in WRAPPERS and _find_own_name(rest, expected) in expected):
            yield start + "".join(f"{outer}." for outer in parts[:index])


def _find_own_name(name: str, expected: Collection[str]) -> str:
    """Return a net's name of a weight: without the parts that wrappers of inner modules add, unless it is expected so."""
    return name if name in expected else ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _is_foreign(name: str) -> bool:
    """Tell whether a weight that a net does not have cannot belong to it: part of a training loss, or a counter."""
    return name.partition(".")[0] in LOSSES or name.endswith(COUNTERS)


def _list_groups(names: Iterable[str], prefix: str) -> str:
    """List names; those that begin alike, beside a prefix, as one."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_find_group(name, prefix), []).append(name)
    return _list_few(f"{group}.*" if len(members) > 1 else members[0] for group, members in groups.items())


def _find_group(name: str, prefix: str) -> str:
    """Return the part of a name that sets it apart from a prefix: `a.c` of `a.c.weight` for the prefix `a.b.`."""
    parts, outer = name.split("."), prefix.split(".")
    shared = next((index for index, part in enumerate(parts) if part != outer[index]), 0)
    return ".".join(parts[: shared + 1])


def load_weights(net: nn.Module, selection: Selection, name: str) -> None:
    """Load weights into a net, which is fp32 afterwards; `name` is the net's for messages. Raise UsageError if they do not fit.

    A file does not keep the version of the net's class, which old files lack: it is taken to be the current one.
    """
    own = net.state_dict()
    shapes = {
        key: (tuple(weight.shape), tuple(own[key].shape)) for key, weight in selection.state.items() if key in own
    }
    wrong = {key: pair for key, pair in shapes.items() if pair[0] != pair[1]}
    if wrong:
        _refuse(selection, name, _describe_shapes(wrong))
    rounded = [key for key in shapes if own[key].is_floating_point() and not selection.state[key].is_floating_point()]
    if rounded:
        _refuse(selection, name, f"its {rounded[0]} is quantised or rounded to integers: take the weights from before")
    state = OrderedDict(selection.state)
    vars(state)["_metadata"] = {"": {"version": getattr(net, "_version", None)}}
    missing, unexpected = net.load_state_dict(state, strict=False, assign=True)
    if missing or unexpected:
        _refuse(selection, name, _describe_names(missing, unexpected, own.keys()))
    net.float()


def _refuse(selection: Selection, name: str, reason: str) -> NoReturn:
    raise UsageError(f"{selection.source} does not fit {name}: {reason}")


def _describe_shapes(wrong: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> str:
    (name, (given, own)), *others = wrong.items()
    more = f", and {len(others)} more differ" if others else ""
    return f"its {name} is {given}, where the net has {own}{more}"


def _describe_names(missing: Collection[str], unexpected: Collection[str], own: Collection[str]) -> str:
    """Describe the weights that a file lacks and has too many, whole modules by their names."""
    present = {name for name in own if not name.endswith(TRACKED)} - set(missing)
    if not present:
        return f"its names are {_list_few(unexpected)}, and the net's are {_list_few(missing)}"
    parts = [f"it lacks {_list_few(_find_modules(missing, present))}"] if missing else []
    if unexpected:
        parts.append(f"it has {_list_few(_find_modules(unexpected, own))}, which the net does not have")
    return " and ".join(parts) + ": build the net as it was trained, in a function of yours if need be, FILE.py:FACTORY"


def _find_modules(names: Iterable[str], others: Collection[str]) -> list[str]:
    """Return the outermost modules that hold only these names and none of the others; a name itself where there is none."""
    outer = {other[: index + 1] for other in others for index, letter in enumerate(other) if letter == "."}
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        starts = [".".join(parts[:end]) for end in range(1, len(parts))]
        found[next((start for start in starts if f"{start}." not in outer), name)] = None
    return list(found)


def _list_few(names: Iterable[str]) -> str:
    """List the first names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - FEW} more" if len(listed) > FEW else ""
    return ", ".join(listed[:FEW]) + more

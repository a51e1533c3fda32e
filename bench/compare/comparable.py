"""What keeps two runs' numbers from being compared: the first thing that fixes their meaning and differs, in words."""

from typing import Any

from .snapshot import Key, Recorded, Told

METRIC = ("better", "unit", "fingerprint")  # beside its protocol
METHOD = ("version",)  # beside its settings; a user's own file may have changed, for that is what is tested
NET = ("layer", "fingerprint")
LONG = 28  # characters of a value that are shown


def method_differs(base: Recorded, new: Recorded, net: str, method: str) -> str | None:
    """Why nothing of a method on a net can be compared; None where it can."""
    one, other = base.methods[method], new.methods[method]
    return (
        _differ("net", _part(base.nets[net], NET), _part(new.nets[net], NET))
        or _differ("method", _part(one, METHOD), _part(other, METHOD))
        or _differ("method", one.get("settings", {}), other.get("settings", {}))
    )


def differs(base: Recorded, new: Recorded, key: Key) -> str | None:
    """Why the scores of a cell cannot be compared; None where they can."""
    net, method, metric = key
    one, other = base.metrics[metric], new.metrics[metric]
    return (
        method_differs(base, new, net, method)
        or _differ("metric", one["protocol"], other["protocol"])
        or _differ("metric", _part(one, METRIC), _part(other, METRIC))
    )


def _part(told: Told, keys: tuple[str, ...]) -> Told:
    return {key: told[key] for key in keys if key in told}


def _differ(word: str, one: Told, other: Told) -> str | None:
    for key in {**one, **other}:
        if one.get(key) != other.get(key):
            return f"{word}'s {key}: {_brief(one.get(key))} → {_brief(other.get(key))}"
    return None


def _brief(value: Any) -> str:
    text = "none" if value in (None, "") else str(value)
    return text if len(text) <= LONG else text[: LONG - 3] + "..."

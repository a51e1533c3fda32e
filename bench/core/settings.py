"""A plug-in's settings: the keyword-only parameters of its function, checked against their type annotations."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from .errors import PluginError, UsageError, list_known_names, show_value
from .user_code import blame_user_code

MAX_WHOLE = 2**32 - 1  # the largest seed, and more than any count
SEED = "seed"  # the setting that receives the run's seed
STORED = f"a setting is a finite number, a whole one up to {MAX_WHOLE}, a text, None, or a list or dict of these"


def check_settings(kind: str, name: str, function: Callable[..., Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of a plug-in, defaults included, with `chosen` converted to the types that its function declares.

    Raise UsageError for an unknown setting or a value of the wrong type, PluginError for an annotation that is no type.
    """
    parameters = inspect.signature(function).parameters.values()
    settings = {each.name: each.default for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
    if unknown := next((key for key in chosen if key not in settings), None):
        known = list_known_names(unknown, settings) if settings else "it has no settings"
        raise UsageError(f"{kind} {name!r} has no setting {unknown!r}: {known}")
    for key, default in settings.items():
        where = f"{kind} {name!r}, setting {key!r}"
        if key in chosen:
            settings[key] = _convert(where, function, key, chosen[key])
        elif default is inspect.Parameter.empty:
            raise UsageError(f"{where}: Field required")
    return settings


def _convert(where: str, function: Callable[..., Any], key: str, value: Any) -> Any:
    """Return a value as the type that a function declares for a setting. Raise UsageError if it is of another type."""
    problem = ""
    with blame_user_code(f"{where}: its type cannot be used", _find_file(function)):
        declared = get_type_hints(function, include_extras=True).get(key, Any)
        try:
            return TypeAdapter(declared, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
    raise UsageError(f"{where}: {problem}")


def _find_file(function: Callable[..., Any]) -> str:
    return str(getattr(getattr(function, "__code__", None), "co_filename", ""))


def check_stored(kind: str, name: str, settings: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """Check that records can hold all settings. Raise UsageError for one that was chosen, PluginError for a default."""
    for key, value in settings.items():
        is_bad_seed = key == SEED and isinstance(value, int) and value < 0
        if is_bad_seed or not _is_storable(value):
            error = UsageError if key in chosen else PluginError
            rule = f"a seed is a whole number from 0 to {MAX_WHOLE}" if is_bad_seed else STORED
            raise error(f"{kind} {name!r}, setting {key!r} is {show_value(value)}: {rule}")


def _is_storable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return not isinstance(value, int) or abs(value) <= MAX_WHOLE

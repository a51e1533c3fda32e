"""A plug-in's settings: the keyword-only parameters of its function, checked against their type annotations."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from .errors import PluginError, UsageError, list_known_names, show_value
from .user_code import blame_user_code

MAX_WHOLE = 2**32 - 1  # the largest seed, and more than any count
EMPTY = inspect.Parameter.empty
CONFIG = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
SEED = "seed"  # the setting that receives the run's seed
STORED = f"a setting is a finite number, a whole one up to {MAX_WHOLE}, a text, None, or a list or dict of these"


def check_settings(kind: str, name: str, function: Callable[..., Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of a plug-in, defaults included, with `chosen` converted to the types that its function declares.

    Raise UsageError for an unknown setting or a value of the wrong type, PluginError for an annotation that is no type.
    """
    parameters = inspect.signature(function).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
    if unknown := next((key for key in chosen if key not in defaults), None):
        known = list_known_names(unknown, defaults) if defaults else "it has no settings"
        raise UsageError(f"{kind} {name!r} has no setting {unknown!r}: {known}")
    if missing := next((key for key, default in defaults.items() if default is EMPTY and key not in chosen), None):
        raise UsageError(f"{kind} {name!r}, setting {missing!r}: Field required")
    types = _read_types(f"{kind} {name!r}", function, defaults)
    odd = {key for key in defaults if key.startswith("_") or hasattr(BaseModel, key)}  # no names of a model's fields
    plain = {key: value for key, value in chosen.items() if key not in odd}
    try:
        settings = _make_model(
            f"{kind} {name!r}", function, defaults, {key: types[key] for key in defaults if key not in odd}
        )(**plain)
        converted = {
            key: TypeAdapter(types[key], config=CONFIG).validate_python(chosen[key]) for key in odd & chosen.keys()
        }
    except ValidationError as error:
        first = error.errors()[0]
        where = first["loc"][0] if first["loc"] else next(iter(odd))
        raise UsageError(f"{kind} {name!r}, setting {where!r}: {first['msg']}") from None
    return {key: converted.get(key, defaults[key]) if key in odd else getattr(settings, key) for key in defaults}


def _read_types(where: str, function: Callable[..., Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the type of each setting, Any without one. Raise PluginError for an annotation that cannot be read."""
    with blame_user_code(f"{where}: the types of its settings cannot be used", _find_file(function)):
        hints = get_type_hints(function, include_extras=True)
    return {name: hints.get(name, Any) for name in names}


def _make_model(
    where: str, function: Callable[..., Any], defaults: Mapping[str, Any], types: Mapping[str, Any]
) -> type[BaseModel]:
    """Return a model of settings. Raise PluginError for a type that is none."""
    fields: dict[str, Any] = {
        key: (declared, ... if defaults[key] is EMPTY else defaults[key]) for key, declared in types.items()
    }
    with blame_user_code(f"{where}: the types of its settings cannot be used", _find_file(function)):
        model: type[BaseModel] = create_model("Settings", __config__=CONFIG, **fields)
        return model


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

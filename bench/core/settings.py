"""A plug-in's settings: the keyword-only parameters of its function, checked against their type annotations."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticInvalidForJsonSchema, ValidationError, create_model

from .errors import PluginError, UsageError, list_known_names, show_value
from .user_code import blame_user_code

MAX_WHOLE = 2**32 - 1  # the largest seed, and more than any count
TYPES = {  # of JSON
    "boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "a text", "null": "none",
    "array": "a list",
}  # fmt: skip
BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
CONFIG = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
SEED = "seed"  # the setting that receives the run's seed
STORED = f"a setting is a finite number, a whole one up to {MAX_WHOLE}, a text, None, or a list or dict of these"


def check_settings(kind: str, name: str, function: Callable[..., Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of a plug-in, defaults included, with `chosen` converted to the types that its function declares.

    Raise UsageError for an unknown setting or a value of the wrong type, PluginError for an annotation that is no type.
    """
    settings = _find_settings(function)
    if unknown := next((key for key in chosen if key not in settings), None):
        known = list_known_names(unknown, settings) if settings else "it has no settings"
        raise UsageError(f"{kind} {name!r} has no setting {unknown!r}: {known}")
    fields = _name_fields(settings)
    model = _make_model(f"{kind} {name!r}", function, settings, fields)
    try:
        converted = model(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{kind} {name!r}, setting {first['loc'][0]!r}: {first['msg']}") from None
    return {key: getattr(converted, field) for key, field in fields.items()}


class SettingFacts(NamedTuple):
    """A setting of a plug-in, for people."""

    name: str
    default: Any
    values: tuple[Any, ...]  # what it may be; empty if that is no list
    rule: str  # what it may be, in words


def list_settings(where: str, function: Callable[..., Any]) -> list[SettingFacts]:
    """List the settings of a plug-in with their defaults and what each may be. `where` names it in error messages."""
    settings = _find_settings(function)
    model = _make_model(where, function, settings, _name_fields(settings))
    try:
        schemas: dict[str, Any] = model.model_json_schema().get("properties", {})
    except PydanticInvalidForJsonSchema:  # a user's own type
        schemas = {}
    return [SettingFacts(key, each.default, *_describe_schema(schemas.get(key, {}))) for key, each in settings.items()]


def _find_settings(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


def _name_fields(settings: Iterable[str]) -> dict[str, str]:
    """Return the name of a model's field for each setting.

    A model's own names, such as `copy`, and names with an underscore cannot be its fields.
    """
    return {
        key: f"setting_{number}" if key.startswith("_") or hasattr(BaseModel, key) else key
        for number, key in enumerate(settings)
    }


def _describe_schema(schema: Mapping[str, Any]) -> tuple[tuple[Any, ...], str]:
    """Return the values that a JSON schema lists, and the rule in words."""
    if "anyOf" in schema:
        described = [_describe_schema(each) for each in schema["anyOf"]]
        return tuple(value for values, _ in described for value in values), " or ".join(rule for _, rule in described)
    if "enum" in schema or "const" in schema:
        values = tuple(schema.get("enum", [schema.get("const")]))
        return values, ", ".join(str(value) for value in values)
    word = TYPES.get(schema.get("type", ""), "a value")
    bounds = [f"{words} {schema[key]:g}" for key, words in BOUNDS.items() if key in schema]
    return (True, False) if schema.get("type") == "boolean" else (), " ".join([word, " and ".join(bounds)]).strip()


def _make_model(
    where: str, function: Callable[..., Any], settings: Mapping[str, inspect.Parameter], fields: Mapping[str, str]
) -> type[BaseModel]:
    """Return a model with a field for each setting, by its name. Raise PluginError for an annotation that is no type."""
    with blame_user_code(f"{where}: the types of its settings cannot be used", _find_file(function)):
        hints = get_type_hints(function, include_extras=True)
        types: dict[str, Any] = {
            fields[key]: (hints.get(key, Any), Field(... if each.default is each.empty else each.default, alias=key))
            for key, each in settings.items()
        }
        model: type[BaseModel] = create_model("Settings", __config__=CONFIG, **types)
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

"""A plug-in's settings: the keyword-only parameters of its function, checked against their type annotations."""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .errors import UsageError, list_known_names


def _find_default(parameter: inspect.Parameter) -> Any:
    return ... if parameter.default is parameter.empty else parameter.default


def check_settings(kind: str, name: str, function: Callable[..., Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of a plug-in, defaults included, with `chosen` converted to the types that its function declares.

    Raise UsageError for an unknown setting or a value of the wrong type.
    """
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (hints.get(parameter.name, Any), _find_default(parameter))
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    unknown = [key for key in chosen if key not in fields]
    if unknown:
        known = list_known_names(unknown[0], fields) if fields else "it has no settings"
        raise UsageError(f"{kind} {name!r} has no setting {unknown[0]!r}: {known}")
    model: type[BaseModel] = create_model(name, __config__=ConfigDict(arbitrary_types_allowed=True), **fields)
    try:
        settings = model(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{kind} {name!r}, setting {first['loc'][0]!r}: {first['msg']}") from None
    return {key: getattr(settings, key) for key in fields}

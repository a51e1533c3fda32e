"""What the file of a plug-in may declare besides its function, and the check of it when the file is loaded."""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictStr, TypeAdapter, ValidationError

from . import specs
from .errors import PluginError, UsageError, clean, show_value

REQUIRED = object()  # in place of a default: the declaration may not be left out
MAX_VERSION = 2**31 - 1
NEEDS = ("object", "other object", "method")  # what a metric may need besides the map


def _check_text(text: str) -> str:
    """Raise ValueError for text that cannot be shown in one line."""
    if clean(text) != " ".join(text.split()):
        raise ValueError("it has characters that cannot be printed, or too many")
    return text


def _check_spec(text: str) -> str:
    """Raise ValueError for text that is no spec of a metric."""
    try:
        specs.parse("metric", text)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return text


def _check_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] < bounds[1]:
        raise ValueError("the lowest value is not below the highest")
    return bounds


def _check_callable(function: Any) -> Any:
    if not callable(function):
        raise ValueError("it cannot be called")
    return function


Text = Annotated[StrictStr, AfterValidator(_check_text)]
Name = Annotated[Text, Field(min_length=1)]
Spec = Annotated[Name, AfterValidator(_check_spec)]
Module = Annotated[StrictStr, Field(pattern=r"^\w+(\.\w+)*$")]
Number = Annotated[float, Field(strict=True)]
Direction = Literal["higher", "lower"]
Range = Annotated[tuple[Number, Number], AfterValidator(_check_order)]
Function = Annotated[Any, AfterValidator(_check_callable)]


@dataclass(frozen=True)
class Declaration:
    """A name that a plug-in may declare: the type of its value, the type in words, and the value if it is left out."""

    type: Any
    words: str
    default: Any = None

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """What checks a value; it takes milliseconds to make."""
        return TypeAdapter(self.type)


_YES_OR_NO = Declaration(StrictBool, "it is True or False", False)
DECLARATIONS = {  # by the kind of plug-in; the properties of Plugin say what each means
    "any": {
        "VERSION": Declaration(Annotated[int, Field(strict=True, ge=1, le=MAX_VERSION)], "it is a whole number from 1 on", 1),
        "REQUIRES": Declaration(Module | tuple[Module, ...], "it is the name of a module, or a tuple of names", ()),
        "EXTRA": Declaration(Name, "it is the name of an extra"),
    },
    "method": {"CONTROL": _YES_OR_NO, "CLASS_BLIND": _YES_OR_NO, "EXPENSIVE": _YES_OR_NO},
    "metric": {
        "BETTER": Declaration(
            Direction | Annotated[dict[str, dict[Any, Direction]], Field(min_length=1, max_length=1)],
            "it is 'higher' or 'lower', or one of them by the value of a setting: {'order': {'morf': 'lower', ...}}",
            REQUIRED,
        ),
        "UNIT": Declaration(Name, "it is the unit in words", REQUIRED),
        "RANGE": Declaration(Range, "it is two numbers, the lowest value and the highest", REQUIRED),
        "SHORT": Declaration(Annotated[Name, Field(max_length=7)], "it is a text of at most seven characters", REQUIRED),
        "SLACK": Declaration(
            Annotated[Number, Field(ge=0, allow_inf_nan=False)] | None, "it is a finite number from 0 on"
        ),
        "FAMILY": Declaration(Text, "it is a text of one line", ""),
        "CAVEAT": Declaration(Text, "it is a sentence", ""),
        "AXES": Declaration(tuple[Name, Name], "it is two texts, what a curve's axes show", ()),
        "NEEDS": Declaration(
            tuple[Literal["object", "other object", "method"], ...], f"it is a tuple of some of {', '.join(NEEDS)}", ()
        ),
        "TIES_OF": Declaration(Spec, "it is the name of a metric, with the settings that it must have in brackets", ""),
    },
    "dataset": {
        "FOLDER": _YES_OR_NO,
        "THREAD_SAFE": _YES_OR_NO,
        "photo": Declaration(Function, "it is a function"),
    },
    "report": {"page": Declaration(Function, "it is a function")},
    "engine": {"ENVIRONMENT": Declaration(dict[Name, Text], "it is a dict of texts", {}), "CONCURRENT": _YES_OR_NO},
    "reference": {},
}  # fmt: skip
DEFAULTS = {key: entry.default for own in DECLARATIONS.values() for key, entry in own.items()}


def read_declarations(kind: str, name: str, module: ModuleType) -> dict[str, Any]:
    """Return what a plug-in declares, by name. Raise PluginError for what is missing or of the wrong type."""
    entries = DECLARATIONS["any"] | DECLARATIONS[kind]
    declared = {key: vars(module)[key] for key in entries if key in vars(module)}
    if missing := next((key for key in entries if key not in declared and DEFAULTS[key] is REQUIRED), None):
        raise PluginError(f"{kind} {name} does not declare {missing}: {entries[missing].words}")
    return {key: _check(entries[key], f"{kind} {name}: {key}", value) for key, value in declared.items()}


def _check(entry: Declaration, where: str, value: Any) -> Any:
    try:
        return entry.adapter.validate_python(value)
    except ValidationError:
        raise PluginError(f"{where} is {show_value(value)}: {entry.words}") from None

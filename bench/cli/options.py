"""Options of the command line: values that click has no type for, and groups of options."""

import re
from collections.abc import Callable
from typing import Any

import click

from ..core import plugins, specs
from ..core.errors import UsageError
from ..core.plugins import ENGINE, Plugin

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


class Size(click.ParamType[float]):
    """Bytes: 2GB, 500MB, 1.5e9."""

    name = "size"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        found = re.fullmatch(r"(?P<number>\d+(\.\d*)?(e\d+)?) ?(?P<unit>[KMG]?)(i?B)?", str(value), re.IGNORECASE)
        if found is None or not float(found["number"]):
            self.fail(f"{value!r} is no size: write 2GB or 500MB", parameter, context)
        return float(found["number"]) * UNITS[found["unit"].upper()]


SIZE = Size()


def _specs(context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    return None if text is None else specs.split(text)


def some(context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    """The callback of an option that takes several specs, one at least. Raises UsageError for none."""
    named = _specs(context, parameter, text)
    if named == []:
        raise UsageError(f"--{parameter.name} names none: name one at least, or leave it out")
    return named


def list_option(*names: str, help: str) -> Callable[..., Any]:
    """An option that takes several specs."""
    return click.option(*(f"--{name}" for name in names), callback=_specs, metavar="A,B", help=help)


def net_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What stands in brackets in the spec of a net of one's own: see `with_settings`."""
    for option in (
        click.option("--preprocess", metavar="WORD", help="Before them: imagenet, none, half, or mean=0.5,std=0.5."),
        click.option("--classes", metavar="FILE", help="The names of their classes, one a line."),
        click.option(
            "--weights", metavar="FILE", help="Of these networks: .pth or .safetensors, short for [weights=FILE]."
        ),
    ):
        command = option(command)
    return command


def with_settings(settings: dict[str, str | None], nets: list[str]) -> list[str] | None:
    """The specs of nets with settings laid over them; None where there are none. Raises UsageError for a file of several."""
    given = {key: text for key, text in settings.items() if text is not None}
    if empty := next((key for key, text in given.items() if not text.strip()), None):
        raise UsageError(f"--{empty} is empty: name something, or leave it out")
    if "weights" in given and len(nets) > 1:
        raise UsageError(
            f"--weights is of one net, and there are {len(nets)}: name its own with each, NET[weights=FILE]"
        )
    if "=" in given.get("preprocess", ""):
        given |= _colours(given.pop("preprocess"))
    return [specs.laid("net", net, given) for net in nets] if given else None


def _colours(text: str) -> dict[str, str]:
    """A mean and a std in numbers, as the settings of a net."""
    found = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if not found.keys() <= {"mean", "std"} or "" in found.values():
        raise UsageError(
            f"--preprocess {text}: write imagenet, none or half, or numbers, those of several channels joined by +: "
            "mean=0.485+0.456+0.406,std=0.229+0.224+0.225"
        )
    return found


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Who computes, and with what: see `engine`."""
    for option in (
        click.option("--workers", type=click.IntRange(1), metavar="N", help="With ray: how many [one a GPU, or CPU]."),
        click.option(
            "--address", metavar="A", help="With ray: of a cluster that runs, or auto [of this machine's own]."
        ),
        click.option("--engine", default="local", show_default=True, metavar="local|ray", help="See docs/scale.md."),
    ):
        command = option(command)
    return command


def engine(name: str, **settings: Any) -> Plugin:
    """The engine of a name, with those of its settings that are asked for."""
    chosen = {key: value for key, value in settings.items() if value is not None}
    return plugins.find(ENGINE, specs.Spec(name, chosen=chosen).label(name))

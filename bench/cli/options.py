"""Options that several commands share: lists of specs, sizes, settings of nets, engines."""

import math
import re
from collections.abc import Callable
from typing import Any

import click

from ..config.defaults import DEFAULTS
from ..core import plugins, specs
from ..core.choices import LABEL_ORDERS
from ..core.errors import UsageError
from ..core.plugins import ENGINE, Plugin

SECONDS = {"": 1, "s": 1, "min": 60, "m": 60, "h": 3600}
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
MAX_SIZE = 1e18  # bytes: more than any device has


def parse_size(value: object) -> float:
    """Return a number of bytes: of 2GB, 500MB or 1.5e9. Raise click.BadParameter for another text."""
    match = re.fullmatch(r"(?P<number>\d+(\.\d*)?(e\d+)?) ?(?P<unit>[KMG]?)(i?B)?", str(value), re.IGNORECASE)
    size = float(match["number"]) * UNITS[match["unit"].upper()] if match else 0.0
    if not 1 <= size <= MAX_SIZE:
        raise click.BadParameter(f"{value!r} is not a size: write 2GB or 500MB")
    return size


def parse_duration(value: object) -> float:
    """Return seconds: of 10min, 90s or 1.5h. Raise click.BadParameter for another text."""
    match = re.fullmatch(r"(?P<number>\d{1,9}(\.\d*)?) ?(?P<unit>s|min|m|h|)", str(value).lower())
    seconds = float(match["number"]) * SECONDS[match["unit"]] if match else 0.0
    if not seconds:
        raise click.BadParameter(f"{value!r} is not a time: write 10min, 90s or 1.5h")
    return seconds


class Number(click.FloatRange):
    """A finite number within bounds."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        number = super().convert(value, parameter, context)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", parameter, context)
        return number


def _split_specs(context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    return None if text is None else specs.split(text)


def parse_specs(context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    """Parse a comma-separated list of one or more specs, as the callback of an option. Raise UsageError for an empty list."""
    names = _split_specs(context, parameter, text)
    if names == []:
        raise UsageError(f"--{parameter.name} is empty: name at least one, or leave the option out")
    return names


def make_list_option(name: str, help: str) -> Callable[..., Any]:
    """Make an option that takes a comma-separated list of specs, which may be empty: --nets, which may be written --net."""
    names = dict.fromkeys((f"--{name}", f"--{name.removesuffix('s')}"))
    return click.option(*names, callback=_split_specs, metavar="A,B", help=help)


def add_net_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that set what a net's spec can also set in brackets; see `add_net_settings`."""
    for option in (
        click.option(
            "--preprocess", metavar="WORD", help="How images are normalised: imagenet, none, half, or mean=0.5,std=0.5."
        ),
        click.option(
            "--scores",
            metavar="WORD",
            help="How class scores are read: softmax, sigmoid (multi-label) or logits [as they look].",
        ),
        click.option(
            "--output", metavar="NAME|INDEX", help="Which output of a network of several is its class scores."
        ),
        click.option("--classes", metavar="FILE", help="A file with the names of the classes, one per line."),
        click.option(
            "--weights", metavar="FILE", help="The weights (.pth or .safetensors); short for NET[weights=FILE]."
        ),
    ):
        command = option(command)
    return command


def add_net_settings(settings: dict[str, str | None], nets: list[str]) -> list[str] | None:
    """Add the settings that are not None to the specs of nets; return None if all are None.

    Raise UsageError for an empty setting, and for weights with several nets.
    """
    chosen = {key: text for key, text in settings.items() if text is not None}
    if empty := next((key for key, text in chosen.items() if not text.strip()), None):
        raise UsageError(f"--{empty} is empty: give a value, or leave the option out")
    if "weights" in chosen and len(nets) > 1:
        raise UsageError(
            f"--weights applies to one net, and there are {len(nets)}: set the weights of each, NET[weights=FILE]"
        )
    if "=" in chosen.get("preprocess", ""):
        chosen |= _parse_normalisation(chosen.pop("preprocess"))
    return [specs.add_settings("net", net, chosen) for net in nets] if chosen else None


def move_net_settings(changes: dict[str, Any]) -> None:
    """Move the options of `add_net_options` and `--layer` from the changes of a suite into the specs of its nets."""
    settings = {key: changes.pop(key) for key in ("weights", "classes", "preprocess", "layer", "scores", "output")}
    nets = changes["nets"]
    changes["nets"] = lambda own: add_net_settings(settings, nets or own) or nets


def _parse_normalisation(text: str) -> dict[str, str]:
    """Return the settings of a net that "mean=0.5,std=0.5" stands for. Raise UsageError for any other text."""
    settings = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if not settings.keys() <= {"mean", "std"} or "" in settings.values():
        raise UsageError(
            f"--preprocess {text}: write imagenet, none or half, or numbers, those of several channels joined by +: "
            "mean=0.485+0.456+0.406,std=0.229+0.224+0.225"
        )
    return settings


def add_target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose which class a run explains."""
    for option in (
        click.option(
            "--label-order", type=click.Choice(LABEL_ORDERS),
            help="The net's class of a label: that of its name, or of its position, as ImageFolder sorts class folders "
            "[name].",
        ),
        click.option(
            "--target", metavar="CLASS",
            help="The class to explain: predicted, label, or one class for all images, by its name, index or rank (top2).",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def add_engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose the engine of a run; see `find_engine`."""
    for option in (
        click.option(
            "--workers", type=click.IntRange(1), metavar="N", help="Number of workers of ray [one per GPU, or per CPU]."
        ),
        click.option(
            "--address", metavar="A", help="Address of a running Ray cluster, or auto [a cluster on this machine]."
        ),
        click.option(
            "--engine",
            default=DEFAULTS.engine,
            show_default=True,
            metavar="local|ray",
            help="What computes the run: see docs/scale.md.",
        ),
    ):
        command = option(command)
    return command


def find_engine(name: str, **settings: Any) -> Plugin:
    """Find the engine of this name, with the settings that are not None."""
    chosen = {key: value for key, value in settings.items() if value is not None}
    return plugins.find(ENGINE, specs.Spec(name, settings=chosen).label(name))

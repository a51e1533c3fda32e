"""What is used if nothing is named, read from defaults.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Defaults:
    """The default suites, data set, net, and plug-ins, by name."""

    suite: str
    smallest_suite: str  # of the pytest fixture faithfulness
    dataset: str
    net: str  # of explained photos
    method: str  # of explained photos
    metrics: list[str]  # of explained photos
    curve: str  # the metric whose curve is drawn
    report: str
    engine: str
    fit_dataset: str  # of `bench fit`


DEFAULTS = Defaults(**tomllib.loads((Path(__file__).parent / "defaults.toml").read_text(encoding="utf-8")))

"""Published numbers (published.toml), and beside them what a run measured of the same net, protocol, method and metric."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import isnan, sqrt
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..core import specs
from ..data import labels
from ..stats.aggregates import SHORT, Measurement, measure, scored_name
from ..stats.summary import YES_OR_NO
from ..store.run import Run

FILE = Path(__file__).parent / "published.toml"
Z = 1.96  # standard errors: 95 % of a normal distribution
HALF_A_DIGIT = 0.5 + 1e-6  # and what floating point adds

Images = Literal["same", "other", "unknown"]  # what the class folders say: the publication's data set or not
Number = Annotated[Decimal, Field(allow_inf_nan=True)]  # NaN where nothing is printed


class Entry(BaseModel):
    """A table of a publication; the file says what each key is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    net: str
    weights: str
    data: str
    images: int | None = Field(None, ge=1)
    protocol: str = ""
    needs: str = ""
    why_not: str = ""
    note: str = ""
    metrics: list[str] = Field(min_length=1)
    values: dict[str, list[Number]] = Field(min_length=1)  # by method

    @model_validator(mode="after")
    def _whole(self) -> "Entry":
        for method, values in self.values.items():
            if len(values) != len(self.metrics):
                raise ValueError(f"{method}: {len(values)} values of {len(self.metrics)} metrics")
            if not all(value.is_nan() or 0 <= value <= 1 for value in values):
                raise ValueError(f"{method}: a value is not in [0, 1]")
        if not self.why_not and not (self.protocol and self.images):
            raise ValueError("what the suite measures has a protocol and a number of images")
        return self

    @property
    def spec(self) -> str:
        """The net as a suite names it."""
        return f"{self.net}@{self.weights}"


@dataclass(frozen=True)
class Row:
    """A published number."""

    entry: Entry
    method: str
    metric: str
    value: Decimal

    @property
    def digits(self) -> int:
        """How many are printed behind the point, in our unit."""
        return -int(self.value.as_tuple().exponent)


@dataclass(frozen=True)
class Beside:
    """A published number and ours."""

    row: Row
    short: str  # the metric's, as columns have it
    ours: Measurement
    images: Images
    yes_or_no: bool = False  # whether it is a rate

    @property
    def difference(self) -> float:
        return self.ours.value - float(self.row.value)

    @property
    def allowed(self) -> float:
        """How far apart samples of the two sizes may be: max(1.96 sqrt(SE_ours^2 + SE_published^2), half a printed digit).

        Publications print no deviations: SE_published is estimated from ours, our per-image standard deviation over the root
        of the publication's number of images. That of a yes-or-no metric is known from the rate, and taken of both rates
        together: of few images all may be alike. The samples are taken for independent; where ours is a part of theirs, the
        interval is a little too wide. NaN for one image of ours, or where theirs are not counted.
        """
        ours, theirs = self.ours.n, self.row.entry.images
        if isnan(self.ours.sd) or theirs is None:
            return float("nan")
        rate = (ours * self.ours.value + theirs * float(self.row.value)) / (ours + theirs)
        deviation = sqrt(rate * (1 - rate)) if self.yes_or_no else self.ours.sd
        return max(Z * deviation * sqrt(1 / ours + 1 / theirs), HALF_A_DIGIT * 10**-self.row.digits)

    @property
    def within(self) -> bool | None:
        """Whether the difference lies in that interval; None where it says nothing: of other images, or of another method."""
        if isnan(self.allowed) or self.images == "other" or self.row.entry.why_not:
            return None
        return abs(self.difference) <= self.allowed


def entries() -> tuple[Entry, ...]:
    """The published tables."""
    return _read(FILE)


@cache
def _read(file: Path) -> tuple[Entry, ...]:
    content = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    return tuple(Entry(**entry) for entry in content["entries"])


def rows(entry: Entry) -> Iterator[Row]:
    """The numbers of a table, without the cells that the publication leaves empty."""
    for method, values in entry.values.items():
        for metric, value in zip(entry.metrics, values, strict=True):
            if not value.is_nan():
                yield Row(entry, method, metric, value)


def beside(run: Run) -> list[Beside]:
    """The published numbers of what a run measured, in the order of the file; of the images that are complete so far."""
    scores = run.table("scores")
    if not len(scores):
        return []
    wanted = [row for entry in entries() if entry.spec in run.header["nets"] for row in rows(entry)]
    found = [(row, _ours(scores, row)) for row in wanted]
    return [_beside(run, row, ours) for row, ours in found if ours]


def _ours(scores: pd.DataFrame, row: Row) -> Measurement | None:
    return measure(scores[scores["net"] == row.entry.spec], row.method, row.metric, row.entry.protocol)


def _beside(run: Run, row: Row, ours: Measurement) -> Beside:
    name = specs.parse("metric", row.metric).name
    about = run.header["metrics"].get(scored_name(row.metric, row.entry.protocol), {"unit": ""})
    short = SHORT[name] if name in SHORT else str(about["short"]).partition("@")[0]
    kind = labels.data_set(run.header["data"].get("classes", []))
    return Beside(row, short, ours, _images(row.entry, kind), about["unit"] == YES_OR_NO or name == "win")


def _images(entry: Entry, kind: str | None) -> Images:
    if kind is None:
        return "unknown"
    return "same" if entry.data.partition(" ")[0] == kind else "other"

"""Published numbers (published.toml), and the same numbers as a run measured them: same net, protocol, method and metric."""

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
from ..core.specs import join_protocol, split_protocol
from ..data import labels
from ..stats.aggregates import SHORT_NAMES, Measurement, measure
from ..stats.estimate import Z
from ..stats.mean_scores import is_binary
from ..store.run import Run

FILE = Path(__file__).parent / "published.toml"
HALF_A_DIGIT = 0.5 + 1e-6  # of the last printed digit; the second term covers floating-point error

ImageMatch = Literal["same", "other", "unknown"]  # whether a run's images are of the publication's data set
Number = Annotated[Decimal, Field(allow_inf_nan=True)]  # NaN: the publication prints no number


class PublishedTable(BaseModel):
    """A table of a publication; published.toml explains the keys."""

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
    def _check(self) -> "PublishedTable":
        for method, values in self.values.items():
            if len(values) != len(self.metrics):
                raise ValueError(f"{method} has {len(values)} values for {len(self.metrics)} metrics")
            if not all(value.is_nan() or 0 <= value <= 1 for value in values):
                raise ValueError(f"{method} has a value outside [0, 1]")
        if not self.why_not and not (self.protocol and self.images):
            raise ValueError("a table without why_not needs a protocol and a number of images")
        return self

    @property
    def spec(self) -> str:
        """The net as a suite names it."""
        return f"{self.net}@{self.weights}"

    def list_numbers(self) -> Iterator["PublishedNumber"]:
        """List the numbers that the publication prints: empty cells are left out."""
        for method, values in self.values.items():
            for metric, value in zip(self.metrics, values, strict=True):
                if not value.is_nan():
                    yield PublishedNumber(self, method, metric, value)


@dataclass(frozen=True)
class PublishedNumber:
    """A number of a published table."""

    table: PublishedTable
    method: str
    metric: str
    value: Decimal

    @property
    def digits(self) -> int:
        """Digits after the decimal point, in our unit."""
        return -int(self.value.as_tuple().exponent)


@dataclass(frozen=True)
class Reproduction:
    """A published number, and the same number as a run measured it."""

    published: PublishedNumber
    short: str  # the metric's name in column heads
    measured: Measurement
    image_match: ImageMatch
    binary: bool = False  # whether the metric is 0 or 1 per image, so that its mean is a rate

    @property
    def difference(self) -> float:
        return self.measured.value - float(self.published.value)

    @property
    def allowed(self) -> float:
        """The largest difference that sampling explains: max(1.96 sqrt(SE_measured^2 + SE_published^2), half a printed digit).

        Publications print no standard deviations. SE_published is therefore the run's standard deviation over images, divided
        by the root of the publication's number of images. The deviation of a binary metric follows from the rate; the rate is
        pooled over both samples, because a few images may all have the same value. The samples are assumed to be independent:
        if the run's images are a part of the publication's, the interval is slightly too wide. NaN if the run has one image,
        or if the publication does not give its number of images.
        """
        measured, published = self.measured.n, self.published.table.images
        if isnan(self.measured.sd) or published is None:
            return float("nan")
        rate = (measured * self.measured.value + published * float(self.published.value)) / (measured + published)
        deviation = sqrt(rate * (1 - rate)) if self.binary else self.measured.sd
        return max(Z * deviation * sqrt(1 / measured + 1 / published), HALF_A_DIGIT * 10**-self.published.digits)

    @property
    def is_within_allowed(self) -> bool | None:
        """Whether the difference is allowed; None if the two cannot be compared: other images, or not the same definition."""
        if isnan(self.allowed) or self.image_match == "other" or self.published.table.why_not:
            return None
        return abs(self.difference) <= self.allowed


def read_tables() -> tuple[PublishedTable, ...]:
    """Read the published tables, in the order of the file."""
    return _read(FILE)


@cache
def _read(file: Path) -> tuple[PublishedTable, ...]:
    content = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    return tuple(PublishedTable(**table) for table in content["tables"])


def find_reproductions(run: Run) -> list[Reproduction]:
    """Find the published numbers that a run has measured as well, in the order of the file, over the images done so far."""
    tables = [table for table in read_tables() if table.spec in run.header.nets]
    columns = ("net", "image", "method", "metric", "value")
    scores = {spec: run.table("scores", columns=columns, net=spec) for spec in {table.spec for table in tables}}
    pairs = [(number, _measure(scores[table.spec], number)) for table in tables for number in table.list_numbers()]
    return [_reproduce(run, number, measured) for number, measured in pairs if measured]


def _measure(scores: pd.DataFrame, number: PublishedNumber) -> Measurement | None:
    """Measure the number that a publication prints from the scores on its net; return None if there are no values for it."""
    return measure(scores, number.method, number.metric, number.table.protocol)


def _reproduce(run: Run, number: PublishedNumber, measured: Measurement) -> Reproduction:
    name = specs.parse("metric", number.metric).name
    spec = join_protocol(number.metric, number.table.protocol)
    short = SHORT_NAMES[name] if name in SHORT_NAMES else split_protocol(run.header.metrics[spec].short)[0]
    binary = name == "win" or (spec in run.header.metrics and is_binary(run.header.metrics[spec].unit))
    dataset = labels.recognise_dataset(run.header.data.classes)
    return Reproduction(number, short, measured, _compare_images(number.table, dataset), binary)


def _compare_images(table: PublishedTable, dataset: str | None) -> ImageMatch:
    """Say whether a run's data set, None if not recognised, is that of a published table."""
    if dataset is None:
        return "unknown"
    return "same" if table.data.partition(" ")[0] == dataset else "other"

"""Published numbers (published.toml), and the same numbers as a run measured them: same net, protocol, method and metric."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from math import ceil, isnan, sqrt
from pathlib import Path
from typing import Annotated, Literal, Protocol

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..core import plugins, specs
from ..core.plugins import METRIC
from ..core.specs import join_protocol, split_protocol
from ..data import labels
from ..stats.aggregates import SHORT_NAMES, list_needed_metrics, measure
from ..stats.estimate import Estimate, Z
from ..stats.mean_scores import is_binary
from ..store.run import Run

FILE = Path(__file__).parent / "published.toml"
HALF_A_DIGIT = 0.5 + 1e-6  # of the last printed digit; the second term covers floating-point error
LONGEST = 0.05  # interval in which a published number counts as reproduced: about 550 images, if they deviate by .3

ImageMatch = Literal["same", "other", "unknown"]  # whether a run's images are of the publication's data set
Verdict = Literal["reproduced", "not reproduced", "too few images", "other images", "not comparable", "not measured"]
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
    measured: Estimate
    image_match: ImageMatch
    binary: bool = False  # whether the metric is 0 or 1 per image, so that its mean is a rate

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval in which the publication's number is expected, from what the run measured; None if there is none.

        It holds the numbers whose difference from the measured one, m, the sampling of both explains. Publications print no
        standard deviations, so both samples are given that of the run. Of means of n images here and N there, the interval is
        that of the run's mean, with each end sqrt(1 + n / N) times as far from m. A rate is judged by the deviation of the
        rate over both samples together, because a few images may all have one value: for large N this is Wilson's interval.
        Each end is at least half a printed digit from m, and in [0, 1]. The samples are assumed to be independent: if the
        run's images are a part of the publication's, the interval is slightly too long. None if the run has one image, or if
        the publication does not give its number of images.
        """
        value, images = self.measured.mean, self.published.table.images
        if isnan(self.measured.low) or images is None:
            return None
        find_offsets = _find_rate_offsets if self.binary else _find_mean_offsets
        low, high = find_offsets(self.measured, images)
        rounding = HALF_A_DIGIT * 10**-self.published.digits
        return max(0.0, value + min(low, -rounding)), min(1.0, value + max(high, rounding))

    @property
    def verdict(self) -> Verdict:
        """Whether the published number is reproduced, or why that cannot be told."""
        if self.image_match == "other":
            return "other images"
        if self.published.table.why_not:
            return "not comparable"
        if self.interval is None:
            return "too few images"
        low, high = self.interval
        if not low <= float(self.published.value) <= high:
            return "not reproduced"
        return "reproduced" if high - low <= LONGEST else "too few images"

    @property
    def needed_images(self) -> int | None:
        """About how many images would give an interval in which the number counts as reproduced.

        None if that is not known, or if the publication has so few images that no number is enough.
        """
        published = self.published.table.images
        if self.verdict != "too few images" or self.interval is None or published is None:
            return None
        low, high = self.interval
        # The length is in proportion to sqrt(1 / n + 1 / N).
        share = (1 / self.measured.n + 1 / published) * (LONGEST / (high - low)) ** 2 - 1 / published
        return ceil(1 / share) if share > 0 else None


@dataclass(frozen=True)
class Unmeasured:
    """A published number that a run was asked for and did not measure, with the reason."""

    published: PublishedNumber
    short: str
    reason: str
    verdict: Verdict = "not measured"


class Asked(Protocol):
    """What a suite, or the record of one, was asked to measure."""

    @property
    def methods(self) -> Sequence[str]: ...
    @property
    def protocols(self) -> Sequence[str]: ...
    @property
    def metrics(self) -> Sequence[str] | None: ...


def _find_mean_offsets(measured: Estimate, published: int) -> tuple[float, float]:
    """Find the largest differences of a published mean, over so many images, from a measured one that sampling explains.

    They are those of the interval of the mean, widened by the publication's own sampling: sqrt(1 / n + 1 / N) is
    sqrt(1 / n) sqrt(1 + n / N).
    """
    factor = sqrt(1 + measured.n / published)
    return (measured.low - measured.mean) * factor, (measured.high - measured.mean) * factor


def _find_rate_offsets(measured: Estimate, published: int) -> tuple[float, float]:
    """Find the largest differences d of a published rate from a measured one that sampling explains.

    They are the roots of d^2 = c r (1 - r), with r = rate + w d the rate over both samples.
    """
    rate, n = measured.mean, measured.n
    c, w = Z**2 * (1 / n + 1 / published), published / (n + published)
    square, linear, constant = 1 + c * w**2, c * w * (1 - 2 * rate), c * rate * (1 - rate)
    root = sqrt(linear**2 + 4 * square * constant)
    return (linear - root) / (2 * square), (linear + root) / (2 * square)


def read_tables() -> tuple[PublishedTable, ...]:
    """Read the published tables, in the order of the file."""
    return _read(FILE)


@cache
def _read(file: Path) -> tuple[PublishedTable, ...]:
    content = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    return tuple(PublishedTable(**table) for table in content["tables"])


def find_reproductions(run: Run) -> list[Reproduction | Unmeasured]:
    """Find the published numbers that a run has measured as well, in the order of the file, over the images done so far.

    Those on nets that the run left out come last.
    """
    tables = [table for table in read_tables() if table.spec in run.header.nets]
    columns = ("net", "image", "method", "metric", "value")
    scores = {spec: run.table("scores", columns=columns, net=spec) for spec in {table.spec for table in tables}}
    pairs = [(number, _measure(scores[table.spec], number)) for table in tables for number in table.list_numbers()]
    suite = run.header.suite
    return [
        *(_reproduce(run, number, measured) for number, measured in pairs if measured),
        *list_unmeasured(suite, suite.missing),
    ]


def list_unmeasured(asked: Asked, missing: Mapping[str, str]) -> list[Unmeasured]:
    """List the published numbers for which a suite asks on nets that were left out; `missing` has the reasons, by net."""
    return [
        Unmeasured(number, _shorten(number.metric), missing[table.spec])
        for table in read_tables()
        if table.spec in missing and table.protocol in asked.protocols
        for number in table.list_numbers()
        if number.method in asked.methods
        and (asked.metrics is None or {*asked.metrics}.issuperset(list_needed_metrics(number.metric)))
    ]


def _shorten(metric: str) -> str:
    """Shorten the name of a published metric for column heads."""
    name = specs.parse("metric", metric).name
    return SHORT_NAMES[name] if name in SHORT_NAMES else plugins.find(METRIC, metric).short


def _measure(scores: pd.DataFrame, number: PublishedNumber) -> Estimate | None:
    """Measure the number that a publication prints from the scores on its net; return None if there are no values for it."""
    return measure(scores, number.method, number.metric, number.table.protocol)


def _reproduce(run: Run, number: PublishedNumber, measured: Estimate) -> Reproduction:
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

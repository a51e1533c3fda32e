"""Where data sets are kept, and how those are fetched that may be; those that cannot be had say where to get them."""

import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

from ...bench.core.errors import UsageError

Source = TypeVar("Source")
VARIABLE = "CAMBENCH_DATA"


def root_of(chosen: str) -> Path:
    """The folder that was chosen, or that of the variable CAMBENCH_DATA, or ~/.cache/cambench/data."""
    return Path(chosen or os.environ.get(VARIABLE) or "~/.cache/cambench/data").expanduser()


def fetched(open_: Callable[..., Source], name: str, page: str, folder: Path) -> Source:
    """What `open_(download=False)` finds, or else `open_(download=True)` fetches. Raises UsageError where it cannot."""
    try:
        return open_(download=False)
    except (RuntimeError, OSError):  # what torchvision raises for a data set that is not there, or not all of it
        pass
    try:
        return open_(download=True)
    except (RuntimeError, OSError, HTTPException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":.")
        raise missing(f"{name} cannot be fetched ({reason})", page, folder) from None


def missing(what: str, page: str, folder: Path) -> UsageError:
    """The refusal of a data set that is not there, with where to get it and where to put it."""
    return UsageError(
        f"{what}: download it from {page} and unpack it so that there is {folder}, or name its folder with root="
    )

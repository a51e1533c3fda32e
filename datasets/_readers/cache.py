"""The folder of data sets, their download, and the error for a data set that is missing."""

import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

from ...bench.core.errors import UsageError

Opened = TypeVar("Opened")
VARIABLE = "CAMBENCH_DATA"


def find_data_root(chosen: str) -> Path:
    """Return the chosen folder, or that of the variable CAMBENCH_DATA, or ~/.cache/cambench/data."""
    return Path(chosen or os.environ.get(VARIABLE) or "~/.cache/cambench/data").expanduser()


def open_or_download(open_source: Callable[..., Opened], name: str, page: str, folder: Path) -> Opened:
    """Return the data set that `open_source` opens, after a download if necessary. Raise UsageError if the download fails."""
    try:
        return open_source(download=False)
    except (RuntimeError, OSError):  # torchvision's errors for a missing or incomplete data set
        pass
    try:
        return open_source(download=True)
    except (RuntimeError, OSError, HTTPException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":.")
        raise make_missing_error(f"{name} cannot be downloaded ({reason})", page, folder) from None


def make_missing_error(reason: str, page: str, folder: Path) -> UsageError:
    """Make the error for a missing data set: it names the page to download it from and the folder to put it into."""
    return UsageError(
        f"{reason}: download it from {page} and unpack it so that there is {folder}, or name its folder with root="
    )

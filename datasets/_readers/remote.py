"""Folders on disk, or at an address that fsspec knows, such as s3://bucket/photos."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import cast

from ...bench.core.errors import BenchError, ImageError, MissingLibrary, UsageError
from ...bench.core.specs import ADDRESS


def locate_folder(path: str) -> Path:
    """Return the folder of a path or an address. Raise UsageError for an unknown kind of address."""
    if ADDRESS not in path:
        return Path(path)
    try:
        from upath import UPath
    except ImportError:
        raise MissingLibrary("addresses need the library universal-pathlib: pip install 'cambench[fsspec]'") from None
    with report_unreachable(path):
        return cast(Path, UPath(path))


@contextmanager
def report_unreachable(path: Path | str, error_class: type[BenchError] = UsageError) -> Iterator[None]:
    """Turn any error of an address's library into one of this class, because each library has its own errors."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        if ADDRESS not in str(path):
            raise
        raise error_class(f"{path} cannot be reached ({type(error).__name__}: {error})") from None


def make_readable(path: Path) -> Path | BytesIO:
    """Return what other libraries can read a file from: its path, or a buffer with the bytes at its address.

    Raise ImageError for an address that cannot be reached: files of other images may be.
    """
    if isinstance(path, os.PathLike):
        return path
    return BytesIO(read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Read a file. Raise ImageError for an address that cannot be reached."""
    with report_unreachable(path, ImageError):
        return path.read_bytes()

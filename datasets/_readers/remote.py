"""A folder's place: a path, or an address that fsspec knows, such as s3://bucket/photos."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import cast

from ...bench.core.errors import Missing, UsageError
from ...bench.core.specs import ADDRESS


def place(path: str) -> Path:
    """The folder of a path or an address; what an address gives is used as a path is. Raises UsageError for an unknown kind."""
    if ADDRESS not in path:
        return Path(path)
    try:
        from upath import UPath
    except ImportError:
        raise Missing("addresses need the library universal-pathlib: pip install 'cambench[fsspec]'") from None
    with reached(path):
        return cast(Path, UPath(path))


@contextmanager
def reached(path: Path | str) -> Iterator[None]:
    """What the library of an address raises (each has its own errors) is told in words, as a UsageError."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if ADDRESS not in str(path):
            raise
        raise UsageError(f"{path} cannot be reached ({type(error).__name__}: {error})") from None


def readable(path: Path) -> Path | BytesIO:
    """What other libraries read a file by: its path, or what stands at its address."""
    if isinstance(path, os.PathLike):
        return path
    with reached(path):
        return BytesIO(path.read_bytes())

"""Files, written whole or not at all; and what a file system may refuse, in words."""

import contextlib
import errno
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import UsageError

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "it may not be written to",
    errno.EROFS: "its file system is read-only",
    errno.ENOTDIR: "it is not a directory",
    errno.EEXIST: "it is a file, not a directory",
}
FULL = (errno.ENOSPC, errno.EDQUOT)


def check_target(file: Path) -> None:
    """Raises UsageError where a file could not be written, before there is anything to write."""
    _check_name(file)
    with refusals(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass


def write_text(file: Path, text: str) -> None:
    """Writes a text file, whole or not at all, or into a device or pipe. Raises UsageError where it cannot be written."""
    write_bytes(file, text.encode())


def write_bytes(file: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, or into a device or pipe. Raises UsageError where it cannot be written."""
    _check_name(file)
    file = file.resolve()  # what a link points to is written, and the link is left
    with refusals(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not file.is_file():
            file.write_bytes(content)
            return
        partial = file.with_suffix(file.suffix + ".partial")
        partial.write_bytes(content)
        partial.replace(file)


def _check_name(file: Path) -> None:
    if not file.name or file.is_dir():
        raise UsageError(f"{str(file)!r} is no name of a file to write")


def append_text(file: Path, text: str) -> None:
    """Adds to a text file, or begins it. Raises UsageError where it cannot be written."""
    with refusals(file), file.open("a", encoding="utf-8") as opened:
        opened.write(text)


@contextlib.contextmanager
def refusals(directory: Path) -> Iterator[None]:
    """Raises UsageError where the file system refuses to write to a directory."""
    try:
        yield
    except OSError as error:
        kept = "; what was written is kept, and the same command goes on" if error.errno in FULL else ""
        raise UsageError(
            f"{directory} cannot be written: {REASONS.get(error.errno or 0, error.strerror)}{kept}"
        ) from None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

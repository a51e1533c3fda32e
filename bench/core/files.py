"""Files that are written completely or not at all, and errors of the file system in words."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import CONTROL, Fatal, UsageError, clean, show_value

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "it may not be written to",
    errno.EROFS: "its file system is read-only",
    errno.ENOTDIR: "it is not a directory",
    errno.EEXIST: "it is a file, not a directory",
}
MAX_NAME = 255  # bytes of one part of a path, on every common file system
FULL = (errno.ENOSPC, errno.EDQUOT)


def describe_os_error(error: OSError) -> str:
    """Describe an error of the file system in a sentence. Without a file it is one of the output."""
    name = "the output" if error.filename is None else clean(str(error.filename))
    return f"{name} cannot be used: {error.strerror}"


def check_directory(directory: Path) -> None:
    """Raise UsageError for a directory that cannot be one of a run's: the root, or a name that cannot be stored."""
    if not str(directory).isprintable():
        raise UsageError(f"the directory {show_value(str(directory))} has characters that cannot be printed: rename it")
    if is_root(directory):
        raise UsageError(f"{directory} is the root of the file system: name another directory with --out")
    if too_long := next((part for part in directory.parts if len(os.fsencode(part)) > MAX_NAME), None):
        raise UsageError(f"{show_value(too_long)} is {len(too_long)} characters long: a name has at most {MAX_NAME}")


def is_root(path: Path) -> bool:
    """Tell whether a path is the root of the file system."""
    return not os.path.realpath(path).strip(os.sep)


def check_writable(file: Path) -> None:
    """Raise UsageError if a file cannot be written, before there is anything to write."""
    check_name(file)
    with explain_os_errors(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass


def write_text(file: Path, text: str) -> None:
    """Write a text file, as `write_bytes` does."""
    write_bytes(file, text.encode())


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file completely or not at all; write to a device or a pipe. Raise UsageError if it cannot be written."""
    check_name(file)
    file = Path(
        os.path.realpath(file)
    )  # a link stays, and its target is written; resolve() raises for links in a circle
    with explain_os_errors(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not file.is_file():
            file.write_bytes(content)
            return
        partial = file.with_suffix(file.suffix + ".partial")
        try:
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())  # or a power cut may leave an empty file under the name
            partial.replace(file)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def check_name(file: Path) -> None:
    """Raise UsageError for a name that no file can have, or that a directory has."""
    if not file.name or file.is_dir():
        raise UsageError(f"{str(file)!r} is not the name of a file that can be written")


def append_text(file: Path, text: str) -> None:
    """Append to a text file, which is created if needed. Raise UsageError if it cannot be written."""
    with explain_os_errors(file), file.open("a", encoding="utf-8") as stream:
        stream.write(text)


@contextlib.contextmanager
def explain_os_errors(directory: Path) -> Iterator[None]:
    """Raise UsageError, with the reason, if the code inside cannot write to a directory, and Fatal if the disk is full."""
    try:
        yield
    except OSError as error:
        message = f"{directory} cannot be written: {REASONS.get(error.errno or 0, error.strerror)}"
        if error.errno in FULL:
            raise Fatal(
                f"{message}; what was written before is kept: make room, and run the same command again"
            ) from None
        raise UsageError(message) from None


def decode_name(name: object) -> str:
    """Return a file name or a text with file names as text that can be printed and stored.

    Bytes that are not UTF-8, and control characters, are written as escapes, such as `caf\\xe9.png`.
    """
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

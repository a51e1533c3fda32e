"""A list of images to take: a text file, the name of an image a line."""

from pathlib import Path

from ..core.errors import UsageError


def names(file: str) -> list[str]:
    """The names, in their order; empty lines are none. Raises UsageError for a file that has none, or one twice."""
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {file}: a subset is a text file with the name of an image a line")
    try:
        listed = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text: a subset is a text file with the name of an image a line") from None
    if not listed:
        raise UsageError(f"{file} names no image: write the name of an image a line")
    if twice := next((name for name in dict.fromkeys(listed) if listed.count(name) > 1), None):
        raise UsageError(f"{file} names {twice!r} twice: an image is taken once")
    return listed

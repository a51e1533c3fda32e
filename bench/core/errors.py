"""The two ways in which this suite refuses, each in one sentence of the user's words.

UsageError       what was asked cannot be done, and what can (exit code 2); of one image among many, that image's failure
NotApplicable    this method on this net, or this metric on this image, with the reason (shown in the report's cell)

Anything else that is raised is a bug, and shows its traceback.
"""

import difflib
import traceback
from collections.abc import Iterable


class UsageError(Exception):
    """What was asked cannot be done; the message says what was wrong and what is right."""


class Fatal(UsageError):
    """What befell at one image befalls at all that follow: the run ends, with the message."""


class Missing(UsageError):
    """What was asked needs a library that is not installed; the message says which, and what brings it."""


class NotApplicable(Exception):
    """A method does not apply to a net, or a metric to an image; the message is the reason."""


def nearest(word: str, known: Iterable[str]) -> str:
    """What exists, and the name that was probably meant: the end of an error message."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + "there are: " + ", ".join(known)


def cause(error: BaseException, file: str) -> str:
    """Which line of a file raised what, on one line: `line 3 raises NameError: name 'x' is not defined`."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    said = str(error)
    if isinstance(error, SyntaxError) and error.filename == file:
        lines, said = [error.lineno], error.msg
    where = f"line {lines[-1]}" if lines and lines[-1] else "it"
    if isinstance(error, ImportError) and "relative import" in said:
        said += "; a file outside the package writes `from cambench.bench.nets import Net`"
    return " ".join(f"{where} raises {type(error).__name__}: {said}".split()).removesuffix(":")

"""The two ways in which this suite refuses, each in one sentence of the user's words.

UsageError       what was asked cannot be done, and what can (exit code 2)
NotApplicable    this method on this net, or this metric on this image, with the reason (shown in the report's cell)

Anything else that is raised is a bug, and shows its traceback.
"""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """What was asked cannot be done; the message says what was wrong and what is right."""


class NotApplicable(Exception):
    """A method does not apply to a net, or a metric to an image; the message is the reason."""


def nearest(word: str, known: Iterable[str]) -> str:
    """What exists, and the name that was probably meant: the end of an error message."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + "there are: " + ", ".join(known)

"""The errors that cambench raises on purpose. Anything else that is raised is a bug and shows its traceback.

    Exception
    +-- NotApplicable            this method does not apply to this net, or this metric to this image; the run goes on
    +-- BenchError               base class, never raised itself: the message is one sentence for the user
        +-- UsageError           what was asked cannot be done; the message says what can
        |   +-- MissingLibrary   what was asked needs a library that is not installed
        |   +-- MissingWeights   a library's weights of a net are neither on this machine nor can they be downloaded
        +-- ImageError           this image fails; the run goes on with the others
        +-- PluginError          a plug-in or net of the user's own code broke its contract; names the file and the line
        +-- Fatal                the error would repeat on every image that follows; ends the run

The command line prints the message of a BenchError and exits with code 2. The other exit codes are below.
"""

import difflib
import re
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

DONE, FAILED, INTERRUPTED = 0, 3, 130  # exit codes; FAILED: at least one image failed, or a net was left out
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # characters that a terminal obeys, but for tabs and line ends
MAX_MESSAGE = 2000  # characters of what the user's code raises
MAX_VALUE = 100  # characters of one value
MOST_NAMES, FEW_NAMES = 40, 20  # of more known names than the first, a message lists the second


class BenchError(Exception):
    """Base class of errors whose message is one sentence for the user."""


class UsageError(BenchError):
    """What was asked cannot be done; the message says what was wrong and what is right."""


class MissingLibrary(UsageError):
    """What was asked needs a library that is not installed; the message says which, and how to install it."""


class MissingWeights(UsageError):
    """A library's weights of a net are neither on this machine nor can they be downloaded; the message says where they go."""


class ImageError(BenchError):
    """One image cannot be used. The run records it as failed and goes on with the others."""


class PluginError(BenchError):
    """A plug-in broke its contract, or a user's own file raised an exception; the message names the file and the line."""


class Fatal(BenchError):
    """The error would repeat on every image that follows: the run ends. Finished images are kept."""


class NotApplicable(Exception):
    """A method does not apply to a net, or a metric to an image; the message is the reason."""


def list_known_names(word: str, known: Iterable[str], own_file: str = "") -> str:
    """Write the end of an error message about an unknown name: the closest known name, then the known names, or the first."""
    known = list(known)
    close = find_close_names(word, known, 1, own_file=own_file)
    shown = known if len(known) <= MOST_NAMES else [*known[:FEW_NAMES], f"and {len(known) - FEW_NAMES} more"]
    return (f"did you mean {close[0]!r}? " if close else "") + "there are: " + ", ".join(shown)


def find_close_names(
    word: str, known: Iterable[str], count: int, cutoff: float = 0.6, *, own_file: str = ""
) -> list[str]:
    """Return the known names most similar to a word, whatever their case and punctuation: grad_cam_pp for GradCAM++.

    `own_file` is the user's file that the word would be without its ending; if it exists, it is the only one.
    """
    if own_file and Path(own_file).is_file():
        return [own_file]
    by_letters: dict[str, str] = {}
    for name in known:
        by_letters.setdefault(_keep_letters(name), name)
    matches = difflib.get_close_matches(_keep_letters(word), by_letters, n=count, cutoff=cutoff)
    return [by_letters[match] for match in matches]


def _keep_letters(name: str) -> str:
    """Return the letters, digits and dots of a name, in lower case, a plus as p."""
    return "".join(letter for letter in name.casefold().replace("+", "p") if letter.isalnum() or letter == ".")


def describe_error(error: BaseException, file: str) -> str:
    """Describe an exception in one line of text, with the line of `file` that raised it.

    An example: `line 3 raises NameError: name 'x' is not defined`.
    """
    lines = _list_lines(error, file) or (_list_lines(error.__cause__, file) if error.__cause__ else [])
    message = read_message(error)
    if isinstance(error, SyntaxError) and error.filename == file and error.lineno:
        lines, message = [error.lineno], clean(error.msg)
    where = f"line {lines[-1]}" if lines else "it"
    if isinstance(error, ImportError) and "relative import" in message:
        message += "; a file outside the package writes `from cambench import Net`"
    return f"{where} raises {type(error).__name__}: {message}".removesuffix(": ")


def _list_lines(error: BaseException, file: str) -> list[int]:
    return [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file]


def read_message(error: BaseException) -> str:
    """Return the message of an exception as `clean` text."""
    return clean(_print(error, str))


def show_value(value: object) -> str:
    """Show a value of the user's code in a message, as `clean` text."""
    return clean(_print(value, repr), MAX_VALUE)


def _print(value: object, form: Callable[[object], str]) -> str:
    """Return the text of a value; that it has none if the user's class raises an exception, whatever it is."""
    try:
        return form(value)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return f"({type(value).__name__} cannot be printed)"


def clean(text: str, length: int = MAX_MESSAGE) -> str:
    """Return text of any origin as one line of at most so many characters that can be printed and stored."""
    line = " ".join(text[: 4 * length].split())
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    return line if len(line) <= length else f"{line[: length - 3]}..."

"""The results that ship with the package: runs that are read by name, as in `bench report reference`."""

import os
from pathlib import Path

RESULTS = Path(__file__).with_name("results")


def list_shipped() -> list[str]:
    """List the names of the results that ship with the package, also of those that lack a file.

    A folder with a dot in its name is one that tools/reference.py has not put in its place yet.
    """
    return sorted(folder.name for folder in RESULTS.glob("*/") if "." not in folder.name)


def find_shipped(name: Path | str) -> Path | None:
    """Find the directory of shipped results by their name; None for any other name.

    A file or folder of the user's own with that name comes first.
    """
    return RESULTS / name if str(Path(name)) in list_shipped() and not os.path.lexists(name) else None


def is_shipped(file: Path) -> bool:
    """Return whether a file is part of shipped results."""
    return RESULTS in file.parents


def choose_remedy(file: Path, remedy: str) -> str:
    """Return what to do about a file of a run that cannot be read: a remedy, but install again what ships with cambench."""
    return "install cambench again" if is_shipped(file) else remedy

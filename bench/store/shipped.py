"""The results that ship with the package: runs that are read by name, as in `bench report reference`."""

from pathlib import Path

from .header import FILE

RESULTS = Path(__file__).with_name("results")


def list_shipped() -> list[str]:
    """List the names of the runs that ship with the package."""
    return sorted(file.parent.name for file in RESULTS.glob(f"*/{FILE}"))


def find_shipped(name: Path | str) -> Path | None:
    """Find the directory of shipped results by their name; None for any other name.

    A file of the user's own with that name, or a run in a folder of that name, comes first.
    """
    if str(Path(name)) not in list_shipped() or Path(name).is_file() or (Path(name) / FILE).is_file():
        return None
    return RESULTS / name


def is_shipped(file: Path) -> bool:
    """Return whether a file is part of shipped results."""
    return RESULTS in file.parents

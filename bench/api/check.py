"""What pytest's fixture asks for: a method's run beside the controls, recorded as a baseline or compared with one."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from ..compare import baseline
from ..compare.compare import compare, load
from ..compare.snapshot import Recorded, recorded
from ..compare.terminal import show
from ..config import suite_file
from ..core import plugins, specs
from ..core.errors import UsageError
from ..core.files import write_text
from ..core.plugins import ENGINE
from ..run.describe import header
from ..run.plan import plan
from ..show.terminal import WIDTH
from ..store import run as store
from ..store.writer import Writer


@dataclass(frozen=True)
class Asked:
    """A method on a net, and what of the smoke suite is to be other; files and folders are relative to a root directory."""

    method: str
    net: str
    metrics: Sequence[str] | None
    dataset: str | None
    images: int | None
    protocols: Sequence[str] | None
    device: str
    root: Path


def run(asked: Asked, directory: Path) -> Recorded:
    """The suite, run into a directory without a word. Raises UsageError for what cannot be run."""
    controls = [method.spec for method in suite_file.load("smoke").explained() if method.control]
    small = suite_file.load(
        "smoke", nets=[asked.net], methods=[_found(asked.method, asked.root), *controls], metrics=_list(asked.metrics),
        protocols=_list(asked.protocols), images=asked.images, dataset=_folder(asked.dataset, asked.root),
    )  # fmt: skip
    planned = plan(small, asked.device)
    writer = Writer(directory, header(planned))
    try:
        for _ in plugins.find(ENGINE, "local")(planned, writer):
            pass
    finally:
        writer.close()
    made = store.read(directory)
    if failed := store.failures_sentence(made):
        raise UsageError(failed)
    return recorded(made, "this run")


def _list(asked: Sequence[str] | None) -> list[str] | None:
    return None if asked is None else list(asked)


def _folder(dataset: str | None, root: Path) -> str | None:
    return str(root / dataset) if dataset and (root / dataset).is_dir() else dataset


def _found(spec: str, root: Path) -> str:
    """A method's spec, its file's name made absolute."""
    name = specs.parse("method", spec).name
    return str(root / name) + spec[len(name) :] if name.endswith(".py") else spec


def record(made: Recorded, file: Path) -> str:
    """Writes the baseline, and says so."""
    write_text(file, baseline.text(made))
    return f"recorded {file}"


def fault(made: Recorded, file: Path, *, strict: bool, remedy: str) -> str:
    """The comparison with a baseline as text; empty where nothing fails."""
    found = replace(compare(load(file), made, strict=strict), remedy=remedy)
    if not found.failed:
        return ""
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, highlight=False).print(show(found))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

"""The work of the pytest fixture: run a method beside the controls, then record a baseline or compare with one."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from ..compare import baseline
from ..compare.compare import Comparison, compare_snapshots, load_snapshot
from ..compare.snapshot import Snapshot, take_snapshot
from ..compare.summary import write_headline
from ..compare.terminal import show_comparison
from ..config import suite_file
from ..config.defaults import DEFAULTS
from ..core import plugins, specs
from ..core.errors import ImageError
from ..core.files import write_text
from ..core.plugins import ENGINE
from ..run.describe import make_header
from ..run.plan import make_plan
from ..show.terminal import WIDTH
from ..store import run as store
from ..store.writer import Writer


@dataclass(frozen=True)
class Check:
    """A method on a net, and changes to the smoke suite; None keeps the suite's own value."""

    method: str
    net: str
    metrics: Sequence[str] | None
    dataset: str | None
    images: int | None
    protocols: Sequence[str] | None
    device: str
    root: Path  # the directory that file names are relative to


def run_check(check: Check, directory: Path) -> Snapshot:
    """Run the suite into a directory, without output. Raise ImageError if an image fails."""
    controls = [
        method.spec for method in suite_file.load(DEFAULTS.smallest_suite).find_method_plugins() if method.control
    ]
    suite = suite_file.load(
        DEFAULTS.smallest_suite, nets=[check.net], methods=[_resolve_method(check.method, check.root), *controls],
        metrics=check.metrics, protocols=check.protocols, images=check.images,
        dataset=_resolve_dataset(check.dataset, check.root),
    )  # fmt: skip
    plan = make_plan(suite, check.device)
    writer = Writer(directory, make_header(plan))
    try:
        for _ in plugins.find(ENGINE, DEFAULTS.engine)(plan, writer):
            pass
    finally:
        writer.close()
    finished = store.open_run(directory)
    if failures := store.describe_failures(finished):
        raise ImageError(failures)
    return take_snapshot(finished, "this run")


def _resolve_dataset(dataset: str | None, root: Path) -> str | None:
    """Return the spec of a data set, or the path of a folder in the root directory."""
    return str(root / dataset) if dataset and (root / dataset).is_dir() else dataset


def _resolve_method(spec: str, root: Path) -> str:
    """Return the spec of a method, with the path of its file made absolute."""
    name = specs.parse("method", spec).name
    return str(root / name) + spec[len(name) :] if name.endswith(".py") else spec


def write_baseline(snapshot: Snapshot, file: Path) -> str:
    """Write the baseline; return a sentence that says so."""
    write_text(file, baseline.format_baseline(snapshot))
    return f"recorded {file}"


def compare_with_baseline(snapshot: Snapshot, file: Path, *, strict: bool, remedy: str) -> Comparison:
    """Compare a run with a baseline; `remedy` is the command that writes the baseline again."""
    return replace(compare_snapshots(load_snapshot(file), snapshot, strict=strict), remedy=remedy)


def format_comparison(comparison: Comparison) -> str:
    """Format a comparison as text for a terminal."""
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, highlight=False, emoji=False).print(show_comparison(comparison))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def describe_unclear(comparison: Comparison) -> str:
    """Describe a comparison that passes with unclear results in one line; empty if it has none, or fails."""
    if comparison.failed or not comparison.counts["unclear"]:
        return ""
    return f"{comparison.base.name}: {write_headline(comparison)}; strict=True fails unclear results"

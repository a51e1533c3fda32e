"""bench compare, bench baseline and bench history: what changed between runs."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..compare import export, timing
from ..compare.baseline import format_baseline
from ..compare.compare import Comparison, check_nothing_failed, compare_snapshots, load_pair, load_snapshot
from ..compare.history import format_csv, make_history
from ..compare.snapshot import Snapshot, select_any
from ..compare.terminal import show_comparison, show_history
from ..core.errors import BenchError, UsageError
from ..core.files import append_text, write_text
from ..core.formatting import format_count
from ..show.terminal import WIDTH
from ..store.parts import check_output, find_time
from .options import Number, parse_specs

console = Console(highlight=False, emoji=False)
SUMMARY = "GITHUB_STEP_SUMMARY"  # names the file that GitHub shows as the summary of a job
EXPORTS: dict[str, Callable[[Comparison], str]] = {
    "markdown": export.format_markdown, "junit": export.format_junit, "json": export.format_json,
}  # fmt: skip


def make_filter_option(name: str) -> Callable[..., Any]:
    """Make an option that selects nets, methods or metrics by their specs."""
    return click.option(f"--{name}", callback=parse_specs, metavar="A,B", help=f"Only these {name}.")


def _make_file_option(name: str, content: str) -> Callable[..., Any]:
    """Make an option that names the file to write `content` to."""
    return click.option(
        f"--{name}", type=click.Path(path_type=Path), metavar="FILE", help=f"Write {content} (-: print)."
    )


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@make_filter_option("nets")
@make_filter_option("methods")
@make_filter_option("metrics")
@click.option(
    "--strict",
    is_flag=True,
    help="Also fail changes beyond the slack that are unclear, and images left out.",
)
@click.option(
    "--judge-seconds",
    type=Number(1),
    metavar="FACTOR",
    help="Fail methods that are slower by more than FACTOR.",
)
@click.option("--repeat", nargs=2, multiple=True, type=click.Path(path_type=Path), metavar="BASE NEW",
              help="Another pair of runs for --judge-seconds.")  # fmt: skip
@_make_file_option("markdown", "the comparison as Markdown")
@_make_file_option("junit", "the comparison as JUnit XML")
@_make_file_option("json", "the comparison as JSON")
def compare(
    *, base: Path, new: Path, nets: list[str] | None, methods: list[str] | None, metrics: list[str] | None, strict: bool,
    judge_seconds: float | None, repeat: tuple[tuple[Path, Path], ...], **files: Path | None,
) -> None:  # fmt: skip
    """Compare two runs, or a baseline and a run: what got worse, image by image.

    BASE and NEW are run directories, or files that bench baseline wrote; BASE may be `reference`, the results that ship with
    cambench, of which the nets, methods and metrics of NEW are compared. Exit code 1 if anything is worse, broken, gone or
    not comparable. An image that failed in NEW and has scores in BASE is an error.
    """
    _check_outputs([file for file in files.values() if file], [base, new, *(path for pair in repeat for path in pair)])
    pairs = [load_pair(before, after) for before, after in ((base, new), *repeat)]
    selected = [_select_pair(pair, nets, methods, metrics) for pair in pairs]
    check_nothing_failed(*selected[0])
    comparison = replace(compare_snapshots(*selected[0], strict=strict), remedy=_format_remedy(base, new))
    if judge_seconds is not None:
        results = (*comparison.results, *timing.judge_seconds(selected, judge_seconds))
        comparison = replace(comparison, results=results)
    elif repeat:
        raise UsageError("--repeat has no effect without --judge-seconds: give both options or neither")
    _write(comparison, files)
    sys.exit(1 if comparison.failed else 0)


def _select_pair(
    pair: tuple[Snapshot, Snapshot], nets: list[str] | None, methods: list[str] | None, metrics: list[str] | None
) -> tuple[Snapshot, Snapshot]:
    """Select in the new run first, so that an error names it: of shipped results, the base holds what both have."""
    new = pair[1].select(nets, methods, metrics)
    return pair[0].select(nets, methods, metrics), new


def _check_outputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise UsageError if two outputs are the same file, or if an output would overwrite an input or a record of a run."""
    # Path.resolve raises an error for links in a circle.
    resolved, sources = ([Path(os.path.realpath(path)) for path in paths] for paths in (outputs, inputs))
    for path, target in zip(outputs, resolved, strict=True):
        check_output(path)
        if resolved.count(target) > 1:
            raise UsageError(f"two outputs cannot both be written to {path}: name another file")
        if target in sources:
            raise UsageError(f"{path} is what is compared and would be overwritten: name another file")


def _format_remedy(base: Path, new: Path) -> str:
    """Format the command that records the baseline again; empty if `base` is no baseline or `new` no run."""
    is_baseline = base.is_file() and new.is_dir()
    return shlex.join(["bench", "baseline", str(new), "--out", str(base)]) if is_baseline else ""


def _write(comparison: Comparison, files: dict[str, Path | None]) -> None:
    """Print the table, or in its place the exports to "-"; write the other exports and the summary of a GitHub job."""
    printed = [form for form, file in files.items() if file == Path("-")]
    if not printed:
        console.print(show_comparison(comparison), width=min(console.width, WIDTH))
    for form, file in files.items():
        if form in printed:
            click.echo(EXPORTS[form](comparison), nl=False)
        elif file:
            write_text(file, EXPORTS[form](comparison))
    if summary := os.environ.get(SUMMARY):
        try:
            append_text(Path(summary), export.format_markdown(comparison))
        except BenchError as error:  # the exit code must not depend on whether the summary can be written
            click.echo(f"bench: {error}", err=True)


@click.command()
@click.argument("directory", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The file to write [RUN.baseline].")
def baseline(*, directory: Path, out: Path | None) -> None:
    """Write a run's baseline: a small text file to commit, for bench compare."""
    _check_outputs([out] if out else [], [directory])
    snapshot = load_snapshot(directory)
    text = format_baseline(snapshot)
    named = directory if directory.name else directory.resolve()  # `.` has no name of its own
    file = out or Path(f"{named}.baseline")
    write_text(file, text)
    console.print(f"baseline: {file}", soft_wrap=True, markup=False)
    if failed := snapshot.list_failed(snapshot.nets):
        reason = next(failures[failed[0]] for failures in snapshot.failures.values() if failed[0] in failures)
        count = f"{len(failed)} of {format_count(len(snapshot.image_hashes), 'image')}"
        click.echo(f"{count} failed and are not in the baseline ({failed[0]}: {reason})", err=True)


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...", type=click.Path(path_type=Path))
@make_filter_option("nets")
@make_filter_option("methods")
@make_filter_option("metrics")
@click.option("--by-time", is_flag=True, help="Sort the runs by when they began, instead of in the order given.")
@click.option("--csv", type=click.Path(path_type=Path), metavar="FILE", help="Write the series as CSV (-: print).")
def history(
    *, runs: tuple[Path, ...], nets: list[str] | None, methods: list[str] | None, metrics: list[str] | None, by_time: bool,
    csv: Path | None,
) -> None:  # fmt: skip
    """Show each metric over many runs or baselines, and where it changed.

    A metric changed where bench compare finds it better or worse than at its last change. Directories that hold no
    finished run, and races, are left out, as are images that failed in one of the runs compared.
    """
    _check_outputs([csv] if csv and csv != Path("-") else [], runs)
    paths = sorted(runs, key=find_time) if by_time else runs
    snapshots = select_any(_load_runs(paths), nets, methods, metrics)
    lines = [line for line in make_history(snapshots) if metrics is None or line.key[2] in metrics]
    if csv == Path("-"):
        click.echo(format_csv(snapshots, lines), nl=False)
        return
    console.print(show_history(snapshots, lines), width=min(console.width, WIDTH))
    if csv:
        write_text(csv, format_csv(snapshots, lines))


def _load_runs(paths: Sequence[Path]) -> list[Snapshot]:
    """Load runs and baselines, and say on stderr which directories hold no run that can be compared.

    Raise UsageError for a path that is no directory and no baseline, and if fewer than two runs are left for that reason.
    """
    snapshots, unusable = [], []
    for path in paths:
        try:
            snapshots.append(load_snapshot(path))
        except UsageError as error:
            if not path.is_dir():
                raise
            unusable.append(error)
    if unusable and len(snapshots) < 2:
        raise unusable[0]
    for reason in unusable:
        click.echo(f"left out: {reason}", err=True)
    return snapshots

"""The command line's gate: bench compare, baseline, history."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..compare import baseline as text
from ..compare import export, timing
from ..compare import history as series
from ..compare.compare import Comparison, load
from ..compare.compare import compare as compared
from ..compare.terminal import show, trend
from ..core.errors import UsageError
from ..core.files import append_text, write_text
from ..show.terminal import WIDTH
from .options import some

console = Console(highlight=False)
SUMMARY = "GITHUB_STEP_SUMMARY"  # the variable that names the file which GitHub shows with a job
EXPORTS: dict[str, Callable[[Comparison], str]] = {
    "markdown": export.markdown, "junit": export.junit, "json": export.as_json,
}  # fmt: skip


def only(name: str) -> Callable[..., Any]:
    return click.option(f"--{name}", callback=some, metavar="A,B", help=f"Only these {name}.")


def _file(name: str, what: str) -> Callable[..., Any]:
    return click.option(f"--{name}", type=click.Path(path_type=Path), metavar="FILE", help=f"Write {what} (-: print).")


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@only("nets")
@only("methods")
@only("metrics")
@click.option("--strict", is_flag=True, help="Fail what is unclear too: any change beyond a metric's slack.")
@click.option(
    "--judge-seconds", type=click.FloatRange(1), metavar="FACTOR", help="Fail methods slower by more than this."
)
@click.option("--repeat", nargs=2, multiple=True, type=click.Path(path_type=Path), metavar="BASE NEW",
              help="A further pair of runs, for --judge-seconds.")  # fmt: skip
@_file("markdown", "it as Markdown")
@_file("junit", "it as JUnit's XML")
@_file("json", "it as JSON")
def compare(
    base: Path, new: Path, nets: list[str] | None, methods: list[str] | None, metrics: list[str] | None, strict: bool,
    judge_seconds: float | None, repeat: tuple[tuple[Path, Path], ...], **files: Path | None,
) -> None:  # fmt: skip
    """Compare two runs, or a baseline and a run: what got worse, judged image by image.

    BASE and NEW are directories of runs or files of bench baseline. Exit code 1 where anything is worse, broken, gone or not
    comparable.
    """
    _spare([file for file in files.values() if file], [base, new, *(path for pair in repeat for path in pair)])
    pairs = [(load(one), load(other)) for one, other in ((base, new), *repeat)]
    chosen = [(one.only(nets, methods, metrics), other.only(nets, methods, metrics)) for one, other in pairs]
    found = replace(compared(*chosen[0], strict=strict), remedy=_remedy(base, new))
    if judge_seconds is not None:
        found = replace(found, cells=(*found.cells, *timing.judged(chosen, judge_seconds)))
    elif repeat:
        raise UsageError("--repeat names runs for --judge-seconds, which was not asked for")
    _write(found, files)
    sys.exit(1 if found.failed else 0)


def _spare(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raises UsageError for an output in the place of another, or of what is compared."""
    places = [path.resolve() for path in outputs]
    for path, place in zip(outputs, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"two outputs cannot both be {path}: name another")
        for given in inputs:
            kept = place.name == "run.json" or place.suffix == ".parquet"
            if place == given.resolve() or (kept and given.resolve() in place.parents):
                raise UsageError(f"{path} is part of what is compared, and is not written over: name another file")


def _remedy(base: Path, new: Path) -> str:
    return f"bench baseline {new} --out {base}" if base.is_file() and new.is_dir() else ""


def _write(found: Comparison, files: dict[str, Path | None]) -> None:
    """The table, but for what is asked to be printed in its place; and the summary of a GitHub job."""
    printed = [form for form, file in files.items() if file == Path("-")]
    if not printed:
        console.print(show(found), width=min(console.width, WIDTH))
    for form, file in files.items():
        if form in printed:
            click.echo(EXPORTS[form](found), nl=False)
        elif file:
            write_text(file, EXPORTS[form](found))
    if summary := os.environ.get(SUMMARY):
        try:
            append_text(Path(summary), export.markdown(found))
        except UsageError as error:  # a verdict does not depend on where it is shown
            click.echo(f"bench: {error}", err=True)


@click.command()
@click.argument("directory", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to [RUN.baseline].")
def baseline(directory: Path, out: Path | None) -> None:
    """Write a run's baseline: a small text file to commit, for bench compare."""
    file = out or directory.with_name(directory.name + ".baseline")
    write_text(file, text.text(load(directory)))
    console.print(f"baseline: {file}", soft_wrap=True, markup=False)


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...", type=click.Path(path_type=Path))
@only("nets")
@only("methods")
@only("metrics")
@click.option("--by-time", is_flag=True, help="In the order in which they were made, not as given.")
@click.option(
    "--csv", type=click.Path(path_type=Path), metavar="FILE", help="Write it as comma-separated values (-: print)."
)
def history(
    runs: tuple[Path, ...], nets: list[str] | None, methods: list[str] | None, metrics: list[str] | None, by_time: bool,
    csv: Path | None,
) -> None:  # fmt: skip
    """Show each metric over many runs, or baselines, and where it changed.

    A change is what bench compare calls better or worse than at the last change.
    """
    chosen = sorted(runs, key=_time) if by_time else runs
    found = [load(path).only(nets, methods, metrics) for path in chosen]
    lines = series.history(found)
    kept = [one for one in lines if metrics is None or one.key[2] in metrics]
    if csv != Path("-"):
        console.print(trend(found, kept), width=min(console.width, WIDTH))
    if csv == Path("-"):
        click.echo(series.as_csv(found, kept), nl=False)
    elif csv:
        write_text(csv, series.as_csv(found, kept))


def _time(path: Path) -> float:
    """When a run was begun, or a baseline written."""
    file = path / "run.json" if path.is_dir() else path
    return file.stat().st_mtime if file.exists() else 0.0

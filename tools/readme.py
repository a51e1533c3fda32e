"""Write the README's tables and picture: `python -m cambench.tools.readme [RUN]`.

The records of the run are kept with the tests, which check the README's table against them and compute some of them again.
"""

import io
import json
import re
import shutil
import sys
from pathlib import Path

from rich.console import Console

from ..bench.cli.listing import list_by_kind
from ..bench.show.terminal import WIDTH, show_methods
from ..bench.store.run import Run, open_run
from .montage import draw_montage

ROOT = Path(__file__).parents[1]
README, PICTURE, RECORDS = ROOT / "README.md", ROOT / "docs" / "montage.png", ROOT / "tests" / "data" / "scenes"
FIGURES = ROOT / "tests" / "data" / "gate.json"  # written by tests/support/gate.py
TIMED = ROOT / "tests" / "data" / "speed.json"  # written by tests/benchmarks if CAMBENCH_SPEED names it
KEPT = ("run.json", "scores", "curves", "cost", "predictions")


def _make_pattern(start: str, end: str) -> re.Pattern[str]:
    """Make a pattern of the text between two comments of the README."""
    return re.compile(rf"(?<=<!-- {start} -->\n).*?(?=<!-- {end} -->)", re.DOTALL)


BLOCK = _make_pattern("table", "end of table")
FEATURES = _make_pattern("features", "end of features")
GATE = _make_pattern("gate", "end of gate")
SPEED = _make_pattern("speed", "end of speed")


def format_tables(run: Run) -> str:
    """Format the tables of a run, as the terminal prints them, and the machine that measured them as Markdown."""
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True, highlight=False)
    for net in run.header.suite.nets:
        console.print(show_methods(run, net))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    environment = run.header.environment
    machine = f"Measured with torch {environment['torch']} on {environment['cores']} cores of {environment['device']}."
    return f"```text\n{lines}\n```\n\n{machine}\n"


def format_features() -> str:
    """Format everything that `bench list` lists: a Markdown table for each kind."""
    parts = []
    for kind, rows in list_by_kind().items():
        lines = [f"| `{name}` | {description.replace('|', '&#124;')} |" for name, description in rows]
        summary = f"<details><summary><b>{kind}</b>: {', '.join(name for name, _ in rows)}</summary>"
        parts.append("\n".join([summary, "", f"| {kind} | |", "|---|---|", *lines, "", "</details>"]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def format_gate() -> str:
    """Format the changes that `bench compare` detects and those that it misses, from the stored figures."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    mutations = figures["mutations"]
    verdicts = {"worse": "worse", "unclear": "unclear: fails with `--strict`", "same": "same"}
    lines = [
        f"| {mutation['method']}: {mutation['what']} | {verdicts[mutation['smoke']]} | {mutation['many']} |"
        for mutation in mutations
    ]
    harmful = [mutation for mutation in mutations if mutation["many"] == "worse"]
    caught = sum(mutation["smoke"] == "worse" for mutation in harmful)
    strict = sum(mutation["smoke"] != "same" for mutation in harmful)
    large = f"{figures['many']} images of squeezenet1_1"
    summary = (
        f"Of {len(harmful)} changes that are worse on {large}, the smoke suite calls {caught} worse on its "
        f"{figures['images']} images, and fails {strict} with `--strict`. As a control, {figures['reruns']} "
        f"comparisons of equal methods gave {figures['alarms']} false alarms (nominal {100 * figures['alpha']:g} %): only the "
        "images and the draws of random maps and of RISE differed. A method without random draws "
        "gives the same numbers again, and no alarm."
    )
    head = f"| a method's source, changed | on smoke's {figures['images']} images | on {large} |"
    return "\n".join(["", head, "|---|---|---|", *lines, "", summary, ""])


def format_speed() -> str:
    """Format the results of the benchmarks beside the bounds that they should meet."""
    data = json.loads(TIMED.read_text(encoding="utf-8"))
    environment, figures = data["environment"], data["figures"]
    lines = [
        f"| {figure['what']} | {figure['figure']:.2f} {figure['unit']} | "
        f"{'at most' if figure['most'] else 'at least'} {figure['bound']:g} | {'yes' if figure['met'] else 'no'} |"
        for figure in figures
    ]
    profiles = [f"* {figure['what']}: {figure['profile']}" for figure in figures if figure["profile"]]
    cores = f"{environment['threads']} of {environment['cores']} cores"
    machine = f"Measured with torch {environment['torch']} on {cores} of {environment['device']}."
    table = ["| | measured | bound | met |", "|---|---|---|---|", *lines]
    return "\n".join(["", *table, "", machine, "Where the time goes:", "", *profiles, ""])


def main(directory: str | None = None) -> None:
    """Write the features and the stored figures into the README; with a run, also its tables, picture and records."""
    text = README.read_text(encoding="utf-8")
    for pattern, format_part in ((FEATURES, format_features), (GATE, format_gate), (SPEED, format_speed)):
        text = pattern.sub(lambda _, format_part=format_part: format_part(), text)  # type: ignore[misc]
    README.write_text(text, encoding="utf-8")
    if directory is not None:
        write_run(directory)


def write_run(directory: str) -> None:
    """Write the tables of a run into the README, draw its picture, and copy its records to the tests."""
    run = open_run(directory)
    README.write_text(BLOCK.sub(lambda _: format_tables(run), README.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(draw_montage(run))
    shutil.rmtree(RECORDS, ignore_errors=True)
    RECORDS.mkdir(parents=True)
    for name in KEPT:
        source = Path(directory) / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, RECORDS / name)


if __name__ == "__main__":
    main(*sys.argv[1:])

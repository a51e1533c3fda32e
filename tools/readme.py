"""The README's tables and picture: `python -m cambench.tools.readme [RUN]` writes them.

The run's records stay with the tests, which make the table from them again, and some of the records anew.
"""

import io
import json
import re
import shutil
import sys
from pathlib import Path

from rich.console import Console

from ..bench.cli.listing import listing
from ..bench.show.terminal import WIDTH, comparison
from ..bench.store.run import Run, read
from .montage import montage

ROOT = Path(__file__).parents[1]
README, PICTURE, RECORDS = ROOT / "README.md", ROOT / "docs" / "montage.png", ROOT / "tests" / "data" / "scenes"
BLOCK = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
FEATURES = re.compile(r"(?<=<!-- features -->\n).*?(?=<!-- end of features -->)", re.DOTALL)
GATE = re.compile(r"(?<=<!-- gate -->\n).*?(?=<!-- end of gate -->)", re.DOTALL)
SPEED = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- end of speed -->)", re.DOTALL)
FIGURES = ROOT / "tests" / "data" / "gate.json"  # written by tests/support/gate.py
TIMED = ROOT / "tests" / "data" / "speed.json"  # written by tests/benchmarks, where CAMBENCH_SPEED names it
KEPT = ("run.json", "scores", "curves", "cost", "predictions")


def block(run: Run) -> str:
    """The tables as the terminal prints them, and what they were measured on, as a block of Markdown."""
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True, highlight=False)
    for net in run.header["suite"]["nets"]:
        console.print(comparison(run, net))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    environment = run.header["environment"]
    machine = f"Measured with torch {environment['torch']} on {environment['cores']} cores of {environment['device']}."
    return f"```text\n{lines}\n```\n\n{machine}\n"


def features() -> str:
    """What `bench list` lists, a Markdown table a kind."""
    parts = []
    for kind, rows in listing().items():
        lines = [f"| `{name}` | {said.replace('|', '&#124;')} |" for name, said in rows]
        summary = f"<details><summary><b>{kind}</b>: {', '.join(name for name, _ in rows)}</summary>"
        parts.append("\n".join([summary, "", f"| {kind} | |", "|---|---|", *lines, "", "</details>"]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def gate() -> str:
    """What the gate caught and what it let pass, from the figures kept."""
    figures = json.loads(FIGURES.read_text())
    names = {"worse": "worse", "unclear": "unclear: fails with `--strict`", "same": "same"}
    lines = [
        f"| {one['method']}: {one['what']} | {names[one['smoke']]} | {one['many']} |" for one in figures["mutations"]
    ]
    harmful = [one for one in figures["mutations"] if one["many"] == "worse"]
    caught = sum(one["smoke"] == "worse" for one in harmful)
    strict = sum(one["smoke"] != "same" for one in harmful)
    of_one_net = f"{figures['many']} images of squeezenet1_1"
    said = (
        f"Of {len(harmful)} changes that are worse on {of_one_net}, smoke calls {caught} worse on "
        f"its {figures['images']}, and with `--strict` fails {strict}. Where nothing but the draws of random maps and of RISE "
        f"differs, on other images each time, {figures['alarms']} of {figures['reruns']} comparisons called "
        f"anything worse or better; {figures['alpha']:.0%} is the rate stated. A method that draws nothing gives "
        "the same numbers again, and no alarm."
    )
    head = f"| a method's source, changed | smoke's {figures['images']} images say | {of_one_net} say |"
    return "\n".join(["", head, "|---|---|---|", *lines, "", said, ""])


def speed() -> str:
    """What the benchmarks told, and whether it is what they are to reach."""
    kept = json.loads(TIMED.read_text())
    where = kept["environment"]
    lines = [
        f"| {one['what']} | {one['figure']:.2f} {one['unit']} | {'at most' if one['most'] else 'at least'} {one['bound']:g} | "
        f"{'yes' if one['met'] else 'no'} |"
        for one in kept["figures"]
    ]
    rest = [f"* {one['what']}: {one['profile']}" for one in kept["figures"] if one["profile"]]
    made = f"Measured with torch {where['torch']} on {where['threads']} of {where['cores']} cores of {where['device']}."
    return "\n".join(
        [
            "",
            "| | measured | to be | met |",
            "|---|---|---|---|",
            *lines,
            "",
            made,
            "Where the time goes:",
            "",
            *rest,
            "",
        ]
    )


def main(directory: str | None = None) -> None:
    """Writes what `bench list` lists, and the kept figures; given a run, its table, picture and records too."""
    text = README.read_text()
    for place, made in ((FEATURES, features), (GATE, gate), (SPEED, speed)):
        text = place.sub(lambda _, made=made: made(), text)  # type: ignore[misc]
    README.write_text(text)
    if directory is not None:
        keep(directory)


def keep(directory: str) -> None:
    run = read(directory)
    README.write_text(BLOCK.sub(lambda _: block(run), README.read_text()))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(montage(run))
    shutil.rmtree(RECORDS, ignore_errors=True)
    RECORDS.mkdir(parents=True)
    for name in KEPT:
        source = Path(directory) / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, RECORDS / name)


if __name__ == "__main__":
    main(*sys.argv[1:])

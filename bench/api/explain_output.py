"""What is written and told of explanations: their maps as arrays, and classes and scores as JSON or in the terminal."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..core.files import write_bytes
from ..core.formatting import number
from ..show.terminal import WIDTH
from .explanation import Explanation


def archive(picture: Path, found: Sequence[Explanation]) -> Path:
    """The maps as the methods gave them, each under its method and class index, `grad_cam 159`; and the image."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"{one.method} {one.target.index}": one.raw for one in found if one.raw is not None}
    np.savez_compressed(buffer, image=found[0].image.pixels, **arrays)
    file = picture.with_suffix(".npz")
    write_bytes(file, buffer.getvalue())
    return file


def told(image: Path, found: Sequence[Explanation], files: Sequence[Path]) -> dict[str, Any]:
    first = found[0]
    return {
        "image": str(image),
        "net": first.net,
        "layer": first.layer,
        "protocol": first.protocol,
        "notes": list(first.notes),
        "top": [vars(guess) for guess in first.top],
        "explanations": [
            {"method": one.method, "target": vars(one.target), "reason": one.reason or None, "scores": one.scores,
             "not_applicable": {score.metric: score.reason for score in one.scored if score.value is None}}
            for one in found
        ],
        "files": [str(file) for file in files],
    }  # fmt: skip


def show(image: Path, found: Sequence[Explanation], files: Sequence[Path], console: Console) -> None:
    first, width = found[0], min(console.width, WIDTH)
    console.print(Text(f"{image}: {first.net}, {first.layer}", style="bold"), soft_wrap=True)
    for note in first.notes:
        console.print(Text(f"  {note}", style="dim"), width=width)
    console.print(_classes(first), width=width)
    console.print(_scores(found), width=width)
    for one in found:
        if one.reason:
            said = "not applicable: " if not one.applies else ""
            console.print(Text(f"  {one.method}: {said}{one.reason}", style="dim"), width=width)
    for file in files:
        console.print(Text(f"{'maps' if file.suffix == '.npz' else 'picture'}: {file}"), soft_wrap=True)


def _grid(*heads: str) -> Table:
    grid = Table(box=None, padding=(0, 0, 0, 2), pad_edge=True, header_style="dim")
    for head in heads:
        grid.add_column(Text(head), justify="right" if head[-1] in "↑↓" or head in ("class", "probability") else "left")
    return grid


def _classes(one: Explanation) -> Table:
    grid = _grid("class", "name", "probability")
    for guess in one.top:
        grid.add_row(str(guess.index), Text(guess.name), guess.chance)
    return grid


def _scores(found: Sequence[Explanation]) -> Table:
    marks = next((one.scored for one in found if one.scored), ())
    grid = _grid("method", "of", *(f"{mark.short} {'↑' if mark.better == 'higher' else '↓'}" for mark in marks))
    for one in found:
        values = [number(score.value) if score.value is not None else "n/a" for score in one.scored]
        grid.add_row(Text(one.method), Text(one.target.name), *(values or ["n/a"] * len(marks)))
    return grid

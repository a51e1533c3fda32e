"""Output of `bench explain`: maps as arrays, and classes and scores as JSON or in the terminal."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ..core.files import write_bytes
from ..core.formatting import format_number
from ..show.terminal import WIDTH
from .explanation import Explanation


def write_maps(picture: Path, explanations: Sequence[Explanation]) -> Path:
    """Write the image and the maps as the methods returned them to an .npz file next to the picture.

    The key of a map is its method and class index, `grad_cam 159`; that of the image is `image`.
    """
    buffer = io.BytesIO()
    maps: dict[str, Any] = {
        f"{explanation.method} {explanation.target.index}": explanation.raw
        for explanation in explanations
        if explanation.raw is not None
    }
    np.savez_compressed(buffer, image=explanations[0].image.pixels, **maps)
    file = picture.with_suffix(".npz")
    write_bytes(file, buffer.getvalue())
    return file


def make_record(image: Path, explanations: Sequence[Explanation], files: Sequence[Path]) -> dict[str, Any]:
    """Make the entry of an image in the output of --json."""
    first = explanations[0]
    return {
        "image": str(image),
        "net": first.net,
        "layer": first.layer,
        "protocol": first.protocol,
        "notes": list(first.notes),
        "top": [vars(guess) for guess in first.top],
        "explanations": [_make_explanation_record(explanation) for explanation in explanations],
        "files": [str(file) for file in files],
    }


def _make_explanation_record(explanation: Explanation) -> dict[str, Any]:
    return {
        "method": explanation.method,
        "target": vars(explanation.target),
        "reason": explanation.reason or None,
        "scores": explanation.scores,
        "not_applicable": {result.metric: result.reason for result in explanation.results if result.value is None},
    }


def show(image: Path, explanations: Sequence[Explanation], files: Sequence[Path], console: Console) -> None:
    """Print the classes, the scores, the reasons for missing maps and the files of an image."""
    first, width = explanations[0], min(console.width, WIDTH)
    console.print(Text(f"{image}: {first.net}, {first.layer}", style="bold"), soft_wrap=True)
    for note in first.notes:
        console.print(Text(f"  {note}", style="dim"), width=width)
    console.print(_make_class_table(first), width=width)
    console.print(_make_score_table(explanations), width=width)
    for explanation in explanations:
        if explanation.reason:
            reason = explanation.reason if explanation.applies else f"not applicable: {explanation.reason}"
            console.print(Text(f"  {explanation.method}: {reason}", style="dim"), width=width)
    for file in files:
        console.print(Text(f"{'maps' if file.suffix == '.npz' else 'picture'}: {file}"), soft_wrap=True)


def _make_table(*heads: str) -> RichTable:
    table = RichTable(box=None, padding=(0, 0, 0, 2), pad_edge=True, header_style="dim")
    for head in heads:
        numeric = head[-1] in "↑↓" or head in ("class", "probability")
        table.add_column(Text(head), justify="right" if numeric else "left")
    return table


def _make_class_table(explanation: Explanation) -> RichTable:
    table = _make_table("class", "name", "probability")
    for guess in explanation.top:
        table.add_row(str(guess.index), Text(guess.name), guess.chance)
    return table


def _make_score_table(explanations: Sequence[Explanation]) -> RichTable:
    results = next((explanation.results for explanation in explanations if explanation.results), ())
    table = _make_table("method", "of", *(f"{result.short} {result.arrow}" for result in results))
    for explanation in explanations:
        values = ["n/a" if result.value is None else format_number(result.value) for result in explanation.results]
        name = Text(explanation.target.name)
        table.add_row(Text(explanation.method), name, *(values or ["n/a"] * len(results)))
    return table

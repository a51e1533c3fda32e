"""A table as LaTeX shows it, with booktabs."""

import re

from .grid import Cell, Grid, Head

MEANT = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "→": r"$\rightarrow$", "–": "--", "·": r"$\cdot$", "…": r"\dots{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "‘": "`", "’": "'", '"': "''",
} | {letter: f"\\{letter}" for letter in "&%$#_{}"}  # fmt: skip


def escape(text: str) -> str:
    """Text as LaTeX prints it literally."""
    return re.sub(".", lambda match: MEANT.get(match[0], match[0]), " ".join(text.split()))


def tabular(grid: Grid) -> str:
    """A floating table; numbers are set to the right, intervals small."""
    sides = "".join("r" if head.number else "l" for head in grid.heads)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(grid.caption)}.}}",
        rf"\label{{tab:{_label(grid.name)}}}",
    ]
    lines += [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", _line([_head(head) for head in grid.heads]), r"\midrule"]
    lines += [_line([_cell(cell) for cell in row.cells]) for row in grid.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip{{\footnotesize {escape(' '.join(grid.notes))}}}"] if grid.notes else []
    return "\n".join([*lines, r"\end{table}"])


def _head(head: Head) -> str:
    return escape(f"{head.text} ({head.small})" if head.small else head.text)


def _cell(cell: Cell) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.bold else escape(cell.text)
    return rf"{text} {{\scriptsize [{escape(cell.small)}]}}" if cell.small else text


def _line(cells: list[str]) -> str:
    # A bracket that begins a line is read as an argument of the line break before it.
    return "{}" * cells[0].startswith("[") + " & ".join(cells) + r" \\"


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()

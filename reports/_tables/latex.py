"""Writes a table in LaTeX, with booktabs. pandas' Styler is 300 times as slow and escapes no arrow or dash (see grid.py)."""

import re

from ...bench.show.grid import Cell, ColumnHead, Grid

ESCAPES = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "→": r"$\rightarrow$", "–": "--", "·": r"$\cdot$", "…": r"\dots{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "†": r"$^{\dagger}$", "|": r"\textbar{}", "‘": "`", "’": "'", '"': "''",
} | {letter: f"\\{letter}" for letter in "&%$#_{}"}  # fmt: skip


def escape(text: str) -> str:
    """Escape text so that LaTeX prints it literally."""
    return re.sub(".", lambda match: ESCAPES.get(match[0], match[0]), " ".join(text.split()))


def write(grid: Grid) -> str:
    """Format a table as LaTeX, ending in a line break."""
    return format_table(grid) + "\n"


def format_table(grid: Grid) -> str:
    """Format a floating table: numbers are aligned right, and intervals are small."""
    columns = "".join("r" if head.number else "l" for head in grid.heads)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(grid.caption)}.}}",
        rf"\label{{tab:{_format_label(grid.name)}}}",
    ]
    lines += [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _format_line([_format_head(head) for head in grid.heads]),
        r"\midrule",
    ]
    lines += [_format_line([_format_cell(cell) for cell in row.cells]) for row in grid.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip{{\footnotesize {escape(' '.join(grid.notes))}}}"] if grid.notes else []
    return "\n".join([*lines, r"\end{table}"])


def _format_head(head: ColumnHead) -> str:
    return escape(f"{head.text} ({head.small})" if head.small else head.text)


def _format_cell(cell: Cell) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.bold else escape(cell.text)
    return rf"{text} {{\scriptsize [{escape(cell.small)}]}}" if cell.small else text


def _format_line(cells: list[str]) -> str:
    # LaTeX would read a bracket at the start of a line as an argument of the line break before it.
    return "{}" * cells[0].startswith("[") + " & ".join(cells) + r" \\"


def _format_label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()

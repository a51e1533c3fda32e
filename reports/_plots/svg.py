"""A drawing as SVG: in the page's own colours and font, or on white with a font of its own, for a paper."""

import base64
import io
from functools import cache
from pathlib import Path

import matplotlib
from fontTools import subset
from fontTools.ttLib import TTFont
from markupsafe import Markup, escape

from .drawing import Area, Drawing, Line, Points, Text

FONT = "DejaVu Sans"
PAPER = {
    "ink": "#16191d", "muted": "#5c6470", "grid": "#e3e6ea", "accent": "#1f5fbf", "s0": "#1f66c7", "s1": "#c2410c",
    "s2": "#0d8a5f", "s3": "#9333a8", "s4": "#a16207", "s5": "#0e7490", "s6": "#be185d", "s7": "#4d5bce",
}  # fmt: skip
PAGE = {name: f"var(--{name})" for name in PAPER}


def element(drawing: Drawing) -> Markup:
    """An element of the page, dark on a dark page; what belongs to a method is marked as its own."""
    said = f'role="img" aria-label="{escape(drawing.label)}"' if drawing.label else 'aria-hidden="true"'
    size = f'viewBox="0 0 {drawing.width:g} {drawing.height:g}" style="max-width:{drawing.width:g}px"'
    return Markup(f"<svg {said} {size}>{_body(drawing, PAGE)}</svg>")


def file(drawing: Drawing) -> str:
    """A file that stands on its own: white, its text still text, in a font that it brings."""
    size = f'width="{drawing.width:g}" height="{drawing.height:g}" viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    letters = "".join(sorted({letter for shape in drawing.shapes if isinstance(shape, Text) for letter in shape.text}))
    faces = "".join(
        f'@font-face{{font-family:"{FONT}";font-weight:{weight};src:url(data:font/ttf;base64,{_font(name, letters)})}}'
        for weight, name in (("normal", "DejaVuSans.ttf"), ("bold", "DejaVuSans-Bold.ttf"))
        if any(isinstance(shape, Text) and shape.bold == (weight == "bold") for shape in drawing.shapes)
    )
    head = f"<title>{escape(drawing.label)}</title><style>{faces}text{{font-family:'{FONT}',sans-serif}}</style>"
    white = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{head}{white}{_body(drawing, PAPER)}</svg>\n'


def _body(drawing: Drawing, colours: dict[str, str]) -> str:
    """The shapes; neighbours that belong to one method are a group."""
    parts: list[str] = []
    before = ""
    for shape in drawing.shapes:
        if shape.of != before:
            parts += ["</g>"] if before else []
            parts += [f'<g data-method="{escape(shape.of)}">'] if shape.of else []
            before = shape.of
        parts.append(_shape(shape, colours))
    return "".join([*parts, "</g>" if before else ""])


def _shape(shape: Line | Area | Text, colours: dict[str, str]) -> str:
    colour = colours[shape.colour]
    if isinstance(shape, Line):
        dashes = f' stroke-dasharray="{" ".join(f"{one:g}" for one in shape.dashes)}"' if shape.dashes else ""
        return f'<path d="{_path(shape.points)}" fill="none" stroke="{colour}" stroke-width="{shape.width:g}"{dashes}/>'
    if isinstance(shape, Area):
        pale = f' fill-opacity="{shape.opacity:g}"' if shape.opacity < 1 else ""
        return f'<path d="{_path(shape.points)}z" fill="{colour}"{pale}/>'
    where = f'x="{shape.x:.5g}" y="{shape.y + 0.36 * shape.size:.5g}"'
    if shape.turned:
        where = f'transform="translate({shape.x + 0.36 * shape.size:.5g} {shape.y:.5g}) rotate(-90)"'
    bold = ' font-weight="bold"' if shape.bold else ""
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    return f'<text {where} font-size="{shape.size:g}" fill="{colour}"{anchor}{bold}>{escape(shape.text)}</text>'


def _path(points: Points) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points).replace(".0 ", " ").replace(".0L", "L")


@cache
def _font(name: str, letters: str) -> str:
    """A font of these letters alone."""
    font = TTFont(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, recalcTimestamp=False)
    options = subset.Options(layout_features=["kern"], notdef_outline=True, drop_tables=["FFTM"])
    cut = subset.Subsetter(options)
    cut.populate(text=letters)
    cut.subset(font)
    buffer = io.BytesIO()
    font.save(buffer)
    return base64.b64encode(buffer.getvalue()).decode()

"""Filling a template: what a run says is never markup, and no script runs but the page's own."""

import base64
import hashlib
import json
import re
from functools import cache
from math import isnan
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...bench.core.formatting import number
from ...bench.show.terminal import brief
from .._plots.svg import element
from . import text as _words

FOLDER = Path(__file__).parent / "templates"


def filled(name: str, *, data: Any, **shown: Any) -> str:
    """A template's page; `data` is what its script reads."""
    script = (FOLDER / "page.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _environment().get_template(name)
    return template.render(script=Markup(script), digest=digest, data=embedded(data), isnan=isnan, **shown)


def embedded(data: Any) -> Markup:
    """JSON that can stand inside an element: nothing in it ends the element or begins another."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": number, "brief": brief, "protocol": _words.protocol, "breakable": breakable, "svg": element, "id": _id,
    }  # fmt: skip
    return made


def breakable(spec: str) -> Markup:
    """A name that may go on in the next line after an underscore or a colon."""
    return Markup(":<wbr>").join(Markup("_<wbr>").join(part.split("_")) for part in spec.split(":"))


def _id(text: str) -> str:
    """A name as an element's."""
    return re.sub(r"\W+", "-", text).strip("-")

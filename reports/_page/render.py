"""Fills the templates. Text of a run is never markup, and only the script of the page runs."""

import base64
import hashlib
import io
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image as Picture

from ...bench.core.formatting import format_cost, format_count, format_number, format_settings
from ...bench.data.types import Pixels
from .._plots.svg import make_element as svg
from . import text

FOLDER = Path(__file__).parent / "templates"
QUALITY = 84  # of JPEG
_BREAKS = re.compile(r"(?<=[_:,])(?!$)|(?<=.)(?=\[)")


def fill(template: str, **context: Any) -> Markup:
    """Fill a template and return its HTML."""
    return Markup(_make_environment().get_template(template).render(context))


def fill_page(data: Any, **context: Any) -> str:
    """Fill the whole page; `data` is what its script reads."""
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return str(fill("report.html", script=Markup(script), digest=digest, data=embed_json(data), **context))


def embed_json(data: Any) -> Markup:
    """Encode data as JSON that is safe inside an HTML element: it contains no tag and no entity."""
    encoded = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(encoded.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def make_breakable(spec: str) -> Markup:
    """Allow line breaks in a name after an underscore, a colon or a comma, and before a bracket."""
    return Markup(_BREAKS.sub("<wbr>", escape(spec)))


def encode_jpeg(pixels: Pixels) -> str:
    """Encode pixels (h, w, 3) as the data URL of a JPEG."""
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "brief": format_cost,
        "settings": format_settings,
        "breakable": make_breakable,
        "svg": svg,
    }
    environment.globals |= {
        "plural": format_count,
        "describe_run": text.describe_run,
        "describe_progress": text.describe_progress,
    }  # fmt: skip
    return environment

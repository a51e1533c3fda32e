"""A table in Markdown."""

import re


def escape(text: object) -> str:
    """Text as Markdown shows it literally, in a table's cell too."""
    flat = " ".join(str(text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|\[\]#~$]|(?<!\w)_|_(?!\w))", r"\\\1", flat)

"""Text files are UTF-8 on every system: calls that read or write one name the encoding, which Python does not fix itself."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "datasets", "examples", "methods", "references", "reports", "tools", "training")


def opens_text(call: ast.Call) -> bool:
    """Path.read_text and write_text; and open with a text mode: Pillow's open() takes a path or a buffer and no mode."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name != "open":
        return name in ("read_text", "write_text") and isinstance(call.func, ast.Attribute)
    modes = [value.value for value in call.args if isinstance(value, ast.Constant)]
    return not call.args or any(isinstance(mode, str) and set(mode) <= set("rwaxt+") for mode in modes)


def test_text_files_have_an_encoding() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    calls = [(file, node) for file in files for node in ast.walk(ast.parse(file.read_bytes()))
             if isinstance(node, ast.Call) and opens_text(node)]  # fmt: skip
    assert calls
    assert not [
        f"{file.relative_to(ROOT)}:{call.lineno}"
        for file, call in calls
        if "encoding" not in {keyword.arg for keyword in call.keywords}
    ]

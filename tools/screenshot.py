"""Take the picture of a page's first screen for the README: `python -m cambench.tools.screenshot runs/scenes/report.html`.

It needs Playwright and a Chromium of the system.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[1] / "docs" / "page.png"
WIDTH, HEIGHT = 1280, 1328  # CSS pixels
NET = "resnet18"  # whose methods are shown


def main(page: str) -> None:
    """Write the first screen of a page to docs/page.png."""
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(f"{Path(page).resolve().as_uri()}#net={NET}")
        screen = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        chromium.close()
    palette = screen.quantize()  # the file is half as large; dithering keeps the colours of the maps smooth
    screen.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

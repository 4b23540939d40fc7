"""The pictures of the documentation, from a finished run of the demo: see gallery.md.

    python docs/pictures.py [results/demo]

Needs Chromium and Playwright. The files are small: 256 colours.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).resolve().parent
COLOURS = 256
# name -> width, height, colour scheme, what stands at the top (None: the page's head)
PICTURES = {
    "report": (1280, 1180, "light", None),
    "motifs": (1280, 620, "light", '[id$=":hits"] h4'),
    "region": (1280, 520, "light", '[id$=":attribute"] h4'),
    "dark": (1280, 800, "dark", "#explore"),
    "phone": (400, 800, "light", None),
}


def main(run: Path) -> None:
    """Write docs/<name>.png of each picture."""
    with sync_playwright() as play:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (width, height, scheme, first) in PICTURES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
            )
            page = context.new_page()
            page.goto((run / "report.html").resolve().as_uri())
            page.wait_for_selector("#explorer[data-ready]", timeout=120_000)
            at = "scrollTo(0, 0)"
            if first is not None:
                at = f"document.querySelector({first!r}).scrollIntoView({{behavior: 'instant'}})"
            page.evaluate(at)
            page.wait_for_timeout(1500)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.quantize(COLOURS).save(DOCS / f"{name}.png", optimize=True)
            context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else "results/demo"))

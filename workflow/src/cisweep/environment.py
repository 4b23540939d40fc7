"""The environment of the rules, for `snakemake --sdm conda`.

Snakemake copies the file elsewhere before pip reads it, so that no path in it may be relative: it
is written while the workflow is parsed, with the place that this cisweep comes from.
"""

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from cisweep import __version__
from cisweep.temporary import atomic

_NAME = "cisweep[lm,motifs]"


def environment_file(root: Path) -> str:
    """Return the path of the environment's file, in the folder of the run.

    It is that of envs/, with cisweep from where this one is. root: the workflow's folder.
    """
    text = (root / "envs" / "cisweep.yaml").read_text(encoding="utf-8")
    text = text.replace(f"- {_NAME}\n", f'- "{requirement(root)}"\n')
    path = Path(".snakemake", "cisweep", "environment.yaml").absolute()
    # Jobs write it too, and none of them may see half of it.
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return str(path)


def requirement(root: Path) -> str:
    """Return what pip installs this cisweep from: the clone, the file it came from, or its name."""
    if (root / "pyproject.toml").is_file():
        return f"{_NAME} @ {root.absolute().as_uri()}"
    url = _installed_from()
    return f"{_NAME}=={__version__}" if url is None else f"{_NAME} @ {url}"


def _installed_from() -> str | None:
    """Return the URL of the wheel or folder that pip installed (PEP 610), if it is still there."""
    try:
        note = distribution("cisweep").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    url = None if note is None else json.loads(note).get("url")
    if url is None or (
        urlparse(url).scheme == "file" and not Path(url2pathname(urlparse(url).path)).exists()
    ):
        return None
    return url

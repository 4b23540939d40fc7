"""What mkdocs takes from elsewhere: the page of the config is config/README.md as it stands."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent


def on_files(files, config):
    """Add config.md; what it links beside itself are files of the repository."""
    text = (ROOT / "config" / "README.md").read_text()
    text = re.sub(r"\[([^\]]*)\]\((?:demo\.yaml|config\.yaml|examples)\)", r"\1", text)
    files.append(File.generated(config, "config.md", content=text))
    return files

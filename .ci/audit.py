"""Tell the known vulnerabilities of the pinned dependencies, and the licences of what is installed.

    python .ci/audit.py torch==2.13.0 .venv/bin/python

By pip-audit (advisories of PyPI) and pip-licenses. Ends with 1 if a vulnerability is known; with 0
if none is, or if the advisories cannot be reached, which is said.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

LOCKS = ("run", "test", "extras", "networks", "bench")
TOOLS = Path(sys.executable).parent


def advisories(pinned: list[str]) -> list[dict] | None:
    """Return what is known of each pinned package, or None if nothing could be asked."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pinned))
        file.flush()
        done = subprocess.run(
            [TOOLS / "pip-audit", "-r", file.name, "--no-deps", "--disable-pip", "-f", "json",
             "--progress-spinner", "off", "--timeout", "10"],
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None
    return found if any("vulns" in each for each in found) else None


def pinned(torch: str) -> list[str]:
    """Return name==version of all packages in the locks, and of torch, which stands outside."""
    found = {torch}
    for lock in LOCKS:
        lines = Path("requirements", f"{lock}.lock").read_text().splitlines()
        found |= {line.split(" ")[0] for line in lines if "==" in line and line[0].isalnum()}
    # One version at a time is installed, and pip-audit takes one; locks may differ.
    return sorted({each.split("==")[0].lower(): each for each in sorted(found)}.values())


def tell_vulnerabilities(torch: str) -> int:
    """Print what is known against the pinned packages; return how many have something."""
    asked = pinned(torch)
    found = advisories(asked)
    if found is None:
        print(f"audit: the advisories cannot be reached; {len(asked)} packages are not checked")
        return 0
    skipped = [each["name"] for each in found if "vulns" not in each]
    bad = [each for each in found if each.get("vulns")]
    for each in bad:
        for one in each["vulns"]:
            mend = ", ".join(one["fix_versions"]) or "none yet"
            print(f"audit: {each['name']} {each['version']}: {one['id']} (mended in: {mend})")
    print(f"audit: {len(bad)} of {len(found) - len(skipped)} packages have a known vulnerability")
    if skipped:
        print(f"audit: not known to the advisories: {', '.join(skipped)}")
    return len(bad)


def tell_licences(python: str) -> None:
    """Print the packages of an environment by licence."""
    done = subprocess.run(
        [TOOLS / "pip-licenses", "--python", python, "--format", "json", "--from", "mixed"],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    by: dict[str, list[str]] = defaultdict(list)
    for each in json.loads(done.stdout):
        # Some packages give the whole text in place of the name.
        by[each["License"].strip().split("\n")[0][:60]].append(each["Name"])
    for licence, names in sorted(by.items()):
        print(f"licence: {licence}: {', '.join(sorted(names, key=str.lower))}")


if __name__ == "__main__":
    tell_licences(sys.argv[2])
    sys.exit(1 if tell_vulnerabilities(sys.argv[1]) else 0)

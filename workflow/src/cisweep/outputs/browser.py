"""What genome browsers open, in the folder browser/ of a run: sessions of IGV and of igv.js.

All paths are relative to that folder, so that the run's folder can be moved or put on a web server
as a whole. Rows of BED are shown as bigBed. Source: of a session of IGV (2.19) its reader of
sessions; of igv.js (3.8) its documentation of sessions, reference genomes and tracks.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from cisweep.contracts import name_of
from cisweep.steps import all_steps
from cisweep.steps.base import Shown

HARMLESS = str.maketrans("<>", "‹›")
"""For names that browsers read as HTML."""

NEGATIVE = "180,67,47"
"""Colour of values below 0 (R,G,B)."""


@dataclass(frozen=True)
class BrowserTrack:
    """A product that a browser shows.

    path: relative to the run's folder; model: first folder of the path; name: what the file's name
    says, of a bigWig its target, or its track and the strand; kind: how the step shows it.
    """

    path: str
    model: str
    name: str
    kind: Shown

    @property
    def label(self) -> str:
        """Model, name and kind."""
        words = (self.model, self.name, self.kind.what)
        return " ".join(word for word in words if word)

    @property
    def is_signal(self) -> bool:
        """Is it a bigWig?"""
        return self.path.endswith(".bw")

    @property
    def is_variants(self) -> bool:
        """Is it a VCF, with an index beside it?"""
        return self.path.endswith(".vcf.gz")

    @property
    def is_rows(self) -> bool:
        """Is it a BED, shown as bigBed?"""
        return self.path.endswith(".bed")

    @property
    def bigbed(self) -> str:
        """Name of its bigBed in the folder browser/."""
        return f"{self.path.removesuffix('.bed').replace('/', '.')}.bb"

    @property
    def shown(self) -> str:
        """Path of what a browser opens, relative to the folder browser/."""
        return self.bigbed if self.is_rows else f"../{self.path}"


def browser_tracks(products: Iterable[str]) -> list[BrowserTrack]:
    """Return the products (relative to the run's folder) that a genome browser shows, in order."""
    ends = {
        end: Shown(*kind) for step in all_steps().values() for end, kind in step.browser.items()
    }
    found = []
    for path in products:
        end = next((end for end in ends if path.endswith(end)), None)
        if end is None:
            continue
        kind = ends[end]
        folder, _, file = path.rpartition("/")
        stored = file.removesuffix(end).strip(".") if end.startswith(".") else ""
        file_name, *strand = re.split(r"\.(plus|minus)\Z", stored)
        name = " ".join(part for part in (name_of(file_name), *strand) if part)
        found.append(BrowserTrack(path, folder.split("/")[0], name, kind))
    return found


def strongest_peak(peaks: Iterable[Path]) -> str | None:
    """Return the highest peak of the first BED that has one, `chrom:start-end` as browsers write it
    (1-based), with as much on both sides."""
    for path in peaks:
        best: tuple[float, str] | None = None
        with open(path) as handle:
            for line in handle:
                chrom, start, end, _, score, *_ = line.rstrip("\n").split("\t")
                flank = int(end) - int(start)
                if best is None or float(score) > best[0]:
                    start_1based = max(int(start) - flank, 0) + 1
                    best = float(score), f"{chrom}:{start_1based}-{int(end) + flank}"
        if best is not None:
            return best[1]
    return None


# ---- Sessions -----------------------------------------------------------------------------------


def write_igv_session(path: Path, tracks: Sequence[BrowserTrack], genome: str, locus: str) -> None:
    """Write a session for IGV on the desktop.

    genome: IGV's name of it, or the path of a FASTA relative to the session; locus: what is shown
    first, 1-based.
    """
    session = ElementTree.Element("Session", genome=genome, locus=locus, version="8")
    resources = ElementTree.SubElement(session, "Resources")
    panel = ElementTree.SubElement(session, "Panel", name="DataPanel")
    for track in tracks:
        common = {"name": track.label, "color": track.kind.color}
        ElementTree.SubElement(resources, "Resource", {"path": track.shown, **common})
        options = {"altColor": NEGATIVE, "autoScale": "true", "height": "60"}
        options |= {"renderer": "DYNSEQ" if track.kind.as_letters else "BAR_CHART"}
        own = options if track.is_signal else {"altColor": track.kind.color}
        ElementTree.SubElement(panel, "Track", {"id": track.shown, **common, **own})
    ElementTree.indent(session)
    ElementTree.ElementTree(session).write(path, encoding="UTF-8", xml_declaration=True)


def igv_options(track: BrowserTrack) -> dict[str, Any]:
    """Return how igv.js draws a track; its `url` is not among them."""
    options: dict[str, Any] = {"name": track.label.translate(HARMLESS)}
    options["color"] = f"rgb({track.kind.color})"
    if track.is_signal:
        options |= {"type": "wig", "format": "bigwig", "height": 90, "autoscale": True}
        return options | ({"graphType": "dynseq"} if track.kind.as_letters else {})
    if track.is_variants:
        return options | {"type": "variant", "format": "vcf", "displayMode": "EXPANDED"}
    if track.is_rows:
        return options | {"type": "annotation", "format": "bed", "displayMode": "EXPANDED"}
    return options | {"format": track.path.rpartition(".")[2]}


def igv_js_session(tracks: Iterable[BrowserTrack], genome: str | dict[str, str], locus: str) -> str:
    """Return a session for igv.js (JSON).

    genome: IGV's name of it, or a reference (`igv_js_reference`); locus: what is shown first,
    1-based.
    """
    key = "genome" if isinstance(genome, str) else "reference"
    shown = []
    for track in tracks:
        options = igv_options(track) | {"url": quote(track.shown)}
        if track.is_rows:
            options["format"] = "bigbed"
        if track.is_variants:
            options["indexURL"] = f"{options['url']}.tbi"
        shown.append(options)
    return json.dumps({key: genome, "locus": locus, "tracks": shown}, indent=1) + "\n"


def igv_js_reference(run: str, files: Sequence[str]) -> dict[str, str]:
    """Return a FASTA as a reference of igv.js.

    files: the FASTA, its .fai and, if it is compressed, its .gzi, relative to the session.
    """
    keys = {".fai": "indexURL", ".gzi": "compressedIndexURL"}
    found = {"id": run, "name": Path(files[0]).name}
    return found | {keys.get(Path(f).suffix, "fastaURL"): quote(f) for f in files}

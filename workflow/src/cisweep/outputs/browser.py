"""What genome browsers open: an IGV session and a UCSC track hub over the products of a run.

All paths are relative to the folder of the files, so that it can be moved or put on a web server as
a whole. IGV (2.16) reads a session of resources alone; UCSC's format is that of its help page on
track hubs, one `hub.txt`, `genomes.txt` and `trackDb.txt`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from cisweep.steps import all_steps

MAX_BED_BYTES = 100 << 20
"""A larger BED would have to be read whole by the browser; it is left out."""
_NEGATIVE = "180,67,47"


@dataclass(frozen=True)
class BrowserTrack:
    """A product that a browser shows: path relative to the run's folder, label, colour (R,G,B), and
    whether its values are drawn as the heights of letters."""

    path: str
    label: str
    color: str
    as_letters: bool = False

    @property
    def short_label(self) -> str:
        """The file's name in the 17 letters that UCSC shows beside a track."""
        name = self.path.rsplit("/", 1)[-1].removesuffix(".bw").removesuffix(".vcf.gz")
        return name.replace(".", " ")[:17].strip()

    @property
    def is_signal(self) -> bool:
        """Is it a bigWig?"""
        return self.path.endswith(".bw")


def browser_tracks(products: Iterable[str]) -> list[BrowserTrack]:
    """Return the products (relative to the run's folder) that a genome browser shows, in order."""
    kinds = {end: kind for step in all_steps().values() for end, kind in step.browser.items()}
    found = []
    for path in products:
        end = next((end for end in kinds if path.endswith(end)), None)
        if end is None:
            continue
        kind, color, as_letters = kinds[end]
        folder, _, name = path.rpartition("/")
        stem = name.removesuffix(end).strip(".") if end.startswith(".") else ""
        words = (folder.split("/")[0], stem.replace(".", " "), kind)
        label = " ".join(w for w in words if w)
        found.append(BrowserTrack(path, label, color, as_letters))
    return found


def write_igv_session(
    path: Path, tracks: Iterable[BrowserTrack], folder: Path, genome: str, locus: str
) -> list[str]:
    """Write a session for IGV; return the tracks that are too large for it.

    folder: where the tracks lie; genome: IGV's name of it, or the path of a FASTA relative to the
    session; locus: what is shown first, 1-based.
    """
    session = ElementTree.Element("Session", genome=genome, locus=locus, version="8")
    resources = ElementTree.SubElement(session, "Resources")
    left_out = []
    for track in tracks:
        if track.path.endswith(".bed") and (folder / track.path).stat().st_size > MAX_BED_BYTES:
            left_out.append(track.path)
            continue
        ElementTree.SubElement(
            resources, "Resource", path=track.path, name=track.label, color=track.color
        )
    ElementTree.indent(session)
    ElementTree.ElementTree(session).write(path, encoding="UTF-8", xml_declaration=True)
    return left_out


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


def hub_text(run: str, email: str) -> str:
    """Return hub.txt."""
    lines = [f"hub cisweep_{_word(run)}", f"shortLabel {run}", f"longLabel cisweep run {run}"]
    return "\n".join([*lines, "genomesFile genomes.txt", f"email {email}", ""])


def genomes_text(assembly: str) -> str:
    """Return genomes.txt; assembly: UCSC's name of it, as hg38."""
    return f"genome {assembly}\ntrackDb trackDb.txt\n"


def track_db_text(tracks: Iterable[BrowserTrack]) -> str:
    """Return trackDb.txt: bigWig and VCF; UCSC reads BED only as bigBed, which is not written.

    Names of tracks are made of letters, digits and _, and those that become equal get a number.
    """
    stanzas: list[str] = []
    names: set[str] = set()
    for track in tracks:
        if not track.is_signal and not track.path.endswith(".vcf.gz"):
            continue
        name = stem = _word(track.path.removesuffix(".bw").removesuffix(".vcf.gz"))
        number = 1
        while name.lower() in names:
            number += 1
            name = f"{stem}_{number}"
        names.add(name.lower())
        lines = [f"track {name}", f"shortLabel {track.short_label}"]
        lines += [f"longLabel {track.label[:76]}", f"bigDataUrl {track.path}"]
        if track.is_signal:
            lines += ["type bigWig", "visibility full", f"color {track.color}"]
            lines += [f"altColor {_NEGATIVE}", "autoScale on", "maxHeightPixels 100:48:8"]
        else:
            lines += ["type vcfTabix", "visibility pack"]
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas)


def _word(name: str) -> str:
    """Return a name in the letters that UCSC allows in those of hubs and tracks."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name)

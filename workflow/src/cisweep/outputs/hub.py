"""A UCSC track hub over the tracks of a run, in its folder browser/.

Source: UCSC's help page on track hubs and its Hub Track Database Definition (v3). The tracks of one
kind are a composite track, with a page that says what they are and their unit.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from cisweep.outputs.browser import HARMLESS, NEGATIVE, BrowserTrack

MAX_SHOWN = 10
"""Tracks of a kind that are switched on at first; UCSC draws a few hundred slowly."""

_SIGNAL = ("autoScale on", "alwaysZero on", "maxHeightPixels 100:48:8", f"altColor {NEGATIVE}")


@dataclass(frozen=True)
class Composite:
    """The tracks of one kind. name: its own in trackDb.txt, and that of its page."""

    name: str
    kind: str
    type: str
    tracks: dict[str, BrowserTrack]

    @property
    def about(self) -> str:
        """What its tracks are."""
        return next(iter(self.tracks.values())).kind.about

    @property
    def page(self) -> str:
        """Name of the page about it."""
        return f"{self.name}.html"


def composites(tracks: Iterable[BrowserTrack]) -> list[Composite]:
    """Return the tracks that UCSC reads by kind, under names that differ in more than case."""
    kinds: dict[tuple[str, str], list[BrowserTrack]] = {}
    for track in tracks:
        if type_ := _type(track):
            kinds.setdefault((track.kind.what, type_), []).append(track)
    taken: set[str] = set()
    return [
        Composite(
            _distinct(kind, taken),
            kind,
            type_,
            {_distinct(re.sub(r"(\.bw|\.bed|\.vcf\.gz)$", "", t.path), taken): t for t in found},
        )
        for (kind, type_), found in kinds.items()
    ]


def _type(track: BrowserTrack) -> str:
    if track.is_signal:
        return "bigWig"
    return "bigBed 6" if track.is_rows else "vcfTabix" if track.is_variants else ""


def _distinct(text: str, taken: set[str]) -> str:
    """Return a name of letters, digits and _ that begins with a letter, and is not taken yet."""
    name = stem = re.sub(r"^(?=[^A-Za-z])", "t", _word(text))
    number = 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name.lower())
    return name


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text)


# ---- The files ----------------------------------------------------------------------------------


def hub_text(run: str, email: str) -> str:
    """Return hub.txt."""
    lines = [f"hub cisweep_{_word(run)}", f"shortLabel {run[:17]}"]
    lines += [f"longLabel {f'cisweep run {run}'[:76]}", "genomesFile genomes.txt"]
    return "\n".join([*lines, f"email {email}", "descriptionUrl description.html", ""])


def genomes_text(assembly: str) -> str:
    """Return genomes.txt; assembly: UCSC's name of it, as hg38."""
    return f"genome {assembly}\ntrackDb trackDb.txt\n"


def track_db_text(found: Iterable[Composite], run: str) -> str:
    """Return trackDb.txt: a composite track a kind, its tracks below it."""
    stanzas = []
    for number, composite in enumerate(found, 1):
        title = composite.kind.capitalize()
        lines = [f"track {composite.name}", "compositeTrack on", f"type {composite.type}"]
        lines += [f"shortLabel {title[:17]}", f"longLabel {f'{title}, cisweep run {run}'[:76]}"]
        is_signal = composite.type == "bigWig"
        lines += [f"visibility {'full' if is_signal else 'pack'}", f"priority {number}"]
        lines += ["allButtonPair on", "dragAndDrop subTracks", f"html {composite.page}"]
        stanzas.append("\n".join(lines))
        for i, (name, track) in enumerate(composite.tracks.items()):
            on = "on" if i < MAX_SHOWN else "off"
            lines = [f"track {name}", f"parent {composite.name} {on}", f"type {composite.type}"]
            lines += [
                f"shortLabel {_short(track)}",
                f"longLabel {track.label.translate(HARMLESS)[:76]}",
            ]
            lines += [f"bigDataUrl {track.shown}", f"color {track.kind.color}", f"priority {i + 1}"]
            lines += _SIGNAL if is_signal else ()
            lines += ["logo on"] if track.kind.as_letters else []
            lines += ["spectrum on"] if track.is_rows else []
            stanzas.append("\n".join(f"    {line}" for line in lines))
    return "".join(f"{stanza}\n\n" for stanza in stanzas)


def _short(track: BrowserTrack) -> str:
    """Return the 17 letters that UCSC shows beside a track: its name, and as much of its kind."""
    words = f"{track.name} {track.kind.what}" if track.name else track.label
    return words.translate(HARMLESS)[:17].strip()


# ---- The pages ----------------------------------------------------------------------------------


def hub_page(run: str, email: str, found: Iterable[Composite]) -> str:
    """Return description.html: which kinds of tracks the hub has."""
    rows = [(c.kind.capitalize(), str(len(c.tracks)), c.about) for c in found]
    table = _table(("Tracks", "Number", "What they are"), rows)
    return _page(f"cisweep run {run}", "Tracks of a sequence-to-function model.", table, email)


def composite_page(
    composite: Composite, run: str, email: str, unit: Callable[[BrowserTrack], str]
) -> str:
    """Return the page of a composite track. unit: track -> that of its values."""
    units = {t: unit(t) if t.is_signal else "" for t in composite.tracks.values()}
    rows = [(t.label, units[t], t.shown) for t in composite.tracks.values()]
    table = _table(("Track", "Unit", "File"), rows)
    title = f"{composite.kind.capitalize()}, cisweep run {run}"
    return _page(title, composite.about, table, email)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["".join(f"<th>{_text(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows]
    return "<table>\n" + "".join(f"<tr>{line}</tr>\n" for line in lines) + "</table>\n"


def _text(text: str) -> str:
    return escape(text, quote=False)


def _page(title: str, about: str, table: str, email: str) -> str:
    """Return a page of UCSC's sections; it puts one of a track into its own."""
    return f"""<h1>{_text(title)}</h1>
<h2>Description</h2>
<p>{_text(about)}</p>
{table}<h2>Display Conventions and Configuration</h2>
<p>Colours tell the kinds apart; values below 0 are red. Attributions are drawn as letters of their
height where single bases are shown. Items are the darker, the higher their score (0 to 1000).</p>
<h2>Credits</h2>
<p>Made by cisweep. Questions: {_text(email)}</p>
"""

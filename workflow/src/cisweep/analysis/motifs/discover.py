"""Motifs that attributions form: tf-modiscolite on their hypothetical values, and MEME files.

tf-modiscolite (package `modisco`) does the discovery; this module calls the seqlets in central
windows, lets it cluster them, answers sets too small for it with an empty product, and reads its
patterns. It is imported only when used. Its memory grows with the number of sequences: it holds
them all, so `max_sequences` bounds it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from cisweep.analysis.motifs.discovery_seqlets import (
    SEQLET_COLUMNS,
    call_seqlets,
    chosen,
    once_a_place,
    seqlet_row,
)
from cisweep.analysis.motifs.names import name_motifs
from cisweep.analysis.seqlets.names import NameRules
from cisweep.analysis.seqlets.tfmodisco_seqlets import WindowRules
from cisweep.contracts import Windows
from cisweep.errors import AttributionError, CisweepError, ProductError
from cisweep.genome.meme import meme_text
from cisweep.genome.motifs import UNIFORM, Motif
from cisweep.products.discover import FOUND

_EXAMPLE = "seqlets/example_idx"
_GROUPS = (("pos_patterns", "+"), ("neg_patterns", "-"))
_SIGNS = {"+": 1, "-": -1}


@dataclass(frozen=True)
class DiscoveryOptions:
    """Options of tf-modiscolite, with the defaults of its command line; lengths in bp.

    `window_bp` is the central part of each sequence in which seqlets are called: windows of
    `window_size` with `flank` on both sides. What lies around it, as far as motifs grow, is read
    too (`read_bp` in all), where the sequences have it. More than `min_seqlets` of a sign are
    needed for patterns of that sign; the first `max_seqlets` of it are used, in the order of the
    sequences.

    Memory grows with both: 50 kB a sequence of 400 bp, and 0.15 MB a seqlet, whose 500 nearest
    neighbours are kept.
    """

    window_bp: int = 400
    window_size: int = 20
    flank: int = 5
    target_fdr: float = 0.05
    min_seqlets: int = 100
    max_seqlets: int = 20_000
    max_sequences: int = 100_000
    n_leiden_runs: int = 2
    trim_to_window_size: int = 30
    initial_flank_to_add: int = 10

    @property
    def read_bp(self) -> int:
        """Return the central bp that are read: the window, and as far as a pattern may grow."""
        return self.window_bp + 2 * (self.trim_to_window_size + self.initial_flank_to_add)

    def searched(self, length: int) -> slice:
        """Return the columns of `length` bp that is read in which seqlets are called."""
        return _central_columns(length, self.window_bp)


@dataclass(frozen=True)
class Pattern:
    """A found pattern: `sign` of its attributions, arrays (4, width) float64 in rows A C G T.

    `probabilities` are base frequencies among its seqlets, `contributions` and `hypothetical`
    their mean attributions (the CWM and the hypothetical CWM).
    """

    name: str
    sign: str
    n_seqlets: int
    probabilities: np.ndarray
    contributions: np.ndarray
    hypothetical: np.ndarray


@dataclass(frozen=True)
class Discovery:
    """Found patterns, positive ones first, and a row of SEQLET_COLUMNS for each sign: how many
    seqlets were found in the windows, how many were clustered, how many of them are in how many
    motifs, and where there is none why."""

    patterns: list[Pattern]
    seqlets: pd.DataFrame


def discover_motifs(
    one_hot: Any,
    hypothetical: Any,
    out: str | PathLike,
    options: DiscoveryOptions | None = None,
    rows: np.ndarray | None = None,
    windows: Windows | None = None,
) -> Discovery:
    """Write tf-modiscolite's `modisco.h5` to `out` and return its patterns.

    Parameters
    ----------
    one_hot : array or tensor (N, 4, L)
        Sequences; N may be 0.
    hypothetical : array or tensor (N, 4, L), float
        Attributions of all four bases.
    out : path
        HDF5 file in tf-modiscolite's format; without patterns it has no groups.
    options : DiscoveryOptions, optional
        Options of tf-modiscolite.
    rows : array (N,) of int, optional
        What `example_idx` of the seqlets shall say of each sequence, for a sample in an order of
        its own; default 0 to N - 1.
    windows : Windows (N,), optional
        The windows whose central L bases the sequences are. Then a place that several of them
        cover gives one seqlet, in the window in which it stands most central; default: no two
        sequences hold the same place.

    Returns the patterns in tf-modiscolite's order, and what became of the seqlets (no patterns of
    a sign if it has no more than `min_seqlets`). Raises AttributionError for shapes that do not
    fit, CisweepError where the package is not installed. Source: tf-modiscolite 2.5.2; its
    seeds are fixed, so equal input gives equal patterns. Where the sequences are no longer than
    the window, they are those of its `TFMoDISco`; of longer ones that would cut off what lies
    around the window, and with it all patterns that reach there.
    """
    options = options or DiscoveryOptions()
    sequences, scores, window = _central(one_hot, hypothetical, options)
    discovery, files = _modiscolite("tfmodisco"), _modiscolite("io")
    contributions = sequences * scores
    rules = WindowRules(options.window_size, options.flank, options.target_fdr)
    projected = contributions.sum(axis=2)
    called = call_seqlets(projected, window, rules)
    repeats = called.iloc[:0]
    if windows is not None:
        windows = windows.take(slice(len(sequences)))
        counts = once_a_place(called, windows, sequences.shape[1], window, rules)
        called, repeats = called[counts].reset_index(drop=True), called[~counts]
    found: dict[str, Any] = dict.fromkeys(_SIGNS)
    for sign, number in _SIGNS.items():
        mine = chosen(called, number, options.min_seqlets, options.max_seqlets)
        if len(mine):
            core = _modiscolite("core")
            tracks = core.TrackSet(
                one_hot=sequences, contrib_scores=contributions, hypothetical_contribs=scores
            )
            spans = mine[["example_idx", "start", "end"]].to_numpy().tolist()
            found[sign] = discovery.seqlets_to_patterns(
                seqlets=tracks.create_seqlets([core.Seqlet(*span, False) for span in spans]),
                track_set=tracks,
                track_signs=number,
                n_leiden_runs=options.n_leiden_runs,
                trim_to_window_size=options.trim_to_window_size,
                initial_flank_to_add=options.initial_flank_to_add,
            )
    files.save_hdf5(str(out), found["+"], found["-"], sequences.shape[1])
    if rows is not None:
        _number_examples(out, np.asarray(rows))
    patterns = read_patterns(out)
    table = []
    for sign, number in _SIGNS.items():
        sizes = [p.n_seqlets for p in patterns if p.sign == sign]
        repeated = int((repeats["sign"] == number).sum())
        table.append(seqlet_row(called, number, sizes, projected, window, options, repeated))
    return Discovery(patterns, pd.DataFrame(table, columns=SEQLET_COLUMNS))


def _number_examples(path: str | PathLike, rows: np.ndarray) -> None:
    with h5py.File(path, "r+") as file:
        found: list[h5py.Dataset] = []
        file.visititems(lambda name, item: found.append(item) if name.endswith(_EXAMPLE) else None)
        for dataset in found:
            dataset[...] = rows[dataset[:]]


def discover_motifs_of_export(
    export: str | PathLike, out: str | PathLike, options: DiscoveryOptions | None = None
) -> Discovery:
    """Return `discover_motifs` of a file in ChromBPNet's H5 layout (raw/seq, shap/seq).

    Only the first `max_sequences` rows and the central `read_bp` are read.
    """
    options = options or DiscoveryOptions()
    try:
        with h5py.File(export, "r") as file:
            length = file["shap/seq"].shape[2]
            rows = slice(0, options.max_sequences)
            columns = _central_columns(length, options.read_bp)
            one_hot = file["raw/seq"][rows, :, columns]
            hypothetical = file["shap/seq"][rows, :, columns]
    except (KeyError, OSError) as error:
        raise ProductError(
            f"not an export of attributions ({error})",
            where=str(export),
            mend="make it with steps.attribute.export: true",
        ) from error
    return discover_motifs(one_hot, hypothetical, out, options)


def _modiscolite(module: str) -> Any:
    try:
        return import_module(f"modiscolite.{module}")
    except ImportError as error:
        raise CisweepError(
            f"motif discovery needs tf-modiscolite, which cannot be imported ({error})",
            mend="pip install 'cisweep[motifs]', or make install-extras",
        ) from error


def _central_columns(length: int, width: int) -> slice:
    width = min(width, length)
    start = length // 2 - width // 2
    return slice(start, start + width)


def _central(
    one_hot: Any, hypothetical: Any, options: DiscoveryOptions
) -> tuple[np.ndarray, np.ndarray, slice]:
    """Return one-hot and hypothetical attributions as tf-modiscolite takes them, (N, L, 4) float32
    of what is read, and the columns of the window in it."""
    arrays = [
        values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
        for values in (one_hot, hypothetical)
    ]
    shapes = [values.shape for values in arrays]
    if shapes[0] != shapes[1] or len(shapes[0]) != 3 or shapes[0][1] != 4:
        raise AttributionError(
            f"one-hot {shapes[0]} and hypothetical attributions {shapes[1]} are not both "
            "(examples, 4, length)",
            mend="set steps.attribute.hypothetical: true, and pass the same rows of both",
        )
    if shapes[0][2] < options.window_size + 2 * options.flank:
        raise AttributionError(
            f"sequences of {shapes[0][2]} bp are too short for a seqlet of "
            f"{options.window_size} + 2 x {options.flank} bp",
            mend="store more of each window (steps.attribute.save_bp)",
        )
    columns = _central_columns(shapes[0][2], options.read_bp)
    kept = [values[: options.max_sequences, :, columns] for values in arrays]
    if not np.isfinite(kept[1]).all():
        raise AttributionError(
            "hypothetical attributions hold NaN or infinite values",
            mend="look at the model's output for these sequences",
        )
    # Examples, positions, bases, float32: what tf-modiscolite's command line hands over.
    turned = [np.ascontiguousarray(values.transpose(0, 2, 1), dtype=np.float32) for values in kept]
    return (*turned, options.searched(turned[0].shape[1]))


def read_patterns(path: str | PathLike) -> list[Pattern]:
    """Return the patterns of a `modisco.h5`, positive ones first, each sign in its own order.

    Names are those of tf-modiscolite's MEME files, such as pos_patterns.pattern_0. Raises
    ProductError for a file that is not one.
    """
    patterns = []
    try:
        with h5py.File(path, "r") as file:
            for group, sign in _GROUPS:
                names = sorted(file.get(group, {}), key=lambda name: int(name.rsplit("_", 1)[1]))
                for name in names:
                    fields = file[group][name]
                    frequencies = fields["sequence"][:].T.astype(np.float64)
                    patterns.append(
                        Pattern(
                            f"{group}.{name}",
                            sign,
                            int(fields["seqlets/n_seqlets"][0]),
                            _as_probabilities(frequencies),
                            fields["contrib_scores"][:].T.astype(np.float64),
                            fields["hypothetical_contribs"][:].T.astype(np.float64),
                        )
                    )
    except (KeyError, OSError, ValueError, IndexError) as error:
        raise ProductError(
            f"not a modisco.h5 ({error})", where=str(path), mend="run motif discovery again"
        ) from error
    return patterns


def _as_probabilities(frequencies: np.ndarray) -> np.ndarray:
    total = frequencies.sum(axis=0)  # below 1 where seqlets reach over N
    return np.where(total > 0, frequencies / np.where(total > 0, total, 1), 0.25)


def trim(pattern: Pattern, share: float = 0.3, flank: int = 4) -> slice:
    """Return the positions of a pattern that carry its attribution.

    From the first to the last one whose summed |contributions| are at least `share` of the
    largest, and `flank` more on both sides (as far as the pattern goes). Raises CisweepError unless
    0 <= share <= 1. Source: the report of tf-modiscolite 2.5.2.
    """
    if not 0 <= share <= 1:
        raise CisweepError(f"share must be from 0 to 1, got {share}")
    weight = np.abs(pattern.contributions).sum(axis=0)
    kept = np.flatnonzero(weight >= share * weight.max())
    return slice(max(0, kept[0] - flank), kept[-1] + flank + 1)


def patterns_to_motifs(
    patterns: Iterable[Pattern], share: float = 0.3, flank: int = 4
) -> list[Motif]:
    """Return the patterns' base frequencies, trimmed; the consensus is the second name."""
    motifs = []
    for pattern in patterns:
        matrix = pattern.probabilities[:, trim(pattern, share, flank)]
        consensus = Motif(pattern.name, "", matrix).consensus
        motifs.append(Motif(pattern.name, consensus, matrix, pattern.n_seqlets))
    return motifs


def write_meme(
    motifs: Iterable[Motif], path: str | PathLike, background: Sequence[float] = UNIFORM
) -> None:
    """Write motifs as a MEME 4 text file; without motifs it has a header only."""
    Path(path).write_text(meme_text(motifs, background, decimals=6), encoding="ascii")


FOUND_COLUMNS = FOUND.names()


def found_table(
    patterns: Sequence[Pattern],
    known: Sequence[Motif],
    one_hot: np.ndarray,
    rules: NameRules | None = None,
) -> pd.DataFrame:
    """Return one row per pattern with FOUND_COLUMNS: what it is, and its name among known motifs.

    one_hot: (N, 4, L), the sequences in which the patterns were found. mean_attribution: the sum
    of the trimmed contributions, the mean over seqlets. motif to motif_strand are the closest of
    `known` by Tomtom, with its p-value and q-value over all of them; they are missing where
    name_p_value, the share of random patterns of these sequences that are named as well, is above
    `rules.rate`. nearest_motifs lists the `rules.nearest` closest, named or not, as name:p, joined
    by ;.
    """
    if not patterns:
        return pd.DataFrame(columns=FOUND_COLUMNS)
    rules = rules or NameRules()
    motifs = patterns_to_motifs(patterns)
    tokens = np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), 4).astype(np.uint8)
    names = name_motifs(
        [m.pwm for m in motifs], known, tokens,
        nearest=rules.nearest, seed=rules.seed, n_jobs=rules.n_jobs,
    )  # fmt: skip
    matches, named = names.matches, names.is_named(rules.rate)
    best = [known[i] for i in matches.motif_idx[:, 0]]
    columns = [
        [p.name for p in patterns],
        [p.sign for p in patterns],
        [p.n_seqlets for p in patterns],
        [m.consensus for m in motifs],
        [m.reverse_complement().consensus for m in motifs],
        [p.contributions[:, trim(p)].sum() for p in patterns],
        np.where(named, np.array([m.factor for m in best], object), None),
        np.where(named, np.array([m.name for m in best], object), None),
        np.where(named, matches.p_value[:, 0], np.nan),
        np.where(named, matches.q_value[:, 0], np.nan),
        np.where(named, matches.strand[:, 0].astype(object), None),
        names.name_p_value,
        [
            ";".join(f"{known[i].factor}:{p:.3g}" for i, p in zip(row, values))
            for row, values in zip(matches.motif_idx, matches.p_value)
        ],
    ]
    return pd.DataFrame(dict(zip(FOUND_COLUMNS, columns)))

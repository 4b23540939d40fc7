"""Motifs that attributions form: tf-modiscolite on their hypothetical values, and MEME files.

tf-modiscolite (package `modisco`) does the discovery; this module gives it central windows,
answers sets too small for it with an empty product, and reads its patterns. It is imported only
when used. Its memory grows with the number of sequences: it holds them all, so `max_sequences`
bounds it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cisweep.analysis.tfmodisco import (
    WindowRules,
    call_windows,
    fit_thresholds,
    window_sums,
)
from cisweep.errors import AttributionError, CisweepError, ProductError
from cisweep.genome.motifs import UNIFORM, Motif

_GROUPS = (("pos_patterns", "+"), ("neg_patterns", "-"))


@dataclass(frozen=True)
class DiscoveryOptions:
    """Options of tf-modiscolite, with the defaults of its command line; lengths in bp.

    `window_bp` is the central part of each sequence that is searched; seqlets are windows of
    `window_size` with `flank` on both sides. At least `min_seqlets` of a sign are needed for
    patterns of that sign; the first `max_seqlets` of it are used, in the order of the sequences.
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


def discover_motifs(
    one_hot: Any, hypothetical: Any, out: str | PathLike, options: DiscoveryOptions | None = None
) -> list[Pattern]:
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

    Returns the patterns, positive ones first, in tf-modiscolite's order (none if fewer seqlets
    than `min_seqlets` of either sign are found). Raises AttributionError for shapes that do not
    fit, CisweepError where the package is not installed. Source: tf-modiscolite 2.5.2; its
    seeds are fixed, so equal input gives equal patterns.
    """
    options = options or DiscoveryOptions()
    sequences, scores = _central(one_hot, hypothetical, options)
    discovery, files = _modiscolite("tfmodisco"), _modiscolite("io")
    positive = negative = None
    if _enough_seqlets((sequences * scores).sum(axis=2), options):
        positive, negative = discovery.TFMoDISco(
            one_hot=sequences,
            hypothetical_contribs=scores,
            sliding_window_size=options.window_size,
            flank_size=options.flank,
            min_metacluster_size=options.min_seqlets,
            max_seqlets_per_metacluster=options.max_seqlets,
            target_seqlet_fdr=options.target_fdr,
            n_leiden_runs=options.n_leiden_runs,
            trim_to_window_size=options.trim_to_window_size,
            initial_flank_to_add=options.initial_flank_to_add,
        )
    files.save_hdf5(str(out), positive, negative, sequences.shape[1])
    return read_patterns(out)


def discover_motifs_of_export(
    export: str | PathLike, out: str | PathLike, options: DiscoveryOptions | None = None
) -> list[Pattern]:
    """Return `discover_motifs` of a file in ChromBPNet's H5 layout (raw/seq, shap/seq).

    Only the first `max_sequences` rows and the central `window_bp` are read.
    """
    options = options or DiscoveryOptions()
    try:
        with h5py.File(export, "r") as file:
            length = file["shap/seq"].shape[2]
            rows = slice(0, options.max_sequences)
            columns = _central_columns(length, options)
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
            mend="install it beside cisweep: pip install modisco==2.5.2",
        ) from error


def _central_columns(length: int, options: DiscoveryOptions) -> slice:
    width = min(options.window_bp, length)
    start = length // 2 - width // 2
    return slice(start, start + width)


def _central(
    one_hot: Any, hypothetical: Any, options: DiscoveryOptions
) -> tuple[np.ndarray, np.ndarray]:
    arrays = [
        values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
        for values in (one_hot, hypothetical)
    ]
    shapes = [values.shape for values in arrays]
    if shapes[0] != shapes[1] or len(shapes[0]) != 3 or shapes[0][1] != 4:
        raise AttributionError(
            f"one-hot {shapes[0]} and hypothetical attributions {shapes[1]} are not both "
            "(examples, 4, length)",
            mend="store hypothetical attributions (hypothetical: true) and pass the same rows",
        )
    if shapes[0][2] < options.window_size + 2 * options.flank:
        raise AttributionError(
            f"sequences of {shapes[0][2]} bp have no room for a seqlet of "
            f"{options.window_size} + 2 x {options.flank} bp",
            mend="store more of each window (save_bp)",
        )
    columns = _central_columns(shapes[0][2], options)
    kept = [values[: options.max_sequences, :, columns] for values in arrays]
    if not np.isfinite(kept[1]).all():
        raise AttributionError(
            "hypothetical attributions hold NaN or infinite values",
            mend="look at the model's output for these sequences",
        )
    # Examples, positions, bases, float32: what tf-modiscolite's command line hands over.
    return tuple(
        np.ascontiguousarray(values.transpose(0, 2, 1), dtype=np.float32) for values in kept
    )


def _enough_seqlets(projected: np.ndarray, options: DiscoveryOptions) -> bool:
    # tf-modiscolite fails on sets without signal; its own caller, here, says so beforehand.
    if len(projected) == 0:
        return False
    rules = WindowRules(options.window_size, options.flank, options.target_fdr)
    sums = window_sums(projected, rules)
    thresholds = fit_thresholds(np.sort(sums, axis=None), None, rules)
    called = call_windows(projected, thresholds, rules, sums)["attribution"]
    positive, negative = (called > thresholds.weak).sum(), (called < -thresholds.weak).sum()
    return max(positive, negative) > options.min_seqlets


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


def trim(motif: Motif, share: float = 0.3, background: Sequence[float] = UNIFORM) -> Motif:
    """Return the motif from its first to its last position that is informative.

    A position is if its information in bits against `background` (A C G T) is at least `share`
    of the most informative one's; positions between stay. A motif without any information
    stays as it is. Raises CisweepError unless 0 <= share <= 1.
    """
    if not 0 <= share <= 1:
        raise CisweepError(f"share must be from 0 to 1, got {share}")
    information = motif.information(background)
    if not information.max() > 0:
        return motif
    kept = np.flatnonzero(information >= share * information.max())
    return Motif(motif.name, motif.alt, motif.pwm[:, kept[0] : kept[-1] + 1], motif.nsites)


def patterns_to_motifs(
    patterns: Iterable[Pattern], share: float = 0.3, background: Sequence[float] = UNIFORM
) -> list[Motif]:
    """Return the patterns' base frequencies as trimmed motifs; the consensus is the second name."""
    motifs = []
    for pattern in patterns:
        whole = Motif(pattern.name, "", pattern.probabilities, pattern.n_seqlets)
        short = trim(whole, share, background)
        motifs.append(Motif(short.name, short.consensus, short.pwm, short.nsites))
    return motifs


def patterns_to_meme(
    patterns: Iterable[Pattern],
    path: str | PathLike,
    share: float = 0.3,
    background: Sequence[float] = UNIFORM,
) -> list[Motif]:
    """Write patterns as a MEME 4 text file, trimmed by information, and return the motifs.

    `share` and `background` are those of `trim`. Without patterns the file has a header only.
    """
    motifs = patterns_to_motifs(patterns, share, background)
    letters = " ".join(f"{base} {p:.6g}" for base, p in zip("ACGT", background))
    lines = ["MEME version 4", "", "ALPHABET= ACGT", "", "strands: + -", ""]
    lines += ["Background letter frequencies", letters, ""]
    for motif in motifs:
        lines += [
            f"MOTIF {motif.name} {motif.alt}",
            f"letter-probability matrix: alength= 4 w= {motif.width} nsites= {motif.nsites:g} E= 0",
            *(" ".join(f"{p:.6f}" for p in column) for column in motif.pwm.T),
            "",
        ]
    Path(path).write_text("\n".join(lines), encoding="ascii")
    return motifs

"""Motifs that a config names, those that a run scans, and whether they fit into a window."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisweep.contracts import digest
from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.plan.plan import Plan
from cisweep.steps.discover import FOLDER


@dataclass(frozen=True)
class ScannedMotifs:
    """The motifs that the step hits scans; the first n_given are those of the motif file, the
    others those that the run discovers."""

    motifs: list[Motif]
    n_given: int

    @property
    def discovered(self) -> np.ndarray:
        """(M,) bool: was it formed by the run."""
        return np.arange(len(self.motifs)) >= self.n_given


def scanned_files(plan: Plan) -> list[Path]:
    """Return the files of the motifs that hits scans, and that seqlets are named by."""
    step, given = plan.step_config("hits"), plan.config.motifs
    files = [given] if given is not None and (step is None or "file" in step.motifs) else []
    found = [Path(plan.results) / FOLDER / "clusters.meme"]
    return files + found if _scans_discovered(plan) else files


def _scans_discovered(plan: Plan) -> bool:
    step = plan.step_config("hits")
    return step is not None and step.scans_discovered


def scanned_motifs(plan: Plan) -> ScannedMotifs:
    """Return the motifs of `scanned_files`.

    A discovered one keeps the name of its cluster (with _ behind it where a motif of the file has
    it), and has the name of its known motif in front of it as its second, `CTCF_cluster_1`. Those
    that are wider than the windows of a model are left out. Raises MotifError where none is left.
    """
    files = scanned_files(plan)
    given = files[:-1] if _scans_discovered(plan) else files
    motifs = [m for path in given for m in load_motifs(path)]
    if given == files:
        return ScannedMotifs(motifs, len(motifs))
    n_given, taken = len(motifs), {m.name for m in motifs}
    widest = min(m.window_bp for m in plan.models.values() if not m.is_language_model)
    for motif in load_motifs(files[-1]) if _has_motifs(files[-1]) else []:
        name = motif.name
        while name in taken:
            name += "_"
        taken.add(name)
        if motif.width <= widest:
            alt = f"{motif.alt}_{name}" if motif.alt else ""
            motifs.append(Motif(name, alt, motif.pwm, motif.nsites))
    if not motifs:
        raise MotifError(
            "no motif was discovered, so that there is none to scan",
            where="steps.hits.motifs",
            mend="add `file` to steps.hits.motifs",
        )
    return ScannedMotifs(motifs, n_given)


def discovered_motifs(plan: Plan) -> list[Motif]:
    """Return the scanned motifs that the run formed itself; none where it scans those of the file
    alone."""
    if not _scans_discovered(plan):
        return []
    scanned = scanned_motifs(plan)
    return scanned.motifs[scanned.n_given :]


def _has_motifs(path: Path) -> bool:
    """Has a file that `discover_clusters` wrote any motif; without one it has a header alone."""
    return "\nMOTIF " in path.read_text()


def choose_motifs(
    motifs: Sequence[Motif], names: Sequence[str] | None, where: str = "motifs"
) -> list[Motif]:
    """Return the motifs with these identifiers or names, in the file's order; None: all.

    Raises MotifError for a name that no motif has; where: key of the config that names them.
    """
    if names is None:
        return list(motifs)
    known = {m.name for m in motifs}.union(*({m.alt.upper(), m.factor.upper()} for m in motifs))
    unknown = [n for n in names if n not in known and n.upper() not in known]
    if unknown:
        raise MotifError(
            f"no motif is called {', '.join(unknown)}",
            where=where,
            mend="use an identifier (MA0139.2) or a name (CTCF) of the motif file",
        )
    wanted = set(names) | {n.upper() for n in names}
    return [m for m in motifs if wanted & {m.name, m.alt.upper(), m.factor.upper()}]


def refuse_wide(
    motifs: Iterable[Motif], window_bp: int, reader: str, *, where: str, mend: str
) -> None:
    """Raise a MotifError for a motif that is wider than the windows that `reader` reads."""
    for motif in motifs:
        if motif.width > window_bp:
            raise MotifError(
                f"motif {motif.name} has {motif.width} positions, and {reader} {window_bp} bp",
                where=where,
                mend=mend,
            )


def block_key(motifs: list[Motif]) -> str:
    """Return a hash of motifs: the `params` by which one block reruns."""
    return digest(*(f"{m.label}:{m.pwm.tobytes().hex()}" for m in motifs))

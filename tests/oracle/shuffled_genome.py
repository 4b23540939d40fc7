"""The demo's genome, dinucleotide-shuffled as a whole, under the demo's config and model.

In such a genome nothing is real: what a step calls is false. The functions call the package's in
the order of the workflow, from predictions to seqlets and hits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import yaml

from cisweep.analysis.attribution.references import references_of, shuffled_windows
from cisweep.analysis.attribution.windows import attribute_windows
from cisweep.analysis.motifs.chunk import ChunkCounts, Scan, hits_of_chunk
from cisweep.analysis.motifs.pieces import owned_intervals
from cisweep.analysis.motifs.qvalues import cell_qvalues
from cisweep.analysis.motifs.score_distribution import background_from_counts, prepare_motifs
from cisweep.analysis.prediction.peak_null import PeakNull, null_peaks
from cisweep.analysis.prediction.peak_selection import PeakRules, PeakTables, predicted_peaks
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.analysis.seqlets.background import merge, summarise
from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.analysis.seqlets.spans import SpanRules
from cisweep.analysis.seqlets.tables import Explained, call_chunk, seqlets_of
from cisweep.contracts import Windows
from cisweep.genome.fasta import window_tokens, word_counts
from cisweep.models.ensemble import Ensemble
from cisweep.plan.chunk_windows import usable_windows
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.plan.plan import Plan
from cisweep.sequence.tokens import decode_tokens, shuffle_tokens, tokenize

MODEL, CHROM, DISTANCE = "ctcf_pu1", "chr20", 200
TARGETS = ["ctcf", "pu1"]
SIGNS = "+-"
LENGTH = 500_000  # the second half of the demo's genome, which has no N


def genome_tokens(resources: Path) -> np.ndarray:
    """Return the tokens (LENGTH,) of half of the demo's genome."""
    source = pysam.FastaFile(str(resources / "genome" / "chr20_0_1Mb.fa.gz"))
    tokens = tokenize(source.fetch(CHROM, 1_000_000 - LENGTH, 1_000_000))
    assert (tokens < 4).all()
    return tokens


def shuffled(tokens: np.ndarray, seed: int) -> np.ndarray:
    """Return the tokens of a genome, dinucleotide-shuffled as a whole."""
    return shuffle_tokens(tokens[None], np.array([[seed]], np.uint64))[0, 0]


@dataclass(frozen=True)
class Attributed:
    """Windows with their tokens (N, W) and projected attributions (targets, N, W)."""

    windows: Windows
    tokens: np.ndarray
    projected: np.ndarray

    @classmethod
    def pooled(cls, parts: Sequence["Attributed"]) -> "Attributed":
        """Return the windows of several genomes as if each were a chromosome."""
        windows = [
            Windows(np.full(len(p.windows), str(i), object), p.windows.start, p.windows.end,
                    p.windows.strand, p.windows.name)
            for i, p in enumerate(parts)
        ]  # fmt: skip
        return cls(
            Windows.concatenate(windows),
            np.concatenate([p.tokens for p in parts]),
            np.concatenate([p.projected for p in parts], axis=1),
        )


@dataclass(frozen=True)
class Swept:
    """What the steps predict and select make of a genome: its windows, their predictions (N, 2),
    and the null of each target's peaks."""

    plan: Plan
    model: Ensemble
    windows: Windows
    values: np.ndarray
    nulls: dict[str, PeakNull]

    @classmethod
    def of(cls, tokens: np.ndarray, folder: Path, root: Path) -> "Swept":
        """Return the sweep of a genome of these tokens, written to `folder`."""
        folder.mkdir()
        (folder / "g.fa").write_text(f">{CHROM}\n{decode_tokens(tokens)}\n")
        pysam.faidx(str(folder / "g.fa"))
        config = yaml.safe_load((root / "config" / "demo.yaml").read_text())
        config |= {"genome": {"fasta": str(folder / "g.fa")}}
        # Four shuffles of each window instead of ten: fewer make it no less valid.
        config["steps"]["select"]["null_windows"] = 20_000
        plan = Plan.from_config(config, root)
        model = Ensemble.load(plan.models[MODEL], "cpu")

        def predict(windows: Windows, tokens: np.ndarray) -> np.ndarray:
            return predict_windows(model, windows, tokens, [], batch_size=256).mean

        (chunk,) = plan.chunks(MODEL)
        found, null = usable_windows(plan, MODEL, chunk), NullStretches(plan, MODEL)
        assert null.draws == 4 and null.n_windows == len(found.windows)
        assert null.distance_bp == DISTANCE
        nulls = null_peaks(
            map(null.place, null.drawn), 2, predict, draws=4, seed=0, distance_bp=DISTANCE
        )
        values = predict(found.windows, found.tokens[:])
        return cls(plan, model, found.windows, values, dict(zip(TARGETS, nulls)))

    def peaks(self, targets: Sequence[str] = TARGETS, **rules) -> PeakTables:
        """Return the tables of the peaks by the rules fdr, top_n or threshold."""
        return predicted_peaks(
            lambda: [(self.windows, self.values[:, [TARGETS.index(t) for t in targets]])],
            list(targets),
            PeakRules(DISTANCE, **rules),
            nulls=self.nulls,
        )

    def selected(self, targets: Sequence[str] = TARGETS, **rules) -> Windows:
        """Return the windows of the peaks of some targets."""
        found = self.peaks(targets, **rules).peaks
        found = found.drop_duplicates(["chrom", "start", "end", "strand"])
        return Windows.build(*(found[c].tolist() for c in ("chrom", "start", "end", "strand")))

    # ---- attribute, seqlets --------------------------------------------------------------

    def attributed(self, windows: Windows, tokens: np.ndarray | None = None) -> Attributed:
        """Return the attributions of windows, by default of their own bases."""
        if tokens is None:
            places = windows.chrom, windows.start, windows.end
            tokens = window_tokens(self.plan.source, *places)
        step = self.plan.step_config("attribute")
        found = attribute_windows(
            self.model, windows, tokens, [], references_of(step, 0, 1), batch_size=step.batch_size
        )
        return Attributed(windows, tokens, found.projected)

    def own_null(self, windows: Windows, fdr: float) -> Attributed:
        """Return what the step seqlets compares windows with: their shuffled copies."""
        tokens = window_tokens(self.plan.source, windows.chrom, windows.start, windows.end)
        size = NullSize.of(len(windows), fdr, self.plan.step_config("seqlets").null_windows)
        return self.attributed(*shuffled_windows(windows, tokens, 0, size))

    def seqlets(
        self, own: Attributed, null: Attributed, fdr: float, among: Windows | None = None
    ) -> dict[tuple[str, str], int]:
        """Return (target, sign) -> number of seqlets at a rate.

        among: the windows beside the null's; None where it has windows of its own.
        """
        step, found = self.plan.step_config("seqlets"), {}
        rules = SpanRules(step.min_len, step.max_len, step.flanks)
        for target, mine, other in zip(TARGETS, own.projected, null.projected):
            table, tally = call_chunk(
                target,
                Explained.of(own.windows, mine),
                Explained.of(null.windows, other, among),
                own.tokens,
                merge([summarise(mine)], step.clip, rules),
                step.threshold,
                tuple(SIGNS),
            )
            signs = seqlets_of(table, tally, fdr)[0]["sign"]
            found |= {(target, sign): int((signs == sign).sum()) for sign in SIGNS}
        return found

    # ---- hits ----------------------------------------------------------------------------

    def hits(self, windows: Windows) -> pd.DataFrame:
        """Return the hits in windows: motif_idx, q_value, q_value_pooled."""
        step, source, motifs = self.plan.step_config("hits"), self.plan.source, self.motifs
        bases, _ = word_counts(source)
        model = prepare_motifs(
            motifs,
            background=background_from_counts(bases[:4]),
            bin_size=step.bin_size,
            pseudocount=step.pseudocount,
            threshold=step.threshold,
        )
        intervals = owned_intervals(windows, self.plan.layout.stretches(0), source.lengths)
        scan = Scan(motifs, model, None)
        counts = ChunkCounts.zeros(scan, [])
        found = pd.concat(list(hits_of_chunk(scan, source, intervals, None, counts)))
        q_values = cell_qvalues(model, counts.cells, counts.n_tests)
        motif = found["motif_idx"].to_numpy()
        own, pooled = q_values.of(motif, found["score"].to_numpy())
        return pd.DataFrame({"motif_idx": motif, "q_value": own, "q_value_pooled": pooled})

    @property
    def motifs(self) -> list:
        """The demo's motifs."""
        return self.plan.known_motifs

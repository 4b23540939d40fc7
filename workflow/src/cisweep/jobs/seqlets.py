"""seqlets: stretches of high attribution, at a false discovery rate, with the names of motifs."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.analysis.seqlets.background import Background, Summary, merge, summarise
from cisweep.analysis.seqlets.driving_hits import Driving
from cisweep.analysis.seqlets.fdr import NullSize, Tally, merge_tallies, summarise_calls
from cisweep.analysis.seqlets.names import NamedSeqlets, NameRules, name_seqlets
from cisweep.analysis.seqlets.places import Owned
from cisweep.analysis.seqlets.spans import SpanRules
from cisweep.analysis.seqlets.tables import Explained, call_chunk, in_genome_order, seqlets_of
from cisweep.contracts import Windows, digest, stored_name
from cisweep.jobs.attribute import explained_blocks, wanted_pairs
from cisweep.outputs.attributions import write_null
from cisweep.outputs.h5 import ROWS_OF_BLOCK, read_windows
from cisweep.outputs.pairs import open_pairs, rows_of
from cisweep.outputs.seqlets import CHUNK_SCHEMA, SCHEMA, write_seqlet_bed
from cisweep.outputs.tables import (
    open_parquet,
    read_parquet,
    read_tsv,
    write_parquet,
    write_product,
)
from cisweep.parts import read_json
from cisweep.plan.chunk_windows import read_peaks
from cisweep.plan.chunks import chunk_index
from cisweep.plan.contents.motifs import scanned_motifs
from cisweep.products.seqlets import SUMMARY
from cisweep.scope import ChunkScope, ModelScope


def seqlets_null_size(
    of: ModelScope, peaks: Iterable[Path], chunks: Iterable[Path], null_size: Path
) -> None:
    """Say how many shuffled copies each target's windows need as the null of the seqlets.

    peaks: peaks.bed, whose rows are counted; chunks: the attributions of all chunks, where
    nothing was selected. Writes target -> fields of `NullSize` as JSON.
    """
    step, n = of.plan.step_config("seqlets"), np.zeros(len(of.config.target_names), dtype=np.int64)
    for path in peaks:
        n += wanted_pairs(of, read_peaks(path)).sum(axis=0)
    for path in chunks:
        with open_pairs(path) as file:
            n += [len(rows_of(file, target)) for target in of.config.target_names]
    n_explained = int((n > 0).sum())
    sizes = {
        target: NullSize.of(int(count), step.fdr, step.null_windows, n_explained)
        for target, count in zip(of.config.target_names, n)
    }
    for target, size in sizes.items():
        count = n[of.config.target_names.index(target)]
        print(
            f"{target}: {count} windows; {size.draws} shuffles of each window in a share of "
            f"{size.fraction}"
        )
    found = {target: asdict(size) for target, size in sizes.items()}
    null_size.write_text(json.dumps(found, sort_keys=True) + "\n")


@dataclass(frozen=True)
class Shuffled:
    """windows that the null draws, in genome order, a shuffle (N, L) uint8 of each, and the targets
    that are explained at it, (N, T) bool."""

    windows: Windows
    tokens: np.ndarray
    wanted: np.ndarray

    @property
    def digest(self) -> str:
        """Hash of all: equal shuffles have equal attributions."""
        arrays = (self.tokens.tobytes().hex(), self.wanted.tobytes().hex())
        return digest(*self.windows.keys(), *arrays)


def shuffled_of(of: ChunkScope, chunks: Iterable[Path], null_size: Path) -> Shuffled:
    """Return the shuffles of the windows of some chunks, each for the targets of its window.

    chunks: their attributions, in genome order; null_size: of `seqlets_null_size`.
    """
    from cisweep.analysis.attribution.references import shuffled_pairs

    targets, sizes = of.config.target_names, read_json(null_size)
    each, found = [NullSize(**sizes[target]) for target in targets], []
    for path in chunks:
        with open_pairs(path) as file:
            windows, tokens = read_windows(file), file["tokens"][:]
            wanted = np.zeros((len(windows), len(targets)), dtype=bool)
            for i, target in enumerate(targets):
                wanted[rows_of(file, target), i] = True
        found.append(shuffled_pairs(windows, tokens, wanted, of.plan.config.seed, each))
    return Shuffled(
        Windows.concatenate([windows for windows, _, _ in found]),
        np.concatenate([tokens for _, tokens, _ in found]),
        np.concatenate([wanted for _, _, wanted in found]),
    )


def seqlets_null_chunk(of: ChunkScope, shuffled: Shuffled, device: str, h5: Path) -> None:
    """Explain shuffled sequences of some chunks, the null of the seqlets' false discovery rate.

    Writes the attributions of the observed bases (outputs/attributions.py).
    """
    tokens = shuffled.tokens
    blocks = explained_blocks(of, shuffled.windows, tokens, shuffled.wanted, device)
    write_null(h5, blocks, tokens.shape[1], of.config.target_names, of.origin)


def seqlets_background(of: ModelScope, chunks: Collection[Path], background: Path) -> None:
    """Merge the distributions of all chunks' attributions into one background a target.

    Writes a JSON, target -> `Background.to_dict`.
    """
    step = of.plan.step_config("seqlets")
    rules = SpanRules(step.min_len, step.max_len, step.flanks)
    found = {
        target: merge(_summaries(chunks, target), step.clip, rules).to_dict()
        for target in of.config.target_names
    }
    background.write_text(json.dumps(found, sort_keys=True) + "\n")


def _summaries(chunks: Iterable[Path], target: str) -> Iterator[Summary]:
    """Yield the summaries of all chunks, of some windows at a time; at least one a chunk."""
    for path in chunks:
        with open_pairs(path) as file:
            values = file[f"attributions/{stored_name(target)}"]
            for begin in range(0, max(len(values), 1), ROWS_OF_BLOCK):
                yield summarise(values[begin : begin + ROWS_OF_BLOCK])


@dataclass(frozen=True)
class Beside:
    """The windows of the chunks beside a chunk, which may own its calls: target -> windows."""

    windows: dict[str, Windows]

    @classmethod
    def read(cls, of: ModelScope, chunks: Iterable[Path]) -> "Beside":
        """Return the windows of chunks' attributions."""
        return cls(_windows_of_targets(of, chunks))

    @property
    def digest(self) -> str:
        """Hash of their places, which are all that matters of them."""
        parts = sorted(self.windows.items())
        return digest(*(key for target, part in parts for key in (target, *part.keys())))


def _windows_of_targets(of: ModelScope, chunks: Iterable[Path]) -> dict[str, Windows]:
    """Return target -> the windows of some chunks at which it is explained."""
    found: dict[str, list[Windows]] = {target: [] for target in of.config.target_names}
    for path in chunks:
        with open_pairs(path) as file:
            windows = read_windows(file)
            for target, parts in found.items():
                parts.append(windows.take(rows_of(file, target)))
    return {target: Windows.concatenate(parts) for target, parts in found.items()}


@dataclass(frozen=True)
class SeqletInputs:
    """What `seqlets_chunk` reads: JSON of the background; the attributions of the chunks that its
    own joins, in genome order; a null among which theirs is; the windows beside them."""

    background: Path
    chunks: Sequence[Path]
    null: Path
    beside: Beside


def seqlets_chunk(of: ChunkScope, given: SeqletInputs, table: Path, tally: Path) -> None:
    """Call seqlets of some chunks, in their windows and in the shuffled copies of these.

    Writes the calls as Parquet (outputs/seqlets.py) and, as JSON by target, the tallies that the
    false discovery rate is taken from. Holds the attributions of one of them at a time.
    """
    targets, rules = of.config.target_names, of.plan.step_config("seqlets")
    backgrounds = read_json(given.background)
    own = _windows_of_targets(of, given.chunks)
    beside = given.beside.windows
    near = {t: Windows.concatenate([own[t], beside[t]]) for t in targets}
    shuffled = _shuffled_windows(of, given.null, near)
    tables: list[pd.DataFrame] = []
    tallies: dict[str, list[Tally]] = {target: [] for target in targets}
    for path in given.chunks:
        with open_pairs(path) as file:
            windows, tokens = read_windows(file), file["tokens"][:]
            for target in targets:
                rows = rows_of(file, target)
                mine = windows.take(rows)
                values = file[f"attributions/{stored_name(target)}"][:]
                called, counted = call_chunk(
                    target,
                    Explained(mine, Owned.of(mine, near[target]), values),
                    shuffled[target],
                    tokens[rows],
                    Background.from_dict(backgrounds[target]),
                    rules.threshold,
                    ("+", "-") if rules.negative else ("+",),
                )
                tables.append(called)
                tallies[target].append(counted)
        # All shuffled windows are counted with the first of the chunks.
        shuffled = {target: explained.take(slice(0)) for target, explained in shuffled.items()}
    write_parquet(pd.concat(tables, ignore_index=True), table, CHUNK_SCHEMA, of.origin)
    merged = {target: merge_tallies(parts).to_dict() for target, parts in tallies.items()}
    tally.write_text(json.dumps(merged, sort_keys=True) + "\n")


def _shuffled_windows(of: ChunkScope, null: Path, near: dict[str, Windows]) -> dict[str, Explained]:
    """Return target -> its shuffled windows of the job's chunk, among those near it."""
    found = {}
    with open_pairs(null) as file:
        windows = read_windows(file)
        in_chunk = of.plan.layout.bins_of(windows) == chunk_index(of.chunk)
        for target in of.config.target_names:
            of_target = rows_of(file, target)
            rows = np.flatnonzero(in_chunk[of_target])
            # They lie side by side, since windows are in genome order.
            mine = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0)
            own = windows.take(of_target[mine])
            values = file[f"attributions/{stored_name(target)}"][mine]
            found[target] = Explained(own, Owned.of(own, near[target]), values)
    return found


@dataclass(frozen=True)
class SeqletParts:
    """What `seqlets` joins: calls and tallies of all chunks; hits.parquet, motif_ranking.tsv and
    motif_families.tsv where the step hits is on, else none."""

    chunks: Sequence[Path]
    tallies: Sequence[Path]
    hits: Sequence[Path] = ()

    def driving(self) -> Driving:
        """Return the matches of families that drive a target."""
        if not self.hits:
            return Driving.none()
        table, ranking, families = self.hits
        with open_parquet(table) as file:
            blocks = (batch.to_pandas() for batch in file.iter_batches(65536))
            return Driving.of(blocks, read_tsv(ranking), read_tsv(families))


def seqlets(of: ModelScope, given: SeqletParts, table: Path, bed: Path, summary: Path) -> None:
    """Cut the calls of all chunks at the false discovery rate and name the seqlets.

    Writes them in genome order as Parquet and BED, and a summary as TSV.
    """
    step, plan = of.plan.step_config("seqlets"), of.plan
    counted = [read_json(path) for path in given.tallies]
    calls = pd.concat([read_parquet(path).to_pandas() for path in given.chunks], ignore_index=True)
    kept, summaries = [], []
    for target in of.config.target_names:
        tally = merge_tallies(Tally.from_dict(t[target]) for t in counted)
        mine = calls[calls["target"] == target].reset_index(drop=True)
        found, tally, calibration = seqlets_of(mine, tally, step.fdr)
        kept.append(found)
        summed = summarise_calls(tally, calibration, step.fdr)
        summaries.append(summed.assign(target=target)[["target", *summed.columns]])
        shared = int((found["n_windows"] > 1).sum())
        print(
            f"{target}: {len(found)} seqlets at FDR {step.fdr}, {shared} of them called in more "
            f"than one window and counted in the one where they stand most central; lowest rate "
            f"{summed['lowest_rate'].min():.3g}"
        )
    ordered = in_genome_order(pd.concat(kept, ignore_index=True), list(plan.source.lengths))
    rules = NameRules(step.name_rate, step.nearest, plan.config.seed, of.threads)
    motifs = scanned_motifs(plan).motifs
    named = name_seqlets(ordered, motifs, plan.source, rules, given.driving())
    by = named.table["name_by"].value_counts()
    print(
        f"of {len(ordered)} seqlets {by.get('hit', 0)} are named by a hit, {by.get('pair', 0)} by "
        f"a match over two neighbours, {by.get('tomtom', 0)} by Tomtom; of random spans "
        + (", ".join(f"{t} {x:.3g}" for t, x in named.control.items()) or "none")
    )
    write_parquet(named.table, table, SCHEMA, of.origin)
    write_seqlet_bed(named.table, bed)
    write_product(_with_names(pd.concat(summaries, ignore_index=True), named), summary, SUMMARY)


def _with_names(summary: pd.DataFrame, named: NamedSeqlets) -> pd.DataFrame:
    """Return the summary with how many seqlets have a name, and which share of random spans."""
    mine = named.table[named.table["motif"].notna()]
    n_named = mine.groupby(["target", "sign"]).size()
    keys = zip(summary["target"], summary["sign"])
    return summary.assign(
        n_named=[int(n_named.get(key, 0)) for key in keys],
        random_named=[named.control.get(t, float("nan")) for t in summary["target"]],
    )

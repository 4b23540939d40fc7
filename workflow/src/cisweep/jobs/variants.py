"""variants: what each variant of a VCF or table changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.analysis.variants.gather import Strongest, VariantGather, volcano_axes, volcano_title
from cisweep.analysis.variants.scores import EFFECT_COLUMNS, NullPool
from cisweep.config.model import MANY_TARGETS
from cisweep.contracts import digest, stored_name
from cisweep.genome.variants.alleles import AllelePolicy
from cisweep.genome.variants.reading import Variant, VariantPolicy, dropped_variants_table
from cisweep.genome.variants.selection import Selection
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.tables import (
    ParquetWriter,
    merge_tsv,
    tsv_rows,
    write_dropped,
    write_dropped_blocks,
)
from cisweep.outputs.variants import (
    GATHERED_COLUMNS,
    EffectWriter,
    effect_blocks,
    effect_schema,
    one_based,
    peak_values,
    read_selected,
    write_selected,
)
from cisweep.outputs.vcf import INFO_OF_COLUMN, VcfWriter, move_index
from cisweep.parts import read_arrays
from cisweep.plan.chunk_windows import read_peaks
from cisweep.plan.chunks import chunk_index
from cisweep.plan.contents.variants import with_a_fold
from cisweep.plot.effects import plot_volcano
from cisweep.plot.saving import save_figure
from cisweep.products.variants import WIDE
from cisweep.scope import ChunkScope, ModelScope, RunScope
from cisweep.temporary import scratch_folder

_BLOCK = 50_000  # dropped variants that are written at once
_SCORED = 1 << 14  # variants whose alleles are held at once
_SHOWN = 20_000  # points a target in the volcano plot


def variants_select(of: RunScope, selected: Path, dropped: Path) -> None:
    """Read the variants, check them against the genome, and keep those that can be scored.

    Writes them as Parquet, sorted; dropped: TSV of the others, with reasons. Raises VariantError
    if more are dropped than steps.variants.max_dropped allows.
    """
    step = of.plan.step_config("variants")
    with scratch_folder(dropped) as folder:
        policy = VariantPolicy.of(step)
        found = Selection(step.path, of.plan.source, policy, of.plan.wanted, folder)
        n = write_selected(with_a_fold(of.plan, found.kept()), selected)
        print(f"{n} of {n + found.n_dropped} variants can be scored")
        if found.n_blocks:
            blocks = "reference blocks (<NON_REF>, <*>) or *"
            print(f"{found.n_blocks} are {blocks}; not in max_dropped")
        rows = iter(found.dropped())
        blocks = iter(lambda: list(islice(rows, _BLOCK)), [])
        tables = map(dropped_variants_table, chain([[]], blocks))
        write_dropped_blocks(tables, "variants", "", dropped)


@dataclass(frozen=True)
class ChunkVariants:
    """The variants of one chunk, and with haplotypes those that may stand in their windows."""

    variants: list[Variant]
    others: list[Variant] | None

    @classmethod
    def read(cls, of: ChunkScope, selected: Path) -> "ChunkVariants":
        """Return the chunk's variants of what `variants_select` wrote."""
        stretches, width = of.plan.layout.stretches(chunk_index(of.chunk)), of.config.window_bp
        near = [(c, low - width, high + width) for c, low, high in stretches]
        haplotype = of.plan.step_config("variants").haplotype
        others = read_selected(selected, near) if haplotype else None
        return cls(read_selected(selected, stretches), others)

    @property
    def digest(self) -> str:
        """Hash of the variants: an equal chunk stays."""
        return digest(self.variants, self.others)


def variants_chunk(
    of: ChunkScope, given: ChunkVariants, device: str, table: Path, nulls: Path, dropped: Path
) -> None:
    """Predict both alleles of the variants of one chunk. Without variants it loads no model.

    Writes the effects as Parquet (outputs/variants.py), the effects of random substitutions as
    npz, and, as TSV, the variants that have no window.
    """
    plan, step, regions = of.plan, of.plan.step_config("variants"), of.plan.config.regions
    pool, without, loaded = NullPool.empty(len(of.config.targets)), [], None
    with ParquetWriter(table, effect_schema(EFFECT_COLUMNS), of.origin) as writer:
        for begin in range(0, len(given.variants), _SCORED):
            from cisweep.analysis.variants.model import EffectModel
            from cisweep.analysis.variants.variant_effects import variant_effects

            loaded = loaded or EffectModel.load(of.config, device)
            policy = AllelePolicy(
                of.config.window_bp, step.trim, regions.edge, regions.max_n, step.haplotype
            )
            effects = variant_effects(
                loaded,
                given.variants[begin : begin + _SCORED],
                plan.source,
                policy,
                others=given.others,
                n_nulls=step.n_nulls,
                seed=plan.config.seed,
                batch_size=step.batch_size,
            )
            writer.append(one_based(effects.table()))
            pool = pool.merge([effects.nulls])
            without += effects.alleles.dropped
    print(f"{len(given.variants)} variants, {len(without)} without a window")
    np.savez(nulls, keys=pool.keys, deltas=pool.deltas)
    write_dropped(dropped_variants_table(without), "variants", of.model, dropped)


@dataclass(frozen=True)
class VariantParts:
    """What `variants` joins.

    chunks, nulls, dropped: of all chunks. unread: the variants that `variants_select` dropped.
    predictions, peaks: merged predictions and peaks.bed, with which effects are ranked.
    """

    chunks: Sequence[Path]
    nulls: Sequence[Path]
    dropped: Sequence[Path]
    unread: Path
    predictions: Path | None = None
    peaks: Path | None = None


@dataclass(frozen=True)
class VariantProducts:
    """Effects as TSV, Parquet and VCF with its index; what has none, TSV; volcano plot, SVG."""

    tsv: Path
    table: Path
    vcf: Path
    tbi: Path
    dropped: Path
    volcano: Path


def variants(of: ModelScope, given: VariantParts, out: VariantProducts) -> None:
    """Merge the effects of all variants: p-values, ranks among peaks, tables, VCF, volcano plot."""
    step, targets = of.plan.step_config("variants"), of.config.target_names
    pools = (NullPool(**read_arrays(path)) for path in given.nulls)
    nulls = NullPool.empty(len(targets), step.max_nulls).merge(pools)
    known = _known_values(targets, given.predictions, given.peaks)
    gather, strongest = VariantGather(targets, nulls, known), Strongest(max(_SHOWN, step.top_n))
    for rows in effect_blocks(given.chunks, len(targets)):
        gather.count(rows)
    columns = [*EFFECT_COLUMNS, *GATHERED_COLUMNS]
    source, lengths = f"cisweep {of.origin['cisweep_version']}", of.plan.source.lengths
    with (
        EffectWriter(out.tsv, out.table, columns, of.origin) as writer,
        VcfWriter(out.vcf, lengths, targets, list(INFO_OF_COLUMN), source) as records,
    ):
        for rows in map(gather.finish, effect_blocks(given.chunks, len(targets))):
            writer.append(rows)
            records.append(rows)
            strongest.add(rows)
    move_index(out.vcf, out.tbi)
    n = merge_tsv([given.unread, *given.dropped], out.dropped)
    print(f"{n} variants have no effect, with reasons")
    _draw_volcano(targets, strongest.table, out.volcano)


def variants_wide(of: ModelScope, table: Path, wide: Path) -> None:
    """Write the merged effects with a row a variant and columns of each target.

    table: Parquet of `variants`, in which the targets of a variant stand one behind the other.
    """
    names = [stored_name(t) for t in of.config.target_names]
    values = ["delta", *(["q_value"] if of.plan.step_config("variants").n_nulls else [])]
    sites = [field.name for field in WIDE.fields if "<" not in field.name]
    with open(wide, "w") as handle:
        columns = [f"{value}_{name}" for name in names for value in values]
        handle.write("\t".join([*sites, *columns]) + "\n")
        for rows in map(one_based, effect_blocks([table], len(names))):
            kept = rows.iloc[:: len(names)].reset_index(drop=True)[sites]
            numbers = rows[values].to_numpy().reshape(len(kept), -1)
            both = pd.concat([kept, pd.DataFrame(numbers, columns=columns)], axis=1)
            handle.write(tsv_rows(both))


def _known_values(
    targets: Sequence[str], predictions: Path | None, peaks: Path | None
) -> Mapping[str, Iterable[np.ndarray]]:
    """Return target -> its predictions at the peaks, or of all windows without any peaks."""
    if predictions is None:
        return {t: [] for t in targets}
    starts = None
    if peaks is not None:
        windows = read_peaks(peaks)
        starts = set(zip(windows.chrom, windows.start))
    return {t: peak_values(prediction_blocks(predictions, t), starts) for t in targets}


def _draw_volcano(targets: Sequence[str], table: pd.DataFrame, figure: Path) -> None:
    """Draw the strongest effects of each target, a panel each; of many, the first."""
    from matplotlib.figure import Figure

    targets = targets[:MANY_TARGETS]
    drawn = Figure(figsize=(5.8 * len(targets), 4.2), layout="constrained")
    axes = drawn.subplots(1, len(targets), squeeze=False)[0]
    for ax, target in zip(axes, targets):
        rows = table[table["target"] == target] if len(table) else table
        ax.set_title(volcano_title(rows, target), fontsize=10)
        if len(rows):
            ranks = rows["active_allele_quantile"]
            ranked = rows["p_value"].notna().any() and ranks.notna().any()
            effect, effect_name, significance, name = volcano_axes(rows)
            labels = [f"{r.chrom}:{r.pos + 1} {r.ref}>{r.alt}" for r in rows.itertuples()]
            plot_volcano(
                effect,
                significance,
                labels,
                effect_name=effect_name,
                significance_name=name,
                activity=ranks.to_numpy() if ranked else None,
                ax=ax,
            )
    save_figure(axes[0], figure)

"""zero_shot: pairs of sequences by a DNA language model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import pandas as pd

from cisweep.errors import SequenceError
from cisweep.genome.variants.alleles import AllelePolicy, allele_windows
from cisweep.outputs.embeddings import EmbeddingWriter, first_embeddings, merge_embeddings
from cisweep.outputs.tables import append_rows, merge_tsv, write_product
from cisweep.outputs.variants import owned_blocks
from cisweep.plan.chunks import chunk_index
from cisweep.plan.contents.zero_shot import (
    PAIRS_OF_BLOCK,
    SequencePair,
    pair_chunks,
    pairs_of_alleles,
    read_pairs,
)
from cisweep.plot.effects import plot_embeddings, plot_groups
from cisweep.plot.saving import save_figure
from cisweep.products.zero_shot import SCORES, TESTS
from cisweep.scope import ChunkScope, ModelScope

_DRAWN = 5000  # pairs in the figure of principal components


def zero_shot_chunk(
    of: ChunkScope, selected: Path | None, device: str, table: Path, embeddings: Path
) -> None:
    """Score the blocks of pairs of one chunk by a DNA language model.

    selected: the variants that can be scored, where the step names no files of pairs. Writes one
    row of scores per pair as TSV, and both sequences' embeddings as Parquet.
    """
    from cisweep.analysis.language_model.embedding import EmbeddingOptions
    from cisweep.analysis.language_model.zero_shot import (
        ZeroShotOptions,
        empty_scores,
        rank_edits,
        score_pairs,
    )
    from cisweep.models import load_model

    step = of.plan.step_config("zero_shot")
    embedding = EmbeddingOptions(step.space, step.pooling, step.special_tokens, step.both_strands)
    options = ZeroShotOptions(tuple(step.scores), embedding, step.batch_size)
    blocks = _file_pairs(of) if step.pairs else _variant_pairs(of, selected)
    model = None
    with EmbeddingWriter(embeddings, of.origin) as writer:
        write_product(empty_scores(options, step.rank_edits), table, SCORES)
        for pairs in map(list, blocks):
            model = model or load_model(of.config, device=device, prepared=True)
            for k, (rows, ref, alt) in enumerate(score_pairs(model, pairs, options)):
                if step.rank_edits:
                    own = pairs[k * PAIRS_OF_BLOCK : (k + 1) * PAIRS_OF_BLOCK]
                    rows = rows.assign(**rank_edits(model, own, embedding))
                writer.append(rows, ref, alt)
                append_rows(rows, table)


def _file_pairs(of: ChunkScope) -> list[Iterator[SequencePair]]:
    """Return the chunk's pairs of sequences of the FASTA files."""
    step, own = of.plan.step_config("zero_shot"), pair_chunks(of.plan)[of.chunk]
    every = chain.from_iterable(read_pairs(p.ref, p.alt, p.group, step.limit) for p in step.pairs)
    return [islice(every, own.start * PAIRS_OF_BLOCK, own.stop * PAIRS_OF_BLOCK)]


def _variant_pairs(of: ChunkScope, selected: Path) -> Iterator[Iterable[SequencePair]]:
    """Yield the pairs of alleles of each block of variants that the chunk owns."""
    plan, limit = of.plan, of.plan.step_config("zero_shot").limit
    policy = AllelePolicy(of.config.window_bp, plan.step_config("variants").trim)
    stretches = plan.layout.stretches(chunk_index(of.chunk))
    for variants in owned_blocks(selected, stretches, PAIRS_OF_BLOCK, limit):
        alleles = allele_windows(variants, plan.source, policy)
        print(f"{len(alleles.dropped)} of {len(variants)} variants have no window")
        yield pairs_of_alleles(alleles)


@dataclass(frozen=True)
class ZeroShotProducts:
    """All scores and tests of the groups, TSV; box plot, SVG; embeddings, Parquet; PCA, SVG."""

    table: Path
    tests: Path
    boxes: Path
    embeddings: Path
    pca: Path


def zero_shot(
    of: ModelScope, tables: Sequence[Path], embeddings: Sequence[Path], out: ZeroShotProducts
) -> None:
    """Join the scores of all pairs; test and draw the groups.

    Raises SequenceError if there are no pairs.
    """
    from cisweep.analysis.language_model.group_tests import compare_groups

    step = of.plan.step_config("zero_shot")
    n = merge_tsv(tables, out.table)
    if not n:
        raise SequenceError("there are no pairs", where="steps.zero_shot")
    text = {"name": str, "group": str}
    table = pd.read_csv(
        out.table,
        sep="\t",
        usecols=["name", "group", *step.scores],
        dtype=text,
        keep_default_na=False,
        na_values=["NaN"],
    )
    print(f"{n} pairs")
    groups, names = table["group"].tolist(), table["name"].tolist()
    tests = [compare_groups(table[s], groups, names, score=s) for s in step.scores]
    write_product(pd.concat(tests, ignore_index=True), out.tests, TESTS)
    for sentence in pd.concat(tests)["sentence"]:
        print(sentence)
    save_figure(plot_groups(table[step.scores[0]], groups, value_name=step.scores[0]), out.boxes)
    merge_embeddings(embeddings, out.embeddings, of.origin)
    _draw_components(embeddings, out.pca)


def _draw_components(embeddings: Sequence[Path], figure: Path) -> None:
    """Draw the first pairs' embeddings by their first two principal components."""
    from cisweep.analysis.language_model.group_tests import principal_components

    labels, vectors = first_embeddings(embeddings, _DRAWN)
    points, share = principal_components(vectors)
    names = [f"{g} {a}".strip() for g, a in zip(labels["group"], labels["allele"])]
    ax = plot_embeddings(points, names)
    ax.set_xlabel(f"principal component 1 ({share[0]:.0%})")
    ax.set_ylabel(f"principal component 2 ({share[1]:.0%})")
    save_figure(ax, figure)

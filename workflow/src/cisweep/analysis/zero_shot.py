"""A table of zero-shot scores for pairs of sequences, block by block."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import pandas as pd

from cisweep.analysis.embedding import (
    Distance,
    EmbeddingOptions,
    embedding_distance,
    likelihood_ratio,
    masked_token_ratio,
    sequence_embeddings,
)
from cisweep.genome.pairs import SequencePair, all_deletions, all_substitutions
from cisweep.models.adapters.hf_lm import LanguageModel

Score = Literal["l2", "cosine", "inner_product", "likelihood_ratio", "masked_token_ratio"]
_PAIRS_AT_ONCE = 512


@dataclass(frozen=True)
class ZeroShotOptions:
    """Which scores of each pair, and how a sequence becomes a vector."""

    scores: tuple[Score, ...] = ("l2",)
    embedding: EmbeddingOptions = EmbeddingOptions()
    batch_size: int = 32


def score_pairs(
    model: LanguageModel, pairs: Iterable[SequencePair], options: ZeroShotOptions
) -> Iterator[tuple[pd.DataFrame, np.ndarray, np.ndarray]]:
    """Yield (table, embeddings of ref (N, D), of alt (N, D)) of blocks of pairs.

    The table has name, group, length_ref_bp, length_alt_bp, one column a score, and the numbers of
    tokens where a likelihood ratio is asked for.
    """
    rest = iter(pairs)
    while block := list(islice(rest, _PAIRS_AT_ONCE)):
        refs, alts = [p.ref for p in block], [p.alt for p in block]
        table = pd.DataFrame(
            {
                "name": [p.name for p in block],
                "group": [p.group for p in block],
                "length_ref_bp": [len(s) for s in refs],
                "length_alt_bp": [len(s) for s in alts],
            }
        )
        for score in options.scores:
            table = table.assign(**_scores(model, refs, alts, score, options))
        size = {"batch_size": options.batch_size}
        vectors = sequence_embeddings(model, [*refs, *alts], options.embedding, **size)
        yield table, vectors[: len(block)], vectors[len(block) :]


def _scores(
    model: LanguageModel, refs: list[str], alts: list[str], score: Score, options: ZeroShotOptions
) -> dict[str, np.ndarray]:
    size, both = {"batch_size": options.batch_size}, options.embedding.both_strands
    if score == "likelihood_ratio":
        found = likelihood_ratio(model, refs, alts, both_strands=both, **size)
        counts = {"n_tokens_ref": found.n_tokens_ref, "n_tokens_alt": found.n_tokens_alt}
        return {score: found.ratio, **counts}
    if score == "masked_token_ratio":
        return {score: masked_token_ratio(model, refs, alts, both_strands=both, **size)}
    return {score: embedding_distance(model, refs, alts, options.embedding, distance=score, **size)}


@dataclass(frozen=True)
class EditRank:
    """Where an edit's distance stands among those of all edits of its kind (rank 1: farthest)."""

    kind: str
    distance: float
    rank: int
    n: int


def edit_rank(
    model: LanguageModel,
    ref: str,
    alt: str,
    options: EmbeddingOptions | None = None,
    *,
    distance: Distance = "l2",
    batch_size: int = 32,
) -> EditRank | None:
    """Return the rank of alt among all edits of ref of its kind; None for other edits.

    A deletion of k bases is ranked among all deletions of k bases, a substitution among all single
    substitutions: a longer edit lies farther by its size alone, so only like may be compared. Ties
    share the better rank.
    """
    ref, alt = ref.upper(), alt.upper()
    lost = len(ref) - len(alt)
    if lost == 0 and sum(a != b for a, b in zip(ref, alt)) == 1:
        kind, others = "substitution", all_substitutions(ref)
    elif lost > 0 and alt in all_deletions(ref, lost):
        kind, others = f"{lost}-base deletion", all_deletions(ref, lost)
    else:
        return None
    options = options or EmbeddingOptions()
    values = embedding_distance(
        model, [ref] * len(others), others, options, distance=distance, batch_size=batch_size
    )
    own = values[others.index(alt)]
    return EditRank(kind, float(own), int((values > own).sum()) + 1, len(others))

"""A table of zero-shot scores for pairs of sequences, block by block."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import pandas as pd

from cisweep.analysis.language_model.embedding import (
    DISTANCES,
    Distance,
    EmbeddingOptions,
    embedding_distance,
    embeddings_and_likelihoods,
    likelihood_ratio,
    masked_token_ratio,
    reverse_complements,
    sequence_embeddings,
)
from cisweep.models.adapters.hf_lm import LanguageModel
from cisweep.plan.contents.zero_shot import (
    PAIRS_OF_BLOCK,
    SequencePair,
    all_deletions,
    all_substitutions,
)

Score = Literal["l2", "cosine", "inner_product", "likelihood_ratio", "masked_token_ratio"]


@dataclass(frozen=True)
class ZeroShotOptions:
    """Which scores of each pair, and how a sequence becomes a vector."""

    scores: tuple[Score, ...] = ("l2",)
    embedding: EmbeddingOptions = EmbeddingOptions()
    batch_size: int = 32


def score_pairs(
    model: LanguageModel, pairs: Iterable[SequencePair], options: ZeroShotOptions
) -> Iterator[tuple[pd.DataFrame, np.ndarray, np.ndarray]]:
    """Yield (table, embeddings of ref (N, D), of alt (N, D)) of blocks of PAIRS_OF_BLOCK pairs.

    The table has name, group, length_ref_bp, length_alt_bp, one column a score, and the numbers of
    tokens where a likelihood ratio is asked for. Each sequence goes through the model once for its
    embedding and its left-to-right likelihood together.
    """
    rest = iter(pairs)
    while block := list(islice(rest, PAIRS_OF_BLOCK)):
        refs, alts = [p.ref for p in block], [p.alt for p in block]
        table = pd.DataFrame(
            {
                "name": [p.name for p in block],
                "group": [p.group for p in block],
                "length_ref_bp": [len(s) for s in refs],
                "length_alt_bp": [len(s) for s in alts],
            }
        )
        strands = [_one_strand(model, refs, alts, options)]
        if options.embedding.both_strands:
            turned = reverse_complements(refs), reverse_complements(alts)
            strands.append(_one_strand(model, *turned, options))
        for name in strands[0].scores:
            values = [strand.scores[name] for strand in strands]
            # The numbers of tokens are those of the + strand.
            table[name] = values[0] if name.startswith("n_tokens") else np.mean(values, axis=0)
        ref, alt = (
            np.mean([vectors[k] for vectors in (s.vectors for s in strands)], axis=0)
            for k in (0, 1)
        )
        yield table, ref.astype(np.float32), alt.astype(np.float32)


@dataclass(frozen=True)
class _Strand:
    scores: dict[str, np.ndarray]
    vectors: tuple[np.ndarray, np.ndarray]


def _one_strand(
    model: LanguageModel, refs: list[str], alts: list[str], options: ZeroShotOptions
) -> _Strand:
    size = {"batch_size": options.batch_size}
    embedding = replace(options.embedding, both_strands=False)
    causal = "likelihood_ratio" in options.scores and model.kind == "causal"
    if causal:
        found = embeddings_and_likelihoods(model, [*refs, *alts], embedding, **size)
        vectors, likelihoods, n_tokens = found
    else:
        vectors = sequence_embeddings(model, [*refs, *alts], embedding, **size)
    n = len(refs)
    scores: dict[str, np.ndarray] = {}
    for score in options.scores:
        if score == "masked_token_ratio":
            scores[score] = masked_token_ratio(model, refs, alts, both_strands=False, **size)
        elif score != "likelihood_ratio":
            both = vectors.astype(np.float64)
            scores[score] = DISTANCES[score](both[:n], both[n:])
        elif causal:
            scores[score] = likelihoods[n:] - likelihoods[:n]
            scores |= {"n_tokens_ref": n_tokens[:n], "n_tokens_alt": n_tokens[n:]}
        else:
            ratio = likelihood_ratio(model, refs, alts, both_strands=False, **size)
            scores[score] = ratio.ratio
            scores |= {"n_tokens_ref": ratio.n_tokens_ref, "n_tokens_alt": ratio.n_tokens_alt}
    return _Strand(scores, (vectors[:n], vectors[n:]))


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


def rank_edits(
    model: LanguageModel, pairs: Iterable[SequencePair], options: EmbeddingOptions
) -> dict[str, list]:
    """Return the columns edit, edit_rank, edit_n of `edit_rank`; "", 0 and 0 for other edits."""
    ranks = [edit_rank(model, p.ref, p.alt, options) for p in pairs]
    return {
        "edit": ["" if r is None else r.kind for r in ranks],
        "edit_rank": [0 if r is None else r.rank for r in ranks],
        "edit_n": [0 if r is None else r.n for r in ranks],
    }


def empty_scores(options: ZeroShotOptions, with_ranks: bool) -> pd.DataFrame:
    """Return the table of score_pairs (and rank_edits) without rows."""
    columns = ["name", "group", "length_ref_bp", "length_alt_bp"]
    for score in options.scores:
        columns.append(score)
        columns += ["n_tokens_ref", "n_tokens_alt"] if score == "likelihood_ratio" else []
    return pd.DataFrame(columns=columns + ["edit", "edit_rank", "edit_n"] * with_ranks)

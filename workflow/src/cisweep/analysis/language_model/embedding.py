"""Zero-shot scores of a DNA language model: how far apart two sequences lie, how likely they are.

All scores are of pairs (ref, alt) and do not depend on batches or padding. With `both_strands` a
score is the mean of the pair's and of its reverse complement's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cisweep.errors import ModelError, SequenceError
from cisweep.models.adapters.hf_lm import LanguageModel, TokenBatch, pool

_COMPLEMENT = str.maketrans("ACGTUNacgtun", "TGCAANtgcaan")


@dataclass(frozen=True)
class EmbeddingOptions:
    """How a sequence becomes one vector.

    space: last hidden states, or logits; pooling: over tokens; special_tokens: pool BOS, CLS, EOS
    and the like too (never padding); both_strands: average over the reverse complement.
    """

    space: Literal["hidden", "logits"] = "hidden"
    pooling: Literal["mean", "max"] = "mean"
    special_tokens: bool = False
    both_strands: bool = False


Distance = Literal["l2", "cosine", "inner_product"]

DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "l2": lambda a, b: np.sqrt(((a - b) ** 2).sum(1)),
    "cosine": lambda a, b: 1 - (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1)),
    "inner_product": lambda a, b: (a * b).sum(1),
}
"""Name -> function of two (N, D) arrays that gives (N,)."""


def reverse_complements(sequences: Sequence[str]) -> list[str]:
    """Return the reverse complement of each sequence."""
    return [s.translate(_COMPLEMENT)[::-1] for s in sequences]


def sequence_embeddings(
    model: LanguageModel,
    sequences: Sequence[str],
    options: EmbeddingOptions | None = None,
    *,
    batch_size: int = 32,
) -> np.ndarray:
    """Return (N, D) float32: one vector a sequence.

    Equal sequences are computed once. Raises ModelError for logits of a checkpoint without its
    language head, or a sequence without tokens.
    """
    options = options or EmbeddingOptions()
    if options.space == "logits":
        model.check_head()
    read = model.logits if options.space == "logits" else model.hidden

    def vectors(batch: TokenBatch) -> Tensor:
        return _pooled(batch, read(batch), options)

    found = _each(model, sequences, vectors, batch_size)
    if options.both_strands:
        other = _each(model, reverse_complements(sequences), vectors, batch_size)
        found = (found + other) / 2
    return found.astype(np.float32)


def embeddings_and_likelihoods(
    model: LanguageModel,
    sequences: Sequence[str],
    options: EmbeddingOptions | None = None,
    *,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sequence_embeddings of one strand, and log_likelihoods, of one pass of the model.

    Raises what those raise.
    """
    options = options or EmbeddingOptions()
    _check_causal(model)

    def both(batch: TokenBatch) -> Tensor:
        hidden, logits = model.hidden_and_logits(batch)
        values = logits if options.space == "logits" else hidden
        return torch.cat([_token_sums(batch, logits), _pooled(batch, values, options).double()], 1)

    found = _each(model, sequences, both, batch_size)
    return found[:, 2:].astype(np.float32), found[:, 0], found[:, 1].astype(np.int64)


def _pooled(batch: TokenBatch, values: Tensor, options: EmbeddingOptions) -> Tensor:
    keep = batch.mask.bool() if options.special_tokens else ~batch.special
    if not keep.any(dim=1).all():
        raise ModelError("a sequence has no tokens to pool", mend="give at least one base")
    return pool(values, keep, options.pooling)


def _token_sums(batch: TokenBatch, logits: Tensor) -> Tensor:
    """Return (B, 2) float64: the summed log p of the tokens after the first, and their number."""
    scored = ~batch.special[:, 1:]
    picked = logits[:, :-1].gather(2, batch.ids[:, 1:, None])[..., 0].double()
    log_p = picked - torch.logsumexp(logits[:, :-1].double(), -1)
    return torch.stack([(log_p * scored).sum(1), scored.sum(1).double()], 1)


def embedding_distance(
    model: LanguageModel,
    refs: Sequence[str],
    alts: Sequence[str],
    options: EmbeddingOptions | None = None,
    *,
    distance: Distance = "l2",
    batch_size: int = 32,
) -> np.ndarray:
    """Return (N,) float64: the distance between the embeddings of each pair.

    Parameters
    ----------
    model: of load_language_model.
    refs, alts: N sequences each, of any lengths, paired by order.
    options: pooling and space; both_strands averages the two strands' distances.
    distance: l2 (Euclidean), cosine (1 - cosine), or inner_product (a similarity).
    batch_size: sequences on the device at once.

    Raises
    ------
    SequenceError: refs and alts differ in number. ModelError: as sequence_embeddings.
    """
    options = options or EmbeddingOptions()
    _check_pairs(refs, alts)
    if distance not in DISTANCES:
        raise ModelError(
            f"there is no distance {distance!r}",
            where="distance",
            mend=f"use one of {', '.join(DISTANCES)}",
        )
    one_strand = EmbeddingOptions(options.space, options.pooling, options.special_tokens)

    def score(a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        both = sequence_embeddings(model, [*a, *b], one_strand, batch_size=batch_size)
        both = both.astype(np.float64)
        return DISTANCES[distance](both[: len(a)], both[len(a) :])

    return _over_strands(score, refs, alts, options.both_strands)


def log_likelihoods(
    model: LanguageModel, sequences: Sequence[str], *, batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-likelihood (nats) and the number of scored tokens of each sequence.

    Causal models: the sum of log p(token | those before it), special tokens not counted; without a
    BOS token the first token has no probability and is left out. Raises ModelError for a masked
    model (see pseudo_log_likelihoods), or a checkpoint without its language head.
    """
    _check_causal(model)
    found = _each(model, sequences, lambda b: _token_sums(b, model.logits(b)), batch_size)
    return found[:, 0], found[:, 1].astype(np.int64)


def _check_causal(model: LanguageModel) -> None:
    model.check_head()
    if model.kind != "causal":
        raise ModelError(
            f"a {model.kind} model has no left-to-right likelihood",
            where="likelihood_ratio",
            mend="use pseudo_log_likelihoods, likelihood_ratio or masked_token_ratio",
        )


def pseudo_log_likelihoods(
    model: LanguageModel, sequences: Sequence[str], *, batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pseudo-log-likelihood (nats) and the number of tokens of each sequence.

    Masked models: the sum over tokens of log p(token | all others), each masked in its own copy
    (Salazar et al. 2020). Raises ModelError for a causal model or a model without mask token.
    """
    mask_id = _mask_token(model)
    encoded = model.encode(list(sequences))
    total, count = np.zeros(len(sequences)), np.zeros(len(sequences), dtype=np.int64)
    for i, (ids, special) in enumerate(encoded):
        places = [p for p, s in enumerate(special) if not s]
        masked = [([*ids[:p], mask_id, *ids[p + 1 :]], special) for p in places]
        found = np.zeros(len(places))
        for batch in model.batches(masked, batch_size):
            rows = batch.rows.cpu().numpy()
            at = torch.tensor([places[r] for r in rows], device=batch.ids.device)
            true = torch.tensor([ids[places[r]] for r in rows], device=batch.ids.device)
            with torch.no_grad():
                logits = model.logits(batch)[torch.arange(len(rows)), at].double()
            found[rows] = torch.log_softmax(logits, -1).gather(1, true[:, None])[:, 0].cpu().numpy()
        total[i], count[i] = found.sum(), len(places)
    return total, count


@dataclass(frozen=True)
class LikelihoodRatio:
    """log p(alt) - log p(ref), (N,) nats, and how many tokens each allele has (+ strand)."""

    ratio: np.ndarray
    n_tokens_ref: np.ndarray
    n_tokens_alt: np.ndarray


def likelihood_ratio(
    model: LanguageModel,
    refs: Sequence[str],
    alts: Sequence[str],
    *,
    both_strands: bool = True,
    batch_size: int = 32,
) -> LikelihoodRatio:
    """Return the log-likelihood ratio of each pair: causal, or pseudo for a masked model.

    refs, alts: sequences with identical flanks. Token counts are reported since with tokens of
    several bases an edit also changes how the sequence is cut.
    """
    _check_pairs(refs, alts)
    score = log_likelihoods if model.kind == "causal" else pseudo_log_likelihoods
    counts: list[np.ndarray] = []

    def ratio(a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        values, n_tokens = score(model, [*a, *b], batch_size=batch_size)
        counts.append(n_tokens)
        return values[len(a) :] - values[: len(a)]

    found = _over_strands(ratio, refs, alts, both_strands)
    return LikelihoodRatio(found, counts[0][: len(refs)], counts[0][len(refs) :])


def masked_token_ratio(
    model: LanguageModel,
    refs: Sequence[str],
    alts: Sequence[str],
    *,
    both_strands: bool = True,
    batch_size: int = 32,
) -> np.ndarray:
    """Return (N,) log p(alt base) - log p(ref base) at the masked place of single substitutions.

    Masked models whose tokenizer has one token a base. NaN for pairs that differ otherwise.
    Raises ModelError for other models.
    """
    _check_pairs(refs, alts)
    mask_id = _mask_token(model)

    def score(a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        found = np.full(len(a), np.nan)
        single = [
            i
            for i, (x, y) in enumerate(zip(a, b))
            if len(x) == len(y) and sum(p != q for p, q in zip(x.upper(), y.upper())) == 1
        ]
        masked, tokens = [], []
        pairs = zip(model.encode([a[i] for i in single]), model.encode([b[i] for i in single]))
        for i, ((ids, special), (other, _)) in zip(single, pairs):
            if sum(not s for s in special) != len(a[i]) or len(other) != len(ids):
                raise ModelError(
                    f"the tokenizer makes {sum(not s for s in special)} tokens of {len(a[i])} bp",
                    where="masked_token_ratio",
                    mend="use likelihood_ratio: a base inside such a token cannot be masked",
                )
            at = next(p for p, (x, y) in enumerate(zip(ids, other)) if x != y)
            masked.append(([*ids[:at], mask_id, *ids[at + 1 :]], special))
            tokens.append((at, ids[at], other[at]))
        for batch in model.batches(masked, batch_size):
            with torch.no_grad():
                log_p = torch.log_softmax(model.logits(batch).double(), -1).cpu().numpy()
            for row, k in enumerate(batch.rows.tolist()):
                at, gone, new = tokens[k]
                found[single[k]] = log_p[row, at, new] - log_p[row, at, gone]
        return found

    return _over_strands(score, refs, alts, both_strands)


def _each(
    model: LanguageModel,
    sequences: Sequence[str],
    score: Callable[[TokenBatch], Tensor],
    batch_size: int,
) -> np.ndarray:
    """Return (N, D) float64 of `score` of each sequence; equal sequences are computed once."""
    unique = list(dict.fromkeys(s.upper() for s in sequences))
    index = {s: i for i, s in enumerate(unique)}
    out: np.ndarray | None = None
    with torch.no_grad():
        for batch in model.batches(model.encode(unique), batch_size):
            values = score(batch).double().cpu().numpy()
            out = np.empty((len(unique), values.shape[1])) if out is None else out
            out[batch.rows.cpu().numpy()] = values
    if out is None:
        raise SequenceError("there are no sequences", mend="give at least one pair")
    return out[[index[s.upper()] for s in sequences]]


def _over_strands(
    score: Callable[[Sequence[str], Sequence[str]], np.ndarray],
    refs: Sequence[str],
    alts: Sequence[str],
    both_strands: bool,
) -> np.ndarray:
    found = score(list(refs), list(alts))
    if not both_strands:
        return found
    return (found + score(reverse_complements(refs), reverse_complements(alts))) / 2


def _check_pairs(refs: Sequence[str], alts: Sequence[str]) -> None:
    if len(refs) != len(alts) or not len(refs):
        raise SequenceError(
            f"{len(refs)} reference and {len(alts)} alternate sequences",
            where="refs, alts",
            mend="give as many of both, paired by order, and at least one",
        )


def _mask_token(model: LanguageModel) -> int:
    model.check_head()
    mask_id = model.tokenizer.mask_token_id
    if model.kind != "masked" or mask_id is None:
        raise ModelError(
            f"a {model.kind} model has no masked tokens",
            where="pseudo_log_likelihoods, masked_token_ratio",
            mend="use likelihood_ratio",
        )
    return mask_id

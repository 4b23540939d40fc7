"""References by name, and drawn from functions in tangermeme's layout."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from cisweep.errors import AttributionError
from cisweep.sequence.encoding import one_hot_tokens, tokens_of
from cisweep.sequence.shuffling import dinucleotide_shuffle
from cisweep.sequence.tokens import mono_shuffle_tokens, shuffle_seeds, shuffle_tokens

ReferenceFunction = Callable[..., Tensor]
ReferenceName = Literal["dinucleotide", "shuffle", "zeros", "uniform"]
_SHUFFLES = {"dinucleotide": shuffle_tokens, "shuffle": mono_shuffle_tokens}


def draw_references(
    X: Tensor, references: Tensor | ReferenceFunction, n_shuffles: int, random_state: int | None
) -> Tensor:
    """Return references (N, n, 4, L): the given tensor, or n_shuffles draws of the given function.

    Draw k of every example has seed random_state + k and n = 1, as in tangermeme 1.6; a function
    is `references(X, n=…, random_state=…)`, without the last where random_state is None.
    """
    if isinstance(references, Tensor):
        return references
    draws = []
    for k in range(n_shuffles):
        if random_state is None:
            draw = references(X, n=1)[:, 0]
        elif references is dinucleotide_shuffle:
            draw = references(X, n=1, random_state=[random_state + k] * len(X))[:, 0]
        else:
            seed = random_state + k
            rows = [references(x[None], n=1, random_state=seed)[:, 0] for x in X]
            draw = torch.cat(rows)
        draws.append(draw)
    return torch.stack(draws, dim=1)


def references_by_name(
    name: ReferenceName, span: tuple[int, int] | None = None
) -> ReferenceFunction:
    """Return the function (X, n, random_state) -> references (N, n, 4, L) of that name.

    Parameters
    ----------
    name: shuffles that keep dinucleotides or bases, all zeros, or 0.25 everywhere. N stays N.
    span: positions [start, end) that the references change; None for all. Outside it they are
        the example, whose attributions are then 0 there.

    Raises AttributionError for another name and, when it is called, for a span beyond X.
    """
    if name not in (*_SHUFFLES, "zeros", "uniform"):
        raise AttributionError(
            f"references {name!r} are unknown", mend="use dinucleotide, shuffle, zeros or uniform"
        )

    def references(X: Tensor, n: int = 20, random_state: int | None = None) -> Tensor:
        start, end = (0, X.shape[-1]) if span is None else span
        if not 0 <= start < end <= X.shape[-1]:
            raise AttributionError(f"span [{start}, {end}) of a window of {X.shape[-1]} bp")
        part = X[..., start:end]
        if name in _SHUFFLES:
            tokens = tokens_of(part, allow_N=True).cpu().numpy()
            draw = torch.randint(2**31, ()).item() if random_state is None else random_state
            seeds = shuffle_seeds([draw + i for i in range(len(X))], n)
            changed = one_hot_tokens(torch.from_numpy(_SHUFFLES[name](tokens, seeds)), X.dtype)
        else:
            level = 0.25 if name == "uniform" else 0.0
            dtype = X.dtype if X.is_floating_point() else torch.float32
            known = part.sum(dim=1, keepdim=True).to(dtype) * level
            changed = known[:, None].expand(-1, n, 4, -1)
        whole = X[:, None].repeat(1, n, 1, 1).to(changed.dtype)
        whole[..., start:end] = changed.to(X.device)
        return whole

    return references

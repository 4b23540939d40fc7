"""Dinucleotide shuffles: one-hot in and out, and tokens, against tangermeme."""

import numpy as np
import torch

from benchmarks.common import compare
from cisweep.sequence import dinucleotide_shuffle, random_one_hot, shuffle_seeds, shuffle_tokens
from cisweep.sequence.encoding import tokens_of


def rows(quick: bool) -> list[dict]:
    from tangermeme.ersatz import dinucleotide_shuffle as peer

    torch.set_num_threads(1)
    n_sequences, n = (16, 20) if quick else (64, 20)
    task = f"dinucleotide shuffle {n_sequences} x 2114 x {n}"
    check = "same ends and dinucleotide counts; uniform over all Euler trails (chi-squared tests)"
    results = []
    for dtype in (torch.int8, torch.float32):
        X = random_one_hot((n_sequences, 4, 2114), dtype=dtype, random_state=0)
        results.append(
            compare(
                f"{task}, one-hot {str(dtype).removeprefix('torch.')}",
                {
                    "cisweep": lambda X=X: dinucleotide_shuffle(X, n=n, random_state=0),
                    "tangermeme": lambda X=X: peer(X, n=n, random_state=0),
                },
                repeats=5 if quick else 11,
                goals={"tangermeme": 6.0},
                check=check,
            )
        )
    tokens, seeds = tokens_of(X).numpy(), shuffle_seeds(np.arange(n_sequences), n)
    X = X.to(torch.int8)
    results.append(
        compare(
            f"{task}, tokens",
            {
                "cisweep": lambda: shuffle_tokens(tokens, seeds),
                "tangermeme": lambda: peer(X, n=n, random_state=0),
            },
            repeats=5 if quick else 11,
            goals={"tangermeme": 6.0},
            check=check,
        )
    )
    return results

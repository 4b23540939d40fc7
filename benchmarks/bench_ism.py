"""Saturation mutagenesis against tangermeme's fast path (and, not quick, its full one)."""

import copy
import warnings

import torch

from benchmarks.common import compare
from benchmarks.networks import Counts, PaddedBPNet, ResidualNet, difference, one_hot, tokens
from cisweep.analysis import saturation_mutagenesis


def rows(quick: bool) -> list[dict]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = [_row("BPNet counts", Counts(PaddedBPNet()).eval(), 2114, 3.5, quick)]
    if not quick:
        made.append(_row("residual net, 32 filters", ResidualNet(32).eval(), 600, None, quick))
    return made


def _row(name, model, length, goal, quick) -> dict:
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis as peer

    X = one_hot(tokens(1, length))
    few = {"start": length // 2, "end": length // 2 + 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = peer(copy.deepcopy(model).double(), X, fast=False, **few)
        errors = [
            difference(each.double(), exact)
            for each in (
                saturation_mutagenesis(model, X, **few),
                peer(model, X, fast=False, **few),
            )
        ]
        check = f"error against float64: {errors[0]}; tangermeme in full {errors[1]}"
        return compare(
            f"mutagenesis of 1 x {length} bp, {name}",
            {
                "cisweep": lambda: saturation_mutagenesis(model, X),
                "tangermeme fast": lambda: peer(model, X),
            },
            repeats=1 if quick else 3,
            goals={"tangermeme fast": goal} if goal else {},
            check=check,
            warm_up=False,
        )

"""Long tiles against windows: the profile of a stretch of a chromosome, every 1000 bp."""

import torch

from benchmarks.common import compare
from benchmarks.networks import PaddedBPNet, difference, one_hot, tokens
from cisweep.analysis import predict, predict_tiles


def rows(quick: bool) -> list[dict]:
    from tangermeme.predict import predict as peer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = PaddedBPNet().eval()
    n = 56 if quick else 256
    sequence = tokens(1, (n - 1) * 1000 + 2114)[0]
    windows = sequence.unfold(0, 2114, 1000)
    X = one_hot(windows)
    return [
        compare(
            f"profile and counts of {n} kb, 2114-bp windows every 1000 bp",
            {
                "cisweep predict_tiles": lambda: predict_tiles(model, sequence, 2114, 1000),
                "cisweep predict": lambda: predict(model, windows),
                "tangermeme predict": lambda: peer(model, X),
            },
            repeats=3,
            goals={"tangermeme predict": 5.5},
            check=difference(
                predict_tiles(model, sequence[:12114], 2114, 1000), peer(model, X[:11])
            ),
        )
    ]

"""predict against tangermeme 1.6: BPNet, a residual net with batch norm, the demo-sized CNN."""

import torch

from benchmarks.common import compare
from benchmarks.networks import PaddedBPNet, ResidualNet, difference, one_hot, tokens
from cisweep.analysis import predict
from cisweep.models.modules import CNN, BPNet


def rows(quick: bool) -> list[dict]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    n = 32 if quick else 256
    made = []
    for name, model, n_windows, length, goal in (
        ("BPNet in bpnet-lite's layout", PaddedBPNet(), n, 2114, 2.2),
        ("cisweep's BPNet (valid convolutions)", BPNet(), n, 2114, None),
        ("residual dilated net, 64 filters, batch norm", ResidualNet(64), n // 4, 2000, None),
        ("residual dilated net, 32 filters, batch norm", ResidualNet(32), n // 4, 2000, None),
        ("demo CNN", CNN(), 16 * n, 100, None),
    ):
        made.append(_row(name, model.eval(), n_windows, length, goal, quick))
    return made


def _row(name, model, n, length, goal, quick) -> dict:
    from tangermeme.predict import predict as peer

    X = one_hot(tokens(n, length))
    best = "tangermeme, best of {2, 8}"
    times = {b: _seconds(lambda b=b: peer(model, X[:64], batch_size=b)) for b in (2, 8)}
    batch = min(times, key=times.get)
    return compare(
        f"predict {n} x {length} bp, {name}",
        {
            "cisweep": lambda: predict(model, X),
            "tangermeme default": lambda: peer(model, X),
            best: lambda: peer(model, X, batch_size=batch),
        },
        repeats=3 if quick else 5,
        goals={"tangermeme default": goal} if goal else {},
        check=difference(predict(model, X[:16]), peer(model, X[:16])),
    )


def _seconds(run) -> float:
    import time

    run()
    start = time.process_time()
    run()
    return time.process_time() - start

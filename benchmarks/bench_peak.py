"""How far predict and DeepLIFT/SHAP are from what the machine can do, measured in the same run.

The peak is the best of a float32 matrix product and of convolutions of the networks' own shapes.
Operations are those of the model's definition (forward; for a pair of DeepLIFT/SHAP the
reference's forward and backward, and the example's share), whoever leaves some of them out.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench_deep_lift import LENGTH, Counts, Residual
from benchmarks.bench_deep_lift import one_hot as random_one_hot
from benchmarks.networks import PaddedBPNet, ResidualNet, one_hot, tokens
from cisweep.analysis import deep_lift_shap, predict


def operations(model: torch.nn.Module, length: int) -> float:
    """Return the floating-point operations of one window's forward."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 4, length))
    return float(counter.get_total_flops())


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _product() -> tuple[float, Callable[[], object]]:
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3, lambda: a @ b


def _convolution(channels: int, width: int, dilation: int) -> tuple[float, Callable[[], object]]:
    pad = dilation * (width // 2)
    form = {"memory_format": torch.channels_last}
    x = torch.randn(2, channels, 1, LENGTH).contiguous(**form)
    w = torch.randn(channels, channels, 1, width).contiguous(**form)
    run = lambda: F.conv2d(x, w, padding=(0, pad), dilation=(1, dilation))  # noqa: E731
    return 2 * 2 * channels**2 * width * LENGTH, run


def peaks() -> tuple[float, float]:
    """Return operations a second of a matrix product and of the best convolution."""
    shapes = ((64, 3, 1), (64, 3, 16), (64, 11, 1), (32, 11, 4))
    with torch.no_grad():
        rates = [
            max(n / _seconds(run) for _ in range(12) if run() is not None)
            for n, run in (_product(), *(_convolution(*shape) for shape in shapes))
        ]
    return rates[0], max(rates[1:])


def rows(quick: bool) -> list[dict]:
    """Return one row a network and method."""
    torch.manual_seed(0)
    n, n_references = (2, 8) if quick else (4, 20)
    tasks: list[tuple[str, float, Callable[[], object]]] = []
    for name, model, length in (
        ("BPNet in bpnet-lite's layout", PaddedBPNet(), 2114),
        ("residual dilated net, 64 filters", ResidualNet(64), 2000),
    ):
        X = one_hot(tokens(16, length))
        each = operations(model.eval(), length)
        tasks.append((f"predict, {name}", 16 * each, lambda m=model, X=X: predict(m, X)))
    X, references = random_one_hot(n, LENGTH), random_one_hot(n, n_references, LENGTH)
    for name, model in (("BPNet counts", Counts()), ("residual dilated net", Residual())):
        model.eval()
        each = operations(model, LENGTH)
        if isinstance(model, Counts):  # its profile head is not needed
            each -= 2 * 64 * 2 * 75 * LENGTH
        total = n * each * (1 + 2 * n_references)
        run = lambda m=model: deep_lift_shap(m, X, references=references)  # noqa: E731
        tasks.append((f"DeepLIFT/SHAP, {name}", total, run))
    for _, _, run in tasks:
        run()
    measured = [
        [peaks(), *(_seconds(run) for _, _, run in tasks)] for _ in range(3 if quick else 5)
    ]
    product = statistics.median(m[0][0] for m in measured)
    convolution = statistics.median(m[0][1] for m in measured)
    made = []
    for i, (name, total, _) in enumerate(tasks, 1):
        seconds = statistics.median(m[i] for m in measured)
        rate, best = total / seconds, max(product, convolution)
        rival = f"its operations at {best / 1e9:.0f} GFLOP/s"
        made.append(
            {
                "task": f"distance to the peak: {name}",
                "medians": {"cisweep": seconds, rival: total / best},
                "ratios": {rival: total / best / seconds},
                "goals": {},
                "check": f"{rate / 1e9:.0f} GFLOP/s, {rate / best:.0%} of the best convolution "
                f"({convolution / 1e9:.0f}), {rate / product:.0%} of a float32 GEMM "
                f"({product / 1e9:.0f})",
            }
        )
    return made

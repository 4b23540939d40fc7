"""One convolution, by Winograd and over letters, beside torch's own and a channels-last conv2d."""

import torch
import torch.nn.functional as F

from benchmarks.common import compare
from cisweep.engine.convolution.one_hot import LetterConvolution
from cisweep.engine.convolution.winograd import WinogradConvolution, vector_floats

# windows, input channels, outputs, width, dilation, length
SHAPES = (
    (4, 64, 64, 3, 2, 2114),
    (4, 64, 64, 3, 256, 2114),
    (4, 64, 64, 11, 4, 2114),
    (16, 32, 32, 11, 1, 600),
    (16, 48, 48, 3, 4, 200),
    (1, 512, 512, 3, 16, 2114),
    (4, 4, 64, 21, 1, 2114),
)


def _row(n: int, n_in: int, n_out: int, width: int, dilation: int, length: int) -> dict:
    pad = dilation * (width // 2)
    x, weight = torch.randn(n, n_in, length), torch.randn(n_out, n_in, width)
    if n_in == 4:
        x = F.one_hot(torch.randint(0, 4, (n, length)), 4).transpose(1, 2).float().contiguous()
    weight /= (n_in * width) ** 0.5
    form = {"memory_format": torch.channels_last}
    last, flat = x.unsqueeze(2).contiguous(**form), weight.unsqueeze(2).contiguous(**form)
    rivals = {}
    if n_in == 4:
        letters = LetterConvolution(weight, pad, dilation)
        rivals["cisweep"] = lambda: letters(x)
    else:
        made = {floats: WinogradConvolution(weight, pad, dilation, floats) for floats in (16, 8)}
        if vector_floats() == 16:
            rivals["cisweep"] = lambda: made[16](last.squeeze(2))
            rivals["cisweep by AVX2"] = lambda: made[8](last.squeeze(2))
        else:
            rivals["cisweep"] = lambda: made[8](last.squeeze(2))
    found = rivals["cisweep"]()
    rivals["conv2d, channels last"] = lambda: F.conv2d(
        last, flat, padding=(0, pad), dilation=(1, dilation)
    )
    rivals["torch conv1d"] = lambda: F.conv1d(x, weight, padding=pad, dilation=dilation)
    wanted = F.conv1d(x.double(), weight.double(), padding=pad, dilation=dilation)
    worst, own = (
        float((y - wanted).abs().max() / wanted.abs().max())
        for y in (found, rivals["torch conv1d"]())
    )
    # One call is too short for the clock.
    times = max(1, int(4e9 / (2 * wanted.numel() * n_in * width)))
    many = {name: lambda run=run: [run() for _ in range(times)] for name, run in rivals.items()}
    return compare(
        f"{n} x {n_in} channels to {n_out}, width {width}, dilation {dilation}, {length} bp",
        many,
        check=f"{worst:.0e} of the largest, torch {own:.0e}",
    )


@torch.no_grad()
def rows(quick: bool) -> list[dict]:
    """Return one row a shape; all sizes are quick."""
    torch.manual_seed(0)
    torch.empty(2**25 - 2**14, dtype=torch.uint8)  # as engine/running.py: freed memory is kept
    if not vector_floats():
        raise SystemExit("convolutions by Winograd need AVX2")
    return [_row(*shape) for shape in SHAPES]

"""A convolution by quads of four outputs, with half the multiplications (Winograd's F(4, 3)).

Source: Lavin and Gray 2016, arXiv:1509.09308, whose tile of outputs is a quad here; the kernel is
`_csrc/winograd.c`. A kernel of more than three taps is split in threes.
"""

import ctypes
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from cisweep import kernels

_BLOCK = 16  # input channels side by side, as in the C file
_LEAST_CHANNELS = 16  # of inputs and outputs; with fewer the combinations cost what they save
_LEAST_GAIN = 1.4  # multiplications of the definition for one of these, of what is filled up too
_VECTORS = {16: 4, 8: 2}  # floats of a vector: vectors of outputs in a block
# Combinations of the weights: Lavin and Gray, section 4.3.
_OF_TAPS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)

_pointer, _int, _long = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_floats = kernels.kernel("winograd_floats", _int, [])
_convolve = kernels.kernel(
    "winograd_convolve",
    _long,
    [_int, _pointer, _long, _long, _long, _pointer, _pointer, _pointer, _long, _int, _int, _int,
     _long, _long, _long, _long],
)  # fmt: skip


@cache
def vector_floats() -> int:
    """Return how many numbers a vector of this machine's kernel holds; 0 where there is none."""
    return _floats()


def pays(n_out: int, n_in: int, width: int, dilation: int, n_positions: int) -> bool:
    """Return whether a convolution is faster by quads: on this machine, of these sizes."""
    floats = vector_floats()
    if not floats or min(n_out, n_in) < _LEAST_CHANNELS:
        return False
    filled = n_in * n_out / (_up_to(n_in, _BLOCK) * _up_to(n_out, floats))
    filled *= n_positions / (4 * n_quads(n_positions, dilation))
    return 4 * width / (6 * -(-width // 3)) * filled >= _LEAST_GAIN


def _up_to(n: int, multiple: int) -> int:
    return n + -n % multiple


def n_quads(n_positions: int, dilation: int) -> int:
    """Return the quads of a window: as many as outputs p whose p - dilation is of another quad."""
    whole, rest = divmod(n_positions, 4 * dilation)
    return whole * dilation + min(rest, dilation)


class WinogradConvolution:
    """A convolution of stride 1 whose weights (outputs, inputs, width), float32, are laid out."""

    def __init__(self, weight: Tensor, pad: int, dilation: int, floats: int | None = None):
        self.n_out, self.n_in, self.width = weight.shape
        self.pad, self.dilation = pad, dilation
        self.floats = floats or vector_floats()
        self.n_threes = -(-self.width // 3)
        self.weight = self._laid_out(weight)
        self.no_bias = weight.new_zeros(self.n_out + -self.n_out % self.floats)

    def _laid_out(self, weight: Tensor) -> Tensor:
        """Return the combinations (block of outputs, 6, threes, inputs, outputs of the block)."""
        taps = F.pad(weight.double(), (0, 3 * self.n_threes - self.width))
        taps = taps.view(self.n_out, self.n_in, self.n_threes, 3)
        of_taps = torch.tensor(_OF_TAPS, dtype=torch.float64)
        made = torch.einsum("ij,ocgj->igco", of_taps, taps)
        made = F.pad(made, (0, -self.n_out % self.floats, 0, -self.n_in % _BLOCK))
        blocks = made.float().split(self.floats * _VECTORS[self.floats], dim=3)
        return torch.cat([block.flatten() for block in blocks])

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the convolution (N, outputs, positions) of x (N, inputs, positions), as a view of
        channels-last memory."""
        rows = x.transpose(1, 2)
        if rows.stride(2) != 1:
            rows = rows.contiguous()
        n, length, _ = rows.shape
        n_positions = length + 2 * self.pad - self.dilation * (self.width - 1)
        y = torch.empty((n, n_positions, self.n_out))
        bias = self.no_bias if bias is None else F.pad(bias, (0, -self.n_out % self.floats))

        def run(begin: int, end: int) -> None:
            failed = _convolve(
                self.floats, rows.data_ptr(), rows.stride(0), rows.stride(1), length,
                self.weight.data_ptr(), bias.data_ptr(), y.data_ptr(), n_positions, self.n_in,
                self.n_out, self.n_threes, self.dilation, self.pad, begin, end,
            )  # fmt: skip
            if failed:
                raise MemoryError("no memory for the quads of a convolution")

        quads = n * n_quads(n_positions, self.dilation)
        kernels.in_threads(run, quads, min(torch.get_num_threads(), 1 + quads // 64))
        return y.transpose(1, 2)

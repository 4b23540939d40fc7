"""A convolution over one-hot letters: the weights of what each tap reads are added up.

A first layer multiplies mostly with zeros; the kernel `_csrc/letter_convolution.c` passes over
them. Any other input has the result of the definition too.
"""

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor

from cisweep import kernels

_BLOCK = 16  # outputs side by side, as in the C file
_LETTERS = 4  # rows of fewer or more channels are seldom one-hot
_LEAST_OUTPUTS = 16

_pointer, _int, _long = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_convolve = kernels.kernel(
    "letter_convolve",
    _long,
    [_pointer, _long, _long, _long, _long, _pointer, _pointer, _pointer, _long, _int, _int, _int,
     _long, _long, _long, _long],
)  # fmt: skip


def pays(n_out: int, n_in: int) -> bool:
    """Return whether a convolution is faster so, if its input is one-hot."""
    return n_in == _LETTERS and n_out >= _LEAST_OUTPUTS


class LetterConvolution:
    """A convolution of stride 1 whose weights (outputs, letters, width), float32, are laid out."""

    def __init__(self, weight: Tensor, pad: int, dilation: int):
        self.n_out, self.n_in, self.width = weight.shape
        self.pad, self.dilation = pad, dilation
        self.weight = F.pad(weight.permute(2, 1, 0), (0, -self.n_out % _BLOCK)).contiguous()
        self.no_bias = weight.new_zeros(self.weight.shape[2])

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the convolution (N, outputs, positions) of x (N, letters, positions), as a view of
        channels-last memory."""
        n, _, length = x.shape
        n_positions = length + 2 * self.pad - self.dilation * (self.width - 1)
        y = torch.empty((n, n_positions, self.n_out))
        bias = self.no_bias if bias is None else F.pad(bias, (0, -self.n_out % _BLOCK))

        def run(begin: int, end: int) -> None:
            failed = _convolve(
                x.data_ptr(), *x.stride(), length, self.weight.data_ptr(), bias.data_ptr(),
                y.data_ptr(), n_positions, self.n_in, self.n_out, self.width, self.dilation,
                self.pad, begin, end,
            )  # fmt: skip
            if failed:
                raise MemoryError("no memory for a convolution over letters")

        kernels.in_threads(run, n, torch.get_num_threads())
        return y.transpose(1, 2)

"""Calls of a network, recorded once and run faster; what is not taken says why.

It knows tensors and kernels, nothing of genomes, configs or files. `policy` needs no torch.
"""

from cisweep.lazy import exports

_MODULE_OF = {
    "fast_convolutions": "operations",
    "off": "policy",
    "record": "recording",
    "require": "policy",
}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF)

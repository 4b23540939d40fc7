"""cisweep: sequence-to-function models of DNA, swept across a genome."""

__version__ = "0.1.0"

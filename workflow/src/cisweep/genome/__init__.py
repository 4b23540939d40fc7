"""Readers of genomes, loci, motifs and variants, and the plan of a run; no torch here.

Names are loaded when first used. What peers return as tensors comes as NumPy arrays;
`torch.from_numpy` takes them without a copy.
"""

from importlib import import_module
from typing import Any

_MODULE_OF = {
    "Genome": "fasta",
    "load_fasta": "fasta",
    "extract_loci": "loci",
    "read_meme": "motifs",
    "load_motifs": "motifs",
    "Motif": "motifs",
    "read_vcf": "variants",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cisweep.genome' has no attribute {name!r}")
    return getattr(import_module(f"cisweep.genome.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__

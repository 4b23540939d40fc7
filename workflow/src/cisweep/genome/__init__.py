"""Readers of genomes, loci, motifs and variants; no torch here.

Names are loaded when first used. What peers return as tensors comes as NumPy arrays;
`torch.from_numpy` takes them without a copy.
"""

from cisweep.lazy import exports

_MODULE_OF = {
    "Genome": "fasta",
    "load_fasta": "fasta",
    "extract_loci": "loci",
    "read_meme": "motifs",
    "write_meme": "meme",
    "load_motifs": "motifs",
    "Motif": "motifs",
    "read_vcf": "variants.reading",
}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF)

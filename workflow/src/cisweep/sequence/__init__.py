"""Encode and edit sequences; names are loaded when first used, so that tokens need no torch.

One-hot is (batch, 4, length) in the order A C G T with zeros for N; tokens are uint8 with 4
for N (`cisweep.sequence.tokens`). The functions for tensors have the names, arguments and
shapes of tangermeme 1.6.
"""

from cisweep.lazy import exports

_MODULE_OF = {
    "one_hot_encode": "encoding",
    "one_hot_tokens": "encoding",
    "tokens_of": "encoding",
    "characters": "encoding",
    "random_one_hot": "shuffling",
    "reverse_complement": "encoding",
    "substitute": "editing",
    "multisubstitute": "editing",
    "insert": "editing",
    "delete": "editing",
    "randomize": "shuffling",
    "shuffle": "shuffling",
    "dinucleotide_shuffle": "shuffling",
    "local_dinucleotide_shuffle": "local_shuffling",
    "gc_content": "composition",
    "information_content": "composition",
    "pwm_consensus": "composition",
    "kmers": "composition",
    "gapped_kmers": "gapped",
    "one_hot_to_fasta": "composition",
    "tokenize": "tokens",
    "decode_tokens": "tokens",
    "reverse_complement_tokens": "tokens",
    "shuffle_tokens": "tokens",
    "shuffle_seeds": "tokens",
    "mono_shuffle_tokens": "tokens",
}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF)

"""Windows of a FASTA file as tokens, against pyfaidx; strings as one-hot, against tangermeme."""

import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pyfaidx

from benchmarks.common import compare
from cisweep.genome.fasta import Genome
from cisweep.sequence import decode_tokens, one_hot_encode, tokenize


def rows(quick: bool) -> list[dict]:
    from tangermeme.utils import one_hot_encode as peer_encode

    n, width = (1000 if quick else 10_000), 2114
    rng = np.random.default_rng(0)
    letters = decode_tokens(rng.integers(0, 4, 2_000_000, dtype=np.uint8))
    starts = rng.integers(0, len(letters) - width, n).tolist()
    window = letters[:width]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "genome.fa"
        path.write_text(">chr1\n" + "\n".join(textwrap.wrap(letters, 60)) + "\n")
        record = pyfaidx.Fasta(str(path), as_raw=True, sequence_always_upper=True)["chr1"]
        genome = Genome(path)
        for s in starts[:20]:
            assert (genome.tokens("chr1", s, s + width) == tokenize(record[s : s + width])).all()
        windows = compare(
            f"{n} windows x {width} bp, FASTA to tokens",
            {
                "cisweep": lambda: [genome.tokens("chr1", s, s + width) for s in starts],
                "pyfaidx (letters only)": lambda: [record[s : s + width] for s in starts],
                "pyfaidx, then tokens": lambda: [tokenize(record[s : s + width]) for s in starts],
            },
            goals={"pyfaidx (letters only)": 1.5},
            check="equal",
        )
    text = memoryview(letters.encode())
    encode = compare(
        f"{n} strings x {width} bp, one-hot (cisweep: tokens)",
        {
            "cisweep": lambda: [tokenize(text[s : s + width]) for s in starts],
            "cisweep one_hot_encode": lambda: [one_hot_encode(window) for _ in starts],
            "tangermeme one_hot_encode": lambda: [peer_encode(window) for _ in starts],
        },
        check="equal",
    )
    return [windows, encode]

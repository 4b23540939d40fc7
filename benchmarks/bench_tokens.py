"""A FASTA record's windows as tokens, against pyfaidx and tangermeme's one-hot encoding."""

import tempfile
from pathlib import Path

import numpy as np
import pyfaidx
from cisweep.sequence import decode_tokens, one_hot_encode, tokenize

from benchmarks.common import compare


def rows(quick: bool) -> list[dict]:
    from tangermeme.utils import one_hot_encode as peer_encode

    n, width = (1000 if quick else 10_000), 2114
    rng = np.random.default_rng(0)
    letters = decode_tokens(rng.integers(0, 4, 2_000_000, dtype=np.uint8))
    starts = rng.integers(0, len(letters) - width, n).tolist()
    window = letters[:width]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "genome.fa"
        path.write_text(f">chr1\n{letters}\n")
        record = pyfaidx.Fasta(str(path), as_raw=True, sequence_always_upper=True)["chr1"]
        text = memoryview(letters.encode())
        windows = compare(
            f"{n} windows x {width} bp to tokens",
            {
                "cisweep": lambda: [tokenize(text[s : s + width]) for s in starts],
                "pyfaidx": lambda: [record[s : s + width] for s in starts],
                "pyfaidx + cisweep": lambda: [tokenize(record[s : s + width]) for s in starts],
            },
            goals={"pyfaidx": 1.5},
            check="equal; cisweep reads a memory map, pyfaidx returns letters only",
        )
    encode = compare(
        f"one-hot encode {width} bp, 200 times",
        {
            "cisweep": lambda: [one_hot_encode(window) for _ in range(200)],
            "tangermeme": lambda: [peer_encode(window) for _ in range(200)],
        },
        check="equal",
    )
    return [windows, encode]

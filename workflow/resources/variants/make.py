"""Write the demo's variants: random ones on its slice, and one in each strong CTCF or PU.1 hit.

    python make.py ../genome/chr20_0_1Mb.fa.gz ../motifs/JASPAR2026_CORE_vertebrates_nr.meme

They are made up, since real genotypes may not be shipped. The group says where a variant stands:
`hit` (the most informative base of a motif hit) or `random`.
"""

import sys
from pathlib import Path

import numpy as np
import pysam

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.genome.fasta import Genome
from cisweep.genome.motifs import load_motifs

MOTIFS = ("MA0139.2", "MA0080.7")  # CTCF, Spi1
N_RANDOM, SEED, THRESHOLD = 160, 7, 1e-6


def main() -> None:
    """Write demo.vcf.gz and its index beside this file."""
    fasta, meme = sys.argv[1:]
    genome, rng = Genome(fasta), np.random.default_rng(SEED)
    (chrom, length), *_ = genome.lengths.items()
    tokens = genome.tokens(chrom, 0, length)
    rows: dict[tuple[int, str], tuple[str, str]] = {}

    def letters(start: int, end: int) -> str:
        return "".join("ACGTN"[t] for t in tokens[start:end])

    motifs = [m for m in load_motifs(meme) if m.name in MOTIFS]
    for hit in scan_tokens(prepare_motifs(motifs, threshold=THRESHOLD), tokens):
        at = int(motifs[hit["motif_idx"]].information().argmax())
        start, end = int(hit["start"]), int(hit["end"])
        pos = start + at if hit["strand"] == "+" else end - 1 - at
        alt = "ACGT"[(int(tokens[pos]) + int(rng.integers(1, 4))) % 4]
        rows[pos, letters(pos, pos + 1)] = (alt, "hit")
    known = np.flatnonzero(tokens < 4)
    for pos in rng.choice(known[1000:-1000], N_RANDOM, replace=False).tolist():
        n_ref, n_alt = ((1, 1), (1, 1), (1, 3), (4, 1))[int(rng.integers(4))]
        ref = letters(pos, pos + n_ref)
        new = "".join(rng.choice(list("ACGT"), n_alt))
        alt = new if n_ref == n_alt else ref[0] + new[1:]
        if "N" not in ref and alt != ref:
            rows[pos, ref] = (alt, "random")
    path = Path(__file__).with_name("demo.vcf")
    with open(path, "w") as handle:
        handle.write("##fileformat=VCFv4.2\n")
        handle.write('##INFO=<ID=GROUP,Number=1,Type=String,Description="hit or random">\n')
        handle.write(f"##contig=<ID={chrom},length={length}>\n")
        handle.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for (pos, ref), (alt, group) in sorted(rows.items()):
            # VCF is 1-based.
            handle.write(f"{chrom}\t{pos + 1}\t.\t{ref}\t{alt}\t.\t.\tGROUP={group}\n")
    pysam.tabix_index(str(path), preset="vcf", force=True)


if __name__ == "__main__":
    main()

"""Does the yeast language model put coding and intergenic substitutions apart? On held-out chrXVI.

    python coding.py sacCer3.fa.gz features.tsv.gz model/

Random single substitutions in coding sequences and between features, 200 bp around each, L2 of the
mean-pooled last hidden states, both strands. Features: a table without header whose first columns
are chrom, start, end (0-based half-open), name, type.
"""

import argparse

import numpy as np
import pandas as pd
import torch

from cisweep.analysis.language_model.embedding import (
    EmbeddingOptions,
    embedding_distance,
    likelihood_ratio,
)
from cisweep.analysis.language_model.group_tests import compare_groups
from cisweep.genome.fasta import Genome
from cisweep.models.adapters.hf_lm import load_language_model

CHROM, HALF, N, SEED = "chrXVI", 100, 400, 1


def sites(features: pd.DataFrame, length: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return N positions inside coding sequences, or outside every feature."""
    covered = np.zeros(length, dtype=bool)
    chosen = features[features["type"] == "CDS"] if kind == "coding" else features
    for start, end in zip(chosen["start"], chosen["end"]):
        covered[start:end] = True
    usable = covered if kind == "coding" else ~covered
    usable[:HALF] = usable[-HALF:] = False
    return rng.choice(np.flatnonzero(usable), N, replace=False)


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("fasta", "features", "folder"):
        parser.add_argument(name)
    options = parser.parse_args()
    torch.set_num_threads(1)
    genome, rng = Genome(options.fasta), np.random.default_rng(SEED)
    columns = ["chrom", "start", "end", "name", "type"]
    features = pd.read_csv(options.features, sep="\t", header=None, names=columns, usecols=range(5))
    # A row that spans the chromosome is no feature.
    whole = features["end"] - features["start"] >= genome.lengths[CHROM]
    features = features[(features["chrom"] == CHROM) & ~whole]
    refs, alts, groups = [], [], []
    for kind in ("coding", "intergenic"):
        for at in sites(features, genome.lengths[CHROM], kind, rng):
            ref = genome.tokens(CHROM, at - HALF, at + HALF)
            alt = ref.copy()
            alt[HALF] = (ref[HALF] + rng.integers(1, 4)) % 4
            for found, tokens in ((refs, ref), (alts, alt)):
                found.append("".join("ACGTN"[t] for t in tokens))
            groups.append(kind)
    model = load_language_model(options.folder)
    distance = embedding_distance(model, refs, alts, EmbeddingOptions(both_strands=True))
    ratio = likelihood_ratio(model, refs, alts).ratio
    for score, values in (("distance", distance), ("log-likelihood ratio", ratio)):
        row = compare_groups(values, groups, score=score).iloc[0]
        print(row.to_string(), row["sentence"], sep="\n", end="\n\n")


if __name__ == "__main__":
    main()

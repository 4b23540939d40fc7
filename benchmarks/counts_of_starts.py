"""What the reads of a window say beyond its place: the yeast starts' counts, on validation rows.

    python -m benchmarks.counts_of_starts CONFIG MODEL FEATURES [TRAINED]

FEATURES: ../shared/data/yeast/features.tsv.gz. TRAINED: folder of the trained MODEL. Ridges are
fitted on the training windows of MODEL and judged on its validation chromosome, with the penalty
that is best on the training chromosome LEFT_OUT; no ridge looks at held-out windows. Pearson r of
log1p of both strands' reads; the annotation is no input of any model.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from cisweep.genome.fasta import Genome, window_tokens
from cisweep.models import load_model
from cisweep.plan.run_config import read_model_config
from cisweep.sequence.tokens import reverse_complement_tokens
from cisweep.steps.train import Recipe
from cisweep.train import metrics
from cisweep.train.data.loading import load_examples
from cisweep.train.judging.baselines import kmer_counts
from cisweep.train.judging.evaluation import Predicting, predict_dataset
from cisweep.train.products import markdown

LEFT_OUT = "chrXIII"
PENALTIES = (10.0, 100.0, 1000.0, 10000.0, 100000.0)
EDGES = np.arange(-1000, 1001, 50)


class Rows:
    """Training and validation windows: tokens (N, window_bp), log counts (N,), chrom, middle."""

    def __init__(self, recipe: Recipe):
        self.examples = examples = load_examples(recipe)
        self.output_bp, j = recipe.data.output_bp, recipe.data.jitter_bp
        split = examples.split
        self.rows = rows = np.concatenate([split.train, split.validation])
        self.validation = np.arange(len(rows)) >= len(split.train)
        self.tokens = examples.data.tokens[rows][:, j : j + recipe.data.window_bp]
        self.counts = examples.data.signal[rows][:, :, j : j + self.output_bp].sum(axis=(1, 2))
        self.log_counts = np.log1p(self.counts.astype(np.float64))
        parsed = [re.match(r"(.+):(\d+)-(\d+)", name).groups() for name in examples.names[rows]]
        self.chrom = np.array([c for c, _, _ in parsed])
        self.middle = np.array([(int(s) + int(e)) // 2 for _, s, e in parsed])


def in_stretches(rows: Rows, reach: int, width: int, k: int) -> np.ndarray:
    """Return k-mer counts of stretches up to `reach` bp from the middle, mirrored strands added."""
    middle, blocks = rows.tokens.shape[1] // 2, []
    other = reverse_complement_tokens(rows.tokens)
    for low in range(middle - reach, middle + reach, width):
        part = [t[:, low : low + width] for t in (rows.tokens, other)]
        blocks.append(kmer_counts(part[0], (k,)) + kmer_counts(part[1], (k,)))
    return np.concatenate(blocks, axis=1)


def gene_starts(rows: Rows, genes: pd.DataFrame) -> np.ndarray:
    """Return the binned distance from the nearest gene start of each strand, one-hot."""
    blocks = []
    for strand, column, sign in (("+", "start", 1), ("-", "end", -1)):
        distance = np.zeros(len(rows.middle))
        for chrom in np.unique(rows.chrom):
            here = rows.chrom == chrom
            use = (genes["chrom"] == chrom) & (genes["strand"] == strand)
            away = sign * (rows.middle[here][:, None] - genes.loc[use, column].to_numpy())
            distance[here] = away[np.arange(len(away)), np.abs(away).argmin(axis=1)]
        blocks.append(np.eye(len(EDGES) + 1)[np.digitize(distance, EDGES)])
    return np.concatenate(blocks, axis=1)


def codons(rows: Rows, coding: pd.DataFrame, genome: dict[str, np.ndarray]) -> np.ndarray:
    """Return the square roots of the codon shares of the CDS whose start is nearest, (N, 64)."""
    shares = np.zeros((len(rows.middle), 64))
    for chrom in np.unique(rows.chrom):
        here, of_chrom = rows.chrom == chrom, coding[coding["chrom"] == chrom]
        found = []
        for start, end, strand in zip(of_chrom["start"], of_chrom["end"], of_chrom["strand"]):
            bases = genome[chrom][start:end]
            bases = bases if strand == "+" else reverse_complement_tokens(bases[None])[0]
            letters = bases[: len(bases) // 3 * 3].reshape(-1, 3).astype(int)
            letters = letters[(letters < 4).all(axis=1)]
            count = np.bincount(letters @ [16, 4, 1], minlength=64)
            found.append(np.sqrt(count / max(count.sum(), 1)))
        starts = np.where(of_chrom["strand"] == "+", of_chrom["start"], of_chrom["end"])
        nearest = np.abs(rows.middle[here][:, None] - starts).argmin(axis=1)
        shares[here] = np.array(found)[nearest]
    return shares


def ridge(rows: Rows, x: np.ndarray) -> np.ndarray:
    """Return what a ridge on standardised features predicts for the validation rows."""
    train = ~rows.validation
    inner = train & (rows.chrom != LEFT_OUT)
    judged = train & ~inner
    errors = {p: _fitted(rows, x, inner, judged, p) for p in PENALTIES}
    best = max(errors, key=lambda p: metrics.pearson(errors[p], rows.log_counts[judged]))
    return _fitted(rows, x, train, rows.validation, best)


def _fitted(
    rows: Rows, x: np.ndarray, train: np.ndarray, judged: np.ndarray, penalty: float
) -> np.ndarray:
    mean, sd = x[train].mean(axis=0), x[train].std(axis=0)
    scaled = ((x - mean) / np.where(sd > 0, sd, 1)).astype(np.float32)
    y = rows.log_counts[train] - rows.log_counts[train].mean()
    gram = (scaled[train].T @ scaled[train]).astype(np.float64)
    moment = scaled[train].T @ y
    return scaled[judged] @ np.linalg.solve(gram + penalty * np.eye(len(gram)), moment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("model")
    parser.add_argument("features", type=Path)
    parser.add_argument("trained", type=Path, nargs="?")
    given = parser.parse_args()
    steps = yaml.safe_load(given.config.read_text())["steps"]
    recipe = Recipe.model_validate(steps["train"]["models"][given.model])
    rows = Rows(recipe)
    columns = ["chrom", "start", "end", "id", "type", "strand", "name", "place"]
    features = pd.read_csv(given.features, sep="\t", header=None, names=columns)
    starts = gene_starts(rows, features[features["type"] == "gene"])
    use = codons(rows, features[features["type"] == "CDS"], whole_genome(recipe))
    half = rows.tokens.shape[1] // 200 * 100
    placed = in_stretches(rows, half, 100, 3)
    known = {
        f"3-mers of the {rows.output_bp} bp of the output": in_stretches(
            rows, rows.output_bp // 2, rows.output_bp, 3
        ),
        f"3-mers of each 100 bp of {2 * half} bp": placed,
        "place of the annotated gene starts": starts,
        "place, codons of the gene that starts nearest": np.hstack([starts, use]),
        "place, codons, 3-mers of each 100 bp": np.hstack([starts, use, placed]),
    }
    predicted = {name: ridge(rows, x) for name, x in known.items()}
    if given.trained:
        predicted["the trained model"] = of_model(rows, given.trained)
    print("\n".join(markdown(pd.DataFrame(table(rows, predicted)))))
    if given.trained:
        print("\nheld out: " + held_out(pd.read_csv(given.trained / "fold0.heldout.tsv", sep="\t")))


def whole_genome(recipe: Recipe) -> dict[str, np.ndarray]:
    """Return the tokens of every chromosome."""
    genome = Genome(recipe.data.genome)
    return {
        c: window_tokens(genome, np.array([c]), np.array([0]), np.array([n]))[0]
        for c, n in genome.lengths.items()
    }


def of_model(rows: Rows, folder: Path) -> np.ndarray:
    """Return the log counts that a trained model predicts for the validation rows."""
    config = read_model_config(folder / "model.yaml")
    data = rows.examples.data.take(rows.examples.split.validation)
    outputs = predict_dataset(load_model(config).eval(), data, Predicting(both_strands=True))
    return outputs[1][:, 0]


def held_out(table: pd.DataFrame, draws: int = 1000) -> str:
    """Return r of a model's held-out windows with enough reads, and its 95 % bootstrap interval.

    Stretches of 10 kb are drawn, since neighbouring windows share promoters.
    """
    table = table[table["peak"]]
    place = table["name"].str.extract(r"(.+):(\d+)-")
    stretch = place[0] + ":" + (place[1].astype(int) // 10_000).astype(str)
    members = [np.flatnonzero(stretch == name) for name in stretch.unique()]
    predicted, observed = (table[f"counts_{c}"].to_numpy() for c in ("predicted", "observed"))
    generator, values = np.random.default_rng(0), []
    for _ in range(draws):
        drawn = generator.integers(0, len(members), len(members))
        rows = np.concatenate([members[i] for i in drawn])
        values.append(metrics.pearson(predicted[rows], observed[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    found = metrics.pearson(predicted, observed)
    return f"r {found:.3f} ({low:.3f} to {high:.3f}) over {len(table):,} windows"


def table(rows: Rows, predicted: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Return r of each prediction, over all validation rows and over some kinds of them."""
    observed, reads = rows.log_counts[rows.validation], rows.counts[rows.validation]
    signal = rows.examples.data.signal[rows.rows[rows.validation]]
    inset = (signal.shape[2] - rows.output_bp) // 2
    profile = signal[:, :, inset : inset + rows.output_bp].sum(axis=1)
    centre = profile @ np.arange(rows.output_bp) / profile.sum(axis=1)
    off = np.abs(centre - rows.output_bp / 2)
    kinds = {
        "all": np.ones(len(reads), bool),
        "reads centred within 50 bp": off < 50,
        "off by over 100 bp": off > 100,
        "20-49 reads": reads < 50,
        "over 99": reads >= 100,
        "without the tenth with most reads": reads < np.quantile(reads, 0.9),
    }
    return [
        {"known": name}
        | {f"{k} ({use.sum()})": metrics.pearson(p[use], observed[use]) for k, use in kinds.items()}
        for name, p in predicted.items()
    ]


if __name__ == "__main__":
    main()

"""What inserting a motif's consensus does to each task of a trained model, as a table.

    python -m benchmarks.insert_consensus FOLDER GENOME MOTIFS TASK=MOTIF …

FOLDER: products of the train step (model.yaml, fold0.heldout.tsv). The backgrounds are its held-out
uniform windows. A scrambled consensus (same letters, another order) stands beside each motif.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cisweep.analysis import marginalize
from cisweep.genome.fasta import Genome, window_tokens
from cisweep.genome.motifs import load_motifs
from cisweep.models import load_model
from cisweep.plan.run_config import read_model_config
from cisweep.train.products import markdown

N_BACKGROUNDS = 1000


def backgrounds(folder: Path, genome: Genome, width: int) -> torch.Tensor:
    """Return one-hot windows (N, 4, width) of held-out background."""
    held = pd.read_csv(folder / "fold0.heldout.tsv", sep="\t")
    names = held.loc[held["origin"] == "uniform", "name"][:N_BACKGROUNDS]
    chrom, spans = zip(*(name.split("(")[0].rsplit(":", 1) for name in names))
    spans = np.array([[int(x) for x in span.split("-")[:2]] for span in spans])
    start = spans.sum(axis=1) // 2 - width // 2
    tokens = window_tokens(genome, np.array(chrom), start, start + width)
    return torch.eye(5)[tokens.astype(int)][:, :, :4].transpose(1, 2)


def interval(change: np.ndarray, generator: np.random.Generator) -> str:
    """Return the mean of (N,) changes with its 95 % bootstrap interval."""
    means = change[generator.integers(0, len(change), (1000, len(change)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{change.mean():+.2f} ({low:+.2f} to {high:+.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("genome", type=Path)
    parser.add_argument("motifs", type=Path)
    parser.add_argument("tasks", nargs="+", metavar="TASK=MOTIF")
    given = parser.parse_args()
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    config = read_model_config(given.folder / "model.yaml")
    model = load_model(config)
    X = backgrounds(given.folder, Genome(given.genome), config.window_bp)
    known = {m.alt: m for m in load_motifs(given.motifs)}
    rows = []
    for wanted in dict(pair.split("=") for pair in given.tasks).values():
        letters = [("ACGT"[b]) for b in known[wanted].pwm.argmax(axis=0)]
        scrambled = generator.permutation(letters)
        for what, text in (("consensus", letters), ("scrambled", scrambled)):
            made = marginalize(model, X, "".join(text))
            change = (made.y_after - made.y_before).numpy()
            cells = {
                n: interval(change[:, t], generator) for t, n in enumerate(config.target_names)
            }
            rows.append(
                {"inserted": f"{known[wanted].label} {what}", "sequence": "".join(text)} | cells
            )
    print(
        f"Mean change of the logit over {len(X)} held-out backgrounds, 95 % bootstrap interval.\n"
    )
    print("\n".join(markdown(pd.DataFrame(rows))))


if __name__ == "__main__":
    main()

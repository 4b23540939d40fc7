"""What a user would write without cisweep: predictions, attributions, seqlets, hits of a stretch.

    python benchmarks/plain_script.py FASTA CHROM START END PEAKS OUT

One process, tangermeme and memelite with their defaults, the network of
workflow/resources/models/ctcf_pu1.yaml. PEAKS (BED) are the windows to explain.
`python -m benchmarks.plain` runs it beside the workflow, over the same windows, peaks, number of
references and motifs.
"""

import sys
from pathlib import Path

import memelite
import numpy as np
import pandas as pd
import pyBigWig
import pysam
import torch
from memelite.io import read_meme
from tangermeme.deep_lift_shap import deep_lift_shap
from tangermeme.predict import predict
from tangermeme.seqlet import recursive_seqlets
from tangermeme.utils import one_hot_encode

from cisweep.models import CNN

RESOURCES = Path(__file__).resolve().parent.parent / "workflow" / "resources"
WINDOW, STRIDE, TARGETS = 200, 100, ("ctcf", "pu1")


class Target(torch.nn.Module):
    """One output of the network, as deep_lift_shap wants it."""

    def __init__(self, network: torch.nn.Module, index: int):
        super().__init__()
        self.network, self.index = network, index

    def forward(self, x):
        return self.network(x)[:, self.index : self.index + 1]


def network() -> torch.nn.Module:
    from safetensors.torch import load_file

    net = CNN(n_filters=48, first_width=19, dilations=[2, 4, 8], pooling="max", n_outputs=2)
    net.load_state_dict(load_file(RESOURCES / "models" / "ctcf_pu1.safetensors"))
    return net.eval()


def both_strands(function, x: torch.Tensor) -> torch.Tensor:
    return (function(x) + function(x.flip(-1, -2))) / 2


def track(path: Path, chrom: str, length: int, starts: np.ndarray, values: np.ndarray, span: int):
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(chrom, length)])
        file.addEntries(chrom, starts.tolist(), values=values.tolist(), span=span)


def main(fasta: str, chrom: str, start: int, end: int, peaks: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    net = network()
    with pysam.FastaFile(fasta) as file:
        length = file.get_reference_length(chrom)
        sequence = file.fetch(chrom, start, end).upper()

    # Predictions of all windows with at most a tenth of N.
    places = np.arange(start, end - WINDOW + 1, STRIDE)
    windows = [sequence[p - start : p - start + WINDOW] for p in places]
    keep = np.array([w.count("N") <= 0.1 * WINDOW for w in windows])
    places, windows = places[keep], [w for w, k in zip(windows, keep) if k]
    x = torch.stack([one_hot_encode(w, ignore=["N"]) for w in windows]).float()
    y = torch.cat(
        [both_strands(lambda v: predict(net, v, device="cpu"), part) for part in x.split(8192)]
    )
    table = pd.DataFrame(y.numpy(), columns=TARGETS)
    table.insert(0, "start", places)
    table.to_csv(out / "predictions.tsv", sep="\t", index=False)
    for i, name in enumerate(TARGETS):
        middle = places + (WINDOW - STRIDE) // 2
        track(out / f"{name}.pred.bw", chrom, length, middle, y[:, i].numpy(), STRIDE)

    # Attributions of the peaks, and seqlets in them.
    bed = pd.read_csv(peaks, sep="\t", header=None, usecols=[1, 2], names=["start", "end"])
    first = (bed["start"] + bed["end"]).to_numpy() // 2 - WINDOW // 2
    x = torch.stack(
        [one_hot_encode(sequence[p - start : p - start + WINDOW], ignore=["N"]) for p in first]
    ).float()
    found = []
    for i, name in enumerate(TARGETS):
        model = Target(net, i)

        def explain(v: torch.Tensor, model=model) -> torch.Tensor:
            return deep_lift_shap(model, v, device="cpu", random_state=0)

        forward, reverse = explain(x), explain(x.flip(-1, -2)).flip(-1, -2)
        attributions = (forward + reverse) / 2
        np.savez_compressed(out / f"{name}.attributions.npz", attributions.numpy())
        seqlets = recursive_seqlets(attributions.sum(dim=1))
        found.append(seqlets.assign(target=name))
        total, seen = np.zeros(end - start), np.zeros(end - start)
        for p, row in zip(first, attributions.sum(dim=1).numpy()):
            total[p - start : p - start + WINDOW] += row
            seen[p - start : p - start + WINDOW] += 1
        at = np.flatnonzero(seen)
        track(out / f"{name}.attr.bw", chrom, length, at + start, total[at] / seen[at], 1)
    pd.concat(found).to_csv(out / "seqlets.tsv", sep="\t", index=False)

    # Motif hits of the whole stretch.
    motifs = read_meme(str(RESOURCES / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme"))
    whole = one_hot_encode(sequence, ignore=["N"])[None].numpy()
    hits = pd.concat(memelite.fimo(motifs, whole, threshold=1e-4))
    hits.assign(start=hits["start"] + start, end=hits["end"] + start).to_csv(
        out / "hits.tsv", sep="\t", index=False
    )


if __name__ == "__main__":
    fasta, chrom, start, end, peaks, out = sys.argv[1:]
    main(fasta, chrom, int(start), int(end), peaks, Path(out))

"""How many references do attributions need, and do they agree with mutagenesis? The demo answers.

python -m benchmarks.stability      writes stability.svg and stability.md beside this file

The strongest windows of each target are explained with 1 to 80 dinucleotide shuffles, and compared
with the mean over 200 other shuffles of the same window.
"""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from scipy.stats import spearmanr

from cisweep.analysis import attribute, predict, saturation_mutagenesis
from cisweep.config.model import file_sha256
from cisweep.genome.fasta import Genome
from cisweep.models import load_model, target_module
from cisweep.plan.run_config import read_model_config
from cisweep.sequence import dinucleotide_shuffle
from cisweep.sequence.encoding import one_hot_tokens

HERE = Path(__file__).parent
RESOURCES = HERE.parent / "workflow" / "resources"
COUNTS, TRUTH, WINDOWS = (1, 2, 5, 10, 20, 40, 80), 200, 15


def strongest(model: torch.nn.Module, window_bp: int) -> torch.Tensor:
    """Return (targets, WINDOWS, 4, window_bp): windows of the demo's genome that do not overlap."""
    genome = Genome(RESOURCES / "genome" / "chr20_0_1Mb.fa.gz")
    chrom = next(iter(genome.lengths))
    tokens = torch.from_numpy(genome.tokens(chrom, 0, genome.lengths[chrom]))
    windows = tokens.unfold(0, window_bp, window_bp)
    windows = windows[(windows < 4).all(1)].contiguous()
    scores = predict(model, windows)
    best = scores.topk(WINDOWS, dim=0).indices.T
    return one_hot_tokens(windows[best])


def agreement(model: torch.nn.Module, X: torch.Tensor, target: int) -> tuple[np.ndarray, float]:
    """Return r (counts, windows) with the mean over TRUTH other references, and ρ with mutants."""
    n = TRUTH + max(COUNTS)
    references = dinucleotide_shuffle(X, n=n, random_state=0).float()
    found = attribute(model, X, references, [target], multipliers=True)
    m = found.multipliers[0]
    share = m - (m * references).sum(2, keepdim=True)
    projected = (share * X[:, None]).sum(2).double().numpy()
    truth = projected[:, max(COUNTS) :].mean(1)
    r = np.array(
        [
            [np.corrcoef(p[:k].mean(0), t)[0, 1] for p, t in zip(projected, truth, strict=True)]
            for k in COUNTS
        ]
    )
    effects = saturation_mutagenesis(model, X, target=target)
    effects = effects.sum(1).numpy()  # of the present base: zeros elsewhere
    rho = [spearmanr(p[:20].mean(0), e)[0] for p, e in zip(projected, effects, strict=True)]
    return r, float(np.median(rho))


def draw(names: list[str], r: list[np.ndarray]) -> None:
    """Write the figure: median and middle 80% of the windows."""
    matplotlib.rcParams["svg.hashsalt"] = "stability"
    figure, ax = plt.subplots(figsize=(4.6, 3.2))
    for name, values in zip(names, r, strict=True):
        ax.plot(COUNTS, np.median(values, 1), marker="o", markersize=3, label=name)
        ax.fill_between(COUNTS, *np.quantile(values, [0.1, 0.9], axis=1), alpha=0.2, linewidth=0)
    ax.set_xscale("log")
    ax.set_xticks(COUNTS, [str(k) for k in COUNTS])
    ax.minorticks_off()
    ax.set_ylim(top=1)
    ax.set_xlabel("references per window")
    ax.set_ylabel(f"r with the mean over {TRUTH} others")
    ax.legend(frameon=False, title="median, 10% to 90% of windows", title_fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "stability.svg", bbox_inches="tight", metadata={"Date": None})


def main() -> None:
    """Measure, and write figure and table."""
    torch.set_num_threads(1)
    path = RESOURCES / "models" / "ctcf_pu1.yaml"
    config = read_model_config(path)
    model = target_module(load_model(config), config.targets, config.rc)
    X, names = strongest(model, config.window_bp), [t.name for t in config.targets]
    found = [agreement(model, X[i], i) for i in range(len(names))]
    draw(names, [r for r, _ in found])
    sha256 = file_sha256(path.with_suffix(".safetensors"))[:12]
    lines = [
        "# Attributions of the demo model\n",
        f"`python -m benchmarks.stability`; model {sha256}"
        f", the {WINDOWS} strongest windows of each target in the demo's 1 Mb; dinucleotide "
        f"shuffles.\n\nr of the projected attributions with the mean over {TRUTH} other "
        "references, median over windows (10% of windows are below the second figure), and "
        "Spearman's ρ of those of 20 references with saturation mutagenesis (median):\n",
        "| target | " + " | ".join(map(str, COUNTS)) + " | ρ with mutagenesis |",
        "|---" * (len(COUNTS) + 2) + "|",
    ]
    for name, (r, rho) in zip(names, found, strict=True):
        cells = [f"{np.median(v):.3f} ({np.quantile(v, 0.1):.3f})" for v in r]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {rho:.2f} |")
    (HERE / "stability.md").write_text("\n".join([*lines, "\n![r](stability.svg)\n"]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()

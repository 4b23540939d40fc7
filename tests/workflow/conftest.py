"""A small genome of two chromosomes, cut from the demo's, and few motifs; the demo's results."""

import os
import sys
from pathlib import Path

import pysam
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from support import TARGETS


@pytest.fixture(scope="session")
def small_genome(tmp_path_factory, resources) -> Path:
    """FASTA with .fai: chrA 30 kb with a stretch of N, chrB 12 kb of real human sequence."""
    folder = tmp_path_factory.mktemp("small genome")
    source = pysam.FastaFile(str(resources / "genome" / "chr20_0_1Mb.fa.gz"))
    sequences = {
        "chrA": source.fetch("chr20", 250_000, 279_000) + "N" * 1000,
        "chrB": source.fetch("chr20", 600_000, 612_000),
    }
    path = folder / "genome.fa"
    with open(path, "w") as handle:
        for name, sequence in sequences.items():
            handle.write(f">{name}\n")
            for i in range(0, len(sequence), 50):
                handle.write(sequence[i : i + 50] + "\n")
    pysam.faidx(str(path))
    text = (resources / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme").read_text()
    header, *motifs = text.split("MOTIF ")
    wanted = ("CTCF", "SPI1", "Spi1", "IKZF2", "ETV6", "NRF1", "KLF4", "GATA1")
    kept = [m for m in motifs if m.split()[1] in wanted]
    assert len(kept) >= 6
    (folder / "motifs.meme").write_text(header + "".join(f"MOTIF {m}" for m in kept))
    return path


@pytest.fixture(scope="session")
def demo(tmp_path_factory, snakemake):
    """The results of a run without a config: those of `make demo` where CI says that it ran it."""
    if made := os.environ.get("CISWEEP_DEMO_RUN"):
        return Path(made) / "results" / "demo"
    folder = tmp_path_factory.mktemp("demo run")
    snakemake(None, folder, timeout=1200, warm=False)  # as a user sees it
    return folder / "results" / "demo"


@pytest.fixture(scope="session")
def many_targets(tmp_path_factory, resources) -> Path:
    """The demo's network with other last weights: mixtures of its two targets, in three groups."""
    folder = tmp_path_factory.mktemp("model")
    weights = load_file(resources / "models" / "ctcf_pu1.safetensors")
    torch.manual_seed(0)
    mixture = torch.rand(len(TARGETS), 2)
    for name in ("output.weight", "output.bias"):
        own = weights[name]
        weights[name] = (mixture @ own.reshape(2, -1)).reshape(-1, *own.shape[1:]).contiguous()
    save_file(weights, folder / "many.safetensors")
    data = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text())
    data.pop("quality", None)
    data["module_args"]["n_outputs"] = len(TARGETS)
    data["targets"] = [
        {"name": t, "tasks": [i], "scale": "logit", "group": f"group {i % 3}"}
        for i, t in enumerate(TARGETS)
    ]
    data["folds"][0]["weights"] = "many.safetensors"
    (folder / "many.yaml").write_text(yaml.safe_dump(data))
    return folder / "many.yaml"

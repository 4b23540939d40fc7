"""A run of 5 kb for the functions of cisweep.jobs, and what the demo's model says, by hand."""

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pysam
import pytest

from cisweep.plan.plan import Plan
from cisweep.scope import ChunkScope, ModelScope, RunScope, TargetScope

SITE = "TGGCCACCAGGGGGCGCTA"
"""The consensus of CTCF."""
ORIGIN = {"cisweep_version": "1", "settings": "s", "model_sha256": "h", "seed": 0}


def one_hot(texts: list[str]) -> np.ndarray:
    """Return (N, L, 4) of sequences; N is all zeros."""
    return np.eye(5, 4)[[["ACGTN".index(base) for base in text] for text in texts]]


def logits(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return ctcf_pu1's logits (N, 2) of x (N, L, 4), the mean of both strands, in plain NumPy."""
    return (_one_strand(weights, x) + _one_strand(weights, x[:, ::-1, ::-1])) / 2


def _one_strand(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    x = np.maximum(_convolved(x, weights, "conv", 1), 0)
    for i, dilation in enumerate((2, 4, 8)):
        x = x + np.maximum(_convolved(x, weights, f"dilated.{i}", dilation), 0)
    return x.max(axis=1) @ weights["output.weight"].T + weights["output.bias"]


def _convolved(x: np.ndarray, weights: dict, name: str, dilation: int) -> np.ndarray:
    """x: (N, L, C); the same length comes back."""
    kernel = weights[f"{name}.weight"].astype(float)  # (O, C, K)
    reach, length = kernel.shape[2] // 2 * dilation, x.shape[1]
    padded = np.pad(x, ((0, 0), (reach, reach), (0, 0)))
    taps = range(kernel.shape[2])
    parts = [padded[:, k * dilation : k * dilation + length] @ kernel[:, :, k].T for k in taps]
    return sum(parts) + weights[f"{name}.bias"]


@dataclass
class SmallRun:
    """Two chromosomes: c1 of 3 kb has SITE at 1000 and N from 2400 to 2600; c2 of 2 kb has it on
    the other strand at 900. One chunk a chromosome; tiles of 200 bp each 100 bp."""

    folder: Path
    root: Path
    text: dict[str, str]

    def plan(self, model: Path | None = None, max_dropped: float = 0.5, **steps) -> Plan:
        """Return the plan of a run with these steps; model: a model.yaml, by default the demo's."""
        demo = self.root / "workflow/resources/models/ctcf_pu1.yaml"
        return Plan.from_config(
            {
                "run": "small",
                "genome": {"fasta": str(self.folder / "genome.fa")},
                "regions": {"tile": {"stride_bp": 100}, "max_dropped": max_dropped},
                "models": {"m": str(model or demo)},
                "motifs": str(self.folder / "motifs.meme"),
                "chunk_bp": 3000,
                "steps": steps,
            },
            self.root,
        )

    def of_run(self, plan: Plan) -> RunScope:
        """Return the scope of a job of the run."""
        return RunScope(plan=plan, origin=ORIGIN)

    def of_model(self, plan: Plan) -> ModelScope:
        """Return the scope of a job of the model."""
        return ModelScope(plan=plan, origin=ORIGIN, model="m")

    def of_chunk(self, plan: Plan, chunk: str = "c000000") -> ChunkScope:
        """Return the scope of a job of one chunk."""
        return ChunkScope(plan=plan, origin=ORIGIN, model="m", chunk=chunk)

    def of_target(self, plan: Plan, target: str = "ctcf") -> TargetScope:
        """Return the scope of a job of one target."""
        return TargetScope(plan=plan, origin=ORIGIN, model="m", target=target)

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """The model's weights."""
        from safetensors.numpy import load_file

        return load_file(self.root / "workflow/resources/models/ctcf_pu1.safetensors")

    def logits(self, texts: list[str]) -> np.ndarray:
        """Return the model's logits (N, 2) of sequences, computed by hand."""
        return logits(self.weights, one_hot(texts))

    def flat_logits(self) -> np.ndarray:
        """Return the logits (2,) of 200 positions with a quarter of each base."""
        return logits(self.weights, np.full((1, 200, 4), 0.25))[0]

    def bases(self, chrom: str, start: int, end: int) -> str:
        """Return the bases [start, end) of a chromosome."""
        return self.text[chrom][start:end]


def _sequences() -> dict[str, str]:
    rng = np.random.default_rng(7)
    c1, c2 = ("".join(rng.choice(list("ACGT"), n)) for n in (3000, 2000))
    other = SITE.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    c1 = f"{c1[:1000]}{SITE}{c1[1019:2400]}{'N' * 200}{c1[2600:]}"
    return {"c1": c1, "c2": f"{c2[:900]}{other}{c2[919:]}"}


@pytest.fixture(scope="session")
def small_run(tmp_path_factory, root) -> SmallRun:
    """The small run; see SmallRun."""
    folder, text = tmp_path_factory.mktemp("small_run"), _sequences()
    (folder / "genome.fa").write_text("".join(f">{name}\n{s}\n" for name, s in text.items()))
    pysam.faidx(str(folder / "genome.fa"))
    meme = root / "workflow/resources/motifs/JASPAR2026_CORE_vertebrates_nr.meme"
    header, *motifs = meme.read_text().split("MOTIF ")
    kept = [m for m in motifs if m.split()[0] in ("MA0139.2", "MA0080.7")]  # CTCF and Spi1
    assert len(kept) == 2
    (folder / "motifs.meme").write_text(header + "".join(f"MOTIF {m}" for m in kept))
    return SmallRun(folder, root, text)


@pytest.fixture
def config(tmp_path, monkeypatch, resources) -> dict:
    """A config as a user of the command has it, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    Path("g.fa").write_text(">a\n" + "ACGTTGCATC" * 100 + "\n")
    Path("r.bed").write_text("a\t100\t300\na\t300\t500\na\t600\t700\n")
    return {
        "run": "mine", "genome": {"fasta": "g.fa"}, "regions": {"bed": "r.bed"},
        "models": {"m": str(resources / "models" / "ctcf_pu1.yaml")}, "steps": {"predict": {}},
    }  # fmt: skip


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid

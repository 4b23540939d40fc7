"""A model that reads bigWig tracks beside the sequence: mutagenesis, attributions and variants.

One run has all of it: attributions by mutagenesis, a BED of regions of the step ism's own, variants
with indels. Its numbers are those of the model itself, called on inputs made here by hand.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest
import torch
import yaml
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from support import config

pytestmark = pytest.mark.slow
W = 200
LENGTHS = {"chrA": 30_000, "chrB": 12_000}
ARGS = {
    "n_filters": 4, "n_layers": 2, "first_width": 7, "profile_width": 15, "trimming": 60,
    "n_control_tracks": 2,
}  # fmt: skip
# Both strands of one place, another chromosome, one that leaves its chromosome, one in N.
BED = (
    "chrA\t5000\t5003\tplus\t0\t+\nchrA\t5000\t5003\tminus\t0\t-\n"
    "chrB\t7000\t7001\tfar\t0\t.\nchrB\t40\t50\tend\t0\t.\nchrA\t29500\t29600\tn\t0\t.\n"
)


@pytest.fixture(scope="module")
def module():
    from cisweep.models import BPNet

    torch.manual_seed(3)
    return BPNet(**ARGS).eval()


@pytest.fixture(scope="module")
def signal() -> dict[str, dict[str, np.ndarray]]:
    """Strand -> chromosome -> counts a base."""
    rng = np.random.default_rng(0)
    strands = {"plus": 0.3, "minus": 0.6}
    return {s: {c: rng.poisson(m, n) * 1.0 for c, n in LENGTHS.items()} for s, m in strands.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_genome, snakemake, module, signal) -> Path:
    """The folder of the model's products."""
    folder = tmp_path_factory.mktemp("tracks")
    save_file(module.state_dict(), folder / "w.safetensors")
    for strand, chroms in signal.items():
        with pyBigWig.open(str(folder / f"{strand}.bw"), "w") as file:
            file.addHeader(list(LENGTHS.items()))
            for chrom, values in chroms.items():
                file.addEntries(chrom, 0, values=values, span=1, step=1)
    model = {
        "adapter": "state_dict", "module": "BPNet", "module_args": ARGS, "window_bp": W,
        "inputs": [{"name": "control", "kind": "bigwig", "channels": 2,
                    "paths": ["plus.bw", "minus.bw"]}],
        "targets": [{"name": "counts", "head": 1, "tasks": [0], "scale": "log1p_counts"}],
        "rc": {"average": True, "task_permutation": [1, 0]},
        "folds": [{"weights": "w.safetensors"}],
    }  # fmt: skip
    (folder / "m.yaml").write_text(yaml.safe_dump(model))
    (folder / "own.bed").write_text(BED)
    rows = [("chrA", 5001), ("chrA", 9000), ("chrB", 7000)]
    with pysam.FastaFile(str(small_genome)) as genome:
        text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        for chrom, pos in rows:
            ref = genome.fetch(chrom, pos, pos + 3).upper()
            for r, a in (
                (ref[0], "ACGT"["CGTA".index(ref[0])]),
                (ref, ref[0]),
                (ref[0], ref[0] + "GAT"),
            ):
                text += f"{chrom}\t{pos + 1}\t.\t{r}\t{a}\t.\t.\t.\n"
    (folder / "v.vcf").write_text(text)
    (folder / "regions.bed").write_text("chrA\t4900\t5100\nchrB\t6900\t7110\n")
    steps = {
        "predict": {}, "select": None, "seqlets": None, "hits": None,
        "attribute": {"method": "ism"},
        "ism": {"bed": str(folder / "own.bed"), "span_bp": 40, "top_figures": 2},
        "variants": {"path": str(folder / "v.vcf"), "top_n": 2},
        "report": {},
    }  # fmt: skip
    regions = {"bed": str(folder / "regions.bed")}
    models = {"m": str(folder / "m.yaml")}
    snakemake(config(small_genome, models=models, regions=regions, steps=steps), folder)
    return folder / "results/small/m"


@pytest.fixture(scope="module")
def by_hand(module, signal):
    """The function (letters, (2, W) signal) -> prediction, the mean of both strands."""

    def predict(letters: str, track: np.ndarray) -> float:
        X = torch.tensor([[float(b == base) for b in letters] for base in "ACGT"])[None]
        t = torch.from_numpy(np.ascontiguousarray(track, dtype=np.float32))[None]
        with torch.no_grad():
            plus = module(X, t)[1]
            # On the other strand the tracks are turned, and change places.
            return float(plus + module(X.flip(1, 2), t.flip(1, 2))[1]) / 2

    return predict


@pytest.fixture(scope="module")
def window(small_genome, signal):
    """The function (chrom, start) -> letters and signal of W bases."""
    genome = pysam.FastaFile(str(small_genome))

    def cut(chrom: str, start: int) -> tuple[str, np.ndarray]:
        track = np.stack([signal[s][chrom][start : start + W] for s in ("plus", "minus")])
        return genome.fetch(chrom, start, start + W).upper(), track

    return cut


def substitutions(predict, letters: str, track: np.ndarray, at: int) -> np.ndarray:
    """Return (4,) mutant - original of the four bases at a position."""
    mutants = [letters[:at] + base + letters[at + 1 :] for base in "ACGT"]
    return np.array([predict(m, track) for m in mutants]) - predict(letters, track)


def test_regions_of_its_own_are_mutated(run, by_hand, window):
    with h5py.File(run / "ism.h5") as file:
        places = zip(file["regions/chrom"].asstr()[:], file["regions/start"][:])
        assert list(places) == [("chrA", 4901), ("chrA", 4901), ("chrB", 6900)]
        assert list(file["regions/strand"].asstr()) == ["+", "-", "."]
        assert (file.attrs["span_start"], file.attrs["span_end"]) == (80, 120)
        effects, predictions = file["effects/counts"][:], file["predictions/counts"][:]
    for row, place in ((0, ("chrA", 4901)), (1, ("chrA", 4901)), (2, ("chrB", 6900))):
        letters, track = window(*place)
        assert predictions[row] == pytest.approx(by_hand(letters, track), abs=1e-5)
        for at in (80, 97, 119):
            want = substitutions(by_hand, letters, track, at)
            np.testing.assert_allclose(effects[row, :, at - 80], want, atol=1e-5)
            assert np.abs(want).max() > 1e-4
    with pyBigWig.open(str(run / "tracks/counts.ism.bw")) as file:
        assert len(file.intervals("chrB")) and file.values("chrB", 6979, 6981)[0] != 0
    page, dropped = (run.parent / name for name in ("report.html", "dropped_regions.tsv"))
    rows = pd.read_csv(dropped, sep="\t")[["step", "name", "reason"]].to_numpy().tolist()
    assert rows == [["ism", "n", "too_many_n"], ["ism", "end", "off_chromosome_end"]]
    assert "not mutated" in page.read_text() and (run / "figures/ism.counts.svg").is_file()


def test_attributions_by_mutagenesis(run, by_hand, window):
    with h5py.File(run / "attributions.h5") as file:
        values, starts = file["attributions/counts"][:], file["regions/start"][:]
        hypothetical = file["hypothetical/counts"][:].astype(np.float32)
        hypothetical *= file["hypothetical_scale/counts"][:][:, None, None]
    assert starts.tolist() == [4900, 6905]
    for row, place in enumerate((("chrA", 4900), ("chrB", 6905))):
        letters, track = window(*place)
        for at in (0, 60, 133, 199):
            effects = substitutions(by_hand, letters, track, at)
            want = effects - effects.mean()
            np.testing.assert_allclose(hypothetical[row, :, at], want, atol=1e-5)
            assert values[row, at] == pytest.approx(want["ACGT".index(letters[at])], abs=1e-5)
    assert pd.read_csv(run / "attribution_summary.tsv", sep="\t")["max_delta"].isna().all()
    page = (run.parent / "report.html").read_text()
    assert "no sum to which the values would add up" in page and "largest error" not in page


def test_variants_take_the_tracks_along(run, by_hand, small_genome, signal):
    table = pd.read_parquet(run / "variants.parquet")
    assert table["kind"].value_counts().to_dict() == {"insertion": 3, "snv": 3, "deletion": 3}
    genome = pysam.FastaFile(str(small_genome))
    for v in table.itertuples():
        # VCF's first base stays where an allele begins with the other.
        ref, alt = (v.ref, v.alt) if v.kind == "snv" else (v.ref[1:], v.alt[1:])
        at = v.pos_1based - 1 + (v.kind != "snv")
        begin = at + len(ref) // 2 - W // 2
        letters = genome.fetch(v.chrom).upper()
        tracks = np.stack([signal[s][v.chrom] for s in ("plus", "minus")])
        assert letters[at : at + len(ref)] == ref
        before = letters[begin : begin + W], tracks[:, begin : begin + W]
        edited = letters[:at] + alt + letters[at + len(ref) :]
        # An inserted base has the signal of the base on its left.
        values = tracks[:, at : at + 1] if v.kind == "snv" else tracks[:, [at - 1] * len(alt)]
        moved = np.concatenate([tracks[:, :at], values, tracks[:, at + len(ref) :]], axis=1)
        after = edited[begin : begin + W], moved[:, begin : begin + W]
        assert v.prediction_ref == pytest.approx(by_hand(*before), abs=1e-5)
        assert v.prediction_alt == pytest.approx(by_hand(*after), abs=1e-5)
        assert v.delta == pytest.approx(by_hand(*after) - by_hand(*before), abs=1e-5)

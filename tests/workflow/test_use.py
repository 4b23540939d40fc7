"""Other ways to use the workflow: as a module, with a report, on sequences, on - strands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pysam
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from support import config

pytestmark = pytest.mark.slow

BED = "chrA\t5000\t5200\tplus\t0\t+\nchrA\t5000\t5200\tminus\t0\t-\nchrA\t9000\t9101\todd\t0\t-\n"
SWEEP = {
    "predict": {"batch_size": 64},
    "select": None,
    "attribute": {"references": "zeros", "n_references": 1, "batch_size": 8},
    "seqlets": {"fdr": 0.2},
    "hits": {"threshold": 1e-4, "null_copies": 2},
    "report": None,
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run snakemake in `folder`; the working directory is that folder, not the project's."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done


def few_regions(genome: Path, folder: Path, **changes) -> dict:
    """Return the config of a run of three windows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "regions.bed").write_text(BED)
    regions = {"bed": str(folder / "regions.bed")}
    return config(genome, regions=regions, steps=SWEEP, **changes)


@pytest.fixture(scope="module")
def stranded(tmp_path_factory, small_genome, snakemake):
    """A run over windows of both strands."""
    folder = tmp_path_factory.mktemp("strands")
    snakemake(few_regions(small_genome, folder), folder, cores=1)
    return folder


def test_a_minus_window_is_the_reverse_complement(stranded):
    """With a model that averages no strands, a - window gives what its sequence's reverse gives."""
    results = stranded / "results" / "small" / "ctcf_pu1"
    with h5py.File(results / "attributions.h5") as file:
        strands = list(file["regions/strand"].asstr())
        assert strands == ["+", "-", "-"]
        np.testing.assert_array_equal(file["tokens"][0], file["tokens"][1])
        # The demo's model averages both strands, so the strand of a window changes nothing.
        for target in ("ctcf", "pu1"):
            values = file[f"attributions/{target}"][:]
            assert np.abs(values[0]).max() > 1e-3
            np.testing.assert_allclose(values[0], values[1], atol=1e-5)


def test_a_minus_window_is_read_reverse_complemented(tmp_path, small_genome, snakemake, resources):
    """One-stranded model: a - window equals the attribution of the reversed sequence, flipped."""
    model = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text())
    model["rc"] = {"average": False}
    model["folds"][0]["weights"] = str(resources / "models" / "ctcf_pu1.safetensors")
    (tmp_path / "one_strand.yaml").write_text(yaml.safe_dump(model))
    models = {"one": str(tmp_path / "one_strand.yaml")}
    wanted = [f"results/small/one/{name}.h5" for name in ("attributions", "predictions")]
    snakemake(few_regions(small_genome, tmp_path, models=models), tmp_path, *wanted, cores=1)
    found = tmp_path / "results" / "small" / "one"
    with h5py.File(found / "attributions.h5") as file, h5py.File(found / "predictions.h5") as p:
        tokens, values = file["tokens"][:], file["attributions/ctcf"][:]
        hypothetical, scale = file["hypothetical/ctcf"][:], file["hypothetical_scale/ctcf"][:]
        predictions = p["predictions/ctcf"][:]
    np.testing.assert_array_equal(tokens[0], tokens[1])
    assert abs(values[0] - values[1]).max() > 1e-3

    import torch

    from cisweep.analysis import deep_lift_shap, predict
    from cisweep.models import load_model, target_module
    from cisweep.plan.run_config import read_model_config
    from cisweep.sequence import one_hot_tokens

    read = read_model_config(tmp_path / "one_strand.yaml")
    net = target_module(load_model(read), read.targets, read.rc)
    for row, flip in ((0, False), (1, True), (2, True)):
        X = one_hot_tokens(torch.from_numpy(tokens[row])[None])
        X = X.flip(1, 2) if flip else X
        wanted = predict(net, X)[0, 0].item()
        assert predictions[row] == pytest.approx(wanted, abs=1e-5)
        zeros = torch.zeros(1, 1, *X.shape[1:])
        explained = deep_lift_shap(net, X, target=0, references=zeros, hypothetical=True)
        explained = explained.flip(1, 2) if flip else explained
        observed = one_hot_tokens(torch.from_numpy(tokens[row])[None])
        projected = (explained * observed).sum(1)[0].numpy()
        np.testing.assert_allclose(values[row], projected, atol=1e-5)
        stored = hypothetical[row].astype(np.float32) * scale[row]
        # Half precision, 11 bits: at most 2**-11 of the largest value, twice for good measure.
        np.testing.assert_allclose(stored, explained[0].numpy(), atol=1e-3 * scale[row])


def test_as_a_module_from_another_folder(stranded, tmp_path, small_genome, root):
    settings = few_regions(small_genome, tmp_path / "in put")
    settings["models"] = {"ctcf_pu1": str(root / "workflow/resources/models/ctcf_pu1.yaml")}
    (tmp_path / "caller.yaml").write_text(yaml.safe_dump({"cisweep": settings}))
    (tmp_path / "Snakefile").write_text(
        f"""
configfile: "caller.yaml"


module cisweep:
    snakefile:
        "{root}/Snakefile"
    config:
        config["cisweep"]


use rule * from cisweep as cisweep_*


rule mine:
    default_target: True
    input:
        rules.cisweep_all.input,
    output:
        "mine.txt",
    shell:
        "echo done > {{output}}"
"""
    )
    run(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "done\n"
    for name in ("hits.bed", "seqlets.bed", "attribution_summary.tsv"):
        here = tmp_path / "results" / "small" / "ctcf_pu1" / name
        there = stranded / "results" / "small" / "ctcf_pu1" / name
        assert here.read_bytes() == there.read_bytes()
    assert "Nothing to be done" in run(tmp_path, "-n", "mine.txt").stdout


NETS = """
import torch


class Gc(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(float(scale)))

    def forward(self, x):
        return self.scale * x[:, 1:3].sum((1, 2))[:, None]
"""


def test_a_network_of_ones_own_on_pythonpath(tmp_path, small_genome, root, monkeypatch):
    """As the README says it: a class in a file beside nothing of the project's."""
    import torch
    from safetensors.torch import save_file

    code, folder = tmp_path / "code", tmp_path / "run"
    code.mkdir()
    (code / "nets_of_ones_own.py").write_text(NETS)
    save_file({"scale": torch.tensor(0.5)}, tmp_path / "w.safetensors")
    model = {
        "adapter": "state_dict", "module": "nets_of_ones_own:Gc", "module_args": {"scale": 1},
        "window_bp": 100, "targets": [{"name": "gc", "scale": "value"}],
        "folds": [{"weights": "w.safetensors"}],
    }  # fmt: skip
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(model))
    settings = few_regions(small_genome, folder)
    settings["models"] = {"own": str(tmp_path / "model.yaml")}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    command = ["-s", str(root / "Snakefile"), "--configfile", "config.yaml"]
    target = ["--", "results/small/own/predictions.h5"]
    path = [str(code), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    run(folder, *command, *target)
    with (
        h5py.File(folder / "results/small/own/predictions.h5") as file,
        pysam.FastaFile(str(small_genome)) as genome,
    ):
        spans = zip(file["regions/chrom"].asstr()[:], file["regions/start"][:])
        texts = [genome.fetch(chrom, start, start + 100) for chrom, start in spans]
        gc = np.array([text.count("G") + text.count("C") for text in texts])
        np.testing.assert_allclose(file["predictions/gc"][:], 0.5 * gc, rtol=1e-6)
    # Without the folder the run says what is missing, and the mend, before any job.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path[1:]))
    shutil.rmtree(folder / "results")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *command, *target],
        cwd=folder, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "there is no module 'nets_of_ones_own'" in said and "on PYTHONPATH" in said
    assert not (folder / "results").exists()


def test_snakemake_makes_its_report(stranded, root):
    arguments = ["-s", str(root / "Snakefile"), "--configfile", "overlay.yaml"]
    run(stranded, *arguments, "--report", "report.zip")
    assert (stranded / "report.zip").stat().st_size > 100_000


@pytest.fixture(scope="module")
def sequences(small_genome):
    """Four sequences of different lengths (one shorter than the window) by name."""
    import pysam

    genome = pysam.FastaFile(str(small_genome))
    places = {"one": (5000, 5200), "two": (9000, 9400), "three": (11000, 11201), "short": (0, 50)}
    return {name: genome.fetch("chrA", *place) for name, place in places.items()}


@pytest.mark.parametrize("kind", ["fasta", "table"])
def test_sequences_instead_of_a_genome(
    kind, tmp_path, sequences, small_genome, snakemake, stranded
):
    file = tmp_path / ("s.fa" if kind == "fasta" else "s.tsv")
    if kind == "fasta":
        file.write_text("".join(f">{n} text\n{s}\n" for n, s in sequences.items()))
    else:
        rows = "".join(f"{n}\t{s}\t1\n" for n, s in sequences.items())
        file.write_text("name\tsequence\tvalue\n" + rows)
    settings = config(small_genome, steps=SWEEP, chunk_bp=500)
    settings |= {"genome": None, "sequences": str(file), "regions": {"chroms": ".*"}}
    snakemake(settings, tmp_path / "run", cores=1)
    results = tmp_path / "run" / "results" / "small"
    with h5py.File(results / "ctcf_pu1" / "attributions.h5") as file:
        assert list(file["regions/chrom"].asstr()) == ["one", "two", "three"]
        assert file["regions/start"][:].tolist() == [0, 100, 0]
        first = file["attributions/ctcf"][0]
    with h5py.File(results / "ctcf_pu1" / "predictions.h5") as file:
        assert file["predictions/pu1"].shape == (3,)
    # The same stretch of the genome, whatever its name.
    with h5py.File(stranded / "results" / "small" / "ctcf_pu1" / "attributions.h5") as file:
        np.testing.assert_allclose(first, file["attributions/ctcf"][0], atol=1e-6)
    dropped = pd.read_csv(results / "dropped_regions.tsv", sep="\t")
    assert dropped[["chrom", "reason"]].to_numpy().tolist() == [["short", "off_chromosome_end"]]
    assert len(pd.read_parquet(results / "ctcf_pu1" / "hits.parquet"))
    assert "seqlets.parquet" in {p.name for p in (results / "ctcf_pu1").iterdir()}
    assert json.loads((results / "provenance.json").read_text())
    assert not list(results.rglob("*.bw"))
    shutil.rmtree(tmp_path / "run")

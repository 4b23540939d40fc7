"""The train step in a workflow: it runs before the others, and says why it refuses."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from support import jobs_run

from cisweep.steps.train import FIGURES

pytestmark = pytest.mark.slow

RECIPE = {
    "data": {"kind": "kmers", "k": 6},
    "task": "regression",
    "module": "CNN",
    "module_args": {"n_filters": 4, "first_width": 3, "dilations": [], "pooling": "mean"},
    "reverse_complement": False,
    "fit": {"epochs": 2, "batch_size": 128},
    "spot_check": ["TATGCG"],
}


def overlay(**more):
    train = {"models": {"words": RECIPE, "line": RECIPE | {"module": "Linear", "module_args": {}}}}
    return {"run": "t", "steps": {"train": train}} | more


def test_train_then_predict_in_one_run(tmp_path, small_genome, snakemake):
    folder = tmp_path / "run"
    folder.mkdir()
    model = {
        "adapter": "state_dict", "module": "CNN", "window_bp": 100,
        "module_args": RECIPE["module_args"] | {"n_outputs": 1},
        "targets": [{"name": "score", "tasks": [0]}],
        "folds": [{"weights": "results/t/train/words/fold0.safetensors"}],
    }  # fmt: skip
    (folder / "words.yaml").write_text(yaml.safe_dump(model))
    config = overlay(
        genome={"fasta": str(small_genome)},
        regions={"tile": {"stride_bp": 100}},
        motifs=None,
    )
    config["models"] = {"words": "words.yaml"}
    config["steps"]["predict"] = {"tracks": False}
    snakemake(config, folder)
    results = folder / "results" / "t"
    assert (results / "words" / "predictions.h5").is_file()
    train = results / "train"
    metrics = pd.read_csv(train / "words" / "metrics.tsv", sep="\t")
    assert {"pearson", "spearman", "r2", "mse"} <= set(metrics["metric"])
    written = yaml.safe_load((train / "words" / "model.yaml").read_text())
    assert written["module_args"] == model["module_args"] and written["window_bp"] == 6
    checks = pd.read_csv(train / "spot_check.tsv", sep="\t")
    assert sorted(checks["model"]) == ["line", "words"]
    for figure in FIGURES:
        for name in ("words", "line"):
            assert (train / name / figure).stat().st_size > 2000
    page = (train / "words" / "parity.html").read_text()
    assert "worst predictions" in page and 'src="http' not in page
    card = (train / "words" / "card.md").read_text()
    # Of two epochs the last one is kept, and every place that is read says so.
    said = "the last of 2 epochs was kept; more of them (fit.epochs) may be better"
    assert card.splitlines()[2] == f"- **Warning:** {said}"
    assert said in written["quality"]["remarks"]
    for rule in ("train_fold/words/0.log", "train/words.log"):
        log = (results / "logs" / rule).read_text().splitlines()
        assert f"warning: {said}" in log and log[-1].startswith("warning: ")
    assert "sha256" in card and "snakemake --cores 1 --configfile overlay.yaml" in card
    calibration = pd.read_csv(train / "words" / "calibration.tsv", sep="\t")
    # Deciles of the 819 tested words.
    assert calibration["n"].tolist() == [82] * 9 + [81]
    assert not list((train / ".scratch").glob("*/*.checkpoint"))
    record = json.loads((train / "words" / "fold0.json").read_text())
    # 4096 words: 819 tested and 655 validated, the nearest to 20 % and 16 %.
    assert record["summary"]["rows"]["train"] == 2622


def test_a_run_that_only_trains_needs_no_genome(tmp_path, snakemake):
    steps = {"train": {"models": {"words": RECIPE}}, "report": {}}
    snakemake({"run": "t", "steps": steps}, tmp_path)
    results = tmp_path / "results" / "t"
    assert (results / "train" / "words" / "model.yaml").is_file()
    assert len(pd.read_csv(results / "dropped_regions.tsv", sep="\t")) == 0
    assert json.loads((results / "provenance.json").read_text())["config"]["genome"] is None
    # Tracks of a genome are what a session shows.
    assert (results / "report.html").is_file() and not (results / "browser").exists()


def test_a_fault_in_the_data_is_one_readable_line(tmp_path, snakemake):
    table = tmp_path / "bad.tsv"
    table.write_text("sequence\ty\nACGT\t1\nACGT\thigh\n")
    recipe = RECIPE | {"data": {"kind": "table", "paths": [str(table)], "values": ["y"]}}
    config = overlay()
    config["steps"]["train"]["models"] = {"bad": recipe}
    done = snakemake(config, tmp_path / "run", check=False)
    assert done.returncode
    assert "bad.tsv, row 3: 1 values of column 'y' are not numbers, first 'high'" in done.stderr
    config["steps"]["train"]["models"]["bad"] = RECIPE | {"task": "rank"}
    done = snakemake(config, tmp_path / "run", check=False)
    assert "steps.train.models.bad.task" in done.stdout + done.stderr


def random_reads(genome, path, n=9000):
    """Write a sorted BAM with an index; its 5' ends stand after every GG more than elsewhere."""
    generator = np.random.default_rng(0)
    fasta = pysam.FastaFile(str(genome))
    header = {"HD": {"VN": "1.6"}, "SQ": [
        {"SN": c, "LN": fasta.get_reference_length(c)} for c in fasta.references]}  # fmt: skip
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for i, chrom in enumerate(fasta.references):
            text = fasta.fetch(chrom)
            places = [p for p in range(len(text) - 40) if text[p : p + 2].upper() == "GG"]
            places += generator.integers(0, len(text) - 40, 300).tolist()
            for place in np.sort(generator.choice(places, n)):
                read = pysam.AlignedSegment(file.header)
                read.query_name, read.query_sequence = "r", "A" * 30
                read.reference_id, read.reference_start = i, int(place)
                read.cigar, read.flag = [(0, 30)], 0x10 * int(generator.integers(2))
                file.write(read)
    pysam.index(str(path))


FOLDS = [
    {"validation": ["chrA:0-6000"], "test": ["chrB"]},
    {"validation": ["chrB:0-3000"], "test": ["chrA"]},
]


def test_folds_from_reads_are_predicted_held_out(tmp_path, small_genome, snakemake):
    folder = tmp_path / "run"
    folder.mkdir()
    random_reads(small_genome, folder / "reads.bam")
    network = {"n_filters": 4, "n_layers": 1, "first_width": 5, "profile_width": 9}
    recipe = {
        "data": {
            "kind": "signal", "genome": str(small_genome), "signal": ["reads.bam"],
            "reads": {"stranded": True, "minus_shift_bp": 1},
            "tiles": {"stride_bp": 50, "min_reads": 5},
            "window_bp": 100, "output_bp": 60, "jitter_bp": 4,
        },
        "task": "profile", "module": "BPNet", "module_args": network,
        "split": {"by": "regions"}, "folds": FOLDS, "fit": {"epochs": 2, "batch_size": 32},
    }  # fmt: skip
    model = {
        "adapter": "state_dict", "module": "BPNet", "window_bp": 100,
        "module_args": network | {"n_outputs": 2, "trimming": 20},
        "targets": [{"name": "counts", "head": 1, "tasks": [0], "scale": "log1p_counts"}],
        "rc": {"task_permutation": [1, 0]}, "fold_policy": "held_out",
        "folds": [
            {"weights": f"results/t/train/tss/fold{i}.safetensors", "test_chroms": fold["test"]}
            for i, fold in enumerate(FOLDS)
        ],
    }  # fmt: skip
    (folder / "tss.yaml").write_text(yaml.safe_dump(model))
    config = overlay(
        genome={"fasta": str(small_genome)},
        regions={"tile": {"stride_bp": 200}},
        motifs=None,
    )
    config["models"] = {"tss": "tss.yaml"}
    config["steps"] |= {"predict": {"tracks": False}, "train": {"models": {"tss": recipe}}}
    done = snakemake(config, folder)
    assert jobs_run(done.stderr)["train_fold"] == 2
    train = folder / "results" / "t" / "train" / "tss"
    written = yaml.safe_load((train / "model.yaml").read_text())
    assert written["fold_policy"] == "held_out"
    assert [f["test_chroms"] for f in written["folds"]] == [["chrB"], ["chrA"]]
    assert written["tracks"] == [{"name": "signal", "tasks": [0, 1], "counts": ["counts"]}]
    assert "0.*.bw: 5' ends of reads.bam" in (train / "card.md").read_text()
    with pyBigWig.open(str(train / "tracks" / "0.minus.bw")) as track:
        ends = track.stats("chrB", 0, 12_000, type="sum", exact=True)[0]
    with pysam.AlignmentFile(str(folder / "reads.bam")) as file:
        assert ends == sum(read.is_reverse for read in file.fetch("chrB"))
    predicted_held_out(folder, small_genome)


def predicted_held_out(folder, genome):
    """Each chromosome's predictions are those of the fold that has not seen it."""
    import torch

    from cisweep.genome.fasta import Genome, window_tokens
    from cisweep.models import load_model
    from cisweep.plan.run_config import read_model_config

    config = read_model_config(folder / "tss.yaml")
    with h5py.File(folder / "results" / "t" / "tss" / "predictions.h5") as file:
        chrom = file["regions/chrom"].asstr()[:]
        start, end = file["regions/start"][:], file["regions/end"][:]
        found = file["predictions/counts"][:]
    for fold, name in enumerate(("chrB", "chrA")):
        model = load_model(config, fold)
        rows = np.flatnonzero(chrom == name)[:20]
        tokens = window_tokens(Genome(genome), chrom[rows], start[rows], end[rows])
        one_hot = torch.eye(5)[tokens.astype(int)][:, :, :4].transpose(1, 2)
        both = (model(one_hot)[1] + model(one_hot.flip(1, 2))[1]) / 2
        np.testing.assert_allclose(found[rows].ravel(), both[:, 0].numpy(), atol=1e-5)

"""The train step in a workflow: it runs before the others, and says why it refuses."""

import json

import pandas as pd
import pytest
import yaml

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
    off = dict.fromkeys(("predict", "select", "attribute", "seqlets", "hits", "report"))
    return {"run": "t", "models": {"ctcf_pu1": None}, "steps": off | {"train": train}} | more


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
        regions={"tile": {"stride_bp": 100}, "chroms": ".*"},
        motifs=None,
    )
    config["models"] = {"ctcf_pu1": None, "words": "words.yaml"}
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
    for figure in ("loss.svg", "labels.svg", "parity.png", "filters.png", "filter_weights.png"):
        for name in ("words", "line"):
            assert (train / name / figure).stat().st_size > 2000
    page = (train / "words" / "parity.html").read_text()
    assert "worst predictions" in page and 'src="http' not in page
    assert "sha256" in (train / "words" / "card.md").read_text()
    assert not list((train / ".scratch").glob("*/*.checkpoint"))
    record = json.loads((train / "words" / "fold0.json").read_text())
    # 4096 words: 819 tested and 655 validated, the nearest to 20 % and 16 %.
    assert record["summary"]["rows"]["train"] == 2622


def test_a_fault_in_the_data_is_one_readable_line(tmp_path, snakemake):
    table = tmp_path / "bad.tsv"
    table.write_text("sequence\ty\nACGT\t1\nACGT\thigh\n")
    recipe = RECIPE | {"data": {"kind": "table", "paths": [str(table)], "values": ["y"]}}
    config = overlay()
    config["steps"]["train"]["models"] = {"bad": recipe}
    done = snakemake(config, tmp_path / "run", check=False)
    assert done.returncode
    assert "bad.tsv, row 3: 1 values of column 'y' are no numbers, first 'high'" in done.stderr
    config["steps"]["train"]["models"]["bad"] = RECIPE | {"task": "rank"}
    done = snakemake(config, tmp_path / "run", check=False)
    assert "steps.train.models.bad.task" in done.stdout + done.stderr

"""Jobs of train and zero_shot, without Snakemake."""

import gzip
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import yaml
from safetensors.numpy import load_file

from cisweep.errors import SequenceError
from cisweep.jobs import train, zero_shot
from cisweep.outputs.embeddings import read_embeddings
from cisweep.steps.train import FIGURES, TABLES

LETTERS = {"A": 20, "C": 17, "G": 14, "T": 11}
RECIPE = {
    "data": {"kind": "kmers", "k": 4, "words": {"TAT": 10}},
    "task": "regression",
    "module": "Linear",
    "reverse_complement": False,
    "split": {"by": "random", "validation": 0.2, "test": 0.2},
    "fit": {"epochs": 2, "batch_size": 32, "learning_rate": 0.1, "weight_decay": 0},
    "spot_check": ["ACGT"],
}


@pytest.fixture(scope="module")
def trained(small_run, tmp_path_factory):
    """A linear model of all 4-mers, its products and what is known against it."""
    folder = tmp_path_factory.mktemp("train")
    of = small_run.of_model(small_run.plan(train={"models": {"m": RECIPE}}))
    out = train.FoldProducts(*(folder / name for name in ("w.safetensors", "h.tsv", "r.json")))
    known = train.train_fold(of, 0, folder / "scratch", "cpu", out)
    return of, out, known


def test_what_is_held_out_is_predicted_by_the_weights_that_are_written(trained):
    _, out, known = trained
    table = pd.read_csv(out.heldout, sep="\t")
    words = table.iloc[:, 0].tolist()
    assert len(words) == round(0.2 * 256) and all(len(w) == 4 for w in words)
    weights = load_file(out.weights)
    X = np.eye(4)[[["ACGT".index(x) for x in w] for w in words]].transpose(0, 2, 1)
    record = json.loads(out.record.read_text())
    (observed,) = [c for c in table if c.endswith("_observed")]
    (predicted,) = [c for c in table if c.endswith("_predicted")]
    score = [np.mean([LETTERS[x] for x in w]) + 10 * ("TAT" in w) for w in words]
    assert table[observed].tolist() == pytest.approx(score)
    found = X.reshape(len(words), -1) @ weights["output.weight"][0] + weights["output.bias"][0]
    assert found == pytest.approx(table[predicted].to_numpy(), abs=1e-3)
    assert len(record["history"]) and all(isinstance(line, str) for line in known)


def test_the_model_is_described_and_drawn(trained, tmp_path):
    of, out, known = trained
    given = train.TrainedFolds([out.weights], [out.heldout], [out.record])
    tables = {name: tmp_path / f"tmp.{name}" for name in TABLES}
    figures = {name: tmp_path / f"tmp.figure.{name}" for name in FIGURES}
    assert train.train(of, given, "make me again", tables, figures) == known
    model = yaml.safe_load(tables["model.yaml"].read_text())
    assert model["module"] == "Linear" and model["window_bp"] == 4
    assert "make me again" in tables["card.md"].read_text()
    assert all(path.stat().st_size for path in [*figures.values(), *tables.values()])


def test_spot_checks_of_all_models_are_joined(trained, tmp_path):
    _, out, _ = trained
    out_files = tmp_path / "loss.svg", tmp_path / "spot.tsv"
    train.train_compare(["a", "b"], [out.record, out.record], *out_files)
    rows = pd.read_csv(out_files[1], sep="\t")
    assert rows["model"].tolist() == ["a", "b"] and set(rows["sequence"]) == {"ACGT"}
    text = out_files[0].read_text()
    assert text.startswith("<") and "svg" in text


@pytest.mark.parametrize(
    ("strand", "ends"),
    [("plus", {14: 2, 104: 1}), ("minus", {45: 2, 195: 1})],
)
def test_fragments_become_counts_of_their_ends(small_run, tmp_path, strand, ends):
    """Starts are moved by 4 and last bases by -4, as unshifted ATAC asks."""
    text = "c1\t10\t50\tcell\t1\nc1\t10\t50\tcell2\t1\nc1\t100\t200\tcell\t1\n"
    (tmp_path / "f.tsv.gz").write_bytes(gzip.compress(text.encode()))
    data = {
        "kind": "signal",
        "genome": str(small_run.folder / "genome.fa"),
        "signal": [str(tmp_path / "f.tsv.gz")],
        "reads": {"stranded": True, "plus_shift_bp": 4, "minus_shift_bp": -4},
        "tiles": {"stride_bp": 100},
    }
    split = {"by": "regions", "validation": ["c2"], "test": ["c1"]}
    recipe = {"data": data, "task": "profile", "module": "BPNet", "split": split}
    of = small_run.of_model(small_run.plan(train={"models": {"m": recipe}}))
    train.train_track(of, tmp_path / "f.tsv.gz", strand, tmp_path / "t.bw")
    with pyBigWig.open(str(tmp_path / "t.bw")) as track:
        values = np.nan_to_num(track.values("c1", 0, 3000))
    assert {int(i): values[i] for i in np.flatnonzero(values)} == ends


# ---- zero_shot -------------------------------------------------------------------------------


@pytest.fixture
def language_plan(small_run, tmp_path):
    """A run of three pairs of sequences, whose language model is a stub."""
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "config.json").write_text('{"architectures": ["MixtralForCausalLM"]}')
    (tmp_path / "m.yaml").write_text(
        "adapter: hf_lm\nwindow_bp: 33\ntargets: [{name: embedding, reduce: mean}]\n"
        f"folds: [{{weights: {tmp_path / 'lm'}}}]\n"
    )
    (tmp_path / "a.fa").write_text(">one\nACGT\n>two\nAAAA\n>three\nCCCC\n")
    (tmp_path / "b.fa").write_text(">one\nACGA\n>two\nTTTT\n>three\nCCCA\n")
    pairs = [{"ref": str(tmp_path / "a.fa"), "alt": str(tmp_path / "b.fa"), "group": "g"}]
    return small_run.plan(tmp_path / "m.yaml", zero_shot={"pairs": pairs})


def counts(texts):
    return np.array([[t.count(b) for b in "ACGT"] for t in texts], np.float32)


def test_pairs_are_scored_joined_and_drawn(small_run, language_plan, tmp_path, monkeypatch):
    """The stub's embedding of a sequence is how often each base occurs in it."""

    def score_pairs(model, pairs, options):
        refs, alts = counts(p.ref for p in pairs), counts(p.alt for p in pairs)
        table = pd.DataFrame({"name": [p.name for p in pairs], "group": [p.group for p in pairs]})
        table = table.assign(length_ref_bp=4, length_alt_bp=4)
        table["l2"] = np.linalg.norm(alts - refs, axis=1)
        yield table, refs, alts

    module = "cisweep.analysis.language_model.zero_shot.score_pairs"
    monkeypatch.setattr(module, score_pairs)
    monkeypatch.setattr("cisweep.models.load_model", lambda *_, **__: SimpleNamespace())
    part = tmp_path / "p.tsv", tmp_path / "p.parquet"
    zero_shot.zero_shot_chunk(small_run.of_chunk(language_plan), None, "cpu", *part)
    names = ("z.tsv", "z.tests.tsv", "z.boxes.svg", "z.parquet", "z.pca.svg")
    out = zero_shot.ZeroShotProducts(*(tmp_path / name for name in names))
    zero_shot.zero_shot(small_run.of_model(language_plan), [part[0]], [part[1]], out)
    table = pd.read_csv(out.table, sep="\t")
    assert table["name"].tolist() == ["one", "two", "three"]
    assert table["l2"].tolist() == pytest.approx([2**0.5, 32**0.5, 2**0.5])
    labels, vectors = read_embeddings(out.embeddings)
    assert labels["allele"].tolist() == ["ref"] * 3 + ["alt"] * 3
    assert (vectors == counts(["ACGT", "AAAA", "CCCC", "ACGA", "TTTT", "CCCA"])).all()
    assert "principal component 1" in out.pca.read_text()


def test_no_pairs_are_an_error(small_run, language_plan, tmp_path):
    (tmp_path / "p.tsv").write_text("name\tgroup\tl2\n")
    out = zero_shot.ZeroShotProducts(*(tmp_path / name for name in "abcde"))
    with pytest.raises(SequenceError, match="there are no pairs"):
        zero_shot.zero_shot(small_run.of_model(language_plan), [tmp_path / "p.tsv"], [], out)

"""Recipes end to end on small data: tables, peaks, signal, up to what load_model reads."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch
import yaml
from pydantic import ValidationError

from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.errors import TrainingError
from cisweep.models import load_model
from cisweep.outputs.tables import read_tsv
from cisweep.plan.run_config import read_model_config
from cisweep.sequence.tokens import decode_tokens, tokenize
from cisweep.steps.train import Recipe, TrainConfig, data_files
from cisweep.train import fitting, metrics
from cisweep.train.data.datasets import TableDataset
from cisweep.train.data.loading import load_examples
from cisweep.train.data.peaks import _nearest
from cisweep.train.judging.filters import consensus, filter_matrices, match_filters
from cisweep.train.products import card_text, fold_record, train_model
from cisweep.train.recipes import RunOptions, train_fold

FIT = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01}


def loaded(folder):
    data = yaml.safe_load((folder / "model.yaml").read_text())
    for fold in data["folds"]:
        fold["weights"] = str(folder / fold["weights"])
    config = ModelConfig.model_validate(data)
    return load_model(config), config


@pytest.fixture
def table(tmp_path):
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 4, (300, 20), dtype=np.uint8)
    frame = pd.DataFrame({"sequence": [decode_tokens(t) for t in tokens]})
    gc = np.isin(tokens, (1, 2)).sum(axis=1)
    frame["gc"], frame["rich"] = 100 + 5.0 * gc, (gc > 10).astype(int)
    frame["kind"] = np.array(["low", "middle", "high"])[np.digitize(gc, [9, 12])]
    frame["batch"] = np.arange(300) // 10
    path = tmp_path / "table.tsv"
    frame.to_csv(path, sep="\t", index=False)
    return path


def recipe(path, task="regression", values=("gc",), **more):
    return Recipe.model_validate(
        {
            "data": {"kind": "table", "paths": [str(path)], "values": list(values)},
            "task": task,
            "module": "Linear",
            "fit": FIT,
        }
        | more
    )


def test_saved_model_predicts_in_the_unit_of_the_data(table, tmp_path):
    made = recipe(table, spot_check=["ACGTACGTACGTACGTACGT"], fit=FIT | {"epochs": 30})
    (trained,) = train_model("m", made, tmp_path / "out")
    model, config = loaded(tmp_path / "out")
    assert config.window_bp == 20 and config.target_names == ["gc"]
    heldout = pd.read_csv(tmp_path / "out" / "fold0.heldout.tsv", sep="\t")
    data = TableDataset(tokenize(heldout["name"].tolist()), np.zeros((len(heldout), 1)))
    one_hot = data.batch(np.arange(len(data))).one_hot()
    both = (model(one_hot) + model(one_hot.flip(1, 2))) / 2
    np.testing.assert_allclose(both[:, 0], heldout["gc_predicted"], rtol=1e-4)
    assert heldout["gc_observed"].between(100, 200).all()
    r2 = next(r["value"] for r in trained.rows if (r["scorer"], r["metric"]) == ("model", "r2"))
    # The value has no noise: R² 0.95 is an error of half a base, and the spot check is off by less
    # than one (5 units).
    assert r2 > 0.95
    assert abs(trained.spot_check[0]["gc"] - 150) < 5
    card = (tmp_path / "out" / "card.md").read_text()
    for part in (
        "table.tsv: sha256",
        "train 192, validation 48, test 60",
        "kmer_ridge",
        "epochs: 30",
    ):
        assert part in card


@pytest.mark.parametrize(
    ("task", "values", "metric"),
    [
        ("multilabel", ["rich"], "auprc"),
        ("multiclass", ["kind"], "accuracy"),
        ("regression", ["gc", "rich"], "spearman"),
    ],
)
def test_every_task_on_tables(table, tmp_path, task, values, metric):
    (trained,) = train_model("m", recipe(table, task, values), tmp_path / "out")
    _, config = loaded(tmp_path / "out")
    n = 3 if task == "multiclass" else len(values)
    assert len(config.targets) == n
    # A sigmoid of a regression's value, or of one class's logit, is nobody's probability.
    assert {t.scale for t in config.targets} == {"logit" if task == "multilabel" else "value"}
    assert metric in {row["metric"] for row in trained.rows}
    assert all(np.isfinite(row["value"]) for row in trained.rows)


def test_groups_and_leaks(table):
    with pytest.raises(ValidationError, match="split.by: group needs data.group"):
        recipe(table, split={"by": "group"})
    plain = recipe(table)
    grouped = plain.model_copy(
        update={
            "data": plain.data.model_copy(update={"group": "batch"}),
            "split": plain.split.model_copy(update={"by": "group"}),
        }
    )
    parts = load_examples(grouped).split
    assert not set(parts.train // 10) & set(parts.test // 10)
    frame = pd.read_csv(table, sep="\t")
    pd.concat([frame, frame]).to_csv(table, sep="\t", index=False)
    with pytest.raises(TrainingError, match="leaking split: .* near_duplicates"):
        load_examples(recipe(table))
    load_examples(recipe(table, split={"by": "near_duplicates", "kmer": 16}))


def test_conditions_have_outputs_of_their_own(table, tmp_path):
    other = tmp_path / "other.tsv"
    frame = pd.read_csv(table, sep="\t")
    frame["sequence"] = [s[::-1] for s in frame["sequence"]]
    frame.to_csv(other, sep="\t", index=False)
    data = {
        "kind": "table", "paths": [str(table), str(other)], "values": ["gc"],
        "conditions": {"table": "one", "other": "two"}, "hold_out_from": [str(other)],
    }  # fmt: skip
    made = recipe(table).model_copy(update={"data": recipe(table, data=data).data})
    examples = load_examples(made)
    assert examples.tasks == ["one", "two"]
    assert np.isnan(examples.data.values[:300, 1]).all() and examples.split.test.min() >= 300
    data["conditions"] = {"table": "one"}
    with pytest.raises(ValidationError, match="no condition is named for other"):
        recipe(table, data=data)


@pytest.fixture
def genome(tmp_path):
    """Two chromosomes; TGACTCA stands at the peaks of one factor, and signal follows it."""
    generator = np.random.default_rng(1)
    tokens = {
        c: generator.integers(0, 4, 100_000, dtype=np.uint8) for c in ("chr1", "chr2", "chr3")
    }
    centres = {c: np.arange(400, 99_600, 500) for c in tokens}
    word = tokenize("TGACTCA")
    bed = []
    for chrom, places in centres.items():
        for i, place in enumerate(places):
            # Every other site stands on the minus strand, and its signal turns with it.
            tokens[chrom][place - 3 : place + 4] = word if i % 2 else 3 - word[::-1]
            bed.append(f"{chrom}\t{place - 10}\t{place + 10}")
    fasta = tmp_path / "g.fa"
    text = "".join(f">{c}\n{decode_tokens(t)}\n" for c, t in tokens.items())
    fasta.write_text(text)
    offset, lines = 0, []
    for chrom in tokens:
        offset += len(chrom) + 2
        lines.append(f"{chrom}\t100000\t{offset}\t100000\t100001")
        offset += 100_001
    (tmp_path / "g.fa.fai").write_text("\n".join(lines) + "\n")
    (tmp_path / "peaks.bed").write_text("\n".join(bed) + "\n")
    for name, shift, rates in (("plus", -8, (2, 12)), ("minus", 8, (12, 2))):
        with pyBigWig.open(str(tmp_path / f"{name}.bw"), "w") as bw:
            bw.addHeader([(c, 100_000) for c in tokens])
            for chrom, places in centres.items():
                signal = generator.poisson(0.05, 100_000).astype(float)
                for i, place in enumerate(places):
                    reads = generator.poisson(rates[i % 2], 5)
                    signal[place + shift - 2 : place + shift + 3] += reads
                bw.addEntries(chrom, 0, values=signal, span=1, step=1)
    return tmp_path


def peaks_recipe(genome, **data):
    part = {"stretches": ["chr1"], "uniform": 600, "gc_matched": 1, "shuffled": 1}
    content = {
        "kind": "peaks", "genome": str(genome / "g.fa"),
        "peaks": {"ap1": str(genome / "peaks.bed")}, "window_bp": 41, "train": part,
        "validation": {"stretches": ["chr2"]}, "test": part | {"stretches": ["chr3"]},
    }  # fmt: skip
    return Recipe.model_validate(
        {
            "data": content | data,
            "task": "multilabel", "module": "CNN",
            "module_args": {"n_filters": 64, "first_width": 9, "dilations": []},
            "split": {"by": "regions", "validation": ["chr2"], "test": ["chr3"]},
            "jitter_bp": 4,
            "fit": {"epochs": 8, "batch_size": 16, "learning_rate": 0.006, "weight_decay": 0.1},
        }
    )  # fmt: skip


def origins(examples, part):
    """Kinds of rows of a part, per positive."""
    kind = examples.origin[getattr(examples.split, part)]
    names, n = np.unique(kind, return_counts=True)
    return {str(k): count / (kind == "positive").sum() for k, count in zip(names, n)}


def test_validation_is_drawn_as_an_epoch_of_training(genome):
    whole = load_examples(peaks_recipe(genome))
    assert origins(whole, "validation") == pytest.approx(origins(whole, "train"), rel=0.01)
    # Two of the five negatives of a positive are drawn for an epoch.
    share = load_examples(peaks_recipe(genome, negative_ratio=2.0))
    train = share.data.take(share.split.train)
    rows = share.split.train[train.epoch_rows(np.random.default_rng(0))]
    epoch = {k: (share.origin[rows] == k).sum() / 199 for k in ("uniform", "gc_matched")}
    found = origins(share, "validation")
    # Of 398 drawn negatives a fifth is gc_matched: 80, with a standard deviation of 6.2, of which
    # this is 2.6; of the uniform ones it is six.
    assert {k: found[k] for k in epoch} == pytest.approx(epoch, rel=0.2)
    assert sum(found.values()) == pytest.approx(3, rel=0.01)
    assert np.array_equal(share.names[share.split.train], whole.names[whole.split.train])
    said = {"stretches": ["chr2"], "uniform": 100, "gc_matched": 0, "shuffled": 0}
    asked = load_examples(peaks_recipe(genome, validation=said))
    assert origins(asked, "validation") == {"positive": 1, "uniform": pytest.approx(100 / 199)}


def test_validation_of_another_draw_is_weighted_to_the_base_rate_of_training(genome, monkeypatch):
    said = {"stretches": ["chr2"], "uniform": 100, "gc_matched": 0, "shuffled": 0}
    made = peaks_recipe(genome, validation=said, negative_ratio=4.0)
    seen = {}

    def look(model, train, validation, *more):
        seen["validation"] = validation
        return fitting.fit(model, train, validation, *more)

    monkeypatch.setattr("cisweep.train.recipes.fit", look)
    once = {"fit": made.fit.model_copy(update={"epochs": 1})}
    train_fold(made.model_copy(update=once))
    weights, values = (getattr(seen["validation"], name)[:, 0] for name in ("weights", "values"))
    assert values.mean() == pytest.approx(199 / 299)
    # Four negatives a positive.
    assert (weights * values).sum() / weights.sum() == pytest.approx(0.2, rel=1e-4)


def test_a_site_beside_a_peak_is_no_negative(genome):
    """Two factors: the second one's sites stand aside of some of the first one's."""
    lines = (genome / "peaks.bed").read_text().splitlines()
    moved = []
    for i, line in enumerate(lines):
        chrom, start, end = line.split("\t")
        # On it, within the window, at its edge, beyond it.
        by = (3, 15, 20, 21)[i % 4]
        moved.append(f"{chrom}\t{int(start) + by}\t{int(end) + by}")
    (genome / "other.bed").write_text("\n".join(moved) + "\n")
    peaks = {"ap1": str(genome / "peaks.bed"), "other": str(genome / "other.bed")}
    made = peaks_recipe(genome, peaks=peaks, same_within_bp=5)
    examples = load_examples(made)
    positive = examples.origin == "positive"
    labels = examples.data.values
    n = len(lines)
    own = np.isnan(labels[positive])
    # Rows of ap1, in the order of the file; their label for the other factor.
    np.testing.assert_array_equal(own[:n, 1], np.isin(np.arange(n) % 4, (1, 2)))
    np.testing.assert_array_equal(labels[:n, 1] == 1, np.arange(n) % 4 == 0)
    np.testing.assert_array_equal(own[n:, 0], own[:n, 1])
    assert not own[:n, 0].any() and not np.isnan(labels[~positive]).any()
    by_chrom = own[:n, 1].reshape(3, -1).sum(axis=1).tolist()
    assert examples.masked["other"] == dict(zip(("train", "validation", "test"), by_chrom))
    (trained,) = train_model("two", made, genome / "out")
    held = trained.heldout
    assert held["other_observed"].isna().sum() == examples.masked["other"]["test"]
    known = held.dropna(subset=["other_observed"])
    of_all = [r for r in trained.rows if "negatives" not in r]
    (row,) = [r for r in of_all if (r["task"], r["metric"]) == ("other", "auprc")]
    assert row["n"] == len(known)
    expected = metrics.auprc(known["other_predicted"], known["other_observed"])
    assert row["value"] == pytest.approx(expected)
    n_sites = int((known["other_observed"] == 1).sum())
    judged = [r for r in trained.rows if r["task"] == "other" and "negatives" in r]
    assert judged and all(r["positives"] == n_sites and np.isfinite(r["value"]) for r in judged)
    assert {r["n"] - n_sites for r in judged if r["negatives"] == "uniform"} == {600}
    counted = sum(r["n"] for r in trained.calibration if r["task"] == "other")
    assert counted == len(known)
    card = (genome / "out" / "card.md").read_text()
    n_masked = [examples.masked[task]["test"] for task in ("ap1", "other")]
    assert f"test {sum(n_masked)} (ap1 {n_masked[0]}, other {n_masked[1]})" in card


def test_nearest_centres_by_brute_force():
    generator = np.random.default_rng(0)

    def drawn(n):
        start = generator.integers(0, 900, n)
        chrom = generator.choice(["a", "b", "c"], n)
        return Windows.build(chrom, start, start + generator.integers(1, 30, n))

    one, other = drawn(80), drawn(40)
    other = other.take(np.flatnonzero(other.chrom != "c"))
    expected = [
        min(
            (abs(int(m) - int(c)) for m, k in zip(other.centre, other.chrom) if k == chrom),
            default=np.inf,
        )
        for c, chrom in zip(one.centre, one.chrom)
    ]
    np.testing.assert_array_equal(_nearest(one, other), expected)


def test_peaks_against_negatives(genome):
    made = peaks_recipe(genome)
    (trained,) = train_model("ap1", made, genome / "out", RunOptions(scratch=genome / "scratch"))
    rows = {
        (r["scorer"], r["negatives"]): r for r in trained.rows
        if r["metric"] == "auroc" and isinstance(r.get("negatives"), str)
    }  # fmt: skip
    assert set(rows) == {
        (s, n) for s in ("model", "gc_content") for n in ("uniform", "gc_matched", "shuffled")
    }
    # Every peak holds a site. Chosen: one pair of twenty may stand in the wrong order. A standard
    # error of an AUROC near 0.5 is 0.02 of 199 peaks: 0.2 is far from a difference by chance.
    assert rows["model", "uniform"]["value"] > 0.95
    assert rows["model", "uniform"]["value"] > rows["gc_content", "uniform"]["value"] + 0.2
    assert rows["model", "uniform"]["positives"] == 199
    assert all(r["low"] <= r["value"] <= r["high"] for r in rows.values())
    # As the page reads it.
    table = read_tsv(genome / "out" / "metrics.tsv")
    assert table["positives"].dtype.kind == "f" and table["low"].notna().sum() == 6
    _, config = loaded(genome / "out")
    assert config.window_bp == 41
    quality = config.quality.targets["ap1"]
    model = rows["model", "uniform"]["value"]
    assert (quality.metric, quality.rows) == ("auroc", "uniform windows")
    assert quality.value == pytest.approx(model, abs=1e-4) and quality.baseline == "gc_content"
    assert not quality.remarks
    names = {consensus(m, 0.4) for m, _ in trained.matrices.values()}
    assert any("TGA" in n.upper() or "TCA" in n.upper() for n in names)


def signal_recipe(genome, **data):
    content = {
        "kind": "signal", "genome": str(genome / "g.fa"), "peaks": str(genome / "peaks.bed"),
        "signal": [str(genome / "plus.bw"), str(genome / "minus.bw")],
        "window_bp": 120, "output_bp": 60, "jitter_bp": 10, "negatives": 0.5,
    }  # fmt: skip
    return Recipe.model_validate(
        {
            "data": content | data, "task": "profile", "module": "BPNet",
            "module_args": {"n_filters": 8, "n_layers": 2, "first_width": 9, "profile_width": 15},
            "split": {"by": "regions", "validation": ["chr2"], "test": ["chr3"]},
            "fit": {"epochs": 12, "batch_size": 16, "learning_rate": 0.01},
        }
    )  # fmt: skip


def test_bpnet_from_signal_beats_its_baselines(genome):
    (trained,) = train_model(
        "tf", signal_recipe(genome), genome / "out", RunOptions(scratch=genome / "scratch")
    )
    found = {(r["scorer"], r["metric"]): r["value"] for r in trained.rows if r["task"] == "profile"}
    assert found["model", "pearson"] > found["shuffled", "pearson"]
    # Chosen: most of what the noise of reads lets any model reach; twelve epochs do not reach all.
    assert found["model", "pearson"] > 0.8 * found["poisson_ceiling", "pearson"]
    assert found["model", "jensen_shannon_distance"] < found["shuffled", "jensen_shannon_distance"]
    assert ("mean_profile", "pearson") in found
    counts = {
        (r["scorer"], r["subset"]): r["value"]
        for r in trained.rows
        if r["task"] == "counts" and r["metric"] == "pearson"
    }
    subsets = ("peaks", "with negatives", "peaks, each track")
    assert set(counts) == {(s, n) for s in ("model", "poisson_ceiling") for n in subsets}
    # Sites turn with their strand, so the tracks are told apart better than the totals.
    assert counts["model", "peaks, each track"] > counts["model", "peaks"]
    # Chosen: peaks against negatives is most of the variance. By chance r is 0 with a standard
    # error of 0.06 in 300 windows.
    assert counts["model", "with negatives"] > 0.6
    model, config = loaded(genome / "out")
    assert config.rc.task_permutation == [1, 0] and config.target_names == ["counts", "profile"]
    assert [t.scale for t in config.targets] == ["log1p_counts", "value"]
    profile, log_counts = model(torch.zeros(1, 4, 120))
    assert profile.shape == (1, 2, 60) and log_counts.shape == (1, 1)


def test_signal_taken_up_after_a_kill_ends_with_the_same_weights(genome, monkeypatch):
    made = signal_recipe(genome)
    made = made.model_copy(update={"fit": made.fit.model_copy(update={"epochs": 4})})
    undisturbed = train_fold(made, options=RunOptions(scratch=genome / "one"))
    write = fitting._save

    def killed(state, path, config):
        write(state, path, config)
        if len(state.history) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        train_fold(made, options=RunOptions(scratch=genome / "two"))
    monkeypatch.undo()
    taken_up = train_fold(made, options=RunOptions(scratch=genome / "two"))
    assert (undisturbed.summary["resumed_from"], taken_up.summary["resumed_from"]) == (0, 2)
    assert taken_up.history == undisturbed.history and taken_up.rows == undisturbed.rows
    for name, weight in undisturbed.state.items():
        assert torch.equal(weight, taken_up.state[name]), name
    cards = [card_text("m", made, [fold_record(f)], "", {}) for f in (undisturbed, taken_up)]
    assert ["s for those after epoch 2, where it was taken up" in c for c in cards] == [False, True]


def test_counts_start_at_their_mean(genome):
    made = signal_recipe(genome)
    nothing = {"epochs": 1, "learning_rate": 1e-12, "optimizer": "adam"}
    made = made.model_copy(update={"fit": made.fit.model_copy(update=nothing)})
    examples = load_examples(made)
    total = examples.data.signal[examples.split.train][:, :, 10:-10].sum(axis=(1, 2))
    bias = train_fold(made).state["count_linear.bias"]
    assert bias.item() == pytest.approx(np.log1p(total).mean(), abs=1e-4)


def test_control_tracks_are_named_from_the_folder_of_the_model(genome):
    made = signal_recipe(genome, controls=[str(genome / "plus.bw")])
    made = made.model_copy(update={"fit": made.fit.model_copy(update={"epochs": 1})})
    train_model("m", made, genome / "deep" / "out")
    config = read_model_config(genome / "deep" / "out" / "model.yaml")
    (control,) = config.inputs
    assert control.channels == 1 and control.paths[0].samefile(genome / "plus.bw")
    assert config.folds[0].test_chroms == ["chr3"]
    profile, _ = load_model(config)(torch.zeros(1, 4, 120), torch.zeros(1, 1, 120))
    assert profile.shape == (1, 2, 60)


def test_tiles_with_few_reads_are_judged_although_none_is_drawn(genome):
    tiles = {"peaks": None, "tiles": {"stride_bp": 30, "min_reads": 60}}
    few = {"fit": {"epochs": 1}}

    def trained(**more):
        made = signal_recipe(genome, **(tiles | more)).model_dump() | few
        return train_fold(Recipe.model_validate(made))

    alone, both = trained(negatives=0), trained(negatives=9, negative_ratio=0)
    assert all(torch.equal(alone.state[k], both.state[k]) for k in alone.state)
    assert alone.history == both.history

    def counts(fold):
        return {
            r["subset"]: (r["n"], r["value"])
            for r in fold.rows
            if (r["task"], r["scorer"], r["metric"]) == ("counts", "model", "pearson")
        }

    assert "with negatives" not in counts(alone)
    assert counts(both)["peaks"] == counts(alone)["peaks"]
    table = both.heldout
    by_hand = np.corrcoef(table["counts_observed"], table["counts_predicted"])[0, 1]
    n, r = counts(both)["with negatives"]
    assert n == len(table) > counts(both)["peaks"][0] and r == pytest.approx(by_hand, abs=1e-6)
    assert (np.expm1(table["counts_observed"][~table["peak"]]) < 60).all()


def test_memory_mapped_signal_gives_the_same_examples(genome):
    one = load_examples(signal_recipe(genome))
    two = load_examples(signal_recipe(genome), workspace=genome / "work")
    assert isinstance(two.data.signal, np.memmap)
    rows = np.arange(len(one.data))
    for seed in (None, 3):
        a, b = (
            e.data.batch(rows, None if seed is None else np.random.default_rng(seed))
            for e in (one, two)
        )
        assert torch.equal(a.tokens, b.tokens)
        assert torch.equal(a.targets["counts"], b.targets["counts"])


def test_signal_of_tiles_with_enough_reads(genome):
    data = {"peaks": None, "negatives": 0, "tiles": {"stride_bp": 30, "min_reads": 60}}
    examples = load_examples(signal_recipe(genome, **data))
    batch = examples.data.batch(np.arange(len(examples.data)))
    assert (batch.targets["counts"].sum(dim=(1, 2)) >= 60).all()
    assert examples.data.is_peak.all()
    half = data | {"negatives": 0.5, "negative_ratio": 0.2}
    more = load_examples(signal_recipe(genome, **half))
    peak, total = more.data.is_peak, more.data.signal[:, :, 10:-10].sum(axis=(1, 2))
    assert peak.sum() == len(examples.data)
    # An epoch of training draws a fifth of its peaks' number; validation has the same share.
    held = peak[more.split.validation]
    assert (~held).sum() == round(0.2 * held.sum())
    epoch = more.data.take(more.split.train)
    drawn = epoch.rows[epoch.epoch_rows(np.random.default_rng(0))]
    assert (~peak[drawn]).mean() == pytest.approx((~held).mean(), abs=0.005)
    assert (total[peak] >= 60).all() and (total[~peak] < 60).all()
    assert set(more.origin[~peak]) == {"few_reads"}
    again = load_examples(signal_recipe(genome, **half))
    assert np.array_equal(again.names, more.names)
    judged = load_examples(signal_recipe(genome, **(data | {"negatives": 9, "negative_ratio": 0})))
    all_of_it = load_examples(signal_recipe(genome, **(data | {"negatives": 9})))
    assert (~judged.data.is_peak).any()
    assert (judged.split.sizes()["test"]) == all_of_it.split.sizes()["test"]
    for part in ("train", "validation"):
        names = judged.names[getattr(judged.split, part)]
        assert np.array_equal(names, examples.names[getattr(examples.split, part)])
    with pytest.raises(TrainingError, match="no tile has 1e[+]09 reads"):
        load_examples(
            signal_recipe(genome, **(data | {"tiles": {"stride_bp": 30, "min_reads": 1e9}}))
        )


def rewrite(path, change, chroms=("chr1", "chr2", "chr3"), length=100_000):
    with pyBigWig.open(str(path)) as bw:
        values = {c: bw.values(c, 0, length, numpy=True) for c in chroms}
    for chrom in values:
        change(chrom, values[chrom])
    with pyBigWig.open(str(path), "w") as bw:
        bw.addHeader([(c, length) for c in chroms])
        for chrom in values:
            bw.addEntries(chrom, 0, values=values[chrom].astype(float), span=1, step=1)


def fill(value, where=slice(None), chroms=("chr1", "chr2", "chr3")):
    def change(chrom, values):
        if chrom in chroms:
            values[where] = value

    return change


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        (np.nan, slice(905, 908), "plus.bw, near chr1:.*the signal holds NaN"),
        (-2.0, slice(905, 908), "the signal holds negative values"),
    ],
)
def test_broken_signal_is_an_error_with_its_place(genome, value, where, message):
    rewrite(genome / "plus.bw", fill(value, where, ("chr1",)))
    with pytest.raises(TrainingError, match=message):
        load_examples(signal_recipe(genome))


def test_all_zero_counts(genome):
    for name in ("plus", "minus"):
        rewrite(genome / f"{name}.bw", fill(0.0))
    with pytest.raises(TrainingError, match="plus.bw.*minus.bw: all counts are zero"):
        load_examples(signal_recipe(genome))


def test_peaks_without_signal_have_a_row_and_a_reason(genome):
    rewrite(genome / "plus.bw", fill(1.0, slice(0, 0)), length=20_000)
    rewrite(genome / "minus.bw", fill(1.0, slice(0, 0)), chroms=("chr2", "chr3"))
    made = signal_recipe(genome, negatives=0)
    made = made.model_copy(update={"split": made.split.model_copy(
        update={"validation": ["chr2:0-5000"]})})  # fmt: skip
    examples = load_examples(made)
    reasons = pd.DataFrame(examples.dropped).groupby("reason").size()
    assert reasons["no_signal_chromosome"] == 199 and reasons["outside_signal"] > 50
    (genome / "peaks.bed").write_text("chr1\t500\t600\n")
    with pytest.raises(TrainingError, match="no peak is left: no_signal_chromosome"):
        load_examples(made)


def test_outlying_training_peaks_are_dropped_held_out_ones_kept(genome):
    def change(chrom, values):
        values[895:905] += 10_000

    rewrite(genome / "plus.bw", change)
    examples = load_examples(signal_recipe(genome, negatives=0))
    (row,) = [d for d in examples.dropped if d["reason"] == "outlier"]
    assert row["name"].startswith("chr1:") and "reads, limit" in row["detail"]
    assert len(examples.split.test) == 199 and len(examples.split.train) == 198


def test_filters_are_found_in_the_sequences_and_matched():
    from cisweep.analysis.seqlets.names import NameRules
    from cisweep.genome.motifs import Motif
    from cisweep.models.modules import CNN

    model = CNN(2, first_width=5, dilations=(), n_outputs=1)
    word = np.zeros((4, 5), np.float32)
    word[tokenize("TGACG"), np.arange(5)] = 1
    with torch.no_grad():
        model.conv.weight[0], model.conv.weight[1] = torch.from_numpy(word), -1
        model.conv.bias[:] = torch.tensor([-3.5, -1.0])
    tokens = np.random.default_rng(0).integers(0, 4, (500, 60), dtype=np.uint8)
    tokens[:, 10:15] = tokenize("TGACG")
    tokens[0, 20] = 4
    matrices = filter_matrices(model, tokens)
    assert consensus(matrices["filter_0"][0]) == "TGACG"
    brute = sum(
        (np.lib.stride_tricks.sliding_window_view(t, 5) == tokenize("TGACG")).all(1).sum()
        for t in tokens
    )
    assert matrices["filter_0"][1] == brute
    assert matrices["filter_1"][1] == 0
    spread = np.full((4, 7), 0.05)
    spread[tokenize("ATGACGT"), np.arange(7)] = 0.85
    motifs = [Motif("X1", "other", np.full((4, 6), 0.25)), Motif("M1", "CRE", spread)]
    rng = np.random.default_rng(1)
    motifs += [Motif(f"R{i}", "", rng.dirichlet([0.3] * 4, 9).T) for i in range(40)]
    others, rules = tokens[:, 20:], NameRules(rate=0.1)
    (row,) = match_filters(matrices, motifs, others, rules)
    assert (row["filter"], row["motif"], row["consensus"]) == ("filter_0", "M1 CRE", "TGACG")
    assert row["name_p_value"] <= 0.1
    # Of sequences that are full of the word, as many spans have as close a motif.
    (row,) = match_filters(matrices, motifs, np.tile(tokenize("TGACG"), (50, 6)), rules)
    assert row["motif"] == "" and row["name_p_value"] > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "profile"}, "task profile and data of kind signal need each other"),
        ({"folds": [{"validation": ["chr1"], "test": ["chr2"]}]}, "folds need split.by regions"),
        ({"modul": "CNN"}, "modul"),
        ({"data": {"kind": "kmers", "k": 20}}, "less than or equal to 10"),
    ],
)
def test_recipes_that_contradict_themselves(change, message):
    base = {"data": {"kind": "kmers"}, "task": "regression", "module": "Linear"}
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(base | change)


def test_examples_in_the_config_folder_are_valid(root):
    files = sorted((root / "config" / "examples").glob("train_*.yaml"))
    assert len(files) >= 5
    for path in files:
        config = TrainConfig.model_validate(yaml.safe_load(path.read_text())["steps"]["train"])
        for made in config.models.values():
            assert (made.data.kind == "kmers") == (not data_files(made))


def test_wrong_module_arguments_are_named(table):
    with pytest.raises(TrainingError, match="Linear cannot be made with .*n_filters"):
        train_model("m", recipe(table, module_args={"n_filters": 3}), table.parent / "out")

import h5py
import numpy as np
import pandas as pd
import pysam
import pytest
import torch

from cisweep.analysis.attribution.deep_lift_shap import deep_lift_shap
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.sequence_design.choice import Chooser, Problems
from cisweep.analysis.sequence_design.chunk import Designed, DesignModels, Templates, design_chunk
from cisweep.analysis.sequence_design.goals import Goal
from cisweep.analysis.sequence_design.motifs import hit_changes
from cisweep.analysis.sequence_design.oracle import Oracle
from cisweep.analysis.sequence_design.rows import Composition, _evidence, design_rows
from cisweep.bases import text_of
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows, seed_of
from cisweep.models import CNN
from cisweep.models.ensemble import Ensemble
from cisweep.models.targets import target_module
from cisweep.outputs.designs import (
    edit_attributions,
    merge_histories,
    merge_tables,
    read_history,
    write_edits,
    write_fasta,
    write_histories,
    write_table,
)
from cisweep.plot.designs import DesignFigures, design_figures
from cisweep.plot.saving import save_figure
from cisweep.steps.design import FIGURES, DesignConfig

LENGTH = 80


def member(seed: int, targets: list[str], window_bp: int = LENGTH) -> Ensemble:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CNN(12, first_width=7, dilations=(2,), n_outputs=len(targets)).eval()
    for parameter in model.parameters():
        parameter.data *= 2
    config = ModelConfig(
        adapter="state_dict", module="CNN", window_bp=window_bp, rc={"average": False},
        targets=[{"name": t, "tasks": [i]} for i, t in enumerate(targets)],
        folds=[{"weights": "none.safetensors"}],
    )  # fmt: skip
    return Ensemble(config, [target_module(model, config.targets, config.rc)], "cpu")


def models() -> DesignModels:
    columns = [("a", "up"), ("a", "same"), ("b", "up")]
    return DesignModels([member(0, ["up", "same"])], [member(1, ["up"], 60)], columns, 2, "cpu")


def step(**changes) -> DesignConfig:
    goals = {
        "high": [
            {"model": "a", "target": "up", "kind": "change", "value": 1.0},
            {"model": "a", "target": "same", "kind": "keep"},
        ],
        "low": [{"model": "a", "target": "up", "kind": "minimise"}],
    }
    options = dict(goals=goals, judges=["b"], max_iter=25, early_stopping_iter=8, l=0.02,
                   n_references=2, baselines=["random", "beam"])  # fmt: skip
    return DesignConfig(**(options | changes))


def windows(n: int = 3, strand: str = "+") -> tuple[Windows, np.ndarray]:
    start = np.arange(n) * 200 + 100
    tokens = np.random.default_rng(5).integers(0, 4, (n, LENGTH)).astype(np.uint8)
    names = [f"r{i}" for i in range(n)]
    return Windows.build(["chr1"] * n, start, start + LENGTH, [strand] * n, names), tokens


def free(places: Windows, tokens: np.ndarray) -> Templates:
    return Templates(places, tokens, np.zeros(tokens.shape, bool))


@pytest.fixture(scope="module")
def made():
    places, tokens = windows()
    found = design_chunk(models(), free(places, tokens), step(), 7)
    return places, tokens, found, design_rows(found, models(), places, tokens)


def test_each_design_has_a_row_a_target_and_a_method(made):
    table = pd.DataFrame(made[3])
    assert len(table) == 3 * 2 * 3 * 3  # windows, goal sets, targets, methods
    own = table[table["method"] == "ledidi"]
    assert set(own["role"]) == {"goal", "other", "judge"}
    high = own[(own["goal"] == "high") & (own["target"] == "up") & (own["model"] == "a")]
    assert np.allclose(high["wanted"], high["before"] + 1.0)
    assert (own["n_edits_pruned"] <= own["n_edits"]).all()
    for row in own.itertuples():
        differ = sum(a != b for a, b in zip(row.sequence_before, row.sequence_pruned))
        assert differ == row.n_edits_pruned == len([e for e in row.edits.split(";") if e])
    first = own[(own["role"] == "goal") & own["reached"]]
    assert len(first)


def test_roles_and_what_is_reached_follow_from_the_numbers_of_the_rows(made):
    table = pd.DataFrame(made[3])
    assert ((table["role"] == "judge") == (table["model"] == "b")).all()
    asked = {("high", "up"): "change", ("high", "same"): "keep", ("low", "up"): "minimise"}
    of_a = table[table["model"] == "a"]
    kinds = [asked.get(pair, "") for pair in zip(of_a["goal"], of_a["target"])]
    assert of_a["kind"].tolist() == kinds
    assert of_a["role"].tolist() == ["goal" if k else "other" for k in kinds]
    seen = set()
    for (_, method), rows in of_a[of_a["role"] == "goal"].groupby(["design", "method"]):
        good = []
        for row in rows.itertuples():
            if row.kind == "minimise":
                good.append(row.after_pruned < row.before)
            else:
                aim = row.before + (1.0 if row.kind == "change" else 0.0)
                good.append(abs(row.after_pruned - aim) <= row.tolerance)
            if method == "ledidi":  # the curve begins with the design that has all its edits
                assert row.curve_predictions[0] == pytest.approx(row.after, abs=1e-4)
        assert rows["reached"].tolist() == [all(good)] * len(rows)
        seen.add((method == "ledidi", all(good)))
    assert seen >= {(True, True), (False, True), (False, False)}


def test_a_design_does_not_depend_on_the_chunk(made):
    places, tokens, found, _ = made
    alone = design_chunk(models(), free(places.take(slice(1, 2)), tokens[1:2]), step(), 7)
    together = [d for d in found if d.window == 1]
    for a, b in zip(alone, together, strict=True):
        assert (a.full == b.full).all() and (a.pruned == b.pruned).all()
        assert np.array_equal(a.y["pruned"], b.y["pruned"])
        assert np.array_equal(a.attributions, b.attributions)


def test_region_goals_choose_and_impossible_constraints_give_a_row_with_a_fault(made):
    places, tokens, *_ = made
    chosen = step(region_goals={"r0": ["low"], "r1": ["high"]}, gc_range=(0.95, 1.0), max_edits=2)
    found = design_chunk(models(), free(places, tokens), chosen, 7)
    assert [(d.window, d.goal_set) for d in found] == [(0, "low"), (1, "high"), (2, "high"),
                                                       (2, "low")]  # fmt: skip
    rows = pd.DataFrame(design_rows(found, models(), places, tokens))
    assert not rows["reached"].any()
    assert rows["fault"].str.contains("GC in").all()


def test_a_goal_that_cannot_be_reached_says_so(made, tmp_path):
    places, tokens, *_ = made
    far = {"far": [{"model": "a", "target": "up", "kind": "value", "value": 1e4}]}
    found = design_chunk(models(), free(places, tokens), step(goals=far, max_edits=3), 7)
    rows = pd.DataFrame(design_rows(found, models(), places, tokens))
    assert not rows["reached"].any() and (rows["fault"] == "").all()
    goal = rows[(rows["role"] == "goal") & (rows["method"] == "ledidi")]
    assert (goal["after"] > goal["before"]).all() and (goal["n_edits"] <= 3).all()
    write_fasta(rows, tmp_path / "designs.fa")
    assert (tmp_path / "designs.fa").read_text().count("goal=not_reached") == 3


def test_priors_rule_out_bases_also_on_the_minus_strand():
    priors = np.zeros((2, 4, LENGTH), np.float32)
    priors[:, 1, :40] = -np.inf  # no C in the first half, + orientation
    priors[:, :, 60:] = -np.inf  # no edit in the last quarter
    for strand in "+-":
        places, tokens = windows(2, strand)
        tokens[:, :40] = np.where(tokens[:, :40] == 1, 0, tokens[:, :40])
        own = priors.copy()
        for i in range(2):
            own[i, tokens[i, 60:], np.arange(60, LENGTH)] = 0
        templates = Templates(places, tokens, np.zeros(tokens.shape, bool), own)
        found = design_chunk(models(), templates, step(), 3)
        assert sum(int((d.full != d.template).sum()) for d in found) > 4
        for d in found:
            for window in (d.full, d.pruned, *(b.tokens for b in d.baselines)):
                assert not (window[:40] == 1).any()
                assert (window[60:] == d.template[60:]).all()


def test_the_sample_with_the_fewest_edits_after_pruning_is_kept(made):
    places, tokens, found, _ = made

    # An oracle of the number of A among the first ten bases.
    class CountA(torch.nn.Module):
        def forward(self, X):
            return X[:, :1, :10].sum(2)

    template = np.full(40, 3, np.uint8)
    samples = np.repeat(template[None], 4, 0)
    samples[0, [0, 1, 2]] = 0  # reaches 3 with 3 edits
    samples[1, [0, 1, 2, 3]] = 0  # too much, within the tolerance
    samples[2, [0, 20, 21]] = 0  # does not reach
    samples[3, [0, 1, 2, *range(20, 24)]] = 0  # reaches, with edits that do nothing
    oracle = Oracle(CountA(), None, torch.zeros(0), 4)
    start, free_all = np.zeros((1, 1), np.float32), np.zeros((1, 40), bool)
    problems = Problems(template[None], start, free_all, [None])
    goals = [Goal(0, "value", 3.0, tolerance=1.0)]

    def choose(prune: bool, rows: list[int]):
        chooser = Chooser(oracle, goals, 0.1, prune, 1.0)
        return chooser.choose(problems, samples[None, None, rows])[0]

    chosen = choose(True, [3, 1, 2])
    assert (chosen.pruned != template).sum() == 2  # 2 is within 1 of 3
    assert (choose(False, [3, 0, 1]).full == samples[0]).all()
    chosen = choose(True, [2])  # not reached: what does not move the prediction goes
    assert (chosen.pruned != template).nonzero()[0].tolist() == [0]


def test_what_is_usual_comes_from_the_given_windows(made):
    places, tokens, found, _ = made
    draw = np.random.default_rng(3)
    usual = draw.integers(0, 4, (60, LENGTH)).astype(np.uint8)
    rows = pd.DataFrame(design_rows(found, models(), places, usual))
    other = np.where(usual < 2, usual + 2, usual).astype(np.uint8)  # no A and no C
    odd = pd.DataFrame(design_rows(found, models(), places, other))
    assert odd["off_distribution"].all() and not rows["off_distribution"].all()
    assert (odd["kmer_distance"] > rows["kmer_distance"]).all()
    assert (rows["kmer_distance_before"] > 0).all()
    gc = Composition.of(usual)
    assert gc.is_beyond(0.0) and gc.is_beyond(1.0) and not gc.is_beyond(0.5)


def tokens_of(text):
    return np.array(["ACGTN".index(c) for c in text], np.uint8)


def test_composition_by_hand():
    usual = np.stack([tokens_of(t) for t in ("AAAAAAA", "AAAAAAC", "CCCCCCC")])
    found = Composition.of(usual)
    # Of four 4-mers each: (1 AAAA), (0.75 AAAA, 0.25 AAAC), (1 CCCC); the third is farthest out.
    far = np.sqrt(0.75**2 + 0.25**2 + 1)
    assert found.limit == pytest.approx(far) and found.gc == (0.0, 1.0)
    assert found.distance(tokens_of("AAAAAAA")) == 0
    assert found.distance(tokens_of("AAAANAA")) == 0  # one known 4-mer
    assert found.distance(tokens_of("GGGGGGG")) == pytest.approx(far)
    shares = Composition.of(np.stack([tokens_of(t) for t in ("CANNNNN", "CAAANNN", "CGAAAAC")]))
    assert shares.gc == (0.25, 0.5)  # of the known bases
    beyond = [shares.is_beyond(gc) for gc in (0.24, 0.25, 0.5, 0.51)]
    assert beyond == [True, False, False, True]


def test_evidence_by_hand():
    usual = Composition.of(np.stack([tokens_of(t) for t in ("AAAAAAA", "AAAAAAC", "CCCCCCC")]))
    full, pruned = tokens_of("GAAACAT"), tokens_of("GAAAAAT")
    found = _evidence(tokens_of("AAAAAAN"), full, pruned, usual, None)
    assert (found["n_edits"], found["n_edits_pruned"], found["edits"]) == (2, 1, "0A>G")
    assert (found["sequence_after"], found["sequence_pruned"]) == ("GAAACAT", "GAAAAAT")
    assert (found["gc_before"], found["gc_after"]) == (0, pytest.approx(1 / 7))
    assert found["kmer_distance_before"] == 0
    # GAAA, AAAA, AAAA, AAAT beside AAAAAAA and AAAAAAC.
    near = min(np.sqrt(0.5**2 + 2 / 16), np.sqrt(4 / 16))
    assert found["kmer_distance"] == pytest.approx(near)
    assert not found["off_distribution"]
    # As far as the farthest usual window is not beyond it; a GC share beyond theirs is.
    far = tokens_of("GGGGGGG")
    assert not _evidence(far, far, far, usual, None)["off_distribution"]
    low = Composition(usual.shares, usual.limit, (0.0, 0.5))
    assert _evidence(far, far, far, low, None)["off_distribution"]


def test_hits_gained_and_lost_name_what_changed():
    word = np.array([0, 2, 1, 3, 3, 1, 2, 0, 1, 1])
    pwm = np.full((4, 10), 0.02)
    pwm[word, np.arange(10)] = 0.94
    scanner = prepare_motifs({"word": pwm, "mirror": pwm[:, ::-1]}, threshold=1e-5)
    before = np.zeros(40, np.uint8)
    after = before.copy()
    after[20:30] = word
    usual = Composition.of(np.zeros((0, 40), np.uint8))

    def hits(a, b):
        found = _evidence(a, b, b, usual, scanner)
        return found["hits_gained"], found["hits_lost"]

    assert hits(before, after) == ("word", "") and hits(after, before) == ("", "word")
    assert hits(after, after) == ("", "")


def test_hit_changes_tell_a_motif_from_its_decoys():
    draw = np.random.default_rng(0)
    word = np.array([0, 2, 1, 3, 3, 1, 2, 0, 1, 1])
    pwm = np.full((4, 10), 0.02)
    pwm[word, np.arange(10)] = 0.94
    before = draw.integers(0, 4, (6, 100)).astype(np.uint8)
    after = before.copy()
    after[:, 40:50] = word
    designs = pd.DataFrame({
        "hits_gained": ["made up"] * 6, "hits_lost": [""] * 6,
        "sequence_before": [text_of(t) for t in before],
        "sequence_pruned": [text_of(t) for t in after],
    })  # fmt: skip
    found = hit_changes(designs, {"made up": pwm, "other": pwm[:, ::-1]}, 0)
    # A hit a sequence; of a decoy's 182 places at p < 1e-4 chance gives 0.02.
    assert found["motif"].tolist() == ["made up"]
    assert found.loc[0, "gained"] == 6 and found.loc[0, "lost"] == 0
    assert found.loc[0, "change"] == pytest.approx(1.0) and abs(found.loc[0, "decoys"]) < 0.1
    assert not len(hit_changes(designs.assign(hits_gained=""), {}, 0))


def test_a_minus_window_is_designed_on_its_own_strand():
    places, tokens = windows(1, "-")
    turned = 3 - tokens[:, ::-1]
    held = np.zeros((1, LENGTH), bool)
    held[0, :30] = True
    options = dict(goals={"low": step().model_dump()["goals"]["low"]}, n_references=2)
    found = design_chunk(models(), Templates(places, tokens, held), step(**options), 3)[0]
    assert (found.template == tokens[0]).all()
    assert not (found.full != tokens[0])[:30].any()
    with torch.no_grad():
        onehot = (
            torch.nn.functional.one_hot(
                torch.from_numpy((3 - found.full[::-1]).astype(np.int64)), 4
            )
            .T[None]
            .float()
        )
        assert np.allclose(
            models().modules_of(places)[0][0](onehot)[0], found.y["full"][:2], atol=1e-5
        )
    assert (turned[0] == 3 - found.template[::-1]).all()


class Sided(torch.nn.Module):
    """Reads the first 24 bases of its window, as it is given, and no others."""

    def __init__(self):
        super().__init__()
        draw = np.random.RandomState(8)
        self.weights = torch.nn.Parameter(torch.tensor(draw.normal(size=(4, LENGTH))).float())
        self.weights.data[:, 24:] = 0

    def forward(self, X):
        return (X * self.weights).sum((1, 2))[:, None]


def sided_designs(strand: str):
    config = ModelConfig(
        adapter="python", module="x:y", window_bp=LENGTH, targets=[{"name": "up"}],
        rc={"average": False}, folds=[{"weights": "w"}],
    )  # fmt: skip
    net = Sided()
    models = DesignModels([Ensemble(config, [net])], [], [("a", "up")], 1, "cpu")
    goals = {"low": [{"model": "a", "target": "up", "kind": "change", "value": -4.0}]}
    options = step(goals=goals, judges=[], n_references=3, l=0.05, prune_threshold=9.0, swaps=0)
    places, tokens = windows(2, strand)
    return net, tokens, design_chunk(models, free(places, tokens), options, 3)


def explained(net: Sided, each: Designed, strand: str) -> np.ndarray:
    """Return the attributions of the three sequences as the model reads them, turned back."""
    place = windows(2, strand)[0].keys()[each.window]
    seed = (seed_of(3, "design", f"{place}|low") >> 2) % 2**31
    tokens = np.stack([each.template, each.full, each.pruned])
    read = tokens if strand == "+" else 3 - tokens[:, ::-1]
    X = torch.eye(4)[torch.from_numpy(read.astype(np.int64))].transpose(1, 2)
    values = deep_lift_shap(net, X, n_shuffles=3, device="cpu", random_state=seed).sum(1).numpy()
    return values if strand == "+" else values[:, ::-1]


@pytest.mark.parametrize("strand", ["+", "-"])
def test_all_of_a_design_is_in_plus_orientation(strand):
    """Bases, path, history, attributions and rivals of a model that reads one side of its window:
    of a `-` window that is the right one."""
    net, templates, found = sided_designs(strand)
    read = np.arange(24) if strand == "+" else np.arange(LENGTH - 24, LENGTH)

    def y(tokens: np.ndarray) -> float:
        turned = tokens if strand == "+" else 3 - tokens[::-1]
        X = torch.eye(4)[torch.from_numpy(turned.astype(np.int64))].T[None]
        with torch.no_grad():
            return float(net(X)[0, 0])

    for each in found:
        template = templates[each.window]
        assert (each.template == template).all()
        edits = np.flatnonzero(each.pruned != template)
        assert len(edits) and set(edits) <= set(read)
        for name, tokens in (("before", each.template), ("full", each.full),
                             ("pruned", each.pruned)):  # fmt: skip
            assert each.y[name][0] == pytest.approx(y(tokens), abs=1e-5)
        assert len(each.path.positions)
        window = each.full.copy()
        for at, value in zip(each.path.positions, each.path.predictions[1:, 0]):
            assert window[at] != template[at]
            window[at] = template[at]
            assert value == pytest.approx(y(window), abs=1e-5)
        assert (window == each.path.tokens).all()
        n_entries = 0
        for sample, base, at in (e for e in each.history["edits"] if len(e[0])):
            # An edit stands twice: with the base that came and with the one that went.
            pairs: dict[tuple[int, int], list[int]] = {}
            for s, b, p in zip(sample.tolist(), base.tolist(), at.tolist()):
                pairs.setdefault((s, p), []).append(b)
            for (_, p), bases in pairs.items():
                assert len(bases) == len(set(bases)) == 2 and template[p] in bases
                n_entries += 1
        assert n_entries
        outside = np.setdiff1d(np.arange(LENGTH), read)
        assert not each.attributions[:, outside].any()
        assert (each.attributions[:, read] != 0).mean() > 0.9
        assert each.attributions == pytest.approx(explained(net, each, strand), abs=1e-5)
        for rival in each.baselines:
            assert rival.y[0] == pytest.approx(y(rival.tokens), abs=1e-5)


def test_products_hold_what_was_designed(made, tmp_path):
    places, tokens, found, rows = made
    names = [f"{places.keys()[d.window]}|{d.goal_set}" for d in found]
    histories = {n: (d.history, d.attributions) for n, d in zip(names, found)}
    parts = []
    for i, chosen in enumerate((slice(0, 3), slice(3, 6))):
        part = tmp_path / f"{i}.h5"
        write_histories(dict(list(histories.items())[chosen]), part, {"seed": 1})
        parts.append(part)
    merge_histories(parts, tmp_path / "history.h5", {"seed": 1})
    history, attributions = read_history(tmp_path / "history.h5", names[4])
    assert history["total_loss"] == histories[names[4]][0]["total_loss"]
    assert all(
        np.array_equal(a, np.asarray(b))
        for x, y in zip(history["edits"], histories[names[4]][0]["edits"])
        for a, b in zip(x, y)
    )
    assert attributions.shape == (3, LENGTH)
    write_table(rows[:20], tmp_path / "0.parquet", {})
    write_table(rows[20:], tmp_path / "1.parquet", {})
    write_table([], tmp_path / "2.parquet", {})
    table = merge_tables([tmp_path / f"{i}.parquet" for i in (0, 1, 2)], tmp_path / "t.parquet",
                         {"seed": 1})  # fmt: skip
    assert len(table) == len(rows)
    write_fasta(table, tmp_path / "designs.fa")
    text = (tmp_path / "designs.fa").read_text()
    assert text.count(">") == 6
    write_edits(table, tmp_path / "edits.vcf.gz", {"chr1": 5000}, "cisweep test")
    records = list(pysam.VariantFile(str(tmp_path / "edits.vcf.gz")))
    kept = sum(len(r.info.get("KEPT", ())) for r in records)
    own = table[(table["method"] == "ledidi")].drop_duplicates("design")
    assert kept == own["n_edits_pruned"].sum()
    for r in records:
        window = (r.start - 100) // 200
        assert "ACGT"[tokens[window, r.start - places.start[window]]] == r.ref
    assert (tmp_path / "edits.vcf.gz.tbi").is_file()
    figures = [tmp_path / f"{n}.svg" for n in FIGURES]
    shown = {n: read_history(tmp_path / "history.h5", n) for n in names[:2]}
    edits = edit_attributions(tmp_path / "history.h5", table)
    assert len(edits) == own["n_edits"].sum() and edits["kept"].sum() == kept
    one = next(e for e in edits.itertuples())
    assert one.attribution == histories[one.design][1][1][one.position]
    changes = pd.DataFrame(
        {"motif": ["a", "b"], "gained": [2, 0], "lost": [0, 1], "change": [1.0, -0.5],
         "decoys": [0.1, 0.0]}
    )  # fmt: skip
    full = DesignFigures(table, shown, edits, {"high": changes, "low": changes})
    empty = DesignFigures(table.iloc[:0], {}, edits.iloc[:0], {})  # an empty run has empty figures
    for path, draw in [*design_figures(full, figures), *design_figures(empty, figures)]:
        save_figure(draw(), path)
        assert path.stat().st_size > 500
    with h5py.File(tmp_path / "history.h5") as file:
        assert file.attrs["seed"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(goals={}), "give goals"),
        (dict(goals={"x": [{"model": "a", "target": "up"}]}), "needs `value`"),
        (dict(judges=["a"]), "a is an oracle of the design too"),
        (dict(region_goals={"r0": ["none"]}), "no goals of the name none"),
        (dict(gc_range=(0.6, 0.2)), "gc_range"),
        (
            dict(goals={"x": 2 * [{"model": "a", "target": "up", "kind": "keep"}]}),
            "contradict each other",
        ),
    ],
)
def test_wrong_configs_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        step(**change)

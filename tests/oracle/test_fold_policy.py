"""What "the model" is, for every step: the folds that read a window's chromosome, in float64.

Three folds of different weights hold out c1, c2 and c1 again; windows lie on both strands.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest
import torch
import yaml
from safetensors.torch import save_file

from cisweep.analysis.attribution.references import make_references, shuffled_windows
from cisweep.analysis.attribution.windows import attribute_windows
from cisweep.analysis.mutagenesis.windows import mutate_windows
from cisweep.analysis.perturbation.ablations import control_shuffles, hit_ablations
from cisweep.analysis.perturbation.windows import (
    Backgrounds,
    make_backgrounds,
    marginal_effects,
    predictor,
    spacing_effects,
)
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.analysis.sequence_design.chunk import DesignModels, Templates, design_chunk
from cisweep.analysis.variants.model import EffectModel
from cisweep.analysis.variants.variant_effects import variant_effects
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.errors import CisweepError, stop_at_faults
from cisweep.genome.fasta import Genome, window_tokens
from cisweep.genome.signal import model_inputs
from cisweep.genome.variants.reading import Variant
from cisweep.models import CNN
from cisweep.models.ensemble import Ensemble
from cisweep.models.targets import target_module
from cisweep.plan.contents import step_checks
from cisweep.plan.contents.variants import with_a_fold
from cisweep.plan.plan import Plan
from cisweep.plan.run_config import read_model_config
from cisweep.steps.design import DesignConfig
from cisweep.steps.train import Recipe
from cisweep.train.products import train_model

W = 40
NAME = r"(\w+):(\d+)-(\d+)\(\.\)"
ARGS = {"n_filters": 6, "first_width": 5, "dilations": [2], "n_outputs": 2}
HELD_OUT = [["c1"], ["c2"], ["c1"]]
FOLDS = {"mean": {"c1": [0, 1, 2], "c2": [0, 1, 2]}, "held_out": {"c1": [0, 2], "c2": [1]}}


class Case:
    """The nets, their files, a run's config, and windows on both chromosomes and strands."""

    def __init__(self, folder: Path, policy: str):
        self.policy, self.nets = policy, []
        for i in range(3):
            torch.manual_seed(i)
            net = CNN(**ARGS).eval()
            for parameter in net.parameters():
                parameter.data *= 2
            save_file(net.state_dict(), folder / f"{i}.safetensors")
            self.nets.append(net.double())
        model = {
            "adapter": "state_dict", "module": "CNN", "module_args": ARGS, "window_bp": W,
            "targets": [{"name": "a", "tasks": [0]}, {"name": "b", "tasks": [1]}],
            "rc": {"average": True, "task_permutation": [1, 0]}, "fold_policy": policy,
            "folds": [{"weights": f"{i}.safetensors", "test_chroms": c}
                      for i, c in enumerate(HELD_OUT)],
        }  # fmt: skip
        (folder / "m.yaml").write_text(yaml.safe_dump(model))
        self.config = read_model_config(folder / "m.yaml")
        rng = np.random.default_rng(0)
        with open(folder / "g.fa", "w") as file:
            for chrom in ("c1", "c2"):
                file.write(f">{chrom}\n{''.join(rng.choice(list('ACGT'), 600))}\n")
        pysam.faidx(str(folder / "g.fa"))
        start = np.array([100, 150, 200, 100, 150, 200])
        chrom = ["c1"] * 3 + ["c2"] * 3
        self.windows = Windows.build(chrom, start, start + W, list("+-.-+."))
        rows = zip(chrom, start, start + W, self.windows.strand)
        (folder / "r.bed").write_text("".join(f"{c}\t{s}\t{e}\t.\t0\t{d}\n" for c, s, e, d in rows))
        self.data = {
            "run": "t", "genome": {"fasta": str(folder / "g.fa")}, "chunk_bp": 1000,
            "regions": {"bed": str(folder / "r.bed")}, "models": {"m": str(folder / "m.yaml")},
            "motifs": None, "steps": {"predict": {}},
        }  # fmt: skip
        self.plan = Plan.from_config(self.data, folder)
        self.tokens = window_tokens(self.plan.source, chrom, start, start + W)

    def model(self) -> Ensemble:
        return Ensemble.load(self.config)

    def by_fold(self, windows: Windows, tokens: np.ndarray) -> np.ndarray:
        """Return (folds, N, T): each fold's mean over both strands, window by window."""
        found = np.zeros((len(self.nets), len(tokens), 2))
        for row, (strand, bases) in enumerate(zip(windows.strand, tokens)):
            x = torch.eye(5, 4, dtype=torch.float64)[torch.from_numpy(bases).long()].T[None]
            x = x.flip(1, 2) if strand == "-" else x
            with torch.no_grad():
                for fold, net in enumerate(self.nets):
                    found[fold, row] = (net(x)[0] + net(x.flip(1, 2))[0].flip(0)) / 2
        return found

    def expected(
        self, windows: Windows, tokens: np.ndarray, folds: dict | None = None
    ) -> np.ndarray:
        """Return (N, T): the mean over the folds that read each window."""
        folds, each = folds or FOLDS[self.policy], self.by_fold(windows, tokens)
        rows = [each[folds[chrom], row].mean(axis=0) for row, chrom in enumerate(windows.chrom)]
        return np.array(rows)


@pytest.fixture(scope="module", params=["mean", "held_out"])
def case(request, tmp_path_factory) -> Case:
    return Case(tmp_path_factory.mktemp(request.param), request.param)


def near(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=2e-6)


def test_the_folds_differ(case):
    """Or the tests below could not fail."""
    y = case.expected(case.windows, case.tokens)
    for policy, folds in FOLDS.items():
        if policy != case.policy:
            other = case.expected(case.windows, case.tokens, folds)
            # Ten thousand times what `near` lets pass.
            assert (np.abs(other - y).max(axis=1) > 0.02).all()


def test_predict(case):
    found = predict_windows(case.model(), case.windows, case.tokens, [], batch_size=4)
    near(found.mean, case.expected(case.windows, case.tokens))
    each = case.by_fold(case.windows, case.tokens)
    for row, chrom in enumerate(case.windows.chrom):
        near(found.sd[row], each[FOLDS[case.policy][chrom], row].std(axis=0))


@pytest.mark.parametrize("method", ["deep_lift_shap", "ism"])
def test_attribute(case, method):
    references = make_references("zeros", 1, 0, 1)
    found = attribute_windows(
        case.model(), case.windows, case.tokens, [], references, batch_size=4, method=method
    )
    y = case.expected(case.windows, case.tokens)
    if method == "ism":
        near(found.hypothetical, mutated(case, y))
        return
    nothing = np.full_like(case.tokens, 4)
    difference = y - case.expected(case.windows, nothing)
    np.testing.assert_allclose(found.projected.sum(2).T, difference, atol=2e-5)
    # dy is the mean over folds of |f(window) - f(reference)|, not |the mean difference|.
    each = case.by_fold(case.windows, case.tokens) - case.by_fold(case.windows, nothing)
    for row, chrom in enumerate(case.windows.chrom):
        dy = np.abs(each[FOLDS[case.policy][chrom], row]).mean(axis=0)
        np.testing.assert_allclose(found.dy[:, row], dy, atol=2e-5)


def mutated(case: Case, y: np.ndarray) -> np.ndarray:
    """Return (T, N, 4, W): each substitution's change less the mean over the four bases."""
    effects = np.zeros((2, len(y), 4, W))
    for base in range(4):
        for at in range(W):
            mutant = case.tokens.copy()
            mutant[:, at] = base
            effects[:, :, base, at] = (case.expected(case.windows, mutant) - y).T
    return effects - effects.mean(axis=2, keepdims=True)


def test_the_null_of_the_seqlets(case):
    windows, tokens = shuffled_windows(case.windows, case.tokens, 3, NullSize(1, 1.0))
    references = make_references("zeros", 1, 0, 1)
    found = attribute_windows(case.model(), windows, tokens, [], references, batch_size=4)
    y = case.expected(windows, tokens) - case.expected(windows, np.full_like(tokens, 4))
    np.testing.assert_allclose(found.projected.sum(2).T, y, atol=2e-5)


def test_ism(case):
    found = mutate_windows(case.model(), case.windows, case.tokens, [], batch_size=16)
    y = case.expected(case.windows, case.tokens)
    near(found.original.T, y)
    near(found.hypothetical, mutated(case, y))


def test_variants_and_their_nulls(case):
    plus = case.windows.take(case.windows.strand == ".")
    variants = []
    for chrom, start in zip(plus.chrom, plus.start):
        middle = int(start) + W // 2
        text = "".join("ACGT"[t] for t in case.plan.source.tokens(chrom, middle, middle + 3))
        other = "ACGT"[("ACGT".index(text[0]) + 1) % 4]
        variants.append(Variant(chrom, middle, text[0], other))
        variants.append(Variant(chrom, middle - 1, *_deletion(case, chrom, middle)))
    model = EffectModel.load(case.config)
    found = variant_effects(model, variants, case.plan.source, n_nulls=3)
    alleles = found.alleles
    own = alleles.windows.take(alleles.ref_idx)
    assert len(alleles) == 4 and set(own.chrom) == {"c1", "c2"}
    near(found.ref, case.expected(own, alleles.ref[alleles.ref_idx]))
    near(found.alt, case.expected(own, alleles.alt))
    # The reference window of a single substitution is that of `predict`.
    assert (own.start[::2] == plus.start).all()
    near(found.ref[::2], case.expected(plus, case.tokens[case.windows.strand == "."]))
    assert len(found.nulls.keys) == 12 and np.abs(found.nulls.deltas).max() > 0


def _deletion(case: Case, chrom: str, middle: int) -> tuple[str, str]:
    """Return REF and ALT of a deletion of two bases before `middle` + 2."""
    text = "".join("ACGT"[t] for t in case.plan.source.tokens(chrom, middle - 1, middle + 2))
    return text, text[0]


@pytest.mark.parametrize("step", ["marginalize", "space", "ablate"])
def test_experiments(case, step, small_motifs):
    """Whatever an experiment asks of its predictor is answered as by hand."""
    inner, n = predictor(case.plan, "m", "cpu", 16), [0]

    def asked(windows: Windows, tokens: np.ndarray) -> np.ndarray:
        y = inner(windows, tokens)
        near(y, case.expected(windows, tokens))
        n[0] += len(windows)
        return y

    if step == "ablate":
        spans = np.tile([12, 24], (6, 1))
        options = {"n_shuffles": 2, "n_controls": 1, "seed": 1}
        hit_ablations(asked, case.windows, case.tokens, spans, **options)
        assert n[0] == 6 * (1 + 2 + control_shuffles(2, 1))
        return
    backgrounds = Backgrounds.shuffled(asked, case.windows, case.tokens, 8, 0)
    if step == "marginalize":
        table = marginal_effects(asked, backgrounds, small_motifs, ["a", "b"])
        assert n[0] == 8 + 8 * len(small_motifs)
        before = case.expected(backgrounds.windows, backgrounds.tokens)
        near(table["mean_before"][:2], before.mean(axis=0))
    else:
        pairs = [(small_motifs[0], small_motifs[1])]
        spacing_effects(asked, backgrounds, pairs, [2, 5], ["+-"], ["a", "b"])
        assert n[0] == 8 + 8 * 6


@pytest.fixture(scope="module")
def small_motifs(resources):
    from cisweep.genome.motifs import load_motifs

    path = resources / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme"
    return [m for m in load_motifs(path) if m.width < 9][:2]


@pytest.mark.parametrize("kind", ["random", "gc_matched"])
def test_backgrounds_of_the_genome(case, kind):
    data = case.data | {"steps": {"predict": {}, "marginalize": {"backgrounds": kind,
                        "n_backgrounds": 9}}, "motifs": "x.meme"}  # fmt: skip
    plan = Plan.from_config(data, Path())
    predict = predictor(plan, "m", "cpu", 16)
    found = make_backgrounds(predict, plan, "m", plan.step_config("marginalize"), None)
    assert set(found.windows.chrom) == {"c1", "c2"}
    near(found.before, case.expected(found.windows, found.tokens))


def step_of(**changes) -> DesignConfig:
    goals = {"up": [{"model": "m", "target": "a", "kind": "change", "value": 0.5},
                    {"model": "m", "target": "b", "kind": "keep"}]}  # fmt: skip
    options = dict(goals=goals, judges=["judge"], max_iter=12, early_stopping_iter=6, l=0.01,
                   samples=4, n_references=2, baselines=["random", "beam"], swaps=3)  # fmt: skip
    return DesignConfig(**(options | changes))


def designed(case: Case, models: DesignModels, windows: Windows, tokens: np.ndarray):
    held = np.zeros(tokens.shape, bool)
    return design_chunk(models, Templates(windows, tokens, held), step_of(), 5)


def test_design(case):
    """Before, goals, hits, judge, path and rivals are those of the folds that read the window."""
    judge = case.config.model_copy(update={"folds": case.config.folds[:2]})
    models = DesignModels.load({"m": case.config, "judge": judge}, step_of(), "cpu")
    found = designed(case, models, case.windows, case.tokens)
    assert [d.window for d in found] == list(range(6))
    by_judge = {
        "mean": {"c1": [0, 1], "c2": [0, 1]},
        "held_out": {"c1": [0], "c2": [1]},
    }[case.policy]
    for each in found:
        place = case.windows.take(slice(each.window, each.window + 1))
        for name, tokens in (("before", each.template), ("full", each.full),
                             ("pruned", each.pruned)):  # fmt: skip
            near(each.y[name][:2], case.expected(place, tokens[None])[0])
            near(each.y[name][2:], case.expected(place, tokens[None], by_judge)[0])
        assert len(each.baselines) == 2
        for other in each.baselines:
            near(other.y[:2], case.expected(place, other.tokens[None])[0])
            near(other.y[2:], case.expected(place, other.tokens[None], by_judge)[0])
        near(each.path.predictions[0], each.y["full"][:2])
        check_path(case, place, each)


def check_path(case: Case, place: Windows, each) -> None:
    """Step by step in + orientation: the base at each position of the path returns."""
    window = each.full.copy()
    for at, y in zip(each.path.positions, each.path.predictions[1:]):
        assert window[at] != each.template[at]
        window[at] = each.template[at]
        near(y, case.expected(place, window[None])[0])
    assert (window == each.path.tokens).all()


def test_a_held_out_design_is_that_of_its_folds_alone(tmp_path):
    case = Case(tmp_path, "held_out")
    configs = {"m": case.config, "judge": case.config}
    together = designed(case, DesignModels.load(configs, step_of(), "cpu"), case.windows,
                        case.tokens)  # fmt: skip
    for chrom, folds in FOLDS["held_out"].items():
        alone = case.config.model_copy(
            update={"fold_policy": "mean", "folds": [case.config.folds[i] for i in folds]}
        )
        rows = np.flatnonzero(case.windows.chrom == chrom)
        models = DesignModels.load({"m": alone, "judge": alone}, step_of(), "cpu")
        expected = designed(case, models, case.windows.take(rows), case.tokens[rows])
        own = [d for d in together if d.window in rows]
        for a, b in zip(own, expected, strict=True):
            assert (a.full == b.full).all() and (a.pruned == b.pruned).all()
            assert a.path.positions == b.path.positions
            assert all(np.array_equal(a.y[k], b.y[k]) for k in a.y)
            assert np.array_equal(a.attributions, b.attributions)
            assert a.history["total_loss"] == b.history["total_loss"]


@pytest.mark.parametrize("lengths", [(W, W - 11), (W + 1, W)])
def test_a_design_reads_the_same_bases_as_predict_on_both_strands(tmp_path, lengths):
    """Also where windows of designs and of a model differ by an odd number of bases."""
    case = Case(tmp_path, "held_out")
    length, window_bp = lengths
    config = case.config.model_copy(update={"window_bp": window_bp})
    models = DesignModels.load({"m": config, "judge": config}, step_of(), "cpu")
    centre = case.windows.centre
    start = centre - length // 2
    places = Windows.build(case.windows.chrom, start, start + length, case.windows.strand)
    tokens = window_tokens(case.plan.source, places.chrom, places.start, places.end)
    found = designed(case, models, places, tokens)
    first = centre - window_bp // 2
    read = Windows.build(places.chrom, first, first + window_bp, places.strand)
    bases = window_tokens(case.plan.source, read.chrom, read.start, read.end)
    y = predict_windows(Ensemble.load(config), read, bases, [], batch_size=4).mean
    near(np.stack([d.y["before"][:2] for d in found]), y)


def test_a_chromosome_without_a_fold_is_told_before_any_job(tmp_path):
    case = Case(tmp_path, "held_out")
    model = yaml.safe_load((tmp_path / "m.yaml").read_text())
    model["folds"][1]["test_chroms"] = ["c3"]
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(model))

    def check(**changes) -> None:
        plan = Plan.from_config(case.data | changes, tmp_path)
        stop_at_faults([plan.check_inputs, *step_checks(plan)])

    with pytest.raises(CisweepError, match=_told("regions.bed")):
        check()
    with pytest.raises(CisweepError, match=_told("regions.tile")):
        check(regions={"tile": {"stride_bp": 50}})
    check(regions={"tile": {"stride_bp": 50}, "chroms": "c1"})
    with open(tmp_path / "g.fa", "a") as file:
        file.write(">c9\n" + "ACGT" * 300 + "\n")
    pysam.faidx(str(tmp_path / "g.fa"))
    with pytest.raises(CisweepError, match=_told("regions.tile").replace("c2", "c9")):
        check(regions={"tile": {"stride_bp": 50, "start": 700}})  # beyond the end of c1 and c2
    only = tmp_path / "c1.bed"
    only.write_text("c1\t100\t140\n")
    check(regions={"bed": str(only)})
    with pytest.raises(CisweepError, match=_told("steps.marginalize.backgrounds")):
        check(regions={"bed": str(only)}, motifs=_meme(tmp_path),
              steps={"marginalize": {"backgrounds": "random"}})  # fmt: skip


def _told(key: str) -> str:
    return f"models.m: folds: no fold holds out chromosome 'c2', and {key} asks for it.*test_chroms"


def _meme(folder: Path) -> str:
    path = folder / "m.meme"
    rows = "\n".join(["0.9 0.1 0 0"] * 5)
    path.write_text(
        "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF x X\n"
        f"letter-probability matrix: alength= 4 w= 5 nsites= 9\n{rows}\n"
    )
    return str(path)


def test_a_design_or_ism_of_a_lost_chromosome_is_told_before_any_job(tmp_path):
    from cisweep.plan.contents.design import design_chunks
    from cisweep.plan.contents.ism import IsmRegions

    case = Case(tmp_path, "held_out")
    lost = tmp_path / "lost.bed"
    lost.write_text("c1\t100\t140\nc3\t100\t140\n")
    with open(tmp_path / "g.fa", "a") as file:
        file.write(">c3\n" + "ACGT" * 100 + "\n")
    pysam.faidx(str(tmp_path / "g.fa"))
    goals = {"up": [{"model": "m", "target": "a", "kind": "maximise"}]}
    steps = {"design": {"goals": goals, "regions": str(lost)}, "ism": {"bed": str(lost)}}
    plan = Plan.from_config(case.data | {"steps": steps}, tmp_path)
    told = "models.m: folds: no fold holds out chromosome 'c3', and {} asks for it"
    with pytest.raises(CisweepError, match=told.format("steps.design")):
        design_chunks(plan)
    with pytest.raises(CisweepError, match=told.format("steps.ism.bed")):
        IsmRegions(plan).check()


def test_a_variant_of_a_lost_chromosome_is_told_before_its_effect_is_asked(tmp_path):
    plan = Case(tmp_path, "held_out").plan
    variants = [Variant(c, 9, "A", "C") for c in ("c1", "c1", "c2", "c3")]
    assert list(with_a_fold(plan, variants[:3])) == variants[:3]
    told = "models.m: folds: no fold holds out chromosome 'c3', and steps.variants.path asks for it"
    with pytest.raises(CisweepError, match=told):
        list(with_a_fold(plan, variants))


def test_sequences_have_no_chromosome_to_hold_out(tmp_path):
    case = Case(tmp_path, "held_out")
    pd.DataFrame({"name": ["s"], "sequence": ["ACGT" * 10]}).to_csv(
        tmp_path / "s.tsv", sep="\t", index=False
    )
    data = {k: v for k, v in case.data.items() if k not in ("genome", "regions")}
    with pytest.raises(
        CisweepError, match="models.m: fold_policy: held_out goes by the chromosome"
    ):
        Plan.from_config(data | {"sequences": str(tmp_path / "s.tsv")}, tmp_path)


def test_zero_shot_reads_one_set_of_weights(tmp_path):
    model = {
        "adapter": "hf_lm", "window_bp": 40, "targets": [{"name": "e", "tasks": [0]}],
        "folds": [{"weights": "x", "test_chroms": ["c1"]}, {"weights": "y", "test_chroms": ["c2"]}],
        "fold_policy": "held_out",
    }  # fmt: skip
    case = Case(tmp_path, "mean")
    (tmp_path / "lm.yaml").write_text(yaml.safe_dump(model))
    data = case.data | {
        "models": {"lm": str(tmp_path / "lm.yaml")},
        "steps": {"zero_shot": {"pairs": [{"ref": "a.fa", "alt": "b.fa"}]}},
    }
    with pytest.raises(CisweepError) as caught:
        Plan.from_config(data, tmp_path)
    assert "models.lm: steps.zero_shot reads one set of weights, and the model has 2" in str(
        caught.value
    )
    assert "models.lm: steps.zero_shot scores sequences without a chromosome" in str(caught.value)


def test_stranded_tracks_are_swapped_for_a_minus_window(tmp_path):
    """A model of a control track a strand says of a `-` window what it says of its turn."""
    torch.manual_seed(4)
    net = TwoTracks()
    config = ModelConfig(
        adapter="python", module="x:y", window_bp=W, folds=[{"weights": "w"}],
        targets=[{"name": "a", "tasks": [0]}], rc={"average": False, "task_permutation": [1, 0]},
        inputs=[{"name": "c", "kind": "bigwig", "channels": 2, "paths": ["p.bw", "m.bw"]}],
    )  # fmt: skip
    model = Ensemble(config, [target_module(net, config.targets, config.rc)])
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 4, (2, W)).astype(np.uint8)
    controls = rng.normal(size=(2, 2, W)).astype(np.float32)
    windows = Windows.build(["c", "c"], [0, 9], [W, 9 + W], ["-", "-"])
    x = torch.eye(5, 4)[torch.from_numpy(tokens).long()].transpose(1, 2).flip(1, 2)
    with torch.no_grad():
        y = net(x, torch.from_numpy(controls[:, ::-1, ::-1].copy()))[:, :1].numpy()
    near(predict_windows(model, windows, tokens, [controls], batch_size=2).mean, y)
    near(mutate_windows(model, windows, tokens, [controls]).original.T, y)
    references = make_references("zeros", 1, 0, 1)
    found = attribute_windows(model, windows, tokens, [controls], references, batch_size=2)
    nothing = predict_windows(model, windows, tokens * 0 + 4, [controls], batch_size=2).mean
    np.testing.assert_allclose(found.projected.sum(2).T, y - nothing, atol=2e-5)


class TwoTracks(torch.nn.Module):
    """Reads the sequence and two control tracks, each with weights of its own."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(6, 5, 7, padding=3)
        self.out = torch.nn.Linear(5 * W, 2)

    def forward(self, X, controls):
        return self.out(torch.relu(self.conv(torch.cat([X, controls], 1))).flatten(1))


def test_held_out_rows_of_a_training_are_what_predict_says(tmp_path):
    """Of each fold of a stranded profile model with stranded controls."""
    rng = np.random.default_rng(2)
    with open(tmp_path / "g.fa", "w") as file:
        for chrom in ("c1", "c2", "c3"):
            file.write(f">{chrom}\n{''.join(rng.choice(list('ACGT'), 6000))}\n")
    pysam.faidx(str(tmp_path / "g.fa"))
    for name in ("plus", "minus", "c_plus", "c_minus"):
        with pyBigWig.open(str(tmp_path / f"{name}.bw"), "w") as bw:
            bw.addHeader([(c, 6000) for c in ("c1", "c2", "c3")])
            for chrom in ("c1", "c2", "c3"):
                bw.addEntries(chrom, 0, values=rng.poisson(1.0, 6000).astype(float), span=1, step=1)
    rows = [f"{c}\t{s}\t{s + 20}\n" for c in ("c1", "c2", "c3") for s in range(200, 5800, 100)]
    (tmp_path / "peaks.bed").write_text("".join(rows))
    tests = (["c1"], ["c2"])
    recipe = Recipe.model_validate({
        "data": {
            "kind": "signal", "genome": str(tmp_path / "g.fa"),
            "peaks": str(tmp_path / "peaks.bed"),
            "signal": [str(tmp_path / "plus.bw"), str(tmp_path / "minus.bw")],
            "controls": [str(tmp_path / "c_plus.bw"), str(tmp_path / "c_minus.bw")],
            "window_bp": 100, "output_bp": 60, "jitter_bp": 4, "negatives": 0,
        },
        "task": "profile", "module": "BPNet",
        "module_args": {"n_filters": 4, "n_layers": 1, "first_width": 5, "profile_width": 9},
        "split": {"by": "regions"},
        "folds": [{"validation": ["c3"], "test": test} for test in tests],
        "fit": {"epochs": 1, "batch_size": 16},
    })  # fmt: skip
    trained = train_model("t", recipe, tmp_path / "out")
    config = read_model_config(tmp_path / "out" / "model.yaml")
    assert config.fold_policy == "held_out"
    model, genome = Ensemble.load(config), Genome(tmp_path / "g.fa")
    for fold, (chrom,) in zip(trained, tests):
        places = [re.fullmatch(NAME, n).groups() for n in fold.heldout["name"]]
        assert len(places) > 40 and {c for c, _, _ in places} == {chrom}
        centre = np.array([(int(a) + int(b)) // 2 for _, a, b in places])
        windows = Windows.build([c for c, _, _ in places], centre - 50, centre + 50)
        tokens = window_tokens(genome, windows.chrom, windows.start, windows.end)
        inputs = model_inputs(config, windows, genome)
        found = predict_windows(model, windows, tokens, inputs, batch_size=16).mean
        column = config.target_names.index("counts")
        near(found[:, column], fold.heldout["counts_predicted"])

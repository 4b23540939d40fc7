"""Effects of random variants against two separate predictions on sequences built by hand."""

import numpy as np
import pyBigWig
import pytest
import torch

from cisweep.analysis.variants.model import EffectModel, EffectReadout
from cisweep.analysis.variants.variant_effects import EFFECT_COLUMNS, _NullDraws, variant_effects
from cisweep.config.model import ModelConfig, RcConfig
from cisweep.config.targets import TargetConfig
from cisweep.contracts import Windows
from cisweep.errors import ModelError, VariantError
from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.variants.alleles import AllelePolicy, allele_windows
from cisweep.genome.variants.normalize import trim
from cisweep.genome.variants.reading import Variant
from cisweep.models.targets import strand_mean

W = 60
TARGETS = [TargetConfig(name="a", tasks=[0]), TargetConfig(name="b", tasks=[1], scale="log_counts")]


class Net(torch.nn.Module):
    """Strand-specific and position-dependent; with a profile head if wanted."""

    def __init__(self, seed=0, profile=False):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = torch.nn.Conv1d(4, 8, 7, padding=3)
        self.out = torch.nn.Linear(8 * W, 2)
        self.shape = torch.nn.Conv1d(8, 2, 3) if profile else None

    def forward(self, X):
        h = torch.tanh(self.conv(X))
        y = self.out(h.flatten(1))
        return y if self.shape is None else (y, 3 * self.shape(h)[:, :, 9:-9])


def encoded(text):
    return torch.eye(5, 4)[torch.from_numpy(tokens_of_text(text)).long()].T[None]


def letters(rng, n):
    return "".join(rng.choice(list("ACGT"), n))


def joined_model(nets, config):
    """Return the nets as the folds of a config."""
    return EffectModel(
        config, [strand_mean(n, EffectReadout, config.targets, config.rc) for n in nets]
    )


@pytest.fixture(scope="module")
def data():
    """A genome and 200 random SNVs and indels on it."""
    rng = np.random.default_rng(5)
    genome, variants = letters(rng, 3000), []
    for pos in rng.choice(np.arange(100, 2900), 200, replace=False):
        n_ref, n_alt = rng.choice([(1, 1), (1, 4), (5, 1), (2, 2), (3, 5)])
        ref = genome[pos : pos + n_ref]
        alt = (ref[0] if n_ref != n_alt else "") + letters(rng, n_alt - (n_ref != n_alt))
        if alt != ref:
            variants.append(Variant("c", int(pos), ref, alt))
    return genome, NamedSequences({"c": tokens_of_text(genome)}), variants


def windows(genome, variant, how):
    pos, ref, alt = trim(variant.pos, variant.ref, variant.alt)
    begin = pos + len(ref) // 2 - W // 2
    changed = genome[:pos] + alt + genome[pos + len(ref) :]
    first = {"right": begin, "left": begin + len(alt) - len(ref)}.get(
        how, pos + len(alt) // 2 - W // 2
    )
    return encoded(genome[begin : begin + W]), encoded(changed[first : first + W])


@pytest.mark.parametrize("how", ["left", "right", "centre"])
def test_effects_equal_two_predictions(data, how):
    genome, source, variants = data
    net = Net()
    model = EffectModel.of_module(net, TARGETS, W)
    found = variant_effects(model, variants, source, AllelePolicy(W, how))
    assert len(found.alleles) == len(variants) and not found.alleles.dropped
    with torch.no_grad():
        for i, variant in enumerate(variants):
            ref, alt = (net(x)[0].numpy() for x in windows(genome, variant, how))
            assert found.ref[i] == pytest.approx(ref, abs=1e-5)
            assert found.alt[i] == pytest.approx(alt, abs=1e-5)
            assert found.delta[i] == pytest.approx(alt - ref, abs=1e-5)


def test_strands_and_folds_are_averaged_and_their_spread_is_kept(data):
    genome, source, variants = data
    nets = [Net(seed) for seed in (1, 2, 3)]
    config = ModelConfig(
        adapter="python", module="x:y", window_bp=W, targets=[TargetConfig(name="a", tasks=[0])],
        folds=[{"weights": "w"}] * 3, rc=RcConfig(average=True),
    )  # fmt: skip
    joined = joined_model(nets, config)
    found = variant_effects(joined, variants[:20], source)
    with torch.no_grad():
        for i, variant in enumerate(variants[:20]):
            ref, alt = windows(genome, variant, "right")
            deltas = [
                float(net(b)[0, 0] - net(a)[0, 0])
                for net in nets
                for a, b in ((ref, alt), (ref.flip(1, 2), alt.flip(1, 2)))
            ]
            assert found.delta[i, 0] == pytest.approx(np.mean(deltas), abs=1e-5)
            assert found.delta_sd[i, 0] == pytest.approx(np.std(deltas), abs=1e-5)


def test_held_out_folds_read_their_own_chromosomes(data):
    genome, source, variants = data
    nets, net = [Net(1), Net(2)], Net(1)
    config = ModelConfig(
        adapter="python", module="x:y", window_bp=W, targets=TARGETS, rc=RcConfig(average=False),
        folds=[{"weights": "w", "test_chroms": [c]} for c in "cd"], fold_policy="held_out",
    )  # fmt: skip
    model, alone = joined_model(nets, config), EffectModel.of_module(net, TARGETS, W)
    found, expected = (variant_effects(m, variants[:9], source) for m in (model, alone))
    assert (found.delta == expected.delta).all() and (found.delta_sd == 0).all()
    lost = [fold.model_copy(update={"test_chroms": ["d"]}) for fold in config.folds]
    other = joined_model(nets, config.model_copy(update={"folds": lost}))
    with pytest.raises(ValueError, match="no fold holds out chromosome 'c'"):
        variant_effects(other, variants[:9], source)


def test_a_variant_outside_its_window_has_exactly_no_effect(data):
    genome, source, variants = data
    starts = np.array([v.pos + 500 if i % 2 else v.pos - 20 for i, v in enumerate(variants)])
    inside = starts + W + 10 < len(genome)
    chosen = [v for v, keep in zip(variants, inside) if keep]
    target = TargetConfig(name="p", head=1, reduce="profile")
    found = variant_effects(
        EffectModel.of_module(Net(profile=True), [target], W),
        chosen, source, starts=starts[inside],
    )  # fmt: skip
    outside = starts[inside] > [v.pos + len(v.ref) for v in found.alleles.variants]
    assert outside.sum() > 50
    assert (found.delta[outside] == 0).all() and (found.delta[~outside] != 0).all()
    jsd = found.profiles["p"].jsd
    assert (jsd[outside] == 0).all() and (jsd[~outside] > 0).all()


def test_the_reference_is_predicted_once_a_place(data):
    genome, source, variants = data
    seen = []

    class Counting(Net):
        def forward(self, X):
            seen.append(X)
            return super().forward(X)

    place = variants[0].pos
    three = [Variant("c", place, genome[place], b) for b in "ACGT" if b != genome[place]]
    variant_effects(EffectModel.of_module(Counting(), TARGETS, W), three, source, batch_size=1)
    assert len(seen) == 4


def test_profiles_of_indels_are_aligned(data):
    genome, source, variants = data
    net = Net(profile=True)
    target = TargetConfig(name="p", head=1, reduce="profile")
    model = EffectModel.of_module(net, [target], W)
    assert model.profile_offset(target) == 10
    part = TargetConfig(name="p", head=1, reduce="profile", positions=(5, 35))
    assert EffectModel.of_module(net, [part], W).profile_offset(part) == 15
    found = variant_effects(model, variants, source)
    from scipy.spatial.distance import jensenshannon

    with torch.no_grad():
        for i, variant in enumerate(variants):
            p, q = (
                net(x)[1].flatten().softmax(0).view(2, 40).numpy()
                for x in windows(genome, variant, "right")
            )
            pos, ref, alt = trim(variant.pos, variant.ref, variant.alt)
            at = W // 2 - len(ref) // 2 - 10  # the variant's first column of the profile
            paired = min(len(ref), len(alt))
            p = np.delete(p, slice(at + paired, at + len(ref)), axis=1)
            q = np.delete(q, slice(at + paired, at + len(alt)), axis=1)
            n = min(p.shape[1], q.shape[1])
            expected = jensenshannon(p[:, :n].ravel(), q[:, :n].ravel(), base=2)
            # A distance is a root: a rounding of 4e-8 of its square (float32) is 2e-4 near 0.
            assert found.profiles["p"].jsd[i] == pytest.approx(expected, abs=2e-4)


def test_effects_do_not_depend_on_the_variants_beside(data):
    """Several at a place, which share a window, and some outside of theirs."""
    genome, source, variants = data
    target = TargetConfig(name="p", head=1, reduce="profile")
    model = EffectModel.of_module(Net(profile=True), [target], W)
    place = variants[0].pos
    snvs = [Variant("c", place, genome[place], b) for b in "ACGT" if b != genome[place]]
    chosen = [variants[1], *snvs, *variants[2:6]]
    starts = np.array([v.pos - 25 for v in chosen])
    starts[[0, 5]] += 300
    whole = variant_effects(model, chosen, source, starts=starts)
    for i, variant in enumerate(chosen):
        alone = variant_effects(model, [variant], source, starts=starts[i : i + 1])
        assert whole.delta[i] == pytest.approx(alone.delta[0], abs=1e-6)
        for field in ("jsd", "max_signed", "max_abs"):
            mine, other = (getattr(x.profiles["p"], field) for x in (whole, alone))
            assert mine[i] == pytest.approx(other[0], abs=1e-6)


def test_profiles_are_means_of_probabilities_over_the_folds_that_read_a_window(data):
    genome, source, variants = data
    target = TargetConfig(name="p", head=1, reduce="profile")
    config = ModelConfig(
        adapter="python", module="x:y", window_bp=W, targets=[target], rc=RcConfig(average=False),
        folds=[{"weights": "w", "test_chroms": [c]} for c in "ccd"], fold_policy="held_out",
    )  # fmt: skip
    nets = [Net(seed, profile=True) for seed in range(3)]
    tokens = tokens_of_text(genome[: 2 * W]).reshape(2, W)
    windows = Windows.build(["c", "d"], [0, W], [W, 2 * W])
    found = joined_model(nets, config).predict(windows, tokens, 8).profiles["p"]
    with torch.no_grad():
        each = [n(encoded(genome[a : a + W]))[1].flatten().softmax(0).view(2, 40)
                for n, a in zip(nets, (0, 0, W))]  # fmt: skip
    assert found[0] == pytest.approx(((each[0] + each[1]) / 2).numpy(), abs=1e-6)
    assert found[1] == pytest.approx(each[2].numpy(), abs=1e-6)


def test_nulls_share_flanks_and_depend_on_nothing_but_the_variant(data):
    genome, source, variants = data
    model = EffectModel.of_module(Net(), TARGETS, W)
    options = {"n_nulls": 4, "seed": 7}
    whole = variant_effects(model, variants, source, **options).nulls
    parts = [
        variant_effects(model, variants[s], source, **options).nulls
        for s in (slice(0, 50), slice(50, None))
    ]
    merged = parts[1].merge(parts[:1])
    assert len(whole.keys) == 4 * len(variants)
    assert (whole.keys == merged.keys).all() and (whole.deltas == merged.deltas).all()
    assert (
        variant_effects(model, variants[:3], source, n_nulls=4, seed=8).nulls.keys[0]
        != whole.keys[0]
    )


def test_null_windows_hold_the_alleles_in_equal_shuffles_of_the_flanks(data):
    genome, source, variants = data
    seen = []

    class Recording(Net):
        def forward(self, X):
            seen.append(X.argmax(1))
            return super().forward(X)

    for how in ("right", "left", "centre"):
        for variant in variants[:12]:
            seen.clear()
            policy = AllelePolicy(W, how)
            recording = EffectModel.of_module(Recording(), TARGETS, W)
            variant_effects(recording, [variant], source, policy, n_nulls=1, batch_size=1)
            ref0, alt0 = ("".join("ACGT"[b] for b in x[0]) for x in seen[:2])
            pos, ref, alt = trim(variant.pos, variant.ref, variant.alt)
            at = W // 2 - len(ref) // 2
            shift = {
                "right": 0,
                "left": len(ref) - len(alt),
                "centre": len(ref) // 2 - len(alt) // 2,
            }[how]
            assert ref0[at : at + len(ref)] == ref and alt0[at + shift :][: len(alt)] == alt
            near = min(at, at + shift)
            assert ref0[at - near : at] == alt0[at + shift - near : at + shift]
            a, b = ref0[at + len(ref) :], alt0[at + shift + len(alt) :]
            assert a[: len(b)] == b[: len(a)]
            begin = pos - at
            assert ref0 != genome[begin : begin + W]
            n = max(at, at + shift)
            assert sorted(max(ref0[:at], alt0[: at + shift], key=len)) == sorted(
                genome[pos - n : pos]
            )


def test_the_two_flanks_of_a_draw_do_not_share_their_random_numbers():
    """Equal text on both sides of a substitution is shuffled in two ways, and anew in each draw."""
    rng = np.random.default_rng(3)
    flank = letters(rng, 60)
    source, seen = NamedSequences({"c": tokens_of_text(flank + "A" + flank)}), []

    class Recording(Net):
        def forward(self, X):
            seen.append(X.argmax(1))
            return super().forward(X)

    recording = EffectModel.of_module(Recording(), TARGETS, W)
    variant_effects(recording, [Variant("c", 60, "A", "C")], source, n_nulls=6, batch_size=1)
    refs, alts = ([x[0].tolist() for x in part] for part in (seen[:6], seen[6:12]))
    at = W // 2
    for ref, alt in zip(refs, alts):
        assert ref[at] == 0 and alt[at] == 1
        assert ref[:at] == alt[:at] and ref[at + 1 :] == alt[at + 1 :]
    assert len({tuple(r[:at]) for r in refs}) == len({tuple(r[at + 1 :]) for r in refs}) == 6
    # The flanks that are shuffled are 30 and 29 bp of one text, so equal seeds would show in a
    # window whose flanks are equally long: 29 bp on both sides.
    model = EffectModel.of_module(Net(), TARGETS, W)
    draws = _NullDraws(model, source, "right", 6, 0)
    keys = np.arange(6, dtype=np.uint64) + np.uint64(5)
    left, right = draws._shuffled("c", 0, 60, keys), draws._shuffled("c", 61, 121, ~keys)
    assert (left != right).any(axis=1).all()
    block = allele_windows([Variant("c", 60, "A", "C")], source, AllelePolicy(W))
    row_keys, ref, _, _ = draws._draws(block, 0)
    for key, tokens in zip(row_keys, ref):
        own = np.array([key], np.uint64)
        assert (tokens[:30] == draws._shuffled("c", 30, 60, own)[0]).all()
        assert (tokens[31:] == draws._shuffled("c", 61, 90, ~own)[0]).all()


def test_the_table_has_one_row_a_variant_and_target(data):
    genome, source, variants = data
    found = variant_effects(EffectModel.of_module(Net(), TARGETS, W), variants[:5], source)
    table = found.table()
    assert list(table.columns) == EFFECT_COLUMNS
    assert len(table) == 10 and table["target"].tolist() == ["a", "b"] * 5
    assert table["delta"].to_numpy() == pytest.approx(found.delta.ravel())
    edits = [trim(v.pos, v.ref, v.alt) for v in variants[:5]]
    assert len({(len(ref), len(alt)) for _, ref, alt in edits}) > 1
    assert table["start"].tolist() == [pos for pos, _, _ in edits for _ in "ab"]
    assert table["end"].tolist() == [pos + len(ref) for pos, ref, _ in edits for _ in "ab"]
    assert table["pos"].tolist() == [v.pos for v in variants[:5] for _ in "ab"]
    b = table[table["target"] == "b"]
    assert b["log2fc"].to_numpy() == pytest.approx(b["delta"].to_numpy() / np.log(2), rel=1e-5)
    assert table["log2fc"][0::2].isna().all() and table["profile_jsd"].isna().all()
    empty = variant_effects(EffectModel.of_module(Net(), TARGETS, W), [], source)
    assert list(empty.table().columns) == EFFECT_COLUMNS and len(empty.table()) == 0


class Tracked(torch.nn.Module):
    """Reads a track of the middle 40 bp beside the sequence."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.conv = torch.nn.Conv1d(4, 8, 7, padding=3)
        self.mix = torch.nn.Conv1d(9, 6, 5)
        self.out = torch.nn.Linear(6 * 36, 2)

    def forward(self, X, track):
        h = torch.cat([torch.tanh(self.conv(X))[:, :, 10:50], track], 1)
        return self.out(torch.tanh(self.mix(h)).flatten(1))


def tracked(path, average=True, **changes):
    item = {"name": "t", "kind": "bigwig", "length_bp": 40, **changes}
    item |= {"paths": [path]} if item["kind"] == "bigwig" else {}
    return ModelConfig(
        adapter="python", module="x:y", window_bp=W, targets=TARGETS, inputs=[item],
        folds=[{"weights": "w"}], rc=RcConfig(average=average),
    )  # fmt: skip


@pytest.fixture(scope="module")
def signal(tmp_path_factory):
    path = tmp_path_factory.mktemp("signal") / "s.bw"
    values = np.random.default_rng(8).normal(size=3000).astype(np.float32)
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("c", 3000)])
        file.addEntries("c", 0, values=values.astype(float), span=1, step=1)
    return path, values


@pytest.mark.parametrize("how", ["left", "right", "centre"])
def test_tracks_are_cut_as_the_sequence_is(data, signal, how):
    genome, source, variants = data
    path, values = signal
    net = Tracked()
    model = EffectModel.of_module(net, TARGETS, W, tracked(path))
    chosen = variants[:60]
    found = variant_effects(model, chosen, source, AllelePolicy(W, how))
    with torch.no_grad():
        for i, variant in enumerate(chosen):
            pos, ref, alt = trim(variant.pos, variant.ref, variant.alt)
            begin, paired = pos + len(ref) // 2 - W // 2, min(len(ref), len(alt))
            # Each base has the value of its place, an inserted one that of its left neighbour.
            left = values[pos + paired - 1]
            extra = np.full(len(alt) - paired, left, np.float32)
            changed = np.concatenate([values[: pos + paired], extra, values[pos + len(ref) :]])
            first = {"right": begin, "left": begin + len(alt) - len(ref)}.get(
                how, pos + len(alt) // 2 - W // 2
            )
            x, y = windows(genome, variant, how)
            outputs = []
            for X, track, at in ((x, values, begin), (y, changed, first)):
                t = torch.from_numpy(track[at + 10 : at + 50].copy())[None, None]
                outputs.append((net(X, t) + net(X.flip(1, 2), t.flip(2)))[0].numpy() / 2)
            assert found.ref[i] == pytest.approx(outputs[0], abs=1e-5)
            assert found.alt[i] == pytest.approx(outputs[1], abs=1e-5)


def test_nulls_with_tracks(data, signal):
    genome, source, variants = data
    model = EffectModel.of_module(Tracked(), TARGETS, W, tracked(signal[0]))
    whole = variant_effects(model, variants[:20], source, n_nulls=2).nulls
    parts = [variant_effects(model, variants[s], source, n_nulls=2).nulls
             for s in (slice(0, 7), slice(7, 20))]  # fmt: skip
    merged = parts[0].merge(parts[1:])
    assert len(whole.keys) == 40 and (whole.deltas == merged.deltas).all()


def test_nulls_are_the_change_of_the_prediction_with_the_tracks_of_the_place(data, signal):
    """Only letters are shuffled: either allele has the track that it has in the genome."""
    genome, source, variants = data
    path, values = signal
    seen = []

    class Recording(Tracked):
        def forward(self, X, track):
            y = super().forward(X, track)
            seen.append((track[0, 0].numpy(), y[0].detach().numpy()))
            return y

    model = EffectModel.of_module(Recording(), TARGETS, W, tracked(path, average=False))
    for variant in variants[:12]:
        seen.clear()
        nulls = variant_effects(model, [variant], source, n_nulls=1, batch_size=1).nulls
        (ref_track, ref_y), (alt_track, alt_y) = seen[:2]
        assert nulls.deltas[0] == pytest.approx(alt_y - ref_y, abs=1e-6)
        pos, ref, alt = trim(variant.pos, variant.ref, variant.alt)
        paired, first = min(len(ref), len(alt)), pos + len(ref) // 2 - W // 2 + 10
        extra = np.full(len(alt) - paired, values[pos + paired - 1], np.float32)
        changed = np.concatenate([values[: pos + paired], extra, values[pos + len(ref) :]])
        assert (ref_track == values[first : first + 40]).all()
        assert (alt_track == changed[first : first + 40]).all()


def test_inputs_that_an_allele_does_not_have(signal):
    with pytest.raises(ModelError, match="input 't' is a column of a table of sequences"):
        EffectModel.load(tracked(signal[0], kind="column", column="x"))
    with pytest.raises(ModelError, match="reads 61 bp, more than the window of 60 bp"):
        EffectModel.load(tracked(signal[0], length_bp=61))


def test_impossible_plans(data):
    genome, source, variants = data
    model = EffectModel.of_module(Net(), TARGETS, W)
    with pytest.raises(VariantError, match="windows of 50 bp, and the model reads 60 bp"):
        variant_effects(model, variants, source, AllelePolicy(50))
    with pytest.raises(VariantError, match="set steps.variants.n_nulls: 0 with haplotypes"):
        variant_effects(model, variants, source, AllelePolicy(W, haplotype=True), n_nulls=1)

"""marginalize, ablate, space, products and edit effects against tangermeme 1.6.0."""

import importlib

import pytest
import tangermeme.ablate
import tangermeme.deep_lift_shap
import tangermeme.marginalize
import tangermeme.product
import tangermeme.space
import tangermeme.variant_effect
import torch

from cisweep.analysis.mutagenesis import effects
from cisweep.analysis.perturbation import perturb as perturbation
from cisweep.engine.policy import require
from cisweep.errors import SequenceError
from cisweep.sequence import dinucleotide_shuffle, random_one_hot


class Net(torch.nn.Module):
    """Two outputs, position dependent, one further input."""

    def __init__(self, length=40, many=False):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.w = torch.nn.Parameter(torch.randn(4 * length, 3, generator=generator) / 10)
        self.many = many

    def forward(self, X, scale=None):
        y = torch.tanh(X.flatten(1) @ self.w)
        y = y if scale is None else y * scale
        return [y, y[:, :2].unsqueeze(2) ** 2] if self.many else y


@pytest.fixture
def X():
    return random_one_hot((6, 4, 40), random_state=1).float()


def same(ours, theirs):
    assert type(ours).__name__ == type(theirs).__name__ and ours._fields == theirs._fields
    for a, b in zip(ours, theirs):
        pairs = [(a, b)] if isinstance(b, torch.Tensor) else list(zip(a, b, strict=True))
        for x, y in pairs:
            assert x.shape == y.shape
            torch.testing.assert_close(x, y, atol=1e-5, rtol=1e-5)
    return ours


CPU = {"device": "cpu", "batch_size": 4}


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("motif", "start"), [("ACGTNNTGCA", None), ("TTT", 5), ("GATTACA", 33)])
def test_marginalize(X, many, motif, start):
    net = Net(many=many)
    ours = perturbation.marginalize(net, X, motif, start=start, **CPU)
    same(ours, tangermeme.marginalize.marginalize(net, X, motif, start=start, **CPU))


def test_marginalize_takes_one_hot_motifs_and_any_function(X):
    motif = random_one_hot((1, 4, 7), random_state=2).float()

    def total(model, X, power=1):
        return X[:, 0].sum(1) ** power

    options = {"func": total, "additional_func_kwargs": {"power": 2}}
    ours = perturbation.marginalize(Net(), X, motif, **options)
    same(ours, tangermeme.marginalize.marginalize(Net(), X, motif, **options))
    assert (ours.y_before != ours.y_after).any()


@pytest.mark.parametrize("many", [False, True])
def test_annotations(X, many):
    net, X0 = Net(many=many), random_one_hot((3, 4, 40), random_state=9).float()
    spans = torch.tensor([[0, 3, 9], [5, 20, 40]])
    ours = perturbation.marginalize_annotations(net, X, X0, spans, **CPU)
    same(ours, tangermeme.marginalize.marginalize_annotations(net, X, X0, spans, **CPU))
    options = {"n": 3, "random_state": 4, **CPU}
    ours = perturbation.ablate_annotations(net, X, spans, **options)
    same(ours, tangermeme.ablate.ablate_annotations(net, X, spans, **options))
    with pytest.raises(SequenceError, match="there are no annotations"):
        perturbation.ablate_annotations(net, X, spans[:0])
    with pytest.raises(SequenceError, match=r"row 1 is \[6, 21, 41\], and X has 6 examples"):
        perturbation.marginalize_annotations(net, X, X0, spans + torch.tensor([[0], [1]]))


@pytest.mark.parametrize("many", [False, True])
def test_ablate_with_the_same_shuffles(X, many):
    net, scale = Net(many=many), torch.arange(1.0, 7.0)[:, None]
    options = {"n": 5, "random_state": 7, "args": (scale,), **CPU}
    ours = perturbation.ablate(net, X, 10, 30, **options)
    same(ours, tangermeme.ablate.ablate(net, X, 10, 30, **options))
    first = ours.y_after[0] if many else ours.y_after
    assert first.shape == (6, 5, 3)


def test_ablate_hands_its_seed_to_functions_that_take_one(X):
    seen = []

    def func(model, X, args=None, random_state=None):
        seen.append(random_state)
        return X.sum((1, 2))

    perturbation.ablate(Net(), X, 0, 40, shuffle_fn=dinucleotide_shuffle, random_state=3, func=func)
    given = {"random_state": 8}
    perturbation.ablate(Net(), X, 0, 40, random_state=3, func=func, additional_func_kwargs=given)
    assert seen == [3, 3, 8, 8]
    assert given == {"random_state": 8}


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("start", [None, 2])
def test_space(X, many, start):
    net, spacing = Net(many=many), [[0, 3], [4, 1], [10, 0]]
    motifs = ["ACG", "TTGG", random_one_hot((1, 4, 5), random_state=5).float()]
    ours = perturbation.space(net, X, motifs, spacing, start=start, **CPU)
    same(ours, tangermeme.space.space(net, X, motifs, spacing, start=start, **CPU))
    with pytest.raises(SequenceError, match=r"give shape \(spacings, 2\)"):
        perturbation.space(net, X, motifs, [[1], [2]])


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_products(X, many, batch_size):
    net, scales = Net(many=many), torch.tensor([[1.0], [2.0], [-1.0]])
    options = {"batch_size": batch_size, "device": "cpu"}
    for name in ("apply_product", "apply_pairwise"):
        ours = getattr(perturbation, name)(perturbation.predict, net, X, [scales], **options)
        theirs = getattr(tangermeme.product, name)(
            tangermeme.predict.predict, net, X, [scales], **options
        )
        for a, b in zip(ours, theirs) if many else [(ours, theirs)]:
            assert a.shape == b.shape and a.shape[:2] == (6, 3)
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    with pytest.raises(SequenceError, match="use apply_product"):
        perturbation.apply_pairwise(perturbation.predict, net, X, [scales, scales[:2]])
    with pytest.raises(SequenceError, match="no rows to combine"):
        perturbation.apply_product(perturbation.predict, net, X, [scales[:0]])


def test_product_of_an_experiment(X):
    scales = torch.tensor([[1.0], [2.0]])
    ours = perturbation.apply_product(
        perturbation.marginalize, Net(), X, [scales], device="cpu",
        additional_func_kwargs={"motif": "ACGT"},
    )  # fmt: skip
    theirs = tangermeme.product.apply_product(
        tangermeme.marginalize.marginalize, Net(), X, [scales], device="cpu",
        additional_func_kwargs={"motif": "ACGT"},
    )  # fmt: skip
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_substitution_effect(X):
    rows = torch.tensor([[0, 3, 1], [0, 4, 2], [5, 39, 0], [2, 0, 3]])
    scale = torch.arange(1.0, 7.0)[:, None]
    ours = effects.substitution_effect(Net(), X, rows, args=(scale,), **CPU)
    theirs = tangermeme.variant_effect.substitution_effect(Net(), X, rows, args=(scale,), **CPU)
    same(ours, theirs)
    with pytest.raises(SequenceError, match="the same position of the same example"):
        effects.substitution_effect(Net(), X, torch.tensor([[0, 3, 1], [0, 3, 2]]))
    with pytest.raises(
        SequenceError, match=r"row 1 is \[0, 40, 2\], and X has 6 examples of 40 bp"
    ):
        effects.substitution_effect(Net(), X, torch.tensor([[0, 3, 1], [0, 40, 2]]))


@pytest.mark.parametrize("many", [False, True])
def test_substitutions_of_equal_sequences_share_a_pass(many):
    """Three letters at several places of two sequences; propagated and in full."""
    length = 60
    conv = torch.nn.Sequential(
        torch.nn.Conv1d(4, 5, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv1d(5, 3, 3, dilation=2)
    )

    class Conv(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = conv

        def forward(self, X):
            h = self.body(X)
            return (h.mean(2), h) if many else h.mean(2)

    two = random_one_hot((2, 4, length), random_state=3).float()
    places = [0, 1, 30, 59]
    X = two.repeat_interleave(3 * len(places), dim=0)
    base = two.argmax(1)
    rows = torch.tensor(
        [
            [12 * s + 3 * k + j, p, (int(base[s, p]) + 1 + j) % 4]
            for s in range(2)
            for k, p in enumerate(places)
            for j in range(3)
        ]
    )
    shared = effects.propagated_substitutions(Conv(), X, rows, {"device": "cpu"})
    assert shared is not None
    with require("substitution effects"):
        ours = effects.substitution_effect(Conv(), X, rows, device="cpu")
    same(ours, tangermeme.variant_effect.substitution_effect(Conv(), X, rows, device="cpu"))
    # Sequences that change at one position go side by side, those without a change beside them.
    few = effects.propagated_substitutions(Conv(), X, rows[[0, 3, 4, 12, 17]], {"device": "cpu"})
    everything = random_one_hot((400, 4, length), random_state=4).float()
    apart = torch.tensor(
        [[i, 31, (int(everything[i, :, 31].argmax()) + 1) % 4] for i in range(390)]
    )
    side = effects.propagated_substitutions(Conv(), everything, apart, {"device": "cpu"})
    assert few is not None and side is not None
    for rows_of, x, found in ((rows[[0, 3, 4, 12, 17]], X, few), (apart, everything, side)):
        peer = tangermeme.variant_effect.substitution_effect(Conv(), x, rows_of, device="cpu")
        same(found, peer)
    # What cannot be shared is predicted in full.
    for case in (rows[:1], torch.cat([rows, rows[:1] + torch.tensor([0, 5, 0])])):
        assert effects.propagated_substitutions(Conv(), X, case, {}) is None
    assert effects.propagated_substitutions(Conv(), X, rows, {"dtype": "bfloat16"}) is None


@pytest.mark.parametrize("left", [False, True])
def test_deletion_effect(X, left):
    rows = torch.tensor([[0, 3], [0, 4], [0, 39], [5, 0], [2, 17], [2, 18]])
    net = Net(37)
    ours = effects.deletion_effect(net, X, rows, left=left, **CPU)
    same(ours, tangermeme.variant_effect.deletion_effect(net, X, rows, left=left, **CPU))
    every = torch.stack([torch.zeros(40), torch.arange(40)], 1)
    with pytest.raises(SequenceError, match="all 40 bases of an example are deleted"):
        effects.deletion_effect(net, X, every)


@pytest.mark.parametrize("left", [False, True])
def test_insertion_effect(X, left):
    rows = torch.tensor([[0, 3, 1], [0, 3, 2], [0, 39, 0], [5, 0, 3], [5, 0, 2], [2, 17, 1]])
    ours = effects.insertion_effect(Net(), X, rows, left=left, **CPU)
    same(ours, tangermeme.variant_effect.insertion_effect(Net(), X, rows, left=left, **CPU))
    with pytest.raises(SequenceError, match=r"give shape \(rows, 3\)"):
        effects.insertion_effect(Net(), X, rows[:, :2])


class Conv(torch.nn.Module):
    """One output, with modules that both attributions know."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.body = torch.nn.Sequential(
            torch.nn.Conv1d(4, 6, 5), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(216, 1)
        )

    def forward(self, X):
        return self.body(X)


@pytest.mark.parametrize("experiment", ["marginalize", "ablate", "space", "substitution_effect"])
def test_attributions_are_compared_before_and_after(X, experiment):
    from cisweep.analysis.attribution.deep_lift_shap import deep_lift_shap

    net, X = Conv().eval(), X[:3]
    given = {
        "marginalize": {"motif": "ACGTTGCA"},
        "ablate": {"start": 10, "end": 30, "n": 2, "random_state": 3},
        "space": {"motifs": ["ACG", "TTGG"], "spacing": [[0], [6]]},
        "substitution_effect": {"substitutions": torch.tensor([[0, 3, 1], [2, 17, 0]])},
    }[experiment]
    name = "variant_effect" if experiment == "substitution_effect" else experiment
    mine = effects if experiment == "substitution_effect" else perturbation
    theirs = getattr(importlib.import_module(f"tangermeme.{name}"), experiment)
    # References that both are given, since the two draw their shuffles by different ways.
    options = {"device": "cpu", "references": lambda x, **kwargs: torch.full_like(x, 0.25)[:, None]}
    found = [
        run(net, X, func=func, additional_func_kwargs=options, **given)
        for run, func in (
            (getattr(mine, experiment), deep_lift_shap),
            (theirs, tangermeme.deep_lift_shap.deep_lift_shap),
        )
    ]
    for ours, peer in zip(*found):
        assert ours.shape == peer.shape and ours.abs().max() > 0.01
        torch.testing.assert_close(ours, peer, atol=1e-5, rtol=1e-5)
    assert not torch.equal(found[0][0], found[0][1])

"""Verbs with tangermeme's names: their signatures, and their results against it and by hand."""

import inspect
from itertools import combinations

import numpy as np
import pytest
import torch
from tangermeme import ablate, annotate, io, kmers, marginalize, product, saliency, utils
from torch import nn

import cisweep.analysis as analysis
import cisweep.sequence as sequence
from cisweep.errors import AttributionError, MotifError, SequenceError

CLAIMED = {
    "gc_content": (sequence, utils), "information_content": (sequence, utils),
    "pwm_consensus": (sequence, utils), "kmers": (sequence, kmers),
    "one_hot_to_fasta": (sequence, io), "saliency": (analysis, saliency),
    "count_annotations": (analysis, annotate), "pairwise_annotations": (analysis, annotate),
    "pairwise_annotations_spacing": (analysis, annotate),
    "apply_pairwise": (analysis, product), "apply_product": (analysis, product),
    "ablate_annotations": (analysis, ablate), "marginalize_annotations": (analysis, marginalize),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMED)
def test_a_claimed_name_has_the_peers_arguments(name):
    ours, theirs = (inspect.signature(getattr(room, name)).parameters for room in CLAIMED[name])
    assert list(ours) == list(theirs)
    for key, parameter in theirs.items():
        default = ours[key].default
        same = list(default) == list(parameter.default) if key == "alphabet" else (
            default == parameter.default
        )  # fmt: skip
        assert same, key


def bases(n: int, length: int, seed: int = 0, with_n: bool = True) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    tokens = torch.from_numpy(rng.integers(0, 5 if with_n else 4, (n, length)))
    return nn.functional.one_hot(tokens, 5)[:, :, :4].transpose(1, 2).float()


def test_gc_content_is_a_share_of_the_known_bases():
    X = bases(6, 30)
    X[2] = 0
    found = sequence.gc_content(X)
    for x, value in zip(X, found):
        text = "".join("ACGTN"[int(c.argmax()) if c.sum() else 4] for c in x.T)
        known = [c for c in text if c != "N"]
        share = sum(c in "GC" for c in known) / len(known) if known else 0.0
        assert value == pytest.approx(share)
    torch.testing.assert_close(found, utils.gc_content(X))
    with pytest.raises(SequenceError, match=r"X has shape \(6, 4\), not \(batch, 4, length\)"):
        sequence.gc_content(X[:, :, 0])
    with pytest.raises(SequenceError, match="has no G or no C"):
        sequence.gc_content(X, ["A", "B", "D", "E"])


def test_information_and_consensus_of_matrices():
    rng = np.random.default_rng(1)
    X = torch.from_numpy(rng.dirichlet(np.ones(4), (3, 9)).transpose(0, 2, 1).copy())
    X[0, :, 3] = 0
    X[1, :, 2] = 0.25
    by_hand = 2 + (X * torch.log2(X.clamp(min=1e-300))).sum(dim=1)
    by_hand[0, 3] = 0
    torch.testing.assert_close(sequence.information_content(X), by_hand, atol=1e-7, rtol=0)
    torch.testing.assert_close(
        sequence.information_content(X), utils.information_content(X), check_dtype=False
    )
    for matrix in X:
        found = sequence.pwm_consensus(matrix)
        torch.testing.assert_close(found, utils.pwm_consensus(matrix))
        for column, given in zip(found.T, matrix.T):
            assert column.sum() == (given.sum() > 0)
            assert not column.any() or column.argmax() == given.argmax()
    with pytest.raises(SequenceError, match=r"shape \(3, 4, 9\), not \(letters, width\)"):
        sequence.pwm_consensus(X)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_kmers_are_counted_as_by_hand(k, weighted):
    X = bases(4, 25, seed=2)
    scores = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 25))) if weighted else None
    found = sequence.kmers(X, k, scores)
    wanted = np.zeros((4, 4**k))
    for i, x in enumerate(X):
        digits = [int(c.argmax()) if c.sum() else None for c in x.T]
        for at in range(25 - k + 1):
            part = digits[at : at + k]
            if None not in part:
                column = sum(d * 4**j for j, d in enumerate(part))
                wanted[i, column] += scores[i, at : at + k].sum() if weighted else 1
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    known = bases(4, 25, seed=4, with_n=False)
    peer = kmers.kmers(known, k, scores)
    np.testing.assert_allclose(sequence.kmers(known, k, scores), peer, atol=1e-5)


def test_kmers_say_what_is_wrong():
    X = bases(2, 10)
    with pytest.raises(SequenceError, match=r"k is 11, not 1 to 10 \(sequences of 10 bases\)"):
        sequence.kmers(X, 11)
    with pytest.raises(SequenceError, match=r"scores have shape \(2, 9\), not \(2, 10\)"):
        sequence.kmers(X, 2, torch.zeros(2, 9))


def test_fasta_of_one_hot_is_read_back(tmp_path):
    X = bases(3, 130, seed=5)
    path = tmp_path / "a.fa"
    sequence.one_hot_to_fasta(X[:2], path)
    sequence.one_hot_to_fasta(X[2:], path, mode="a", headers=["last one"])
    records = path.read_text().split(">")[1:]
    texts = ["".join(record.splitlines()[1:]) for record in records]
    assert [record.splitlines()[0] for record in records] == ["0", "1", "last one"]
    for text, x in zip(texts, X):
        assert text == "".join("ACGTN"[int(c.argmax()) if c.sum() else 4] for c in x.T)
    with pytest.raises(SequenceError, match="1 headers for 3 sequences"):
        sequence.one_hot_to_fasta(X, path, headers=["a"])


def annotations(n: int = 60, seed: int = 0) -> torch.Tensor:
    """Rows of example, annotation, start, end, of which none of an example overlap."""
    rng = np.random.default_rng(seed)
    rows = []
    for example in range(6):
        at = 0
        for _ in range(int(rng.integers(0, n // 5))):
            at += int(rng.integers(0, 9))
            end = at + int(rng.integers(3, 8))
            rows.append((example, int(rng.integers(0, 4)), at, end))
            at = end
    return torch.tensor(rows)[torch.from_numpy(rng.permutation(len(rows)))]


@pytest.mark.parametrize("dim", [None, 0, 1])
def test_annotations_are_counted_by_example(dim):
    X = annotations()
    found = analysis.count_annotations(X[:, :2], dim=dim, shape=(7, 5))
    wanted = torch.zeros(7, 5, dtype=torch.int64)
    for example, kind in X[:, :2].tolist():
        wanted[example, kind] += 1
    assert found.tolist() == (wanted if dim is None else wanted.sum(dim)).tolist()
    peer = annotate.count_annotations(X[:, :2], dim=dim, shape=(7, 5))
    assert found.tolist() == peer.tolist()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("unique", [True, False])
def test_pairs_of_annotations_are_those_of_the_peer(unique, symmetric):
    X = annotations(seed=1)[:, :2]
    options = {"unique": unique, "symmetric": symmetric, "shape": 5}
    found = analysis.pairwise_annotations(X, **options)
    assert found.tolist() == annotate.pairwise_annotations(X, **options).tolist()
    if not unique:
        wanted = torch.zeros(5, 5, dtype=torch.int64)
        for (a, i), (b, j) in combinations(X.tolist(), 2):
            if a == b:
                wanted[i, j] += 1
                wanted[j, i] += symmetric and i != j
        assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("symmetric", [True, False])
def test_distances_of_annotations_are_bases_between_them(symmetric):
    X = annotations(seed=2)
    found = analysis.pairwise_annotations_spacing(X, 20, symmetric=symmetric)
    wanted = torch.zeros_like(found, dtype=torch.int64)
    for left, right in combinations(sorted(X.tolist(), key=lambda row: (row[0], row[2])), 2):
        distance = right[2] - left[3]
        if left[0] == right[0] and distance < 20:
            wanted[left[1], right[1], distance] += 1
            wanted[right[1], left[1], distance] += symmetric and left[1] != right[1]
    assert found.tolist() == wanted.tolist() and found.sum() > 20
    peer = annotate.pairwise_annotations_spacing(X, 20, symmetric=symmetric)
    assert found.tolist() == peer.tolist()


def test_annotations_say_what_is_wrong():
    X = torch.tensor([[0, 1, 5, 9], [0, 0, 7, 12]])
    with pytest.raises(MotifError, match=r"\(5, 9\) and \(7, 12\) of example 0 overlap.*keep one"):
        analysis.pairwise_annotations_spacing(X)
    with pytest.raises(MotifError, match="annotation_idx 1 is beyond the shape, 1"):
        analysis.pairwise_annotations(X[:, :2], shape=1)
    with pytest.raises(MotifError, match="2 columns, not example_idx, annotation_idx, start, end"):
        analysis.pairwise_annotations_spacing(X[:, :2])
    with pytest.raises(MotifError, match=r"a count of 300 does not fit into torch.uint8.*wider"):
        analysis.count_annotations(torch.zeros(300, 2, dtype=torch.int64))
    with pytest.raises(MotifError, match="integers"):
        analysis.count_annotations(torch.tensor([[0.5, 1.0]]))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv1d(4, 6, 5), nn.Linear(6, 3)

    def forward(self, X, scale=None):
        y = self.head(torch.relu(self.conv(X)).mean(dim=2))
        return y if scale is None else y * scale


@pytest.mark.parametrize("correction", [True, False])
@pytest.mark.parametrize("hypothetical", [True, False])
def test_saliency_is_the_gradient_without_what_points_off_the_simplex(correction, hypothetical):
    torch.manual_seed(0)
    model, X = Net().eval(), bases(5, 30, seed=6)
    scale = torch.rand(5, 1) + 0.5
    options = {
        "target": 2, "hypothetical": hypothetical, "gradient_correction": correction,
        "device": "cpu",
    }  # fmt: skip
    found = analysis.saliency(model, X, args=(scale,), batch_size=2, **options)
    leaf = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf, scale)[:, 2].sum(), leaf)
    wanted = gradient - gradient.mean(dim=1, keepdim=True) if correction else gradient
    wanted = wanted if hypothetical else wanted * X
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(found, saliency.saliency(model, X, args=(scale,), **options))
    if correction and hypothetical:
        assert found.sum(dim=1).abs().max() < 1e-6
    squared = analysis.saliency(model, X, func=lambda y: y**2, **options)
    torch.testing.assert_close(squared, saliency.saliency(model, X, func=lambda y: y**2, **options))
    with pytest.raises(AttributionError, match="X has shape"):
        analysis.saliency(model, X[0], device="cpu")

"""Verbs of design with the names of tangermeme and Ledidi: signatures, and results by hand."""

import inspect

import numpy as np
import pytest
import tangermeme.design as peer
import torch
from torch import nn

import cisweep.analysis as analysis
from cisweep.errors import DesignError, SequenceError
from cisweep.sequence import characters, one_hot_encode, reverse_complement

CLAIMED = {
    "greedy_substitution": (analysis, peer),
    "beam_substitution": (analysis, peer),
}


@pytest.mark.parametrize("name", CLAIMED)
def test_a_claimed_name_has_the_peers_arguments(name):
    ours, theirs = (inspect.signature(getattr(room, name)).parameters for room in CLAIMED[name])
    assert list(ours) == list(theirs)
    for key, parameter in theirs.items():
        mine, default = ours[key].default, parameter.default
        if key == "alphabet":
            assert list(mine) == default
        elif isinstance(default, nn.Module):
            assert repr(mine) == repr(default) and mine.reduction == default.reduction
        else:
            assert mine == default, key


class Net(nn.Module):
    """Two outputs; in float64, so that no two candidates are told apart by rounding."""

    def __init__(self, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first, self.last = nn.Conv1d(4, 8, 7, padding=3), nn.Linear(8, 2)
        self.double().eval()

    def forward(self, X, shift=None):
        y = self.last(torch.relu(self.first(X * 2)).amax(dim=2)) * 3
        return y if shift is None else y + shift * y[:, :1]


def window(length: int = 30, seed: int = 0, with_n: bool = False) -> torch.Tensor:
    letters = np.array(list("ACGTN"))[np.random.default_rng(seed).integers(0, 4 + with_n, length)]
    return one_hot_encode("".join(letters))[None].double()


MOTIFS = ["GATA", "TGAC", "CCG"]
Y = torch.tensor([[2.0, -1.0]], dtype=torch.float64)


def searched_by_hand(model, text, judge, motifs, size, rounds, tol, starts):
    """Spelled out with strings: all candidates, distinct ones kept, the first of equal ones."""

    def loss(word):
        with torch.no_grad():
            return float(judge(model(one_hot_encode(word)[None].double())))

    beam = [(loss(text), text)]
    for _ in range(rounds):
        found = dict((word, value) for value, word in beam)
        for _, word in beam:
            for motif in motifs:
                for at in starts:
                    if at + len(motif) > len(word):
                        continue
                    old = word[at : at + len(motif)]
                    new = "".join(o if m == "N" else m for o, m in zip(old, motif))
                    made = word[:at] + new + word[at + len(motif) :]
                    if made not in found:
                        found[made] = loss(made)
        best = sorted((value, i, word) for i, (word, value) in enumerate(found.items()))[:size]
        gain = beam[0][0] - best[0][0]
        beam = [(value, word) for value, _, word in best]
        if gain <= tol:
            break
    return beam


def squared(y):
    return ((y - Y) ** 2).mean()


@pytest.mark.parametrize("motifs", [None, MOTIFS, ["GNTA", "C"]])
@pytest.mark.parametrize("size", [1, 3])
def test_searches_are_those_by_hand(motifs, size):
    model, X = Net(), window()
    words = list("ACGT") if motifs is None else motifs + [reverse_complement(m) for m in motifs]
    wanted = searched_by_hand(model, characters(X[0]), squared, words, size, 4, 1e-3, range(30))
    options = {"y": Y, "motifs": motifs, "max_iter": 4, "device": "cpu"}
    found = analysis.beam_substitution(model, X, beam_size=size, n_best=size, **options)
    assert [characters(x) for x in found] == [word for _, word in wanted]
    assert found.dtype == X.dtype and squared(model(found[:1])) < squared(model(X)) - 0.1
    if size == 1:
        assert torch.equal(analysis.greedy_substitution(model, X, **options), found)


def test_a_search_has_no_end_but_the_tolerance_or_the_rounds():
    model, X = Net(1), window(seed=1)
    options = {"y": Y, "motifs": MOTIFS, "device": "cpu", "tol": 1e-6}
    by_hand = searched_by_hand(
        model, characters(X[0]), squared, MOTIFS + [reverse_complement(m) for m in MOTIFS], 1, 99,
        1e-6, range(30),
    )  # fmt: skip
    found = analysis.greedy_substitution(model, X, **options)
    assert characters(found[0]) == by_hand[0][1]
    torch.testing.assert_close(found, peer.greedy_substitution(model, X, max_iter=99, **options))
    # With their default the peer's does no round at all.
    torch.testing.assert_close(peer.greedy_substitution(model, X, **options), X)
    assert torch.equal(analysis.greedy_substitution(model, X, max_iter=0, **options), X)
    assert not torch.equal(found, X)


@pytest.mark.parametrize("y", [None, Y, [2.0, -1.0]])
@pytest.mark.parametrize("motifs", [None, MOTIFS])
def test_greedy_substitution_is_the_peers(y, motifs):
    model, X = Net(2), window(40, seed=2).to(torch.float32)
    mask = torch.arange(40) % 3 > 0
    for options in (
        {"reverse_complement": False},
        {"input_mask": mask},
        {"output_mask": torch.tensor([False, True])},
        {"loss": nn.L1Loss(reduction="none")},
    ):
        options |= {"y": y, "motifs": motifs, "max_iter": 5, "device": "cpu"}
        found = analysis.greedy_substitution(model, X, **options)
        torch.testing.assert_close(found, peer.greedy_substitution(model, X, **options))
        assert found.dtype == torch.float32 and not torch.equal(found, X)


def test_beam_substitution_is_the_peers_where_nothing_occurs_twice():
    model, X = Net(3), window(40, seed=3)
    options = {"motifs": MOTIFS, "max_iter": 1, "beam_size": 5, "n_best": 5, "device": "cpu"}
    for y in (None, Y):
        found = analysis.beam_substitution(model, X, y, **options)
        torch.testing.assert_close(found, peer.beam_substitution(model, X, y, **options))
        assert len(found) == 5
    # Two edits in either order give one sequence, which takes two places of the peer's beam.
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(160, 1)).double()
    options |= {"motifs": None, "max_iter": 2, "beam_size": 8, "n_best": 8}
    found = analysis.beam_substitution(model, X, **options)
    theirs = peer.beam_substitution(model, X, **options)
    assert len(found) == 8 > len(theirs)
    words = [characters(x) for x in found]
    by_hand = searched_by_hand(model, characters(X[0]), lambda y: -y.mean(), "ACGT", 8, 2, 1e-3,
                               range(40))  # fmt: skip
    assert words == [word for _, word in by_hand]
    assert {characters(x) for x in theirs} < set(words)


def test_further_inputs_go_with_every_candidate():
    model, X, shift = Net(4), window(seed=4), torch.tensor([[0.5, -2.0]]).double()

    class Bound(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, X):
            return self.model(X, shift)

    options = {"y": Y, "max_iter": 3, "device": "cpu"}
    for motifs in (None, MOTIFS):
        found = analysis.beam_substitution(model, X, motifs=motifs, args=(shift,), **options)
        alone = analysis.beam_substitution(Bound(), X, motifs=motifs, **options)
        torch.testing.assert_close(found, alone)


def test_an_unknown_base_may_be_filled_and_an_alphabet_be_another():
    model, X = Net(5), window(seed=5, with_n=True)
    assert (X.sum(dim=1) == 0).any()
    wanted = searched_by_hand(model, characters(X[0], allow_N=True), squared, list("ACGT"), 2, 3,
                              1e-3, range(30))  # fmt: skip
    found = analysis.beam_substitution(model, X, Y, beam_size=2, n_best=2, max_iter=3, device="cpu")
    assert [characters(x, allow_N=True) for x in found] == [word for _, word in wanted]

    class Five(nn.Module):
        def forward(self, X):
            return (X * torch.arange(5)[:, None]).sum(dim=(1, 2))[:, None]

    text = one_hot_encode("abcde", alphabet="abcde")[None].float()
    options = {"alphabet": list("abcde"), "device": "cpu"}
    found = analysis.greedy_substitution(Five(), text, **options)
    assert found[0].argmax(dim=0).tolist() == [4] * 5
    found = analysis.greedy_substitution(
        Five(), text, motifs=["ed"], reverse_complement=False, max_iter=1, **options
    )
    assert found[0].argmax(dim=0).tolist() == [4, 3, 2, 3, 4]


def test_what_a_search_prints(capsys):
    analysis.greedy_substitution(Net(), window(), Y, max_iter=1, device="cpu", verbose=True)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Iteration 0 -- Loss: ")
    assert second.startswith("Iteration 1 -- Loss: ") and "Improvement: " in second


class Two(nn.Module):
    def forward(self, X):
        return X.sum(dim=1), X


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"X": window().repeat(2, 1, 1)}, r"X has 2 sequences.*X\[i : i \+ 1\]"),
        ({"beam_size": 0}, "beam_size must be an integer of at least 1, not 0"),
        ({"n_best": 1.5}, "n_best must be an integer of at least 1, not 1.5"),
        ({"max_iter": -2}, "max_iter must be an integer of at least -1, not -2"),
        ({"motifs": []}, r"motifs is \[\].*list of strings, or None"),
        ({"motifs": "GATA"}, "motifs is 'GATA'"),
        ({"motifs": ["A" * 31]}, "a motif of 31 letters in a sequence of 30.*leave it out"),
        ({"input_mask": torch.ones(30)}, r"input_mask is torch.float32 \(30,\).*bool \(30,\)"),
        ({"y": torch.zeros(1, 3)}, r"y has shape \(1, 3\), and the model gives \(1, 2\).*\(1, 2\)"),
        ({"loss": nn.MSELoss()}, 'loss: the loss does not give each.*reduction="none"'),
        ({"loss": lambda y, p: p / 0 * 0}, "the loss of a sequence is NaN"),
        ({"model": Two()}, "the model returns 2 outputs.*returns one tensor"),
        ({"args": (torch.zeros(3, 2),)}, r"args\[0\] has 3 rows.*give one"),
    ],
)
def test_searches_say_what_is_wrong(changes, says):
    options = {"model": Net(), "X": window(), "y": Y, "device": "cpu"} | changes
    with pytest.raises(DesignError, match=f"(?s){says}"):
        analysis.beam_substitution(**options)


def test_sequences_and_motifs_are_letters():
    with pytest.raises(SequenceError, match="X must be one-hot encoded"):
        analysis.greedy_substitution(Net(), window() * 0.5, device="cpu")
    with pytest.raises(SequenceError, match="Encountered character 'x'"):
        analysis.greedy_substitution(
            Net(), window(), motifs=["Ax"], reverse_complement=False, device="cpu"
        )

"""The design function against Ledidi 2.2.0, and pruning against its greedy_pruning (CPU)."""

import ledidi
import numpy as np
import pytest
import torch
from ledidi.pruning import greedy_pruning as reference_pruning

from cisweep.analysis import design, greedy_pruning
from cisweep.analysis.sequence_design.greedy_pruning import pruning_paths
from cisweep.engine.policy import require


class Net(torch.nn.Module):
    """A small residual convolutional net with two outputs and freshly drawn weights."""

    def __init__(self, seed: int = 0):
        super().__init__()
        state = torch.random.get_rng_state()
        torch.manual_seed(seed)
        self.first = torch.nn.Conv1d(4, 16, 11, padding=5)
        self.second = torch.nn.Conv1d(16, 16, 3, padding=2, dilation=2)
        self.last = torch.nn.Linear(16, 2)
        torch.random.set_rng_state(state)
        for parameter in self.parameters():
            parameter.data *= 2

    def forward(self, X):
        X = torch.relu(self.first(X))
        X = X + torch.relu(self.second(X))
        return self.last(X.mean(-1))


def window(seed: int, length: int = 120) -> torch.Tensor:
    tokens = torch.from_numpy(np.random.RandomState(seed).randint(0, 4, length))
    return torch.nn.functional.one_hot(tokens, 4).T[None].float().contiguous()


def peer(model, X, y_bar, **arguments):
    return ledidi.ledidi(model, X, y_bar, device="cpu", verbose=False, return_history=True,
                         **arguments)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_first_six_losses_are_ledidis(seed):
    model, X = Net(seed), window(seed)
    y_bar = model(X).detach() + torch.tensor([[1.0, -0.5]])
    _, ours = design(model, X, y_bar, max_iter=6, random_state=seed, return_history=True)
    _, theirs = peer(model, X, y_bar, max_iter=6, random_state=seed)
    for name in ("total_loss", "output_loss", "input_loss"):
        assert len(ours[name]) == 6
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, atol=1e-6)
    assert sum(ours["input_loss"]) > 0
    for a, b in zip(ours["edits"], theirs["edits"]):
        assert all(torch.equal(x, y) for x, y in zip(a, b))


def test_options_follow_ledidi():
    model, X = Net(1), window(1)
    mask = torch.zeros(120, dtype=torch.bool)
    mask[20:60] = True
    prior = torch.zeros(1, 4, 120)
    prior[:, 2, 70:90] = 3.0
    options = dict(target=1, tau=0.7, l=0.02, batch_size=5, lr=0.5, eps=1e-3, max_iter=6,
                   random_state=3, input_mask=mask)  # fmt: skip
    y_bar = model(X).detach()[:, 1:] + 1
    ours, h = design(model, X, y_bar, initial_weights=prior.clone(), return_history=True, **options)
    theirs, g = peer(model, X, y_bar, initial_weights=prior.clone(), **options)
    np.testing.assert_allclose(h["total_loss"], g["total_loss"], rtol=1e-6, atol=1e-6)
    assert torch.equal(ours, theirs.round())
    assert torch.equal(ours[:, :, mask], X[:, :, mask].expand(5, -1, -1))


def test_catalogue_repeats_samples_and_own_losses_follow_ledidi():
    model, X = Net(2), window(2)
    goals = [model(X).detach() + step for step in (0.8, 1.3, -1.1)]
    # A large eps edits every batch: Ledidi can take the rounding of an unedited batch's mean for
    # an improvement, and its weights then come from another iteration.
    options = dict(n_repeats=2, n_samples=7, batch_size=4, max_iter=4, random_state=5, eps=0.02)
    ours, h = design(model, X, goals, return_history=True, **options)
    theirs, g = peer(model, X, goals, **options)
    assert ours.shape == theirs.shape == (3, 2, 7, 4, 120)
    assert torch.equal(ours, theirs.round())
    np.testing.assert_allclose(h[2][1]["total_loss"], g[2][1]["total_loss"], rtol=1e-6)
    own = dict(output_loss=torch.nn.L1Loss(), input_loss=torch.nn.MSELoss(reduction="sum"))
    _, h = design(model, X, goals[0], max_iter=4, random_state=1, return_history=True, **own)
    _, g = peer(model, X, goals[0], max_iter=4, random_state=1, **own)
    np.testing.assert_allclose(h["total_loss"], g["total_loss"], rtol=1e-6, atol=1e-6)


def test_injected_noise_replaces_the_drawn_one():
    model, X = Net(), window(0)
    y_bar = model(X).detach() + 1
    generator = torch.Generator().manual_seed(11)
    noise = torch.stack([-torch.empty(16, 4, 120).exponential_(generator=generator).log()
                         for _ in range(6)])  # fmt: skip
    theirs = peer(model, X, y_bar, max_iter=6, random_state=11)[1]["total_loss"]
    given = design(model, X, y_bar, max_iter=6, noise=noise, return_history=True)[1]
    called = design(model, X, y_bar, max_iter=6, noise=lambda i, shape: noise[i - 1],
                    return_history=True)[1]  # fmt: skip
    np.testing.assert_allclose(given["total_loss"], theirs, rtol=1e-6, atol=1e-6)
    assert called["total_loss"] == given["total_loss"]
    other = design(model, X, y_bar, max_iter=6, noise=noise.flip(0), return_history=True)[1]
    assert other["total_loss"] != given["total_loss"]


def edited(X: torch.Tensor, n: int, seed: int) -> torch.Tensor:
    draw = np.random.RandomState(seed)
    X = X.clone()
    for p in draw.choice(X.shape[-1], n, replace=False):
        base = int(X[0, :, p].argmax())
        X[0, :, p] = 0
        X[0, (base + draw.randint(1, 4)) % 4, p] = 1
    return X


@pytest.mark.parametrize("seed", range(3))
def test_pruning_is_ledidis(seed):
    model, X = Net(seed), window(seed)
    X_hat = edited(X, 12, seed)
    path = pruning_paths(model, X, X_hat)[0]
    assert path.edits_kept.tolist() == list(range(12, -1, -1))
    np.testing.assert_allclose(path.predictions[-1], model(X)[0].detach(), atol=1e-6)
    for threshold in (0, float(path.drift[5:7].mean()), 1e9):
        theirs = reference_pruning(model, X, X_hat, threshold=threshold)
        assert torch.equal(greedy_pruning(model, X, X_hat, threshold=threshold), theirs)
    theirs = reference_pruning(model, X, X_hat, threshold=0.02, target=1)
    assert torch.equal(greedy_pruning(model, X, X_hat, 0.02, target=1), theirs)


def test_many_designs_are_pruned_as_each_alone():
    model = Net()
    X = torch.cat([window(s) for s in range(5)])
    X_hat = torch.cat([edited(X[i : i + 1], 3 * i, i) for i in range(5)])
    together = greedy_pruning(model, X, X_hat, threshold=0.05)
    for i in range(5):
        alone = reference_pruning(model, X[i : i + 1], X_hat[i : i + 1], threshold=0.05)
        assert torch.equal(together[i : i + 1], alone)


@pytest.mark.slow
def test_full_designs_are_no_worse_than_ledidis_in_the_median():
    ours, theirs = [], []
    for seed in range(20):
        model, X = Net(7), window(seed)
        y_bar = model(X).detach() + torch.tensor([[1.0, -0.5]])
        for found, X_hat in (
            (ours, design(model, X, y_bar, random_state=seed)),
            (theirs, peer(model, X, y_bar, random_state=seed)[0].round()),
        ):
            loss = ((model(X_hat).detach() - y_bar) ** 2).mean()
            found.append((float(loss), float((X_hat != X).sum()) / 2 / len(X_hat)))
    ours, theirs = np.median(ours, 0), np.median(theirs, 0)
    # Chosen, not derived: both begin alike (above), and roundings drive them apart, so that medians
    # of 20 differ by chance. A failure alone is no fault: compare more seeds. Half an edit is what
    # one sample of two changes by an edit.
    total = ours[0] + 0.1 * ours[1], theirs[0] + 0.1 * theirs[1]
    assert total[0] <= total[1] * 1.05
    assert ours[1] <= theirs[1] * 1.1 + 0.5


class Mean(torch.nn.Module):
    """One output: `Net` read over a stretch that leaves out the ends."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, X):
        X = torch.relu(self.net.first(X))
        X = X + torch.relu(self.net.second(X))
        return self.net.last(X[:, :, 100:-100].mean(-1))


@pytest.mark.parametrize("target", [None, 1])
def test_pruning_of_long_windows_by_propagated_changes_is_ledidis(target):
    model, X = Mean(Net(4)), window(3, 1200)
    X_hat = edited(X, 10, 5)
    X_hat[:, :, 600:604] = torch.roll(X[:, :, 600:604], 1, 1)  # neighbours, run by run
    with require("greedy pruning"):
        path = pruning_paths(model, X, X_hat, target=target)[0]
    for threshold in (float(path.drift[6]) * 1.001, 1e9):
        with require("greedy pruning"):
            ours = greedy_pruning(model, X, X_hat, threshold, target)
        theirs = reference_pruning(model, X, X_hat, threshold, target)
        assert torch.equal(ours, theirs)

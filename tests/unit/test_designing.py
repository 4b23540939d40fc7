import numpy as np
import pytest
import torch

from cisweep.analysis import design, greedy_pruning
from cisweep.analysis.sequence_design.constraints import Constraints
from cisweep.analysis.sequence_design.goals import Goal, goal_objective, reached, window_losses
from cisweep.analysis.sequence_design.motifs import motif_rules
from cisweep.errors import DesignError, ModelError
from cisweep.models import CNN

GOALS = [Goal(0, "value", 2.0), Goal(1, "keep")]


def net(seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CNN(16, first_width=7, dilations=(2,), n_outputs=2)
    for parameter in model.parameters():
        parameter.data *= 2  # so that a few edits move the outputs by a unit
    return model


def windows(n: int, length: int = 80, n_run: bool = False) -> torch.Tensor:
    tokens = torch.from_numpy(np.random.RandomState(n).randint(0, 4, (n, length)))
    X = torch.nn.functional.one_hot(tokens, 4).transpose(1, 2).float().contiguous()
    if n_run:
        X[:, :, 30:36] = 0
    return X


def test_a_design_does_not_depend_on_the_regions_beside_it():
    model, X = net(), windows(7)
    options = dict(max_iter=40, early_stopping_iter=5, l=0.02, random_state=list(range(7)))
    together, history = design(model, X, GOALS, return_history=True, **options)
    assert together.shape == (7, 16, 4, 80)
    assert len({len(h["total_loss"]) for h in history}) > 1  # each has its own stop
    few = design(model, X, GOALS, regions_per_batch=2, **options)
    assert torch.equal(few, together)
    for i in (0, 3, 6):
        options["random_state"] = [i]
        alone, own = design(model, X[i : i + 1], GOALS, return_history=True, **options)
        assert torch.equal(alone, together[i])
        assert own["total_loss"] == history[i]["total_loss"]


def test_the_same_seed_gives_the_same_design_and_another_seed_another():
    model, X = net(), windows(2)
    first = design(model, X, GOALS, max_iter=15, l=0.01, random_state=4)
    assert torch.equal(first, design(model, X, GOALS, max_iter=15, l=0.01, random_state=4))
    assert not torch.equal(first, design(model, X, GOALS, max_iter=15, l=0.01, random_state=5))


def test_the_best_batch_is_that_of_the_lowest_loss():
    model, X = net(), windows(1)
    X_hat, history = design(model, X, torch.tensor([[2.0, 0.0]]), max_iter=30, random_state=0,
                            return_history=True)  # fmt: skip
    loss = ((model(X_hat).detach() - torch.tensor([[2.0, 0.0]])) ** 2).mean()
    edits = (X_hat != X).sum() / 2 / len(X_hat)
    assert float(loss + 0.1 * edits) == pytest.approx(min(history["total_loss"]), rel=1e-5)


class Failing(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(4)
        self.calls = 0

    def forward(self, X):
        self.calls += 1
        if self.calls > 3:
            raise RuntimeError("device lost")
        return self.norm(X).sum((1, 2))[:, None]


def test_the_model_is_left_as_found_also_after_an_exception():
    for model, fails in ((net(), False), (Failing(), True)):
        model.train()
        next(model.modules()).eval()  # a mixed state must come back as it was
        parameters = list(model.parameters())
        parameters[0].requires_grad_(False)
        parameters[-1].grad = torch.ones_like(parameters[-1])
        before = {k: v.clone() for k, v in model.state_dict().items()}
        modes = [m.training for m in model.modules()]
        wants = [p.requires_grad for p in parameters]
        if fails:
            with pytest.raises(RuntimeError, match="device lost"):
                design(model, windows(1), torch.zeros(1, 1), max_iter=9)
        else:
            X_hat = design(model, windows(1), torch.zeros(1, 2), max_iter=9)
            greedy_pruning(model, windows(1), X_hat[:1])
        assert [m.training for m in model.modules()] == modes
        assert [p.requires_grad for p in parameters] == wants
        assert torch.equal(parameters[-1].grad, torch.ones_like(parameters[-1]))
        assert parameters[0].grad is None
        assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_inpainting_fills_every_n_and_costs_no_edit():
    model, X = net(), windows(2, n_run=True)
    X_hat, history = design(model, X, GOALS, max_iter=12, random_state=1, l=100.0,
                            return_history=True)  # fmt: skip
    assert (X_hat.sum(2) == 1).all()
    known = X.sum(1) == 1
    changed = (X_hat != X[:, None]).any(2)
    assert history[0]["input_loss"][0] == pytest.approx(
        np.mean([len({(a, b) for a, b in zip(e[0].tolist(), e[2].tolist())
                      if known[0, b]}) / 16 for e in history[0]["edits"][:1]])
    )  # fmt: skip
    assert changed[:, :, 30:36].all()


def test_frozen_n_stays_and_minus_infinity_forbids_a_base():
    model, X = net(), windows(1, n_run=True)
    mask = torch.zeros(80, dtype=torch.bool)
    mask[25:40] = True
    prior = torch.zeros(1, 4, 80)
    prior[:, 2, 50:] = -torch.inf
    X_hat = design(model, X, GOALS, max_iter=10, n_samples=40, input_mask=mask, random_state=0,
                   initial_weights=prior, eps=0.05)  # fmt: skip
    assert torch.equal(X_hat[:, :, mask], X[:, :, mask].expand(40, -1, -1))
    assert not X_hat[:, 2, 50:].any()
    assert (X_hat[:, :, ~mask].sum(1) == 1).all()


def test_several_oracles_and_goals_by_region():
    first, second, X = net(0), net(1), windows(2)
    per_region = [[Goal(0, "change", 1.0), Goal(3, "keep", weight=2.0)], [Goal(2, "maximise")]]
    X_hat = design([first, second], X, per_region, max_iter=60, l=0.01, random_state=0)
    with torch.no_grad():
        before = torch.cat([first(X), second(X)], 1)
        after = torch.cat([first(X_hat[0]), second(X_hat[0])], 1).mean(0)
        raised = second(X_hat[1])[:, 0].mean()
    # Nearer to the goal than to no change; what is kept has twice the weight: half of that.
    assert abs(after[0] - before[0, 0] - 1.0) < 0.5
    assert abs(after[3] - before[0, 3]) < 0.25
    assert raised > before[1, 2] + 1


def test_goal_numbers():
    start = torch.tensor([1.0, 2.0, 3.0])
    objective = goal_objective([Goal(2, "change", -2.0), Goal(0, "maximise", weight=3.0)], start)
    assert objective.y_bar.tolist() == [1.0, 2.0, 1.0]
    y = torch.tensor([[4.0, 9.0, 2.0]])
    # mean over the two goals: (1 · (2 − 1)² − 3 · 4) / 2
    assert float(window_losses(y, objective)[0]) == pytest.approx((1.0 - 12.0) / 2)
    assert reached(Goal(0, "value", 4.0, tolerance=0.5), 1.0, 3.6)
    assert not reached(Goal(0, "value", 4.0, tolerance=0.5), 1.0, 3.4)
    assert reached(Goal(0, "keep", tolerance=1.0), 1.0, 1.9)
    assert reached(Goal(0, "minimise"), 1.0, 0.9)
    assert not reached(Goal(0, "minimise", value=0.0), 1.0, 0.9)


@pytest.mark.parametrize(
    ("kind", "value", "good", "poor"),
    [
        ("maximise", None, 1.01, 1.0),  # without a bound it must rise
        ("maximise", 2.0, 2.0, 1.99),
        ("minimise", None, 0.99, 1.0),
        ("minimise", 0.0, 0.0, 0.01),
        ("value", 4.0, 3.5, 3.49),
        ("value", 4.0, 4.5, 4.51),
        ("change", -2.0, -0.5, -0.49),
        ("keep", None, 1.5, 1.51),
    ],
)
def test_a_goal_is_reached_at_its_bound_and_at_its_tolerance(kind, value, good, poor):
    goal = Goal(0, kind, value, tolerance=0.5)
    assert reached(goal, 1.0, good) and not reached(goal, 1.0, poor)


def test_pruning_keeps_constraints():
    model = net()
    template = torch.zeros(1, 4, 40)
    template[:, 0] = 1
    edited = template.clone()
    for i, base in enumerate([2, 0, 3, 3]):  # GATT in a stretch of A
        edited[0, :, 10 + i] = 0
        edited[0, base, 10 + i] = 1
    rules = Constraints(required=motif_rules(["GATT"]))
    bound = rules.bind(np.zeros(40, np.uint8), np.zeros(40, bool), None)
    kept = greedy_pruning(model, template, edited, threshold=1e9, constraints=bound)
    assert torch.equal(kept, edited)
    assert torch.equal(greedy_pruning(model, template, edited, threshold=1e9), template)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(batch_size=0), "batch_size must be a positive integer, not 0"),
        (dict(tau=0), "tau must be positive"),
        (dict(l=-1), "l must not be negative"),
        (dict(target=-1), "target must not be negative"),
        (dict(target=5), "target=5 selects no output: the oracle has 2"),
        (dict(y_bar=torch.zeros(1, 3)), "y_bar has 3 values per region, the oracle gives 2"),
        (dict(y_bar=torch.zeros(4, 2)), "leading dimension of 1 or 1"),
        (dict(y_bar=torch.full((1, 2), torch.nan)), "NaN"),
        (dict(X=torch.ones(1, 4, 80)), "not one-hot"),
        (dict(X=torch.ones(4, 80)), "give a one-hot tensor"),
        (dict(input_mask=torch.zeros(3, dtype=torch.bool)), r"give bool \(80,\)"),
        (dict(initial_weights=torch.zeros(1, 4, 3)), r"give \(1, 4, 80\)"),
        (dict(initial_weights=torch.full((1, 4, 80), -torch.inf)), "forbid all four bases"),
        (dict(random_state=[1, 2]), "2 seeds for 1 regions"),
        (dict(noise=torch.zeros(1, 2, 4, 80)), "noise has shape"),
        (dict(y_bar=[Goal(0, "keep"), Goal(0, "maximise")]), "contradict"),
        (dict(y_bar=[Goal(7, "keep")]), "output 7, but the oracle has 2"),
        (dict(n_samples=0), "n_samples must be a positive integer"),
        (dict(constraints=[None, None]), "2 constraints for 1 regions"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = dict(model=net(), X=windows(1), y_bar=torch.zeros(1, 2), max_iter=2) | change
    with pytest.raises(DesignError, match=message):
        design(**arguments)


def test_wrong_goals_and_models_are_named():
    with pytest.raises(DesignError, match="needs a value"):
        Goal(0, "value")
    with pytest.raises(DesignError, match="unknown kind of goal 'up'; .*|use one of value, change"):
        Goal(0, "up")

    class Pair(torch.nn.Module):
        def forward(self, X):
            return X.sum((1, 2)), X.sum((1, 2))

    with pytest.raises(ModelError, match="Pair: the oracle must give one tensor"):
        design(Pair(), windows(1), torch.zeros(1, 1))
    with pytest.raises(DesignError, match="do not fit"):
        greedy_pruning(net(), windows(2), windows(3))
    with pytest.raises(DesignError, match="threshold"):
        greedy_pruning(net(), windows(2), windows(2), threshold=-1)

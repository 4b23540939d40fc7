"""Max pooling over windows: which positions a window has, and how near ties share its maximum."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import attribute, references_by_name
from cisweep.analysis.attribution.rescale.rules import ties, window_maxima
from cisweep.analysis.attribution.rescale.rules.ties import reach_of

sys.path.insert(0, str(Path(__file__).parent))
from test_tied_maxima import CASES, LAYOUTS, plainly, tied

FLAT, SQUARE, DEEP = (
    torch.ops.aten.max_pool2d_with_indices.default,
    torch.ops.aten.adaptive_max_pool2d.default,
    torch.ops.aten.max_pool3d_with_indices.default,
)
POOLS = {  # what torch calls for each, its options, the axes of the input
    "1d": (FLAT, ([1, 4],), (1, 40)),
    "overlapping": (FLAT, ([1, 5], [1, 2]), (1, 40)),
    "apart": (FLAT, ([1, 3], [1, 7]), (1, 40)),
    "padded": (FLAT, ([1, 5], [1, 2], [0, 2]), (1, 40)),
    "dilated": (FLAT, ([1, 3], [1, 1], [0, 1], [1, 6]), (1, 40)),
    "ceil": (FLAT, ([1, 7], [1, 7], 0, 1, True), (1, 40)),
    "2d": (FLAT, ([3, 2], [2, 1], [1, 0]), (5, 8)),
    "2d, one number": (FLAT, ([3],), (5, 8)),
    "3d": (DEEP, ([2, 1, 3], [1, 2, 2], 0, [1, 1, 2]), (2, 4, 5)),
    "adaptive": (SQUARE, ([1, 7],), (1, 40)),
    "adaptive 2d": (SQUARE, ([3, 5],), (5, 8)),
    "adaptive 3d": (torch.ops.aten.adaptive_max_pool3d.default, ([1, 3, 2],), (2, 4, 5)),
}
REPEATED = tuple(tied(x[..., :4], 4e-4).repeat(1, 1, 10) for x in CASES["random"])
SIDES = {
    **{name: case for name, case in CASES.items() if case[0].shape[-1] == 40},
    "repeats": REPEATED,  # a period of four: exact ties in most windows, near ones in all
    "repeats, rectified": tuple(x.relu() for x in REPEATED),
}


def table_of(name: str) -> torch.Tensor:
    func, options, shape = POOLS[name]
    made = func(torch.zeros(1, 1, *shape), *options)[0].shape[2:]
    named = window_maxima._named(func, options, {})
    return window_maxima._table(named, tuple(shape), tuple(made), torch.device("cpu"))


@pytest.mark.parametrize("name", POOLS)
def test_a_window_has_the_positions_that_torch_pools(name):
    """One position at a time is the largest: the windows that show it are those that have it."""
    func, options, shape = POOLS[name]
    n = torch.Size(shape).numel()
    inside = func(torch.eye(n).view(n, 1, *shape), *options)[0].flatten(1).T > 0
    found = torch.zeros_like(inside, dtype=torch.int64)
    for output, window in enumerate(table_of(name)):
        for position in window[window >= 0]:
            found[output, position] += 1
    assert torch.equal(found, inside.long())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layout", ["positions last", "channels last"])
@pytest.mark.parametrize("pool", ["1d", "overlapping", "padded", "dilated", "adaptive"])
@pytest.mark.parametrize("case", SIDES)
def test_the_kernels_give_the_values_of_the_formula(case, pool, layout, threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    table = table_of(pool)
    x_e, x = (LAYOUTS[layout](each) for each in SIDES[case])
    gradient = torch.randn(*x.shape[:2], len(table), generator=torch.Generator().manual_seed(5))
    multipliers = window_maxima.multipliers_of(x, x_e, table)
    wanted = window_maxima.sums_of(multipliers, gradient, table, x.shape)
    compiled = window_maxima.compiled_multipliers(x, x_e, table)
    found = window_maxima.compiled_sums(compiled, gradient, table, x.shape)
    assert multipliers.isfinite().all() and (multipliers >= 0).all() and (multipliers <= 1).all()
    turned = compiled.view(3, -1, *compiled.shape[1:]).movedim(-1, 1).reshape(multipliers.shape)
    assert (turned - multipliers).abs().max() <= 1e-6 * multipliers.abs().max()
    assert ((turned > 0) == (multipliers > 0)).all()
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("case", ["random", "repeats", "repeats, rectified", "masked in one"])
def test_multipliers_are_the_plain_rule_window_by_window(case, pool, dtype):
    """Each window by itself, in float64 and in words; those of a position are added up."""
    table = table_of(pool)
    x_e, x = (each[:1, :4].to(dtype) for each in SIDES[case])
    gradient = torch.randn(1, 4, len(table), generator=torch.Generator().manual_seed(5)).to(dtype)
    leaf = x.clone().requires_grad_()
    values = F.pad(x, (0, 1), value=-torch.inf)[..., table].amax(-1)
    explained = window_maxima.WindowShares.apply(leaf, values, table, x_e)
    (found,) = torch.autograd.grad(explained, leaf, gradient)
    wanted = torch.zeros(x.shape, dtype=torch.float64)
    for channel in range(4):
        for output, window in enumerate(table):
            window = window[window >= 0]
            sides = []
            for each in (x, x_e):
                part = each[0, channel, window]
                top = part.amax(-1, keepdim=True)
                sides += [t.double() for t in (part, top, reach_of(part, top))]
            wanted[0, channel, window] += plainly(*sides) * gradient[0, channel, output].double()
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), wanted, rtol=1e4 * eps, atol=1e4 * eps)


class Pooled(nn.Module):
    """A convolution and a pool, whose inputs are moved by up to 1e-7 of their size."""

    def __init__(self, pool: nn.Module, moved: float = 0.0):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.pool, self.moved = nn.Conv1d(4, 24, 9), pool, moved
        self.last = nn.Sequential(nn.Flatten(), nn.LazyLinear(20), nn.Tanh(), nn.Linear(20, 1))

    def forward(self, x):
        h = self.first(x)
        draw = torch.Generator().manual_seed(1)
        noise = torch.rand(h.shape[1:], generator=draw, dtype=torch.float64).to(h) * 2 - 1
        return self.last(self.pool(F.relu(h * (1 + self.moved * noise))))


def repeats() -> torch.Tensor:
    """Return windows (2, 4, 128): tandem repeats of five and eight bases amid other sequence."""
    draw = torch.Generator().manual_seed(3)
    bases = torch.randint(0, 4, (2, 128), generator=draw)
    bases[0, 20:100] = bases[0, :5].repeat(16)
    bases[1, 40:120] = bases[1, :8].repeat(10)
    return F.one_hot(bases, 4).mT.double()


POOLED = {
    "1d": lambda: nn.MaxPool1d(12),
    "overlapping": lambda: nn.MaxPool1d(12, 3, padding=2, ceil_mode=True),
    "dilated": lambda: nn.MaxPool1d(3, 2, dilation=5),
    "adaptive": lambda: nn.AdaptiveMaxPool1d(7),
    "2d": lambda: nn.Sequential(nn.Unflatten(1, (1, 24)), nn.MaxPool2d((1, 12), (1, 4))),
}


def explained(pool: str, moved: float, dtype: torch.dtype) -> torch.Tensor:
    x = repeats()
    net = Pooled(POOLED[pool](), moved).to(x)
    net(x)
    references = references_by_name("dinucleotide")(x, n=20, random_state=0)
    found = attribute(net, x, references, dtype=dtype, multipliers=True)
    assert (found.deltas.abs().amax((1, 2)) < 1e-4 * found.mean_abs_dy).all()
    return found.hypothetical.double()


@pytest.mark.parametrize("pool", POOLED)
def test_rounding_does_not_choose_the_winners_of_windows(pool):
    """Contract 1. Where the first position won, attributions moved by half of the largest."""
    still, moved, single = (
        explained(pool, by, dtype)
        for by, dtype in ((0, torch.float64), (1e-7, torch.float64), (0, torch.float32))
    )
    largest = still.abs().amax((2, 3))
    assert ((still - moved).abs().amax((2, 3)) < 1e-5 * largest).all()
    assert ((still - single).abs().amax((2, 3)) < 1e-5 * largest).all()


def test_without_near_ties_the_winner_has_the_difference():
    """captum's and tangermeme's rule, on numbers that all differ by more than the reach."""
    draw = torch.Generator().manual_seed(4)
    x_e, x = (torch.randperm(160, generator=draw).double().view(1, 4, 40) + 1 for _ in range(2))
    table = table_of("1d")
    found = window_maxima.multipliers_of(x, x_e, table)
    parts_e, parts = x_e[..., table], x[..., table]
    rise = parts_e.amax(-1, keepdim=True) - parts.amax(-1, keepdim=True)
    winner = torch.where(rise > 0, parts_e.argmax(-1, True), parts.argmax(-1, True))
    change = (parts_e - parts).gather(-1, winner)
    wanted = torch.zeros_like(parts).scatter(-1, winner, rise / change)
    same = parts_e == parts
    torch.testing.assert_close(found[~same], wanted[~same])


def test_the_kernel_is_taken_where_it_can_be_and_refuses_the_rest():
    (x_e, x), table = SIDES["random"], table_of("1d")
    assert window_maxima.compiled_multipliers(x, x_e, table) is not None
    assert window_maxima.compiled_multipliers(x.double(), x_e.double(), table) is None
    assert window_maxima.compiled_multipliers(x, LAYOUTS["channels last"](x_e), table) is None
    first = LAYOUTS["positions first"]
    assert window_maxima.compiled_multipliers(first(x), first(x_e), table) is None


@pytest.mark.parametrize("pool", POOLED)
def test_deep_lift_of_a_network_takes_the_kernel(pool, monkeypatch):
    taken = []
    compiled = window_maxima.compiled_multipliers

    def watched(*sides):
        taken.append(compiled(*sides))
        return taken[-1]

    monkeypatch.setattr(window_maxima, "compiled_multipliers", watched)
    explained(pool, 0.0, torch.float32)
    assert taken and all(each is not None for each in taken)


def test_the_reach_is_that_of_a_maximum_over_an_axis(monkeypatch):
    """A pool over all positions and `amax` are the same operation."""
    x_e, x = (each[:, :, :12] for each in REPEATED)
    whole = torch.arange(12)[None]
    sides = [(e, top, reach_of(e, top)) for e in (x, x_e) for top in [e.amax(-1, keepdim=True)]]
    wanted = ties.multipliers(*sides)
    torch.testing.assert_close(window_maxima.multipliers_of(x, x_e, whole)[:, :, 0], wanted)

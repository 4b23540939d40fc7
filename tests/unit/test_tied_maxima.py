"""The kernel for maxima that near ties share gives the values of the formula in torch."""

import pytest
import torch
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import attribute
from cisweep.analysis.attribution.rescale.rules import ties
from cisweep.analysis.attribution.rescale.rules.ties import (
    TiedShares,
    compiled_multipliers,
    multipliers,
    reach_of,
)

ROWS, CHANNELS = 3, 21  # more channels than the kernel takes at once, and no multiple of those


def drawn(positions: int, seed: int) -> torch.Tensor:
    return torch.randn(ROWS, CHANNELS, positions, generator=torch.Generator().manual_seed(seed))


def tied(x: torch.Tensor, by: float) -> torch.Tensor:
    """Return x with the maximum copied, `by` of it lower, to two other positions of each row."""
    x = x.clone()
    top = x.amax(-1)
    for place in (1, x.shape[-1] // 2):
        x[..., place] = torch.maximum(x[..., place], top - by * top.abs())
    return x


def at(x: torch.Tensor, rows: tuple, value: float) -> torch.Tensor:
    x = x.clone()
    x[rows] = value
    return x


FIRST, SECOND = drawn(40, 0), drawn(40, 1)
EVERY_THIRD = (slice(None), slice(None), slice(None, None, 3))
HALF = (slice(None), slice(None, 10))
CASES = {
    "random": (FIRST, SECOND),
    "scaled": (FIRST * 1e20, SECOND * 1e-20),
    "exact ties": (tied(FIRST, 0), tied(SECOND, 0)),
    "near ties": (tied(FIRST, 4e-4), tied(SECOND, 7e-4)),
    "ties at the end of the reach": (tied(FIRST, 1e-3), tied(SECOND, 1e-3 - 1e-7)),
    "the same": (tied(FIRST, 4e-4), tied(FIRST, 4e-4)),
    "the same maximum": (FIRST, torch.where(FIRST.amax(-1, True) == FIRST, FIRST, FIRST - 0.1)),
    "rectified": (FIRST.sub(2).relu(), SECOND.sub(2).relu()),
    "one constant": (torch.ones_like(FIRST), SECOND),
    "both constant": (torch.ones_like(FIRST), torch.zeros_like(FIRST)),
    "both zero": (torch.zeros_like(FIRST), torch.zeros_like(FIRST)),
    "masked positions": (at(FIRST, EVERY_THIRD, -torch.inf), at(SECOND, EVERY_THIRD, -torch.inf)),
    "masked in one": (FIRST, at(SECOND, EVERY_THIRD, -torch.inf)),
    "masked rows": (at(FIRST, HALF, -torch.inf), at(SECOND, HALF, -torch.inf)),
    "masked rows of one": (FIRST, at(SECOND, HALF, -torch.inf)),
    "infinite": (at(FIRST, (0, 0, 5), torch.inf), at(SECOND, (0, 1, 5), torch.inf)),
    "not a number": (at(FIRST, (0, 0, 5), torch.nan), at(SECOND, (0, 1, 5), torch.nan)),
    "one position": (drawn(1, 2), drawn(1, 3)),
    "two positions": (drawn(2, 2), tied(drawn(2, 3), 4e-4)),
}
LAYOUTS = {  # the same numbers, the positions elsewhere in memory
    "positions last": lambda x: x.contiguous(),
    "channels last": lambda x: x.mT.contiguous().mT,
    "positions first": lambda x: x.movedim(-1, 0).contiguous().movedim(0, -1),
}


def side(x: torch.Tensor) -> ties.Side:
    values = x.amax(-1, keepdim=True)
    return x, values, reach_of(x, values)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES)
def test_the_kernel_gives_the_values_of_the_formula(case, layout, threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    example, reference = (side(LAYOUTS[layout](x)) for x in CASES[case])
    wanted = multipliers(reference, example)
    found = compiled_multipliers(reference, example)
    assert found.stride() == reference[0].stride()
    assert found.isfinite().all()
    assert (found >= 0).all() and (found <= 1).all()
    assert (found - wanted).abs().max() <= 1e-7 * wanted.abs().max()
    assert ((found > 0) == (wanted > 0)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", [c for c in CASES if c not in ("infinite", "not a number")])
def test_multipliers_are_the_plain_rule_and_complete(case, layout, dtype):
    """Each row by itself, in float64 and in words: winners, their parts, what they can take."""
    example, reference = (side(LAYOUTS[layout](x.to(dtype))) for x in CASES[case])
    leaf = reference[0].detach().clone().requires_grad_()
    values = TiedShares.apply(leaf, *reference[1:], *example)
    (found,) = torch.autograd.grad(values.sum(), leaf)
    eps = torch.finfo(dtype).eps
    rows = zip(*(t.double().reshape(-1, t.shape[-1]) for t in (found, *reference, *example)))
    for m, x, top, reach, x_e, top_e, reach_e in rows:
        difference = (top_e - top).item()
        assert ((m >= 0) & (m <= 1)).all()
        if difference != difference:  # masked in both
            assert (m == 0).all()
            continue
        ours = (x_e, top_e, reach_e) if difference > 0 else (x, top, reach)
        winners = ours[0] == ours[1]
        winners |= ours[0] > ours[1] - ours[2] * (1 + 1e-3)
        assert (m[(x_e != x) & ~winners] == 0).all()
        change = (x_e - x)[winners]
        if change.isfinite().all():  # else a winner is masked in the other sequence
            explained = (change * m[winners]).sum().item()
            assert abs(explained - difference) <= 20 * eps * abs(difference)
        plain = plainly(x, top, reach, x_e, top_e, reach_e)
        torch.testing.assert_close(m, plain, rtol=1e3 * eps, atol=1e3 * eps)


def plainly(x, top, reach, x_e, top_e, reach_e) -> torch.Tensor:
    """Return the multipliers of one row in float64, position by position."""

    def part(v: float, top: float, reach: float) -> float:
        if v == top:
            return 1.0
        return min(1.0, max(0.0, 1 - (top - v) / reach) * 17 / 16) if reach else 0.0

    top, top_e, reach, reach_e = (t.item() for t in (top, top_e, reach, reach_e))
    sign = 1 if top_e > top else -1
    share = abs(top_e - top)
    pairs = list(zip(x_e.tolist(), x.tolist()))
    parts_e = [part(u, top_e, reach_e) for u, _ in pairs]
    parts = parts_e if sign > 0 else [part(v, top, reach) for _, v in pairs]
    rooms = [sign * (u - v) for u, v in pairs]
    # Masked in both, or in one: no finite difference to give a share of.
    taken = [min(max(r, 0), share) for r in rooms]
    whole = sum(t * p for t, p in zip(taken, parts) if 0 < t < torch.inf) / (share or 1)
    found = []
    for (u, v), room, own, own_e in zip(pairs, rooms, parts, parts_e):
        if u == v and abs(u) < torch.inf:
            found.append(own_e / sum(parts_e))
        elif 0 < room < torch.inf and whole > 0 and share < torch.inf:
            found.append(min(share / room, 1) * own / whole)
        else:
            found.append(0.0)
    return torch.tensor(found, dtype=torch.float64)


def test_the_kernel_is_taken_where_it_can_be_and_refuses_the_rest():
    example, reference = side(FIRST), side(SECOND)
    assert compiled_multipliers(reference, example) is not None
    double = [tuple(t.double() for t in each) for each in (reference, example)]
    assert compiled_multipliers(*double) is None
    assert compiled_multipliers(side(SECOND[..., ::2]), side(FIRST[..., ::2])) is None
    assert compiled_multipliers(side(LAYOUTS["channels last"](SECOND)), example) is None
    repeated = SECOND[:, :1].expand(-1, CHANNELS, -1)
    assert compiled_multipliers(side(repeated), example) is None


def test_deep_lift_of_a_network_takes_the_kernel(monkeypatch):
    class Best(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(4, 20, 7, padding=3)

        def forward(self, x):
            return torch.relu(self.conv(x)).amax(-1)

    taken = []

    def watched(*sides):
        taken.append(compiled_multipliers(*sides))
        return taken[-1]

    monkeypatch.setattr(ties, "compiled_multipliers", watched)
    x = torch.eye(4)[torch.arange(60).remainder(4).view(3, 20)].mT.contiguous()
    attribute(Best(), x, x.flip(-1)[:, None])
    assert taken and all(each is not None for each in taken)

"""References of deep_lift_shap: drawn by seeds, or by name."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import (
    attribute,
    deep_lift_shap,
    references_by_name,
)
from cisweep.errors import AttributionError
from cisweep.sequence import dinucleotide_shuffle

LENGTH = 40
X = F.one_hot(torch.randint(0, 4, (5, LENGTH), generator=torch.Generator().manual_seed(1)), 4)
X = X.transpose(1, 2).float()


def net() -> nn.Module:
    torch.manual_seed(3)
    conv, pool = nn.Conv1d(4, 12, 7, padding=3), nn.AdaptiveAvgPool1d(1)
    return nn.Sequential(conv, nn.GELU(), pool, nn.Flatten(), nn.Linear(12, 3)).eval()


def test_references_from_a_function_are_those_of_the_seeds():
    drawn = torch.stack(
        [dinucleotide_shuffle(X, n=1, random_state=[7 + k] * 5)[:, 0] for k in range(4)], 1
    )
    wanted = deep_lift_shap(net(), X, references=drawn)
    found = deep_lift_shap(net(), X, n_shuffles=4, random_state=7, return_references=True)
    assert torch.equal(found.references, drawn)
    torch.testing.assert_close(found.attributions, wanted)
    slow = lambda x, n, random_state: dinucleotide_shuffle(x, n=n, random_state=random_state)  # noqa: E731
    torch.testing.assert_close(
        deep_lift_shap(net(), X, references=slow, n_shuffles=4, random_state=7, batch_size=1),
        wanted,
    )
    new = deep_lift_shap(net(), X, n_shuffles=4)
    assert not torch.equal(new, wanted)


@pytest.mark.parametrize("name", ["dinucleotide", "shuffle", "zeros", "uniform"])
def test_references_by_name(name):
    x = X.clone()
    x[1, :, 12:15] = 0
    drawn = references_by_name(name)(x, n=3, random_state=1)
    assert drawn.shape == (5, 3, 4, LENGTH)
    assert (drawn[1, :, :, 12:15] == 0).all()
    if name in ("dinucleotide", "shuffle"):
        assert torch.equal(drawn.sum(-1), x.sum(-1)[:, None].expand(-1, 3, -1))
        assert torch.equal(drawn, references_by_name(name)(x, n=3, random_state=1))
    part = references_by_name(name, span=(10, 20))(x, n=2, random_state=1)
    assert torch.equal(part[..., :10], x[:, None, :, :10].expand(-1, 2, -1, -1))
    found = attribute(net(), x, part)
    assert (found.projected[..., 20:] == 0).all() and (found.projected[..., 10:20] != 0).any()
    torch.testing.assert_close(
        found.projected.sum(-1), found.delta_y.mean(-1), rtol=1e-4, atol=1e-6
    )


def test_unknown_names_and_spans_are_refused():
    with pytest.raises(AttributionError, match="references 'dinuc' are unknown"):
        references_by_name("dinuc")
    with pytest.raises(AttributionError, match=r"span \[10, 50\) of a window of 40 bp"):
        references_by_name("zeros", span=(10, 50))(X)

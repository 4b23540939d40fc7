"""Single substitutions of many sequences, one full pass a distinct sequence."""

from collections import defaultdict

import torch
from torch import Tensor

from cisweep.engine.calls import tensors_in
from cisweep.engine.propagation.batches import SequenceBatches, propagate_batch
from cisweep.engine.propagation.changes import Propagation

# Bases of the sequences that change side by side: many, since the calls cost more than the changes.
_BASES = {"cpu": 40_000, "cuda": 1_000_000}
# Bases of the sequences that go through the model together: on a CPU as many as fit a core's cache.
_WHOLE_BASES = {"cpu": 10_240, "cuda": 1_000_000}

_FEW = 32  # sequences side by side; with fewer than half of them, calls cost what changes save

Group = list[int]  # the examples of one distinct sequence


def _fitting(bases: dict[str, int], device: torch.device, X: Tensor) -> int:
    """Return how many sequences have that many bases together."""
    return max(1, bases.get(device.type, bases["cpu"]) // X.shape[-1])


def _equal_sequences(X: Tensor) -> list[Group]:
    """Return the examples of each distinct sequence."""
    letters = torch.arange(1, X.shape[1] + 1, dtype=torch.uint8, device=X.device)
    tokens = (X.to(torch.uint8) * letters[:, None]).sum(1, dtype=torch.uint8).cpu()
    groups: dict[bytes, Group] = {}
    for i, row in enumerate(tokens.numpy()):
        groups.setdefault(row.tobytes(), []).append(i)
    return list(groups.values())


def side_by_side(X: Tensor, rows: Tensor, device: torch.device) -> list[list[Group]] | None:
    """Return batches of sequences, those that change at the same positions together; None where
    batches would be too empty to pay.

    X: (N, 4, length) one-hot. rows: (K, 3): example, position, new base; at most one per example.
    """
    size = _fitting(_BASES, device, X)
    position = {example: p for example, p, _ in rows.tolist()}
    groups = _equal_sequences(X)
    alike: dict[frozenset[int], list[Group]] = defaultdict(list)
    for group in groups:
        alike[frozenset(position[i] for i in group if i in position)].append(group)
    found = [same[at : at + size] for same in alike.values() for at in range(0, len(same), size)]
    filled = 2 * len(groups) >= min(size, _FEW) * len(found)
    enough = filled or len(rows) >= 2 * len(groups)
    return found if enough else None


def before_and_after(
    propagation: Propagation,
    X: Tensor,
    batches: list[list[Group]],
    rows: Tensor,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the tensors of the model's output of X, and of X with the rows' substitutions.

    Parameters as in `side_by_side`, which makes the batches; device, dtype: of the computation.
    """
    made = SequenceBatches(propagation, _fitting(_WHOLE_BASES, device, X))
    edit = {example: (position, base) for example, position, base in rows.tolist()}
    before: list[Tensor] = []
    after: list[Tensor] = []
    for groups in batches:
        x = X[torch.tensor([group[0] for group in groups])].to(device, dtype)
        of_group = torch.tensor([g for g, group in enumerate(groups) for _ in group])
        examples = [i for group in groups for i in group]
        positions = sorted({edit[i][0] for i in examples if i in edit})
        batch = made.batch(x, positions)
        y0 = tensors_in(batch.output())
        if not before:
            before = [y.new_empty((len(X), *y.shape[1:]), device="cpu") for y in y0]
            after = [torch.empty_like(y) for y in before]
        rows_of = torch.tensor(examples)
        for whole, other, y in zip(before, after, y0):
            whole[rows_of] = other[rows_of] = y.cpu()[of_group]
        for position in positions:
            mine = [[i for i in g if i in edit and edit[i][0] == position] for g in groups]
            first, places = _changes(x, position, mine, edit)
            wanted = torch.tensor([i for group in mine for i in group])
            for whole, y in zip(
                after, tensors_in(propagate_batch(propagation, batch, position, first))
            ):
                whole[wanted] = y.cpu()[places]
    return before, after


def _changes(
    x: Tensor, position: int, groups: list[Group], edit: dict[int, tuple[int, int]]
) -> tuple[Tensor, Tensor]:
    """Return the changes (n, m, 1, 4) at a position, and the row n · m of each example."""
    most = max(len(group) for group in groups)
    row = [(g, j) for g, group in enumerate(groups) for j in range(len(group))]
    bases = [edit[example][1] for group in groups for example in group]
    at, number = torch.tensor(row, device=x.device).unbind(1)
    first = x.new_zeros(len(groups), most, 1, x.shape[1])
    first[at, number, 0] = -x[at, :, position]
    first[at, number, 0, torch.tensor(bases, device=x.device)] += 1
    return first, torch.tensor([g * most + j for g, j in row])

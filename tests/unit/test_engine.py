"""The engine's parts: the recording, its one loop, the policy, the check of agreement."""

import logging

import grimp
import pytest
import torch
from torch import nn

from cisweep.engine.calls import run_call
from cisweep.engine.constants import Stills
from cisweep.engine.executor import Program, every_tensor, execute
from cisweep.engine.policy import (
    OPERATIONS,
    FastPathOff,
    attempt,
    forget_reasons,
    off,
    policy_of,
    reasons,
    require,
    switch_off,
    taken,
)
from cisweep.engine.recording import record
from cisweep.engine.verify import (
    PROPAGATED,
    SAME_CALLS,
    SINGLE_CHANGE,
    TRACED,
    check_agreement,
    compared_rows,
    differences,
)


@pytest.fixture(autouse=True)
def no_reasons():
    forget_reasons()
    yield
    forget_reasons()


class Small(nn.Module):
    """A tensor that is read twice, one that is not read, still ones of three kinds."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3)

    def forward(self, X):
        h = self.conv(X)
        x = torch.relu(h)
        h.mean(2)  # nothing reads it
        alike = h.new_ones(3, 6)[:1]  # the same in any batch, made from an active tensor
        shaped = torch.zeros_like(h)  # as large as the batch
        return (x + shaped).sum(2) * alike + x.amax(2), torch.arange(3)


def recorded():
    torch.manual_seed(0)
    model, X = Small().eval(), torch.rand(5, 4, 20)
    with torch.no_grad():
        return model, X, record(model, X[:1])


def test_a_recording_says_what_its_callers_ask():
    model, X, recording = recorded()
    names = [call.function.__name__ for call in recording.calls]
    assert names.count("mean") == 0 and names[0] == "conv1d"
    h, x = (recording.calls[i].outputs[0] for i in (0, 1))
    last = recording.last_reads([call.inputs for call in recording.calls])
    assert names[last[x]] == "amax" and names[last[h]] == "zeros_like" and last[0] == 0
    assert all(last[i] == len(recording.calls) for i in recording.outputs)
    assert recording.uses[x] == 2 and recording.uses[recording.outputs[0]] == 1
    assert recording.maker[x] == 1 and 0 not in recording.maker
    stills = [call.function.__name__ for call in recording.still_calls]
    assert stills == ["new_ones", "__getitem__", "zeros_like", "arange"]
    assert {names[recording.maker[i]] for i in recording.by_batch} == {"zeros_like"}
    with torch.no_grad():
        values = every_tensor(recording, [X])
        found = recording.result(values.__getitem__)
        assert all(torch.equal(a, b) for a, b in zip(found, model(X), strict=True))
    assert {len(values[i]) for i in (h, x)} == {5}


def test_what_stands_for_an_active_tensor_is_that_of_its_own_batch():
    """A constant of any batch and one of each batch are made from the same tensor."""
    _, X, recording = recorded()
    stills = Stills(recording, [X])
    (number,) = recording.by_batch
    for n in (1, 5, 2):
        assert stills.get(number, n).shape == (n, 6, 18)


def test_the_loop_lets_a_tensor_go_after_its_last_reader():
    _, X, recording = recorded()
    values, kept, made, gone = {0: X}, [], [], []
    calls = recording.calls

    def run(index):
        kept.append(set(values))
        return run_call(calls[index], values, len(X))

    with torch.no_grad():
        program = Program.of(recording, calls)
        execute(program, values, run, lambda i, t: gone.append(i), lambda i, t: made.append(i))
    assert made == [i for call in calls for i in call.outputs]
    assert set(values) == set(recording.outputs) and sorted([*gone, *values]) == [0, *made]
    for index, present in enumerate(kept):
        later = {i for call in calls[index:] for i in call.inputs}
        assert present - later <= set(recording.outputs) and set(calls[index].inputs) <= present


def test_a_call_may_overwrite_what_is_new_unseen_and_read_no_more():
    _, _, recording = recorded()
    program, names = Program.of(recording, recording.calls), [c.function for c in recording.calls]

    def found(views):
        return program.overwritable(
            may=lambda index, _: True,
            makes_new=lambda index: names[index] is torch.relu,
            keeps_views=lambda index: names[index].__name__ in views,
        )

    x = recording.calls[1].outputs[0]
    ((index, number),) = found(()).items()
    assert (names[index].__name__, number) == ("amax", x)
    assert found(("__add__", "add")) == {}  # the sum may look into the same memory


def test_no_module_of_the_engine_imports_itself_around_a_circle():
    """Imports within functions count."""
    graph = grimp.build_graph("cisweep", cache_dir=None)
    modules = [m for m in graph.modules if m.startswith("cisweep.engine")]
    imports = {m: graph.find_modules_directly_imported_by(m) & set(modules) for m in modules}
    assert len(modules) > 20
    while imports:
        leaves = [m for m, others in imports.items() if not others & imports.keys()]
        assert leaves, f"in or behind a circle: {sorted(imports)}"
        for module in leaves:
            del imports[module]


def test_the_innermost_context_that_names_a_path_decides():
    assert policy_of("a") == "auto"
    with off():
        assert {policy_of(name) for name in ("a", "b", OPERATIONS)} == {"off"}
        with require("a"):
            assert (policy_of("a"), policy_of("b")) == ("require", "off")
            taken("a")
        assert policy_of("a") == "off"
    with off("a"):
        assert (policy_of("a"), policy_of(OPERATIONS)) == ("off", "auto")
    assert policy_of("a") == "auto"


def test_what_is_off_is_not_tried_and_nothing_is_said(caplog):
    def fail():
        raise ValueError("first\nsecond")

    with caplog.at_level(logging.WARNING), off("a"):
        assert attempt("a", fail) is None and attempt("b", lambda: 3) == 3
    assert attempt("a", fail, fast=False) is None
    assert not caplog.records and reasons() == []
    assert attempt("a", fail) is None
    line = "fast path: off, because ValueError: first (a in full)"
    assert reasons() == [line]
    with pytest.raises(FastPathOff, match="because ValueError: first"), require("a"):
        attempt("a", fail)
    with pytest.raises(FastPathOff, match=r"off, because why \(a in full\)"), require("a"):
        switch_off("a", "why")


def test_what_is_required_and_never_taken_is_an_error():
    with pytest.raises(FastPathOff, match="path: never taken: a, b"), require("a", "b", "c"):
        taken("c")
    with pytest.raises(FastPathOff, match="never taken: a"), require("a"):
        attempt("a", lambda: taken("a"), fast=False)


def test_tolerances_are_those_of_the_dtype():
    kinds = (SAME_CALLS, PROPAGATED, SINGLE_CHANGE, TRACED)
    assert [kind.of(torch.float32) for kind in kinds] == [1e-5, 1e-4, 1e-5, 1e-4]
    assert [kind.of(torch.float64) for kind in kinds] == [1e-9, 1e-9, 1e-9, 1e-4]
    assert TRACED.of(torch.bfloat16) == 1e-4
    with pytest.raises(FastPathOff, match="the model computes in bfloat16"):
        PROPAGATED.of(torch.bfloat16)


@pytest.mark.parametrize(("n", "most", "rows"), [(9, 3, [0, 4, 8]), (2, 5, [0, 1]), (7, 1, [0])])
def test_compared_rows_go_from_the_first_to_the_last(n, most, rows):
    assert compared_rows(n, most).tolist() == rows


def test_disagreement_says_how_large_it_is():
    inf, nan = torch.inf, torch.nan
    a = torch.tensor([1.0, -4, inf, -inf, nan])
    check_agreement([a, a > 0, a[:0]], [a.clone(), a > 0, a[:0]], 0.0)
    check_agreement([a + 2e-5], [a], 1e-5)
    for found, message in (
        ([a, a], "values are 2 tensors, not 1"),
        ([a[:2]], r"values have shape \(2,\), not \(5,\)"),
        ([a + 0.125], "values differ by 0.125 from the model's, which go up to 4"),
        ([torch.tensor([1.0, -4, -inf, -inf, nan])], "values differ by inf"),
        ([torch.tensor([nan, -4, inf, -inf, nan])], "values differ by nan"),
        ([torch.tensor([1.0, -4, inf, -inf, 0])], "values differ by nan"),
    ):
        with pytest.raises(FastPathOff, match=message):
            check_agreement(found, [a], 1e-5)
    gaps = differences(torch.tensor([1.0, inf, nan, nan]), torch.tensor([3.0, inf, nan, 0]))
    assert gaps[:3].tolist() == [2, 0, 0] and gaps[3].isnan()

"""The examples in the docstrings of cisweep.sequence and cisweep.plot."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("module", "least"),
    [
        ("cisweep.sequence.tokens", 2),
        ("cisweep.sequence.encoding", 2),
        ("cisweep.sequence.editing", 3),
        ("cisweep.sequence.shuffling", 1),
        ("cisweep.plot.letters", 1),
    ],
)
def test_examples(module, least):
    loaded = import_module(module)
    found = [t for t in doctest.DocTestFinder().find(loaded) if t.examples]
    assert len(found) >= least
    assert doctest.testmod(loaded).failed == 0

"""Which windows go through a model, found by running it."""

from collections.abc import Callable

from torch import nn

from cisweep.config.model import ModelConfig
from cisweep.models.loading import runs, too_short

LONGEST_BP = 1 << 19
"""Up to here a length is looked for: windows of the longest models of DNA that are published."""
_STEPS = (1000, 500, 100, 50, 10, 8, 4, 2)
_USUAL = (200, 500, 1000, 2000, 4000, 8192)


def lengths_of(model: nn.Module, config: ModelConfig) -> tuple[int, int | None] | None:
    """Return the shortest and the longest window that go through a model; None where none does.

    The longest is None where twice the shortest goes through, too: then there is none, as far as
    can be said. Where only multiples of a number go through, the shortest that was found counts.
    """

    def goes(length: int) -> bool:
        return runs(model, config, length)

    length = 1
    while not goes(length) and too_short(model, config, length):
        length *= 2
        if length > LONGEST_BP:
            return None
    if goes(length):
        shortest = _first(goes, length // 2, length)
    else:
        # The linear layer that is too small for it has its own number of features before.
        shortest = _first(lambda n: not too_short(model, config, n), length // 2, length)
        if not goes(shortest):
            return None
    if goes(2 * shortest):
        return shortest, None
    return shortest, _first(lambda n: not goes(n), shortest, 2 * shortest) - 1


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return a length in (low, high] at which something begins to hold, by bisection."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def likely_length(shortest: int, longest: int | None, goes: Callable[[int], bool]) -> int:
    """Return a window to begin with: the roundest of those that go through, or a usual one."""
    if longest is None:
        usual = [n for n in (*_USUAL, shortest * 2) if n >= 2 * shortest]
        return next(filter(goes, usual), shortest)
    multiples = [-(-shortest // step) * step for step in _STEPS]
    return next((n for n in multiples if n <= longest and goes(n)), shortest)

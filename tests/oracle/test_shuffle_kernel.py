"""The C shuffles against a plain Python twin, and against all Euler trails by brute force."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from cisweep.sequence.tokens import mono_shuffle_tokens, shuffle_tokens, tokenize

MASK = (1 << 64) - 1


class Stream:
    """xoshiro256++ seeded by splitmix64, after the papers' reference code."""

    def __init__(self, seed: int):
        self.words = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.words.append(z ^ (z >> 31))

    def word(self) -> int:
        def rotl(x: int, k: int) -> int:
            return ((x << k) | (x >> (64 - k))) & MASK

        a, b, c, d = self.words
        result = (rotl((a + d) & MASK, 23) + a) & MASK
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        self.words = [a, b, c ^ ((self.words[1] << 17) & MASK), rotl(d, 45)]
        return result

    def draw(self, bits: int, bound: int) -> int:
        product = bits * bound
        threshold = (1 << 32) % bound
        while product % (1 << 32) < threshold:
            product = (self.word() >> 32) * bound
        return product >> 32


def permute(items: list[int], stream: Stream) -> None:
    n = len(items)
    while n > 2:
        word = stream.word()
        for bits, last in ((word % (1 << 32), n - 1), (word >> 32, n - 2)):
            k = stream.draw(bits, last + 1)
            items[last], items[k] = items[k], items[last]
        n -= 2
    if n == 2 and stream.word() >> 63 == 0:
        items[0], items[1] = items[1], items[0]


def dinucleotide_run(run: list[int], stream: Stream) -> list[int]:
    exits = {a: sorted(b for x, b in zip(run, run[1:]) if x == a) for a in range(4)}
    last: dict[int, int] = {}
    in_tree = {a for a in range(4) if a == run[-1] or not exits[a]}
    for a in range(4):
        base = a
        while base not in in_tree:
            last[base] = exits[base][stream.draw(stream.word() % (1 << 32), len(exits[base]))]
            base = last[base]
        base = a
        while base not in in_tree:
            in_tree.add(base)
            base = last[base]
    for a in range(4):
        if a in last:
            exits[a].remove(last[a])
        permute(exits[a], stream)
        exits[a] += [last[a]] if a in last else []
    result, order = run[:1], {a: iter(exits[a]) for a in range(4)}
    while len(result) < len(run):
        result.append(next(order[result[-1]]))
    return result


def mono_run(run: list[int], stream: Stream) -> list[int]:
    permute(run, stream)
    return run


def twin(sequence: np.ndarray, seed: int, shuffle_run) -> list[int]:
    stream, result, run = Stream(int(seed)), [], []
    for token in [*sequence.tolist(), 4]:
        if token < 4:
            run.append(token)
            continue
        result += shuffle_run(run, stream) if run else []
        result.append(4)
        run = []
    return result[:-1]


@pytest.mark.parametrize(
    ("kernel", "shuffle_run"),
    [(shuffle_tokens, dinucleotide_run), (mono_shuffle_tokens, mono_run)],
)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 40, 301])
def test_kernel_equals_twin(kernel, shuffle_run, length):
    rng = np.random.default_rng(length)
    tokens = rng.choice(5, (3, length), p=[0.3, 0.2, 0.2, 0.27, 0.03]).astype(np.uint8)
    seeds = rng.integers(0, MASK, (3, 6), dtype=np.uint64, endpoint=True)
    expected = [[twin(t, s, shuffle_run) for s in row] for t, row in zip(tokens, seeds)]
    assert kernel(tokens, seeds).tolist() == expected


def test_kernel_equals_twin_where_cursors_overflow():
    # One base takes more than 65,535 steps, so that the 16-bit cursors must be carried over.
    rng = np.random.default_rng(0)
    tokens = rng.choice(4, (1, 100_000), p=[0.01, 0.01, 0.01, 0.97]).astype(np.uint8)
    seeds = np.array([[5]], np.uint64)
    assert shuffle_tokens(tokens, seeds)[0, 0].tolist() == twin(tokens[0], 5, dinucleotide_run)


def all_trails(tokens: np.ndarray) -> list[tuple[int, ...]]:
    """Return every sequence with the first base and the dinucleotide counts of `tokens`."""
    trails: list[tuple[int, ...]] = []

    def extend(trail: list[int], left: Counter) -> None:
        if not +left:
            trails.append(tuple(trail))
        for b in range(4):
            if left[trail[-1], b] > 0:
                left[trail[-1], b] -= 1
                extend([*trail, b], left)
                left[trail[-1], b] += 1

    pairs = Counter(zip(tokens.tolist(), tokens[1:].tolist()))
    extend([int(tokens[0])], pairs)
    return trails


@pytest.mark.parametrize(
    "sequence",
    ["ACGTACGATC", "ACAGATCCGA", "AACCGGTTACGA", "GATTACAGATTC", "TTTACGTTAGT", "CACACGCAC"],
)
def test_dinucleotide_shuffle_is_uniform_over_all_euler_trails(sequence):
    tokens = tokenize(sequence)
    trails = all_trails(tokens)
    assert len(trails) > 3
    n = 300 * len(trails)
    seeds = np.random.default_rng(1).integers(0, MASK, (1, n), dtype=np.uint64)
    seen = Counter(map(tuple, shuffle_tokens(tokens[None], seeds)[0].tolist()))
    assert set(seen) <= set(trails)
    assert chisquare([seen[trail] for trail in trails]).pvalue > 1e-3


def test_dinucleotide_shuffle_is_uniform_with_consecutive_seeds():
    tokens = tokenize("ACGTACGATC")
    trails = all_trails(tokens)
    seen = Counter(
        map(
            tuple,
            shuffle_tokens(tokens[None], np.arange(20_000, dtype=np.uint64)[None])[0].tolist(),
        )
    )
    assert chisquare([seen[trail] for trail in trails]).pvalue > 1e-3


def test_plain_shuffle_is_uniform_over_all_arrangements():
    tokens = tokenize("AACGT")
    seeds = np.random.default_rng(2).integers(0, MASK, (1, 30_000), dtype=np.uint64)
    seen = Counter(map(tuple, mono_shuffle_tokens(tokens[None], seeds)[0].tolist()))
    assert len(seen) == 60
    assert chisquare(list(seen.values())).pvalue > 1e-3

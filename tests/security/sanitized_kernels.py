"""Call every C kernel over random and extreme shapes; run under the address sanitizer.

    python sanitized_kernels.py SEED ROUNDS LIBRARY...

For each library it prints the names of the kernels that were called, and how that ended. Memory
comes from malloc, so that a byte read or written beyond an array ends the process with the
sanitizer's report.
"""

import ctypes
import os
import sys

import numpy as np
import torch

from cisweep import kernels
from cisweep.analysis.attribution.rescale.rules import rectifier, ties
from cisweep.analysis.attribution.rescale.rules import window_maxima as pooling
from cisweep.analysis.motifs.copies import prepare_copies
from cisweep.analysis.motifs.fimo import HIT, has_avx2, scan_tokens
from cisweep.analysis.motifs.hits import hit_fits, resolve_overlaps
from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.seqlets import spans as seqlet_spans
from cisweep.analysis.seqlets import tfmodisco_seqlets as tfmodisco
from cisweep.engine.convolution.one_hot import LetterConvolution
from cisweep.engine.convolution.winograd import WinogradConvolution, vector_floats
from cisweep.genome import bigwig
from cisweep.genome.motifs import Motif
from cisweep.sequence.tokens import mono_shuffle_tokens, shuffle_seeds, shuffle_tokens

CALLED: set[str] = set()


def use(path: str) -> None:
    """Take the kernels from the library at `path`, and note which are looked up."""
    library = ctypes.CDLL(path)

    class Library:
        def __getattr__(self, name):
            CALLED.add(name)
            return getattr(library, name)

    kernels._library = Library


class Shapes:
    """Random sizes, the small and odd ones often."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)

    def size(self, low: int, high: int) -> int:
        """Return a size of low … high: an end of it in a third of the calls."""
        kind = self.rng.integers(6)
        return low if kind == 0 else high if kind == 1 else int(self.rng.integers(low, high + 1))

    def one_of(self, *values):
        """Return one of the values."""
        return values[self.rng.integers(len(values))]

    def numbers(self, *shape: int, dtype=np.float32) -> np.ndarray:
        """Return an array that begins one number after what malloc gave: no wide alignment."""
        n = int(np.prod(shape))
        values = self.rng.normal(size=n + 1).astype(dtype)
        if self.rng.integers(2):
            values[self.rng.random(n + 1) < 0.2] = 0.0
        return values[1:].reshape(shape)

    def tensor(self, *shape: int) -> torch.Tensor:
        """Return such a tensor."""
        return torch.from_numpy(self.numbers(*shape))

    def tokens(self, *shape: int) -> np.ndarray:
        """Return tokens, with or without N, or all N."""
        high = self.one_of(4, 5, 5)
        found = self.rng.integers(0, high, shape).astype(np.uint8)
        return np.full(shape, 4, np.uint8) if self.rng.integers(10) == 0 else found


def shuffles(s: Shapes) -> None:
    """shuffle_tokens."""
    tokens = s.tokens(s.size(0, 5), s.size(0, 70))
    seeds = shuffle_seeds(np.arange(len(tokens), dtype=np.uint64), s.size(0, 3))
    threads = s.one_of(1, 2)
    shuffle_tokens(tokens, seeds, threads)
    mono_shuffle_tokens(tokens, seeds, threads)


def letters(s: Shapes) -> None:
    """letter_convolve."""
    width, dilation = s.size(1, 9), s.one_of(1, 1, 2, 3)
    pad, n_in = s.size(0, 5), s.one_of(1, 3, 4, 4, 5)
    length = max(1, dilation * (width - 1) + 1 - 2 * pad) + s.size(0, 40)
    x = s.tensor(s.size(0, 4), n_in, length)
    if s.one_of(True, True, False) and x.numel():
        x = torch.nn.functional.one_hot(x.argmax(1), n_in).transpose(1, 2).float()
    layer = LetterConvolution(s.tensor(s.size(1, 37), n_in, width), pad, dilation)
    layer(x.contiguous() if s.one_of(True, False) else x, s.one_of(None, s.tensor(layer.n_out)))


def winograd(s: Shapes) -> None:
    """winograd_convolve, winograd_floats."""
    vector_floats.cache_clear()
    if not vector_floats():
        return
    width, dilation, pad = s.size(1, 8), s.one_of(1, 1, 2, 5), s.size(0, 9)
    length = max(1, dilation * (width - 1) + 1 - 2 * pad) + s.size(0, 40)
    n_in, n_out = s.size(1, 35), s.size(1, 67)
    layer = WinogradConvolution(s.tensor(n_out, n_in, width), pad, dilation)
    x = s.tensor(s.size(1, 3), n_in, length)
    layer(x if s.one_of(True, False) else x.transpose(1, 2).contiguous().transpose(1, 2),
          s.one_of(None, s.tensor(n_out)))  # fmt: skip


def secants(s: Shapes) -> None:
    """rectifier_secant."""
    shape = s.size(0, 3), s.size(0, 9), s.size(0, 40)
    rectifier.rectified(s.tensor(*shape), s.tensor(*shape), s.one_of(0.0, 0.01))


def maxima(s: Shapes) -> None:
    """maximum_shares."""
    shape, axis = (s.size(1, 4), s.size(1, 20), s.size(1, 33)), s.one_of(1, 2)
    sides = []
    for _ in range(2):
        x = s.tensor(*shape).movedim(axis, -1)
        top = x.amax(-1, keepdim=True)
        sides.append((x, top, ties.reach_of(x, top)))
    assert ties.compiled_multipliers(*sides) is not None


def pools(s: Shapes) -> None:
    """window_shares, window_sums."""
    size, stride, dilation = s.size(1, 20), s.size(1, 9), s.one_of(1, 1, 2, 3)
    pad, span = s.size(0, size // 2), dilation * (size - 1) + 1
    length = max(1, span - 2 * pad) + s.size(0, 40)
    outputs = (length + 2 * pad - span) // stride + 1
    named = {"kernel_size": size, "stride": stride, "padding": pad, "dilation": dilation}
    table = pooling._table(tuple(named.items()), (length,), (outputs,), torch.device("cpu"))
    rows, channels = s.size(0, 3), s.size(1, 35)
    last = s.one_of(True, False)  # channels, as convolutions leave them
    shape = (rows, length, channels) if last else (rows, channels, length)
    x, example = (t.mT if last else t for t in (s.tensor(*shape), s.tensor(*shape)))
    found = pooling.compiled_multipliers(x, example, table)
    pooling.compiled_sums(found, s.tensor(rows, channels, outputs), table, x.shape)


def seqlets(s: Shapes) -> None:
    """seqlet_bins, seqlet_histogram, seqlet_tails, seqlet_decode, seqlet_count, seqlet_sums."""
    low = s.size(1, 6)
    rules = seqlet_spans.SpanRules(low, low + s.size(0, 9), 0, s.size(2, 60))
    values = s.numbers(s.size(0, 5), s.size(1, 60), dtype=s.one_of(np.float32, np.float64))
    values = np.ascontiguousarray(values)
    found = seqlet_spans.null_of_values(values, rules) if values.size else None
    if found is None:
        null = seqlet_spans.null_of_counts(
            np.ones(rules.n_bins, np.int64), 0.0, 0.1, rules.max_seqlet_len
        )
        bins = null.bins(values)
    else:
        null, bins = found
    thresholds = np.array([0.4, 0.1, 0.01, 0.0])
    spans = seqlet_spans.decode(bins, null, s.one_of(0.01, 0.4, 1.1), rules)
    seqlet_spans.count(bins, null, thresholds, rules)
    seqlet_spans.span_sums(values, spans)


def windows(s: Shapes) -> None:
    """seqlet_maxima."""
    rules = tfmodisco.WindowRules(window_size=s.size(1, 8), flank=s.size(0, 4))
    length = rules.window_size + 2 * rules.flank + s.size(0, 50)
    values = np.ascontiguousarray(s.numbers(s.size(1, 5), length, dtype=np.float64))
    limits = {name: 0.0 for name in tfmodisco.Thresholds.__dataclass_fields__}
    limits |= {"positive": s.one_of(0.0, 1.0), "negative": s.one_of(0.0, -1.0)}
    tfmodisco.call_windows(values, tfmodisco.Thresholds(**limits), rules)


def scans(s: Shapes) -> None:
    """fimo_scan, fimo_copies, fimo_copies_scratch, fimo_has_avx2, fimo_distribution,
    fimo_markov_distribution."""
    has_avx2()
    widths = [s.size(1, 40) for _ in range(s.size(1, 5))]
    motifs = {f"m{i}": s.rng.dirichlet([0.5] * 4, size=w).T for i, w in enumerate(widths)}
    background = s.one_of("letters", "chain")
    given = (0.3, 0.2, 0.2, 0.3)
    if background == "chain":
        chain = s.rng.dirichlet([2.0] * 4, size=4)
        given = MarkovBackground(np.full(4, 0.25), chain)
    options = {"background": given, "bin_size": s.one_of(0.1, 1.0),
               "threshold": s.one_of(1e-4, 0.05, 1.0),
               "reverse_complement": s.one_of(True, False)}  # fmt: skip
    model = prepare_motifs(motifs, **options)
    tokens = s.tokens(s.size(0, 300))
    first = s.size(0, len(tokens))
    own = s.one_of(None, (first, s.size(first, len(tokens))))
    for portable in (False, True):
        scan_tokens(model, tokens, own=own, portable=portable)
    named = [Motif(name, "", pwm) for name, pwm in motifs.items()]
    copies = prepare_copies(named, model, s.size(1, 60), 0, options)
    letters = s.tokens(s.one_of(len(tokens), 8192, 8193))
    tracks = np.ascontiguousarray(s.rng.normal(size=(s.size(1, 3), len(letters))))
    for portable in (False, True):
        copies.sums(letters, s.rng.random(len(letters)) < 0.5, tracks, portable=portable)
    if s.rng.integers(8) == 0:  # more than a stretch of the C code
        scan_tokens(model, s.tokens(20_000 + s.size(0, 31)), portable=s.one_of(True, False))


def fits(s: Shapes) -> None:
    """hit_fits, hit_places."""
    matrices = [s.numbers(4, s.size(1, 40), dtype=np.float64) for _ in range(s.size(1, 4))]
    hits = np.zeros(s.size(0, 20), dtype=HIT)
    hits["motif_idx"] = s.rng.integers(0, len(matrices), len(hits))
    hits["strand"] = s.rng.choice(["+", "-"], len(hits))
    hits["start"] = s.rng.integers(-3, 60, len(hits))
    hit_fits(hits, s.numbers(4, s.size(1, 60), dtype=np.float64), matrices)
    hits["end"] = hits["start"] + s.rng.integers(1, 40, len(hits))
    fit = s.numbers(len(hits), dtype=np.float64)
    resolve_overlaps(hits, fit, [f"m{i}" for i in range(len(matrices))])


def blocks(s: Shapes) -> None:
    """bigwig_fill."""
    n, kind = s.size(0, 40), s.size(0, 4)
    fields = [1, s.size(0, 60), 0, s.size(0, 9), s.size(0, 9)]
    head = np.array(fields, "<u4").tobytes() + bytes([kind, 0])
    body = np.sort(s.rng.integers(0, 90, s.size(0, 3 * n))).astype("<u4").tobytes()
    block = (head + n.to_bytes(2, "little") + body)[: s.size(0, 30 + len(body))]
    start = s.size(0, 60)
    out = np.empty(s.size(1, 40), np.float32)
    place = s.one_of(address_of(out), None)
    bigwig._fill(block, len(block), 1, start, start + len(out), place)


def address_of(array: np.ndarray) -> int:
    """Return where an array begins."""
    return array.ctypes.data


CALLS = (shuffles, letters, winograd, secants, maxima, pools, seqlets, windows, scans, fits,
         blocks)  # fmt: skip


def main(path: str, seed: int, rounds: int) -> None:
    """Call all kernels `rounds` times each, and print their names."""
    use(path)
    torch.set_num_threads(1)
    shapes = Shapes(seed)
    for _ in range(rounds):
        for call in CALLS:
            call(shapes)
    print(*sorted(CALLED), flush=True)


if __name__ == "__main__":
    seed, rounds, *paths = sys.argv[1:]
    for path in paths:  # each in a process of its own, since the first report ends it
        if child := os.fork():
            print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        else:
            main(path, int(seed), int(rounds))
            os._exit(0)

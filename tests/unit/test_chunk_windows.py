"""The windows of a chunk, whose bases are read some at a time."""

import numpy as np
import pandas as pd
import pytest

from cisweep.contracts import digest
from cisweep.genome.fasta import window_tokens
from cisweep.genome.regions import drop_n
from cisweep.plan import chunk_windows
from cisweep.plan.chunk_windows import WindowTokens, usable_windows
from cisweep.plan.chunks import windows_digest


@pytest.mark.parametrize("bases", [1, 1000, 1 << 23])
def test_blocks_change_nothing(small_run, monkeypatch, bases):
    monkeypatch.setattr(chunk_windows, "BASES_AT_ONCE", bases)
    plan = small_run.plan(predict={})
    n_dropped = 0
    for chunk in plan.chunks("m"):
        windows, before = plan.windows("m", chunk)
        tokens = window_tokens(plan.source, windows.chrom, windows.start, windows.end)
        kept, tokens, gone = drop_n(windows, tokens, plan.config.regions.max_n)
        found = usable_windows(plan, "m", chunk)
        assert found.windows.keys() == kept.keys()
        assert found.tokens.shape == tokens.shape and (found.tokens[:] == tokens).all()
        assert (found.tokens[2:5] == tokens[2:5]).all()
        parts = [t for t in (before, gone) if len(t)]
        wanted = pd.concat(parts, ignore_index=True) if parts else gone
        pd.testing.assert_frame_equal(found.dropped, wanted)
        n_dropped += len(gone)
        # Chunks of earlier versions keep their keys.
        assert found.digests == (windows_digest(kept), digest(tokens.tobytes().hex()))
    assert n_dropped > 0


def test_few_bases_are_read_at_once(small_run, monkeypatch):
    plan, sizes = small_run.plan(predict={}), []
    monkeypatch.setattr(chunk_windows, "BASES_AT_ONCE", 1000)

    def told(source, chrom, start, end):
        sizes.append(int(np.sum(end - start)))
        return window_tokens(source, chrom, start, end)

    monkeypatch.setattr(chunk_windows, "window_tokens", told)
    found = usable_windows(plan, "m", plan.chunks("m")[0])
    assert len(found.digests) == 2 and len(sizes) > 10 and max(sizes) == 1000
    none = found.windows.take(slice(0, 0))
    assert list(WindowTokens(plan.source, none, 200).blocks()) == []

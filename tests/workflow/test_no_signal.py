"""The demo's config on the demo's genome, dinucleotide-shuffled: nothing is there to be found."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import demo_config

from cisweep.sequence.tokens import decode_tokens, shuffle_tokens, tokenize

pytestmark = pytest.mark.slow


LENGTH = 300_000  # the end of the demo's genome, which has no N


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory, resources, snakemake):
    """The results of the demo's config, and of the motif discovery, which starts from peaks too.

    The other steps without a window are in test_empty_chunks; five genomes, and what is called in
    them at which rate, in tests/oracle/test_fdr_without_signal.
    """
    pytest.importorskip("modiscolite")
    folder = tmp_path_factory.mktemp("no signal")
    source = pysam.FastaFile(str(resources / "genome" / "chr20_0_1Mb.fa.gz"))
    tokens = tokenize(source.fetch("chr20", 1_000_000 - LENGTH, 1_000_000))
    tokens = shuffle_tokens(tokens[None], np.array([[1]], np.uint64))
    (folder / "g.fa").write_text(f">chr20\n{decode_tokens(tokens[0, 0])}\n")
    pysam.faidx(str(folder / "g.fa"))
    config = demo_config(genome={"fasta": str(folder / "g.fa")}, steps={"discover": {}})
    snakemake(config, folder / "run", timeout=1200)
    return folder / "run" / "results" / "demo"


def test_no_peak_seqlet_or_hit_is_found(shuffled):
    model = shuffled / "ctcf_pu1"
    summary = pd.read_csv(model / "peaks_summary.tsv", sep="\t")
    assert (summary["n_maxima"] > 600).all() and (summary["smallest_q"] > 0.1).all()
    assert summary["n_selected"].tolist() == summary["n_above_chance"].tolist() == [0, 0]
    assert not len(pd.read_csv(model / "peaks.tsv", sep="\t"))
    for name in ("peaks.bed", "seqlets.bed", "hits.bed"):
        assert (model / name).read_text() == "", name
    for name in ("seqlets", "hits"):
        assert not len(pd.read_parquet(model / f"{name}.parquet")), name
    for target in ("ctcf", "pu1"):
        assert not len(pd.read_csv(model / "discover" / f"{target}.tsv", sep="\t"))


def test_the_page_says_so_before_all_else(shuffled):
    html = (shuffled / "report.html").read_text()
    lines = re.findall(r"<li(?: class=\"warning\")?>([^<]*)", html.split("Summary", 1)[1])
    assert lines[0].startswith(
        "Nothing is above chance: no prediction of ctcf, pu1 stands out from dinucleotide-shuffled "
        "sequence at a false discovery rate of 0.1"
    )
    assert "drives ctcf" not in html and "drives pu1" not in html
    assert "No motif is named for ctcf, pu1 for want of predicted peaks" in html

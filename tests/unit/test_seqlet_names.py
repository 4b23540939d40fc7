"""Names of seqlets: random spans get one at the rate that is asked, halves of a motif its name."""

import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.seqlets.annotate_seqlets import match_motifs, token_matrix
from cisweep.analysis.seqlets.names import NameRules, _best_hits, _Places, _share, name_seqlets
from cisweep.genome.fasta import NamedSequences, load_fasta, tokens_of_text
from cisweep.genome.motifs import Motif, load_motifs

N, LENGTH = 120, 200
SITE = "CGTNNNNNNATGAT"


def matrix(text):
    """A matrix that wants the letters of a text; N wants none."""
    rows = [[0.25] * 4 if c == "N" else [0.94 if c == b else 0.02 for b in "ACGT"] for c in text]
    return np.array(rows).T


def table_of(spans, source, sign="+"):
    """Rows of seqlets at (chrom, start, end, window_start)."""
    chrom, start, end, window = zip(*spans)
    return pd.DataFrame({
        "target": "t", "chrom": chrom, "start": start, "end": end, "sign": sign,
        "window_start": window, "window_end": np.array(window) + LENGTH,
        "sequence": [
            "".join("ACGTN"[t] for t in source.tokens(*place)) for place in zip(chrom, start, end)
        ],
    })  # fmt: skip


@pytest.fixture(scope="module")
def motifs():
    """The bipartite motif among 60 made ones, whose short ones are like its halves."""
    rng = np.random.default_rng(3)
    made = [rng.dirichlet([0.3] * 4, rng.integers(6, 16)).T for _ in range(57)]
    made += [matrix("CGTAC"), matrix("TATGATT")]
    return [Motif("bipartite", "ABF1", matrix(SITE))] + [
        Motif(f"m{i}", f"M{i}", m) for i, m in enumerate(made)
    ]


@pytest.fixture(scope="module")
def planted():
    """Random sequences, the motif once in each, on both strands; seqlets are its halves."""
    rng = np.random.default_rng(4)
    tokens, spans = {}, []
    for i in range(N):
        letters, at = rng.integers(0, 4, LENGTH).astype(np.uint8), int(rng.integers(50, 140))
        site = [("ACGT".index(c) if c != "N" else int(rng.integers(0, 4))) for c in SITE]
        forward = i % 2 == 0
        letters[at : at + 14] = site if forward else [3 - t for t in site[::-1]]
        tokens[f"s{i}"] = letters
        halves = [(0, 3), (9, 14)] if forward else [(0, 5), (11, 14)]
        # Ends of calls are not those of the matrix: a base more or less.
        spans += [(f"s{i}", at + a - (a > 0), at + b, 0) for a, b in halves]
    source = NamedSequences(tokens)
    return source, table_of(spans, source)


def test_halves_of_a_motif_carry_its_name(planted, motifs):
    source, table = planted
    named = name_seqlets(table, motifs, source, NameRules())
    by_hit = named[named["name_by"] == "hit"]
    # At a rate of 0.05 chance may name one in twenty; twice as many where no hit decides.
    assert (named["motif"] == "ABF1").mean() > 0.9 and (by_hit["motif"] == "ABF1").mean() > 0.95
    mine = by_hit[by_hit["motif"] == "ABF1"]
    forward = mine["chrom"].str[1:].astype(int) % 2 == 0
    assert (np.where(forward, "+", "-") == mine["motif_strand"]).all()
    assert (mine["name_p_value"] <= 0.05).all() and (mine["motif_p_value"] < 1e-4).all()
    assert mine["motif_q_value"].isna().all() and set(mine["motif_id"]) == {"bipartite"}
    # Alone, most halves are not: their closest matrix is another one.
    lone = pd.concat([table.iloc[::2].assign(sign="-"), table.iloc[1::2]])
    alone = name_seqlets(lone, motifs, source, NameRules())
    assert (alone["name_by"] != "hit").all() and (alone["motif"] == "ABF1").mean() < 0.5


def test_other_targets_signs_and_places_are_no_neighbours(planted, motifs):
    source, table = planted
    for changed in (
        {"sign": np.where(np.arange(len(table)) % 2, "+", "-")},
        {"target": np.where(np.arange(len(table)) % 2, "t", "u")},
    ):
        named = name_seqlets(table.assign(**changed), motifs, source, NameRules())
        assert (named["name_by"] != "hit").all()


def random_spans(source, chrom, n, seed, pairs):
    """Spans of 5 to 20 bases at random in windows, every second with a neighbour behind it."""
    rng = np.random.default_rng(seed)
    windows = rng.integers(0, source.lengths[chrom] // LENGTH - 1, 4 * n) * LENGTH
    spans = []
    for window in np.unique(windows).tolist():
        if (source.tokens(chrom, window, window + LENGTH) > 3).any() or len(spans) >= n:
            continue
        start, a, gap, b = (int(rng.integers(*x)) for x in ((0, 140), (4, 12), (1, 12), (4, 12)))
        spans.append((chrom, window + start, window + start + a, window))
        if pairs:
            spans.append((chrom, spans[-1][2] + gap, spans[-1][2] + gap + b, window))
    return table_of(spans[:n], source)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_random_spans_get_a_name_at_the_rate_that_is_asked(resources, pairs, rate):
    """Real sequence, where Tomtom's q-values do not hold."""
    source = load_fasta(resources / "genome/chr20_0_1Mb.fa.gz")
    motifs = load_motifs(resources / "motifs/JASPAR2026_CORE_vertebrates_nr.meme")[::5]
    spans = random_spans(source, "chr20", 400, 7, pairs)
    named = name_seqlets(spans, motifs, source, NameRules(rate, seed=1))
    share = named["motif"].notna().mean()
    # The rate, and 2.6 standard deviations of 400 spans and of 400 controls a length.
    assert share <= rate + 2.6 * np.sqrt(2 * rate * (1 - rate) / 400)
    assert share > 0 and (named["motif"].notna() == (named["name_p_value"] <= rate)).all()
    assert (named["name_by"].isna() == named["motif"].isna()).all()
    # What Tomtom's q-value lets pass does not hold the rate here: the control can fail.
    queries = [token_matrix(tokens_of_text(s)) for s in spans["sequence"]]
    assert (match_motifs(queries, motifs).q_value[:, 0] <= rate).mean() > share


def test_the_share_of_random_ones_counts_equals_and_the_seqlet_itself():
    null = np.array([0.3, 0.1, 0.2])
    found = _share(np.array([0.05, 0.1, 0.25, 0.9]), null)
    np.testing.assert_allclose(found, [1 / 4, 2 / 4, 3 / 4, 1])


@pytest.mark.parametrize("strand", "+-")
def test_a_match_covers_three_quarters_of_both_seqlets(strand):
    tokens = np.random.default_rng(1).integers(0, 4, 60).astype(np.uint8)
    word = tokens_of_text("AGCTTCGACC")
    tokens[30:40] = word if strand == "+" else 3 - word[::-1]
    source = NamedSequences({"c": tokens})
    motifs = [Motif("other", "O", matrix("GGGGGGGGGG")), Motif("word", "W", matrix("AGCTTCGACC"))]
    model = prepare_motifs(motifs, background=np.full(4, 0.25), threshold=1e-4)
    # Three of four bases of each lie in [30, 40); then two of the left one, two of the right one.
    start = np.array([[29, 37], [28, 37], [29, 38], [2, 37]])
    found = _best_hits(model, source, ["c"] * 4, start, start + 4)
    assert found.motif.tolist() == [1, -1, -1, -1] and found.strand[0] == strand
    assert found.p_value[0] < 1e-4 and found.p_value[1:].tolist() == [1, 1, 1]


def test_random_spans_lie_anywhere_in_a_window():
    windows = (np.array(["c", "d"], object), np.array([100, 500]), np.array([120, 520]))
    places = _Places(*windows, NamedSequences({}), 0)
    drawn = places.draw(np.full(300, 18), 18)
    assert set(drawn) == {("c", s) for s in (100, 101, 102)} | {("d", s) for s in (500, 501, 502)}
    assert set(places.draw(np.full(50, 20), 20)) == {("c", 100), ("d", 500)}


def test_no_seqlets_have_no_names(planted, motifs):
    source, table = planted
    named = name_seqlets(table.iloc[:0], motifs, source, NameRules())
    assert len(named) == 0 and {"motif", "name_by", "name_p_value", "nearest_motifs"} <= set(named)


def test_names_depend_on_the_seed_alone(planted, motifs):
    source, table = planted
    few = table.iloc[:20]
    first, again, other = (
        name_seqlets(few, motifs, source, NameRules(seed=seed)) for seed in (0, 0, 5)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["name_p_value"] != other["name_p_value"]).any()

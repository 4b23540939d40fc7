"""Names of seqlets: random spans get one at the rate that is asked, halves of a motif its name."""

import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.seqlets.annotate_seqlets import match_motifs, token_matrix
from cisweep.analysis.seqlets.driving_hits import Driving
from cisweep.analysis.seqlets.names import NameRules, _best_hits, _moved, _share, name_seqlets
from cisweep.analysis.seqlets.random_places import RandomPlaces
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
    named = name_seqlets(table, motifs, source, NameRules()).table
    by_hit = named[named["name_by"] == "pair"]
    # At a rate of 0.05 chance may name one in twenty; twice as many where no hit decides.
    assert (named["motif"] == "ABF1").mean() > 0.9 and (by_hit["motif"] == "ABF1").mean() > 0.95
    mine = by_hit[by_hit["motif"] == "ABF1"]
    forward = mine["chrom"].str[1:].astype(int) % 2 == 0
    assert (np.where(forward, "+", "-") == mine["motif_strand"]).all()
    assert (mine["name_p_value"] <= 0.05).all() and (mine["motif_p_value"] < 1e-4).all()
    assert mine["motif_q_value"].isna().all() and set(mine["motif_id"]) == {"bipartite"}
    # Alone, most halves are not: their closest matrix is another one.
    lone = pd.concat([table.iloc[::2].assign(sign="-"), table.iloc[1::2]])
    alone = name_seqlets(lone, motifs, source, NameRules()).table
    assert (alone["name_by"] != "pair").all() and (alone["motif"] == "ABF1").mean() < 0.5


def test_other_targets_signs_and_places_are_no_neighbours(planted, motifs):
    source, table = planted
    for changed in (
        {"sign": np.where(np.arange(len(table)) % 2, "+", "-")},
        {"target": np.where(np.arange(len(table)) % 2, "t", "u")},
    ):
        named = name_seqlets(table.assign(**changed), motifs, source, NameRules()).table
        assert (named["name_by"] != "pair").all()


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
    named = name_seqlets(spans, motifs, source, NameRules(rate, seed=1)).table
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
    assert found.motif.tolist() == ["word", "", "", ""] and found.strand[0] == strand
    assert found.p_value[0] < 1e-4 and found.p_value[1:].tolist() == [1, 1, 1]


def test_random_spans_lie_anywhere_in_a_window():
    windows = (np.array(["c", "d"], object), np.array([100, 500]), np.array([120, 520]))
    places = RandomPlaces(*windows, NamedSequences({}), 0, {})
    drawn = places.draw(np.full(300, 18), 18)
    assert set(drawn) == {("c", s) for s in (100, 101, 102)} | {("d", s) for s in (500, 501, 502)}
    assert set(places.draw(np.full(50, 20), 20)) == {("c", 100), ("d", 500)}


def test_random_spans_lie_beside_the_seqlets():
    rows = [("c", 104, 108, 100), ("c", 106, 110, 100), ("c", 290, 300, 100), ("d", 0, 200, 0)]
    table = pd.DataFrame(rows, columns=["chrom", "start", "end", "window_start"])
    table["window_end"] = table["window_start"] + LENGTH
    over = pd.DataFrame({"chrom": ["c"], "start": [108], "end": [112]})
    places = RandomPlaces.of(table, over, NamedSequences({}), 3)
    drawn = places.draw(np.full(2000, 4), 4)
    # The window of d is full: where all draws fall there the last one is taken, 1 of 2 ** 20.
    free = {s for s in range(100, 297) if s + 4 <= 104 or (s >= 112 and s + 4 <= 290)}
    assert set(drawn) == {("c", s) for s in free}
    full = RandomPlaces.of(table.iloc[3:], over.iloc[:0], NamedSequences({}), 3)
    assert set(full.draw(np.full(5, 190), 0)) <= {("d", s) for s in range(11)}


def test_no_seqlets_have_no_names(planted, motifs):
    source, table = planted
    named = name_seqlets(table.iloc[:0], motifs, source, NameRules()).table
    assert len(named) == 0 and {"motif", "name_by", "name_p_value", "nearest_motifs"} <= set(named)


def test_names_depend_on_the_seed_alone(planted, motifs):
    source, table = planted
    few = table.iloc[:20]
    first, again, other = (
        name_seqlets(few, motifs, source, NameRules(seed=seed)).table for seed in (0, 0, 5)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["name_p_value"] != other["name_p_value"]).any()


def driving(table: pd.DataFrame, motif: str = "bipartite") -> Driving:
    """Hits of the planted motif over the two halves that stand in the table one after the other."""
    left, right = table.iloc[::2], table.iloc[1::2]
    hits = pd.DataFrame({
        "target": "t", "chrom": left["chrom"].to_numpy(), "start": left["start"].to_numpy(),
        "end": right["end"].to_numpy(), "strand": "-", "motif_id": motif, "p_value": 1e-5,
    })  # fmt: skip
    ranking = pd.DataFrame({"target": "t", "motif": [motif], "family": "F", "family_rank": 3})
    return Driving(hits, ranking)


def test_a_hit_of_a_driving_family_names_the_seqlets_under_it(planted, motifs):
    """Each half for itself, which Tomtom cannot name; only for the target that it drives."""
    source, table = planted
    lone = table.assign(sign=np.where(np.arange(len(table)) % 2, "+", "-"))
    named = name_seqlets(lone, motifs, source, NameRules(), driving(table))
    found = named.table
    assert (found["name_by"] == "hit").all() and set(found["motif"]) == {"ABF1"}
    assert set(found["motif_strand"]) == {"-"} and set(found["motif_p_value"]) == {1e-5}
    assert set(found["family"]) == {"F"} and set(found["family_rank"]) == {3}
    # Two looks, and of 400 random spans of a length (and the seqlet itself) none lies in a hit.
    assert set(found["name_p_value"]) == {2 / 401} and found["motif_q_value"].isna().all()
    other = name_seqlets(lone.assign(target="u"), motifs, source, NameRules(), driving(table)).table
    assert not (other["name_by"] == "hit").any() and other["family"].isna().all()
    assert set(named.control) == {"t"} and named.control["t"] <= 0.12


@pytest.mark.parametrize(("n_hits", "names"), [(60, True), (3000, False)])
def test_hits_at_random_name_seqlets_at_random_within_the_rate(planted, motifs, n_hits, names):
    """Some are over a seqlet by chance; where they are everywhere they name nothing."""
    source, table = planted
    rng = np.random.default_rng(9)
    at = np.sort(rng.choice(N * LENGTH // 8, n_hits, replace=False)) * 8  # none overlap
    hits = pd.DataFrame({
        "target": "t", "chrom": [f"s{i // LENGTH}" for i in at], "start": at % LENGTH,
        "end": at % LENGTH + 8, "strand": "+", "motif_id": "bipartite",
        "p_value": 10 ** rng.uniform(-7, -4, n_hits),
    })  # fmt: skip
    spans = [(f"s{i}", int(a), int(a) + 6, 0) for i, a in enumerate(rng.integers(0, 190, N))]
    random = table_of(spans, source)
    known = Driving(hits, driving(table).ranking)
    found = name_seqlets(random, motifs, source, NameRules(0.2), known).table
    by_hit = (found["name_by"] == "hit").mean()
    assert by_hit > 0 if names else by_hit <= 0.1
    assert found["motif"].notna().mean() <= 0.2 + 2.6 * np.sqrt(2 * 0.2 * 0.8 / N)


def test_the_best_hit_over_a_span_against_a_loop():
    rng = np.random.default_rng(6)
    starts = np.sort(rng.choice(np.arange(0, 4000, 20), 90, replace=False))
    hits = pd.DataFrame({
        "target": rng.choice(["t", "u"], 90), "chrom": rng.choice(["c", "d"], 90), "start": starts,
        "end": starts + rng.integers(6, 20, 90), "strand": rng.choice(["+", "-"], 90),
        "motif_id": [f"m{i}" for i in range(90)], "p_value": rng.random(90) * 1e-4,
    })  # fmt: skip
    at = rng.integers(0, 4000, 500)
    spans = list(zip(rng.choice(["c", "d", "e"], 500), at, at + rng.integers(4, 60, 500)))
    known = Driving(hits.sample(frac=1, random_state=0), pd.DataFrame())
    found = known.best("t", spans)
    expected = []
    for chrom, start, end in spans:
        best = ("", 1.0)
        for h in hits[(hits["target"] == "t") & (hits["chrom"] == chrom)].itertuples():
            shared = len(set(range(h.start, h.end)) & set(range(start, end)))
            if shared >= 0.75 * min(h.end - h.start, end - start) and h.p_value < best[1]:
                best = (h.motif_id, h.p_value)
        expected.append(best)
    assert list(zip(found.motif, found.p_value)) == expected
    assert len({m for m, _ in expected}) > 20  # some spans hold two
    over = known.over(pd.DataFrame(spans, columns=["chrom", "start", "end"]).assign(target="t"))
    want = hits[hits["motif_id"].isin(found.motif)][["chrom", "start", "end"]]
    rows = set(over.itertuples(index=False, name=None))
    assert rows >= set(want.itertuples(index=False, name=None))


def test_driving_hits_are_winners_of_driving_families():
    hits = pd.DataFrame({
        "chrom": "c", "start": [0, 10, 20, 30], "end": [8, 18, 28, 38], "strand": "+",
        "motif": ["a", "b", "x", "a"], "p_value": 1e-5,
        "best_t": [True, True, True, False], "best_u": [True, True, False, True],
    })  # fmt: skip
    ranking = pd.DataFrame({
        "target": ["t"] * 3 + ["u"] * 3, "motif": ["a", "b", "x"] * 2, "family": "F",
        "family_rank": [1, 1, 2, 2, 2, 1],
    })  # fmt: skip
    families = pd.DataFrame({
        "target": ["t", "t", "u", "u"], "rank": [1, 2, 1, 2], "drives": [True, False, True, False]
    })  # fmt: skip
    known = Driving.of([hits.iloc[:2], hits.iloc[2:]], ranking, families)
    assert known.hits[["target", "motif_id", "start"]].values.tolist() == [
        ["t", "a", 0], ["t", "b", 10],
    ]  # fmt: skip
    assert known.targets == ["t"] and len(known.ranking) == 6
    nothing = pd.DataFrame({"target": []})
    assert Driving.of([hits], nothing, nothing).targets == []


def test_the_control_moves_neighbours_together(planted):
    source, table = planted
    places = RandomPlaces.of(table, table, source, 0)
    moved = _moved(table, places, 30)
    assert len(moved) == 60  # thirty pairs
    assert len(_moved(table.iloc[:2], places, 30)) == 60  # the one pair again and again
    width = (table["end"] - table["start"]).to_numpy()
    gaps = moved["start"].to_numpy()[1::2] - moved["end"].to_numpy()[::2]
    widths = (moved["end"] - moved["start"]).to_numpy()
    true_gaps = set((table["start"].to_numpy()[1::2] - table["end"].to_numpy()[::2]).tolist())
    assert set(gaps.tolist()) <= true_gaps and set(widths.tolist()) <= set(width.tolist())
    for row in moved.itertuples():
        near = table[table["chrom"] == row.chrom]
        assert not ((near["start"] < row.end) & (near["end"] > row.start)).any()
        tokens = source.tokens(row.chrom, row.start, row.end)
        assert row.sequence == "".join("ACGTN"[t] for t in tokens)

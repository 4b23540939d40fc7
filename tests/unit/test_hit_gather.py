"""The gather of hits: any blocks give one table; winners, q-values and sums by hand."""

import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.motifs.chunk import UNIT
from cisweep.analysis.motifs.gather import HitGather, _last_gap
from cisweep.analysis.motifs.hits import HitSums, merge_sums
from cisweep.analysis.motifs.qvalues import cell_qvalues, count_hits
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.genome.motifs import Motif

RNG = np.random.default_rng(4)
MOTIFS = [
    Motif(name, alt, RNG.dirichlet([0.4] * 4, size=w).T)
    for name, alt, w in (("m1", "ONE", 6), ("m2", "", 9), ("m3", "THREE", 12))
]
WIDTHS = np.array([6, 9, 12])
MODEL = prepare_motifs(MOTIFS, threshold=0.01)
TARGETS = ["t", "u"]


def hits(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """n hits on two chromosomes in genome order, with gaps and overlaps."""
    rng = np.random.default_rng(seed)
    chrom = np.sort(rng.choice(["chr2", "chr10"], n))[::-1]  # the order of a .fai, not of letters
    start = rng.integers(0, 3000, n)
    start = np.concatenate([np.sort(start[chrom == c]) for c in ("chr2", "chr10")])
    motif = rng.integers(0, 3, n)
    cells = np.array([rng.integers(*MODEL.cell_offset[m : m + 2]) for m in motif])
    bins = MODEL.best_bins[motif] - (cells - MODEL.cell_offset[motif])
    table = pd.DataFrame({"chrom": chrom, "start": start, "end": start + WIDTHS[motif]})
    table["motif_idx"], table["strand"] = motif.astype(np.int32), rng.choice(["+", "-"], n)
    table["score"] = bins * MODEL.bin_size
    table["p_value"] = MODEL.p_value[cells]
    for t in TARGETS:
        table[f"attribution_{t}"] = rng.normal(size=n)
        table[f"cosine_{t}"] = rng.uniform(-1, 1, n)
        table[f"projection_{t}"] = np.round(rng.uniform(-1, 1, n), 1)
        unknown = [f"{kind}_{t}" for kind in ("attribution", "cosine", "projection")]
        table.loc[rng.random(n) < 0.1, unknown] = np.nan
    return table


def records(table: pd.DataFrame) -> np.ndarray:
    return table[["motif_idx", "score"]].to_records(index=False)


def gathered(table: pd.DataFrame, cuts: list[int]) -> tuple[pd.DataFrame, HitGather]:
    q = cell_qvalues(MODEL, count_hits(MODEL, records(table)), np.full(3, 9000))
    gather = HitGather(MOTIFS, q, TARGETS)
    edges = [0, *cuts, len(table)]
    blocks = [table.iloc[a:b].reset_index(drop=True) for a, b in zip(edges, edges[1:])]
    return pd.concat(list(gather.rows(blocks)), ignore_index=True), gather


def winners(table: pd.DataFrame, fit: pd.Series) -> np.ndarray:
    """The greedy choice, hit by hit, over the whole table."""
    names = [MOTIFS[m].name for m in table["motif_idx"]]
    score = fit.fillna(-np.inf)
    order = sorted(
        range(len(table)),
        key=lambda i: (-score[i], table["p_value"][i], names[i], table["start"][i],
                       table["strand"][i] == "-"),
    )  # fmt: skip
    keep, taken = np.zeros(len(table), bool), {}
    for i in order:
        bases = {(table["chrom"][i], p) for p in range(table["start"][i], table["end"][i])}
        if not any(base in taken for base in bases):
            taken |= dict.fromkeys(bases)
            keep[i] = True
    return keep


@pytest.mark.parametrize("seed", [0, 1])
def test_any_blocks_give_the_same_table_and_sums(seed):
    table = hits(seed=seed)
    whole, gather = gathered(table, [])
    rng = np.random.default_rng(seed)
    for n_cuts in (1, 7, 60):
        cuts = np.sort(rng.integers(0, len(table) + 1, n_cuts)).tolist()  # also empty blocks
        part, other = gathered(table, cuts)
        pd.testing.assert_frame_equal(part, whole)
        for t in TARGETS:
            for mine, its in ((other.sums, gather.sums), (other.places, gather.places)):
                assert (mine[t].total == its[t].total).all()
                assert (mine[t].count == its[t].count).all()
            assert other.largest[t] == gather.largest[t]


def test_each_block_ends_where_no_hit_reaches_over():
    table = hits()
    q = cell_qvalues(MODEL, count_hits(MODEL, records(table)), np.full(3, 9000))
    blocks = (table.iloc[i : i + 5].reset_index(drop=True) for i in range(0, len(table), 5))
    found = list(HitGather(MOTIFS, q, TARGETS).rows(blocks))
    assert len(found) > 20 and sum(map(len, found)) == len(table)
    for left, right in zip(found, found[1:]):
        if left["chrom"].iloc[-1] == right["chrom"].iloc[0]:
            assert left["end"].max() <= right["start"].min() or left["chrom"].nunique() > 1
            mine = left[left["chrom"] == right["chrom"].iloc[0]]
            assert mine["end"].max() <= right["start"].iloc[0]


def test_rows_carry_names_q_values_and_winners():
    table = hits()
    found, _ = gathered(table, [100, 101, 250])
    assert found["motif"].tolist() == [MOTIFS[m].name for m in table["motif_idx"]]
    assert found["name"].tolist() == [["ONE", "m2", "THREE"][m] for m in table["motif_idx"]]
    q = cell_qvalues(MODEL, count_hits(MODEL, records(table)), np.full(3, 9000))
    per_motif, pooled = q.of(table["motif_idx"].to_numpy(), table["score"].to_numpy())
    assert (found["q_value"] == per_motif).all() and (found["q_value_pooled"] == pooled).all()
    assert (per_motif != pooled).any()
    for t in TARGETS:
        assert (
            found[f"best_{t}"].to_numpy() == winners(table, table[f"projection_{t}"].abs())
        ).all()
    assert (found["best_t"] != found["best_u"]).any()


def test_hits_of_two_chromosomes_never_overlap():
    table = hits(40)
    same = table.iloc[:1]
    both = pd.concat([same.assign(chrom=c) for c in ("chr2", "chr10")], ignore_index=True)
    found, _ = gathered(both, [])
    assert found["best_t"].all()


def test_sums_are_those_of_each_motif_on_the_grid():
    table = hits()
    found, gather = gathered(table, [33])
    for t in TARGETS:
        values = np.rint(table[f"attribution_{t}"] / UNIT) * UNIT
        for m in range(3):
            mine = values[table["motif_idx"] == m].dropna()
            assert gather.sums[t].count[m] == len(mine) and gather.sums[t].total[m] == mine.sum()
            won = mine[found.loc[mine.index, f"best_{t}"]]
            assert gather.places[t].count[m] == len(won) < len(mine)
            assert gather.places[t].total[m] == won.sum()
        assert gather.largest[t] == table[f"attribution_{t}"][found[f"best_{t}"]].abs().max()
    null = {t: HitSums(np.full(6, 9), np.arange(6.0)) for t in TARGETS}
    ranking = gather.ranking(null, np.arange(3)).motifs
    assert ranking["target"].tolist() == ["t"] * 3 + ["u"] * 3
    one = ranking[(ranking["target"] == "u") & (ranking["motif"] == "m2")].iloc[0]
    assert one["mean"] == pytest.approx(gather.sums["u"].mean[1])
    assert one["explained"] == gather.places["u"].total[1]
    assert one["null_mean"] == pytest.approx(np.mean([2.0, 3.0]) / 9)
    nothing = HitGather(MOTIFS, gather.q_values, []).ranking({}, np.arange(3))
    assert list(nothing.motifs.columns) == ["target"] and not len(nothing.motifs)


def shown(found: pd.DataFrame, gather: HitGather) -> pd.DataFrame:
    """The hits of the browser by loops: each winner's largest effect, then the greedy choice."""
    largest = {t: found.loc[found[f"best_{t}"], f"attribution_{t}"].abs().max() for t in TARGETS}
    effects = pd.DataFrame(
        {
            t: [
                abs(row[f"attribution_{t}"]) / largest[t] if row[f"best_{t}"] else np.nan
                for _, row in found.iterrows()
            ]
            for t in TARGETS
        }
    )
    # A winner without attribution has no effect, and is no better than one with the least.
    for t in TARGETS:
        effects.loc[found[f"best_{t}"] & effects[t].isna(), t] = 0.0
    wins = effects.notna().any(axis=1)
    mine = found.assign(effect=effects.max(axis=1), target=effects.fillna(-1).idxmax(axis=1))
    mine = mine.assign(motif_idx=[[m.name for m in MOTIFS].index(n) for n in found["motif"]])
    mine = mine[wins].reset_index(drop=True)
    return mine[winners(mine, mine["effect"])]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_browser_sees_one_hit_a_place_by_its_effect(seed):
    found, gather = gathered(hits(seed=seed), [])
    columns = ["chrom", "start", "end", "motif", "strand", "target", "effect"]
    want = shown(found, gather)[columns].reset_index(drop=True)
    for size in (len(found), 7, 1):
        blocks = [found.iloc[i : i + size] for i in range(0, len(found), size)]
        got = pd.concat(list(gather.winners(blocks)), ignore_index=True)
        pd.testing.assert_frame_equal(got[columns], want)
    assert set(got["target"]) == set(TARGETS) and got["effect"].max() == 1
    value = [row[f"attribution_{row['target']}"] for _, row in got.iterrows()]
    np.testing.assert_array_equal(got["attribution"], value)
    assert len(got) < (found["best_t"] | found["best_u"]).sum() < len(found)


def test_targets_of_one_unit_are_compared_in_it():
    """What a target makes little of is not as good as its best hit is to another."""
    table = hits(1)
    table[["attribution_t", "attribution_u", "projection_t", "projection_u"]] = [5, -1, 5, -1]
    q = cell_qvalues(MODEL, count_hits(MODEL, records(table)), np.full(3, 9000))
    for units, effects in (({}, 1), ({"t": "logit", "u": "logit"}, 1)):
        gather = HitGather(MOTIFS, q, ["u", "t"], units)
        (rows,) = gather.winners(list(gather.rows([table])))
        assert rows["effect"].tolist() == [effects]
        assert rows["target"].tolist() == ["t" if units else "u"]  # a tie goes to the first one


def test_without_attributions_the_best_match_takes_its_place():
    table = hits()[["chrom", "start", "end", "motif_idx", "strand", "score", "p_value"]]
    q = cell_qvalues(MODEL, count_hits(MODEL, records(table)), np.full(3, 9000))
    gather = HitGather(MOTIFS, q, [])
    found = pd.concat(list(gather.rows([table])), ignore_index=True)
    got = pd.concat(list(gather.winners([found])), ignore_index=True)
    want = table[winners(table, pd.Series(np.nan, table.index))]
    assert got[["chrom", "start", "end"]].values.tolist() == (
        want[["chrom", "start", "end"]].values.tolist()
    )
    assert "target" not in got


def test_a_gap_is_seen_behind_the_hit_that_reaches_furthest():
    def gap(rows):
        return _last_gap(pd.DataFrame(rows, columns=["chrom", "start", "end"]))

    assert gap([("a", 0, 50), ("a", 5, 10), ("a", 20, 30)]) == 0
    assert gap([("a", 0, 50), ("a", 5, 10), ("a", 50, 60)]) == 2  # they touch, but share no base
    assert gap([("a", 0, 50), ("a", 5, 10), ("a", 49, 60)]) == 0
    assert gap([("a", 900, 950), ("b", 5, 10)]) == 1
    assert gap([("a", 0, 9), ("a", 9, 20), ("b", 5, 90), ("b", 6, 9), ("b", 80, 99)]) == 2


def test_sums_of_chunks_are_added_and_left_as_they_were():
    parts = [HitSums(np.array([1, 2]), np.array([0.5, -1.0])),
             HitSums(np.array([3, 0]), np.array([2.0, 0.0]))]  # fmt: skip
    merged = merge_sums(iter(parts))
    assert merged.count.tolist() == [4, 2] and merged.total.tolist() == [2.5, -1.0]
    assert parts[0].count.tolist() == [1, 2] and parts[0].total.tolist() == [0.5, -1.0]
    assert len(merge_sums([]).count) == 0


def test_of_a_sweep_the_rows_with_an_attribution_are_selected():
    table, gather = gathered(hits(), [])
    blocks = [table[:150], table[150:]]
    found = pd.concat(list(gather.selected(blocks)))
    known = table[[f"attribution_{t}" for t in TARGETS]].notna().any(axis=1)
    assert 0 < known.sum() < len(table)
    pd.testing.assert_frame_equal(found, table[known])
    none = HitGather(MOTIFS, gather.q_values, [])
    assert not any(len(rows) for rows in none.selected(blocks))

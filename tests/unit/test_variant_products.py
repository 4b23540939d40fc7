"""Products of variants: selected rows, the gather's two passes, VCF, figures."""

import numpy as np
import pandas as pd
import pysam
import pytest
import scipy.stats

from cisweep.analysis.variants.gather import Strongest, VariantGather, volcano_axes, volcano_title
from cisweep.analysis.variants.scores import EFFECT_COLUMNS, NullPool
from cisweep.errors import ProductError
from cisweep.genome.variants.reading import Variant
from cisweep.outputs.tables import write_parquet
from cisweep.outputs.variants import (
    GATHERED_COLUMNS,
    EffectWriter,
    effect_blocks,
    effect_schema,
    one_based,
    owned_blocks,
    peak_values,
    read_selected,
    write_selected,
)
from cisweep.outputs.vcf import INFO_OF_COLUMN, VcfWriter, move_index, read_info
from cisweep.plot.effects import plot_volcano
from cisweep.plot.saving import save_figure

LENGTHS = {"c2": 500, "c1": 300}


def effects(n=8, seed=0):
    """A table of effects of n variants on the targets a and b, in genome order."""
    rng = np.random.default_rng(seed)
    pos = np.sort(rng.choice(np.arange(10, 290), n, replace=False))
    chrom = ["c2"] * (n // 2) + ["c1"] * (n - n // 2)
    pos[n // 2 :] = np.sort(pos[n // 2 :])
    rows = {
        "chrom": chrom, "start": pos, "end": pos + 1, "pos": pos, "ref": "A", "alt": "G",
        "id": [f"rs{i}" if i % 2 else "." for i in range(n)], "group": "", "kind": "snv",
        "shifted_bp": 0, "source": [f"{c}:{p + 1}:A:G" for c, p in zip(chrom, pos)], "n_joined": 1,
        "haplotype": "",
    }  # fmt: skip
    table = pd.DataFrame(rows).loc[np.repeat(np.arange(n), 2)].reset_index(drop=True)
    table["target"] = ["a", "b"] * n
    table["scale"] = "logit"
    for column in EFFECT_COLUMNS[EFFECT_COLUMNS.index("prediction_ref") :]:
        table[column] = rng.normal(size=2 * n).astype(np.float32)
    table["delta"] = table["prediction_alt"] - table["prediction_ref"]
    for column in ("log2fc", "profile_jsd", "profile_max", "profile_max_abs"):
        table[column] = np.float32("nan")
    return table[EFFECT_COLUMNS]


def test_selected_variants_are_read_by_place(tmp_path):
    variants = [
        Variant("c2", 99, "A", "G", row=2),
        Variant("c2", 100, "AT", "A", row=3, shifted_bp=4, genotype="0|1:7"),
        Variant("c1", 5, "A", "G", "x", "exon", 1, 0, "c1:6:A:G"),
    ]
    path = tmp_path / "selected.parquet"
    assert write_selected(iter(variants), path) == 3
    everything = read_selected(path, [("c2", 0, 500), ("c1", 0, 300)])
    assert everything == variants
    assert read_selected(path, [("c2", 100, 200)]) == [variants[1]]
    assert read_selected(path, [("c2", 200, 300)]) == []
    assert read_selected(path, [("c2", 99, 100)]) == [variants[0]]
    # A file says POS as a VCF does.
    assert pd.read_parquet(path)["pos_1based"].tolist() == [100, 101, 6]
    for low, high, n in ((99, 100, 1), (98, 99, 0), (100, 101, 1)):
        assert len(list(owned_blocks(path, [("c2", low, high)], 1, None))) == n
    write_selected([], path)
    assert read_selected(path, [("c2", 0, 500)]) == []


def test_the_gather_gives_the_same_numbers_for_any_chunks(tmp_path):
    table, rng = effects(12), np.random.default_rng(5)
    pool = NullPool(rng.integers(0, 2**60, 40).astype(np.uint64), rng.normal(size=(40, 2)))
    peaks = {"a": rng.normal(size=30), "b": np.empty(0)}
    results = []
    for cuts in ([0, 24], [0, 4, 10, 24]):
        parts = []
        for i, (begin, end) in enumerate(zip(cuts, cuts[1:])):
            parts.append(tmp_path / f"{len(cuts)}_{i}.parquet")
            write_parquet(one_based(table[begin:end]), parts[-1], effect_schema(EFFECT_COLUMNS), {})
        gather = VariantGather(["a", "b"], pool, peaks)
        for block in effect_blocks(parts):
            gather.count(block)
        out = [tmp_path / f"{len(cuts)}.{suffix}" for suffix in ("tsv", "parquet")]
        with EffectWriter(*out, [*EFFECT_COLUMNS, *GATHERED_COLUMNS], {}) as writer:
            for block in effect_blocks(parts):
                writer.append(gather.finish(block))
        results.append([path.read_bytes() for path in out])
    assert results[0] == results[1]
    found = pd.read_parquet(out[1])
    for t, target in enumerate("ab"):
        rows = found[found["target"] == target]
        null = np.abs(pool.deltas[:, t].astype(np.float32))
        p = [(1 + (null >= abs(d)).sum()) / 41 for d in rows["delta"]]
        assert rows["p_value"].to_numpy() == pytest.approx(p, rel=1e-5)
        q = scipy.stats.false_discovery_control(p)
        assert rows["q_value"].to_numpy() == pytest.approx(q, rel=1e-5)
    a = found[found["target"] == "a"]
    larger = a[["prediction_ref", "prediction_alt"]].max(axis=1)
    assert a["active_allele_quantile"].to_numpy() == pytest.approx(
        [(peaks["a"] <= x).mean() for x in larger]
    )
    assert found[found["target"] == "b"]["active_allele_quantile"].isna().all()
    back = pd.read_csv(out[0], sep="\t")
    for file in (found, back):
        assert file["pos_1based"].tolist() == (table["pos"] + 1).tolist()
        assert file["start"].tolist() == table["start"].tolist()  # 0-based, as in BED
        assert "pos" not in file
    assert back["delta"].to_numpy().astype(np.float32) == pytest.approx(found["delta"].to_numpy())


def test_without_nulls_there_are_no_p_values():
    gather = VariantGather(["a", "b"], NullPool.empty(2), {})
    gather.count(effects())
    assert gather.finish(effects())[GATHERED_COLUMNS].isna().all().all()


def test_the_strongest_rows_do_not_depend_on_blocks():
    table = effects(30)
    table.loc[[4, 6, 8], "delta"] = np.float32(7)  # ties
    whole, parts = Strongest(5), Strongest(5)
    whole.add(table)
    for begin in (40, 0, 20):
        parts.add(table[begin : begin + 20])
    pd.testing.assert_frame_equal(whole.table, parts.table)
    for target in "ab":
        rows = table[table["target"] == target]["delta"].abs()
        kept = whole.table[whole.table["target"] == target]["delta"].abs()
        assert sorted(kept) == sorted(rows.nlargest(5))
    nothing = Strongest(0)
    nothing.add(table)
    assert len(nothing.table) == 0


def test_vcf_has_declared_fields_and_an_index(tmp_path):
    table = effects(8)
    table["active_allele_quantile"], table["p_value"], table["q_value"] = 0.5, 0.01, np.nan
    table.loc[table["pos"] == table["pos"][0], ["group", "source"]] = ["5' UTR; x", "c2:99:AT:A"]
    table.loc[table["pos"] == table["pos"][0], "shifted_bp"] = 3
    path = tmp_path / "variants.vcf.gz"
    with VcfWriter(path, LENGTHS, ["a", "b"], list(INFO_OF_COLUMN), "cisweep test") as writer:
        writer.append(table[:6])
        writer.append(table[6:])
    found = read_info(path, ["DELTA_a", "DELTA_b", "LFC_a", "P_b", "SOURCE", "SHIFTED", "GROUP"])
    assert found["pos"].tolist() == table["pos"][::2].tolist()
    assert found["DELTA_a"].to_numpy() == pytest.approx(table["delta"][::2].to_numpy(), rel=1e-4)
    assert found["DELTA_b"].to_numpy() == pytest.approx(table["delta"][1::2].to_numpy(), rel=1e-4)
    assert found["P_b"].to_numpy() == pytest.approx(0.01)
    assert found["LFC_a"].isna().all()  # NaN is left out, not written
    assert found["SOURCE"][0] == "c2:99:AT:A" and found["SOURCE"][1:].isna().all()
    assert (found["SHIFTED"][0], found["GROUP"][0]) == (3, "5'%20UTR%3B%20x")
    with pysam.VariantFile(str(path)) as handle:
        declared = handle.header.info
        assert declared["DELTA_a"].number == "A" and declared["DELTA_a"].type == "Float"
        assert [r.pos for r in handle.fetch("c1")] == (table["pos"][8::2] + 1).tolist()
    with open(path, "rb") as handle:
        assert handle.read(16)[12:14] == b"BC"  # bgzip, not gzip
    move_index(path, tmp_path / "moved.tbi")
    assert (tmp_path / "moved.tbi").is_file()
    with (
        pytest.raises(ProductError, match="3 rows do not hold 2 targets"),
        VcfWriter(tmp_path / "x.vcf.gz", LENGTHS, ["a", "b"], ["delta"], "x") as writer,
    ):
        writer.append(table[:3])


def test_peak_values_are_of_the_selected_windows():
    from cisweep.contracts import Windows

    windows = Windows.build(["c1"] * 4, [0, 10, 20, 30], [5, 15, 25, 35])
    blocks = [
        (windows.take(slice(0, 3)), np.arange(3.0)),
        (windows.take(slice(3, 4)), np.array([9.0])),
    ]
    assert peak_values(blocks, {("c1", 10), ("c1", 30)}).tolist() == [1.0, 9.0]
    assert peak_values(blocks, None).tolist() == [0.0, 1.0, 2.0, 9.0]
    assert len(peak_values([], None)) == 0


def test_the_volcano_shows_what_there_is(tmp_path):
    table = effects(8).assign(active_allele_quantile=np.nan, p_value=np.nan, q_value=np.nan)
    assert volcano_axes(table)[3] == "prediction of the more active allele"
    ranked = table.assign(active_allele_quantile=0.5)
    assert volcano_axes(ranked)[3] == "active allele quantile"
    tested = table.assign(p_value=0.01, q_value=0.04, log2fc=1.0)
    effect, name, significance, y_name = volcano_axes(tested)
    assert (name, y_name, significance[0]) == ("log2 fold change", "-log10 p", pytest.approx(2))
    ax = plot_volcano([1.0, np.nan, -3.0], [1.0, 2.0, 3.0], ["x", "y", "z"], n_labels=1)
    assert [t.get_text() for t in ax.texts] == ["z"]
    assert len(ax.collections[0].get_offsets()) == 2
    assert volcano_title(table, "ctcf") == volcano_title(table[:0], "ctcf") == "ctcf"
    assert volcano_title(tested, "ctcf") == "ctcf: 16 of 16 with q < 0.05"
    ax = plot_volcano([1.0, 2.0], [1.0, 2.0], activity=np.array([0.1, 0.9]))
    assert ax.collections[0].get_array().tolist() == [0.1, 0.9]
    for name in ("a.svg", "b.svg"):
        save_figure(plot_volcano([1.0, -3.0], [1.0, 3.0]), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()

"""The step ism: which regions it takes, its file, its figure, and what is wrong with a config."""

import numpy as np
import pyBigWig
import pysam
import pytest
import yaml

from cisweep.analysis.mutagenesis.windows import Mutants
from cisweep.contracts import Windows
from cisweep.errors import ConfigError, RegionError
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.h5 import merge, open_rows
from cisweep.outputs.mutagenesis import span_blocks, strongest_regions, write_chunk
from cisweep.plan.chunk_windows import read_peaks
from cisweep.plan.contents.ism import IsmRegions, strongest_peaks
from cisweep.plan.plan import Plan
from cisweep.plot.mutagenesis import MutatedRegion, busiest, plot_mutagenesis, save_mutagenesis


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("ism") / "g.fa"
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), 3000))
    path.write_text(f">c1\n{text[:1000]}{'N' * 300}{text[1300:2000]}\n>c2\n{text[2000:]}\n")
    pysam.faidx(str(path))
    return path


@pytest.fixture
def regions(genome, root, tmp_path):
    def make(rows: str | None = None, **step) -> IsmRegions:
        if rows is not None:
            (tmp_path / "r.bed").write_text(rows)
            step["bed"] = str(tmp_path / "r.bed")
        data = yaml.safe_load((root / "config" / "demo.yaml").read_text())
        data["genome"], data["chunk_bp"] = {"fasta": str(genome)}, 600
        data["regions"]["chroms"] = "c.*"
        data["steps"] = {"predict": {}, "ism": step}
        return IsmRegions(Plan.from_config(data, root))

    return make


BED = "c2\t500\t502\tx\t0\t-\nc1\t200\t201\nc1\t1140\t1150\nc1\t20\t30\nc1\t200\t201\n"


def test_the_rows_of_a_bed_are_in_the_chunk_of_their_centre(regions):
    found = regions(BED)
    found.check()
    chunks = found.chunks("ctcf_pu1")
    assert chunks == ["c000000", "c000001", "c000004"]
    parts = [found.windows("ctcf_pu1", chunk, None) for chunk in chunks]
    assert [p.windows.keys() for p in parts] == [["c1:100-300(.)"], [], ["c2:401-601(-)"]]
    assert [p.tokens.shape for p in parts] == [(1, 200), (0, 200), (1, 200)]
    reasons = [p.dropped["reason"].tolist() for p in parts]
    assert reasons == [["off_chromosome_end", "duplicate"], ["too_many_n"], []]


def test_one_changed_row_changes_the_key_of_one_chunk(regions):
    first, second = regions(BED), None
    keys = [first.key("ctcf_pu1", c) for c in first.chunks("ctcf_pu1")]
    second = regions(BED.replace("500\t502", "510\t512"))
    again = [second.key("ctcf_pu1", c) for c in second.chunks("ctcf_pu1")]
    assert [a == b for a, b in zip(keys, again)] == [True, True, False]


def test_without_a_bed_the_runs_own_regions_are_taken(regions, tmp_path):
    found = regions()
    assert found.chunks("ctcf_pu1") == found.plan.chunks("ctcf_pu1")
    assert len(found.windows("ctcf_pu1", "c000000", None).windows) == 5
    peaks = tmp_path / "peaks.bed"
    peaks.write_text("c1\t100\t300\tctcf\t1\t.\n")
    assert len(found.windows("ctcf_pu1", "c000000", peaks).windows) == 1
    assert len(found.windows("ctcf_pu1", "c000001", peaks).windows) == 0


def test_faults_of_the_config(regions):
    with pytest.raises(ConfigError, match=r"span_bp 201 is more than the window of ctcf_pu1"):
        regions(span_bp=201).check()
    with pytest.raises(RegionError, match=r"r\.bed, line 1"):
        regions("c1\t9\t5\n").check()
    with pytest.raises(RegionError, match="no region lies on a chromosome"):
        regions("chr7\t5\t9\n").check()
    with pytest.raises(RegionError, match="no such BED file"):
        regions(bed="none.bed").check()
    assert regions(span_bp=51).span("ctcf_pu1") == (75, 126)
    assert regions().span("ctcf_pu1") == (0, 200)


def test_the_strongest_peaks_of_each_target(tmp_path):
    path = tmp_path / "peaks.bed"
    rows = [("a", 1), ("a,b", 2), ("b", 3), ("a", 4), ("a", 5)]
    path.write_text("".join(f"c\t{10 * s}\t{10 * s + 9}\t{n}\t0\t.\n" for n, s in rows))
    predictions = {"a": np.array([5.0, 1, 9, 7, 7]), "b": np.array([9.0, 2, 1, 9, 9])}
    peaks = read_peaks(path)
    assert strongest_peaks(peaks, predictions, 2).tolist() == [1, 2, 3, 4]
    assert strongest_peaks(peaks, predictions, 1).tolist() == [1, 3]
    assert strongest_peaks(peaks, predictions, None).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["a,b", "é", ""])
def test_peaks_of_any_chromosome_are_read(tmp_path, name):
    path = tmp_path / "peaks.bed"
    path.write_text(f"track\t5\t9\t{name}\t0\t.\n#b\t1\t3\tx\t7\t-\n", encoding="utf-8")
    peaks = read_peaks(path)
    assert peaks.keys() == ["track:5-9(.)", "#b:1-3(-)"]
    assert peaks.name.tolist() == [name, "x"]
    path.write_text("")
    assert len(read_peaks(path)) == 0


def test_a_place_belongs_to_the_strongest_peak_of_its_target_over_it(tmp_path):
    path = tmp_path / "peaks.bed"
    rows = [
        *(("c", 0, "a"), ("c", 5, "a"), ("c", 9, "a"), ("c", 10, "a"), ("c", 14, "a")),
        *(("d", 5, "a"), ("d", 5, "b")),
    ]
    path.write_text("".join(f"{c}\t{s}\t{s + 10}\t{n}\t0\t.\n" for c, s, n in rows))
    peaks = read_peaks(path)
    values = np.array([3.0, 5, 4, 2, 3, 1, 0])
    predictions = {"a": values, "b": values[::-1]}
    # Of target a on c, 5 to 15 is first and leaves no room but at its ends; d is apart.
    assert strongest_peaks(peaks, predictions, 2).tolist() == [1, 5, 6]
    assert strongest_peaks(peaks, {"a": -values}, 3).tolist() == [0, 3, 5]
    # By brute force: the strongest of those that overlap none stronger that was taken.
    rng = np.random.default_rng(0)
    for _ in range(20):
        start, value = rng.integers(0, 300, 40), rng.random(40)
        path.write_text("".join(f"c\t{s}\t{s + 10}\ta\t0\t.\n" for s in start))
        wanted: list[int] = []
        for row in np.argsort(-value).tolist():
            if all(abs(start[row] - start[k]) >= 10 for k in wanted):
                wanted.append(row)
        found = strongest_peaks(read_peaks(path), {"a": value}, 8)
        assert found.tolist() == sorted(wanted[:8])
        assert strongest_peaks(read_peaks(path), {"a": value}, None).tolist() == sorted(wanted)


@pytest.fixture
def file(tmp_path):
    """Merged from chunks of 2, 0 and 3 regions; positions 1 to 5 of 6 were mutated."""
    rng = np.random.default_rng(2)
    start = np.array([0, 3, 40, 60, 61])
    windows = Windows.build(["c"] * 5, start, start + 6, list("..-.."))
    tokens = rng.integers(0, 4, (5, 6)).astype(np.uint8)
    one_hot = np.eye(5, 4, dtype=np.float32)[tokens[:, 1:5]].transpose(0, 2, 1)
    effects = rng.normal(size=(1, 5, 4, 4)).astype(np.float32) * (1 - one_hot)
    original = np.array([[3.0, 9, 1, 9, 4]], dtype=np.float32)
    sd = np.zeros((1, 5, 4), np.float32)
    attrs, parts = {"span_start": 1, "span_end": 5}, []
    for i, rows in enumerate([slice(0, 2), slice(2, 2), slice(2, 5)]):
        parts.append(tmp_path / f"{i}.h5")
        found = Mutants(original[:, rows], effects[:, rows], sd[:, rows], one_hot[rows])
        blocks = [(windows.take(rows), tokens[rows], found)]
        span = (attrs["span_start"], attrs["span_end"])
        write_chunk(parts[-1], blocks, tokens.shape[1], span, ["t"], attrs)
    assert merge(parts, tmp_path / "ism.h5", attrs) == 5
    return tmp_path / "ism.h5", Mutants(original, effects, sd, one_hot)


def test_the_file_holds_what_was_found(file):
    path, found = file
    with open_rows(path) as handle:
        assert (handle["effects/t"][:] == found.effects[0]).all()
        assert (handle["hypothetical/t"][:] == found.hypothetical[0]).all()
        assert (handle["attributions/t"][:] == found.projected[0]).all()
        assert handle["tokens"].shape == (5, 6)


def test_the_track_covers_the_mutated_positions(file, tmp_path):
    path, found = file
    write_bigwig(tmp_path / "t.bw", {"c": 100}, span_blocks(path, "t"))
    with pyBigWig.open(str(tmp_path / "t.bw")) as track:
        values = track.values("c", 0, 100, numpy=True)
    covered = [1, 2, 3, 4, 5, 6, 7, *range(41, 45), *range(61, 66)]
    assert np.flatnonzero(~np.isnan(values)).tolist() == covered
    assert values[41:45] == pytest.approx(found.projected[0, 2])


def test_the_strongest_regions_are_drawn(file, tmp_path):
    path, found = file
    regions = [MutatedRegion(*r) for r in strongest_regions(path, "t", 3)]
    assert [r.title for r in regions] == [
        "c:5-8, prediction 9", "c:62-65, prediction 9", "c:63-66, prediction 4",
    ]  # fmt: skip
    assert (regions[0].effects == found.effects[0, 1]).all()
    assert (regions[0].one_hot == found.one_hot[1]).all()
    # The solver of the layout is not the same to the last bit each time; the bytes must be.
    for i in range(8):
        save_mutagenesis(regions, tmp_path / f"{i}.svg", name="t")
    assert len({(tmp_path / f"{i}.svg").read_bytes() for i in range(8)}) == 1
    save_mutagenesis([], tmp_path / "none.png", name="t")
    assert (tmp_path / "none.png").stat().st_size
    assert strongest_regions(path, "t", 0) == []


def test_all_regions_of_a_target_have_one_scale_of_colours(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("cisweep.plot.mutagenesis.save_figure", lambda ax, path: drawn.append(ax))
    bases = np.eye(4)[:, :3]
    regions = [MutatedRegion(f"r{k}", np.full((4, 3), k), np.ones(3), bases) for k in (2.0, -5.0)]
    save_mutagenesis(regions, tmp_path / "x.svg", name="t")
    images = [image for ax in drawn[0].figure.axes for image in ax.images]
    assert [(i.norm.vmin, i.norm.vmax) for i in images] == [(-5, 5)] * 2


def test_the_image_holds_the_effects():
    effects = np.arange(-6, 6).reshape(4, 3)
    image = plot_mutagenesis(effects)
    assert (image.get_array() == effects).all()
    assert (image.norm.vmin, image.norm.vmax) == (-6, 6)
    assert busiest(np.array([[0, 1, 0, 5, 4, 0.0]]), 2) == slice(3, 5)
    assert busiest(effects, 9) == slice(0, 3)

"""What the page's explorer holds of a run: places, and tracks cut out at them."""

import base64
import gzip

import numpy as np
import pyBigWig
import pytest

from cisweep.genome.fasta import load_fasta
from cisweep.report.slices import Places, bigwig_uri, reference_uri, rows_uri

LENGTHS = {"c2": 100, "c1": 1000}


def _data(uri: str) -> bytes:
    head, _, text = uri.partition(";base64,")
    data = base64.b64decode(text)
    return gzip.decompress(data) if head == "data:application/gzip" else data


def test_places_are_joined_cut_off_and_in_the_order_of_the_genome():
    wanted = [("c1", 500, 600), ("c1", -20, 30), ("c2", 90, 130), ("c1", 600, 650), ("c1", 20, 40)]
    places = Places(wanted, LENGTHS)
    assert list(places) == [("c2", 90, 100), ("c1", 0, 40), ("c1", 500, 650)]
    assert places.bp == 200


def test_a_stretch_touches_a_place_where_one_base_is_in_both():
    rng = np.random.default_rng(0)
    wanted = [("c1", s, s + int(n)) for s, n in zip(range(0, 1000, 90), rng.integers(1, 60, 12))]
    places = Places(wanted, LENGTHS)
    held = {b for chrom, s, e in wanted for b in range(s, min(e, 1000))}
    for start, width in zip(rng.integers(0, 990, 500), rng.integers(1, 80, 500)):
        start, end = int(start), int(start + width)
        assert places.touch("c1", start, end) == any(b in held for b in range(start, end))
    assert not places.touch("c2", 0, 100) and not places.touch("unknown", 0, 1)


@pytest.fixture
def places():
    return Places([("c1", 100, 200), ("c1", 700, 720), ("c2", 0, 10)], LENGTHS)


def test_a_bigwig_keeps_its_values_at_the_places_alone(tmp_path, places):
    values = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    values[110:130] = 0.5
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader(list(LENGTHS.items()))
        file.addEntries("c1", 0, values=values[:800].astype(float).tolist(), span=1, step=1)
    (tmp_path / "cut.bw").write_bytes(_data(bigwig_uri(tmp_path / "x.bw", places)))
    with pyBigWig.open(str(tmp_path / "cut.bw")) as file:
        assert file.chroms() == LENGTHS
        kept = np.array(file.values("c1", 0, 1000))
        assert not file.intervals("c2")
    inside = np.zeros(1000, bool)
    inside[100:200] = inside[700:720] = True
    np.testing.assert_array_equal(kept[inside], values[inside])
    assert np.isnan(kept[~inside]).all()
    assert _data(bigwig_uri(tmp_path / "x.bw", None)) == (tmp_path / "x.bw").read_bytes()


@pytest.mark.parametrize("name", ["x.bed", "x.vcf", "x.vcf.gz"])
def test_rows_that_touch_a_place_are_kept(tmp_path, places, name):
    if name == "x.bed":
        rows = ["c1\t90\t100\tbefore", "c1\t199\t201\tedge", "c2\t3\t4\tin", "c1\t720\t730\tafter"]
        expected = rows[1:3]
    else:  # POS is 1-based, and the alleles of REF are the span
        head = "##fileformat=VCFv4.3"
        rows = [
            head,
            "#CHROM\tPOS",
            "c1\t100\t.\tA\tT\t.",
            "c1\t99\t.\tAAC\tT\t.",
            "c1\t201\t.\tA\tC\t.",
        ]
        expected = rows[:2] + rows[3:4]
    text = "\n".join(rows) + "\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert _data(rows_uri(path, places)).decode().splitlines() == expected
    assert _data(rows_uri(path, None)).decode() == text


def test_a_header_that_igv_could_not_read_is_left_out(tmp_path, places):
    """Its < and > would be made harmless."""
    head = '##fileformat=VCFv4.3\n##INFO=<ID=X,Number=1,Type=Float,Description="x">\n#CHROM\tPOS\n'
    (tmp_path / "x.vcf").write_text(head + "c1\t201\t.\tA\tC\t.\n")
    expected = "##fileformat=VCFv4.3\n#CHROM\tPOS\n"
    assert _data(rows_uri(tmp_path / "x.vcf", places)).decode() == expected
    assert _data(rows_uri(tmp_path / "x.vcf", None)).decode() == expected + "c1\t201\t.\tA\tC\t.\n"


def test_no_name_of_a_row_becomes_html(tmp_path):
    (tmp_path / "x.bed").write_text("c1\t1\t2\t<img src=x onerror=alert(1)>\n")
    assert _data(rows_uri(tmp_path / "x.bed", None)).decode() == (
        "c1\t1\t2\t‹img src=x onerror=alert(1)›\n"
    )


def test_the_reference_holds_the_bases_of_each_place(small_run):
    genome = load_fasta(small_run.folder / "genome.fa")
    places = Places([("c1", 2390, 2410), ("c2", 0, 5)], genome.lengths)
    text = _data(reference_uri(genome, places, ["c1"])).decode()
    first, second = small_run.bases("c1", 2390, 2410), small_run.bases("c2", 0, 5)
    assert text == f">c1:2391-2410 @len=3000\n{first}\n>c2:1-5 @len=2000\n{second}\n"
    whole = _data(reference_uri(genome, None, ["c2"])).decode()
    assert whole == f">c2:1-2000 @len=2000\n{small_run.bases('c2', 0, 2000)}\n"

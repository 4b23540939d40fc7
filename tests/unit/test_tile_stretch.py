"""Tiles of a part of each chosen chromosome: regions.tile.start and end."""

import numpy as np
import pytest
import yaml

from cisweep.errors import ConfigError
from cisweep.plan.accounting import n_regions
from cisweep.plan.page import summary
from cisweep.plan.plan import Plan

LENGTHS = {"chr1": 9_000, "chr2": 4_000, "other": 9_000}


@pytest.fixture
def made(root, tmp_path):
    """Return the function that makes the plan of a run with the given tiles."""
    offset, lines = 0, []
    with open(tmp_path / "g.fa", "w") as file:
        for name, length in LENGTHS.items():
            file.write(f">{name}\n{'A' * length}\n")
            offset += len(name) + 2
            lines.append(f"{name}\t{length}\t{offset}\t{length}\t{length + 1}\n")
            offset += length + 1
    (tmp_path / "g.fa.fai").write_text("".join(lines))
    data = yaml.safe_load((root / "config" / "demo.yaml").read_text())

    def make(chunk_bp=2_500, edge="drop", **tile):
        regions = {"tile": {"stride_bp": 70, **tile}, "chroms": "chr.*", "edge": edge}
        run = {"genome": {"fasta": str(tmp_path / "g.fa")}, "regions": regions}
        plan = Plan.from_config(data | run | {"chunk_bp": chunk_bp}, root)
        plan.check_inputs()
        return plan

    return make


def all_tiles(plan: Plan) -> list[tuple[str, int]]:
    parts = [plan.windows("ctcf_pu1", c) for c in plan.chunks("ctcf_pu1")]
    found = [(c, int(s)) for w, _ in parts for c, s in zip(w.chrom, w.start)]
    dropped = sum(len(d) for _, d in parts)
    assert len(found) + dropped == n_regions(plan, "ctcf_pu1")
    return found


@pytest.mark.parametrize("edge", ["drop", "pad"])
@pytest.mark.parametrize("chunk_bp", [400, 2_500, 50_000])
@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (1_000, 3_000), (3_950, 5_000), (0, 101), (8_000, 99_999)]
)
def test_tiles_are_those_of_the_whole_with_their_centre_in_the_part(
    made, start, end, chunk_bp, edge
):
    whole = all_tiles(made(edge=edge))
    stop = np.inf if end is None else end
    expected = [(c, s) for c, s in whole if start <= s + 100 < stop]
    assert all_tiles(made(chunk_bp, edge, start=start, end=end)) == expected
    assert expected


def test_only_chunks_that_hold_tiles_have_jobs(made):
    assert made(start=5_000, end=7_000).chunks("ctcf_pu1") == ["c000002"]
    assert len(made().chunks("ctcf_pu1")) == 6


def test_the_part_determines_the_chunks_key(made):
    key = made().chunk_key("ctcf_pu1", "c000001")
    assert made(start=0, end=9_000).chunk_key("ctcf_pu1", "c000001") == key
    assert made(start=2_500, end=5_000).chunk_key("ctcf_pu1", "c000001") == key
    assert made(start=2_501, end=5_000).chunk_key("ctcf_pu1", "c000001") != key


def test_the_page_says_which_part(made):
    assert summary(made())["regions"] == "tiles every 70 bp"
    said = summary(made(start=1_000, end=3_000))["regions"]
    assert said == "tiles every 70 bp from 1,000 to 3,000 of chr.*"
    assert summary(made(start=5))["regions"].endswith("from 5 to the end of chr.*")


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        ({"start": 5, "end": 5}, "regions.tile.start 5 is not before end 5"),
        ({"start": 9_000}, "regions.tile: start 9000 is beyond the end of every chromosome"),
        ({"start": -1}, "regions.tile.start: .*greater than or equal to 0"),
        ({"end": 0}, "regions.tile.end: .*greater than or equal to 1"),
    ],
)
def test_parts_that_hold_nothing_are_refused(made, tile, message):
    with pytest.raises(ConfigError, match=message):
        made(**tile)

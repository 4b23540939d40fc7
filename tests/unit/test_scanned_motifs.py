"""Which motifs hits scans: those of the file, those that the run discovers, or both."""

from types import SimpleNamespace

import numpy as np
import pytest

from cisweep.analysis.motifs.discover import write_meme
from cisweep.analysis.motifs.hits import HitSums
from cisweep.analysis.motifs.ranking import TargetSums, rank_motifs
from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.plan.contents.motifs import scanned_files, scanned_motifs
from cisweep.steps.hits import HitsConfig


def matrix(width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([0.3] * 4, width).T


@pytest.fixture
def run(tmp_path):
    """Returns the plan of a run: (the motifs of the file, the discovered ones, what is scanned)."""

    def plan(given, found, which) -> SimpleNamespace:
        clusters = tmp_path / "results" / "motif_clusters" / "clusters.meme"
        clusters.parent.mkdir(parents=True)
        write_meme([Motif(i, alt, matrix(w), 10) for i, alt, w in found], clusters)
        write_meme([Motif(i, alt, matrix(w, 1), 10) for i, alt, w in given], tmp_path / "m.meme")
        models = {
            name: SimpleNamespace(window_bp=bp, is_language_model=bp is None)
            for name, bp in (("a", 300), ("b", 20), ("lm", None))
        }
        step = None if which is None else HitsConfig(motifs=which)
        return SimpleNamespace(
            results=str(tmp_path / "results"), models=models, step_config=lambda name: step,
            config=SimpleNamespace(motifs=tmp_path / "m.meme"),
        )  # fmt: skip

    return plan


GIVEN = [("cluster_1", "SP1", 8), ("M2", "", 9)]
FOUND = [("cluster_1", "CTCF", 19), ("cluster_2", "", 12), ("cluster_3", "REST", 21)]


def test_file_and_discovered_ones_keep_apart(run):
    plan = run(GIVEN, FOUND, ["file", "discovered"])
    found = scanned_motifs(plan)
    # cluster_3 is wider than the windows of model b.
    assert [(m.name, m.factor) for m in found.motifs] == [
        ("cluster_1", "SP1"), ("M2", "M2"), ("cluster_1_", "CTCF_cluster_1_"),
        ("cluster_2", "cluster_2"),
    ]  # fmt: skip
    assert found.discovered.tolist() == [False, False, True, True]
    mine = load_motifs(scanned_files(plan)[1])
    np.testing.assert_array_equal(found.motifs[2].pwm, mine[0].pwm)
    np.testing.assert_array_equal(found.motifs[0].pwm, load_motifs(plan.config.motifs)[0].pwm)


@pytest.mark.parametrize("which", [["file"], None], ids=["file", "no hits"])
def test_the_file_alone(run, which):
    plan = run(GIVEN, FOUND, which)
    assert scanned_files(plan) == [plan.config.motifs]
    assert [m.name for m in scanned_motifs(plan).motifs] == ["cluster_1", "M2"]
    assert not scanned_motifs(plan).discovered.any()


def test_discovered_ones_alone(run):
    plan = run(GIVEN, FOUND, ["discovered"])
    assert [path.name for path in scanned_files(plan)] == ["clusters.meme"]
    assert [m.name for m in scanned_motifs(plan).motifs] == ["cluster_1", "cluster_2"]


def test_where_nothing_was_discovered_the_file_is_left(run):
    assert len(scanned_motifs(run(GIVEN, [], ["file", "discovered"])).motifs) == 2


def test_nothing_to_scan_is_told(run):
    with pytest.raises(MotifError) as error:
        scanned_motifs(run(GIVEN, [], ["discovered"]))
    assert str(error.value) == (
        "steps.hits.motifs: no motif was discovered, so that there is none to scan. Mend: add "
        "`file` to steps.hits.motifs"
    )


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ([], "at least 1 item"),
        (["file", "file"], r"motifs \['file', 'file'\]: name each of file and discovered once"),
        (["mine"], "Input should be 'file' or 'discovered'"),
    ],
)
def test_what_cannot_be_scanned(which, says):
    with pytest.raises(ValueError, match=says):
        HitsConfig(motifs=which)


def test_a_motif_that_was_formed_here_has_no_p_and_changes_none():
    """It wins places and ranks by them; what is said of the others is as without it."""
    rng = np.random.default_rng(3)
    motifs = [Motif(n, "", matrix(8, i)) for i, n in enumerate(("a", "b", "c", "formed"))]
    families = np.array([0, 1, 2, 1])

    def part(n: int) -> HitSums:
        return HitSums(rng.integers(6, 40, n), rng.normal(5, 20, n))

    hits, places, null = part(4), part(4), part(4 * 50)
    with_it = rank_motifs(
        motifs, TargetSums(hits, places, null), families,
        formed=np.array([False, False, False, True]),
    )  # fmt: skip

    def first(of: HitSums, n: int) -> HitSums:
        return HitSums(of.count[:n], of.total[:n])

    without = rank_motifs(
        motifs[:3], TargetSums(first(hits, 3), first(places, 3), first(null, 150)), families[:3]
    )
    columns = ["mean", "null_mean", "z", "p_value", "q_value", "lowers_p_value", "lowers_q_value"]
    known = with_it.motifs.set_index("motif").loc[["a", "b", "c"], columns]
    np.testing.assert_allclose(
        known.to_numpy(), without.motifs.set_index("motif").loc[["a", "b", "c"], columns]
    )
    mine = with_it.motifs.set_index("motif").loc["formed"]
    assert mine[["z", "p_value", "q_value", "lowers_p_value", "lowers_q_value"]].isna().all()
    assert mine["n_places"] == places.count[3] and mine["explained"] == places.total[3]
    family = with_it.families[with_it.families["n_motifs"] == 2].iloc[0]
    assert family["explained"] == pytest.approx(places.total[1] + places.total[3])
    assert "formed" in family["members"].split(";")


def test_a_family_of_motifs_that_were_formed_here_drives_nothing():
    motifs = [Motif("formed", "", matrix(8)), Motif("a", "", matrix(8, 1))]
    many = HitSums(np.array([100, 100]), np.array([900.0, 1.0]))
    null = HitSums(np.full(100, 50), np.random.default_rng(0).normal(0, 100, 100))
    found = rank_motifs(
        motifs, TargetSums(many, many, null), np.array([0, 1]), formed=np.array([True, False])
    ).families
    assert found["family"].tolist() == ["a", "formed"]  # what has no p comes last
    assert not found["drives"].any() and np.isnan(found["q_value"].iloc[1])

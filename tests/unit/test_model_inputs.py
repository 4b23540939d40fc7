"""What a model reads beside the sequence: bigWig tracks and columns of a table, good and bad."""

import numpy as np
import pyBigWig
import pysam
import pytest
import torch
import yaml
from safetensors.torch import save_file

from cisweep.analysis.perturbation.windows import predictor
from cisweep.contracts import Windows
from cisweep.errors import ConfigError, GenomeError, stop_at_faults
from cisweep.genome.signal import check_signal, read_signal
from cisweep.models import BPNet
from cisweep.plan.contents import step_checks
from cisweep.plan.contents.design import check_design
from cisweep.plan.plan import Plan

W = 60
ARGS = {
    "n_filters": 3, "n_layers": 1, "first_width": 5, "profile_width": 7, "trimming": 10,
    "n_control_tracks": 1,
}  # fmt: skip
TABLE = "name\tsequence\tdose\tnote\n" + "".join(
    f"{n}\t{'ACGT' * 15}\t{d}\tx\n" for n, d in (("one", 0.5), ("two", -2))
)


@pytest.fixture
def run(tmp_path, root):
    """A function (source, input, **steps) -> plan of a run with a model that has this input."""
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), 900))
    (tmp_path / "g.fa").write_text(f">c1\n{text[:600]}\n>c2\n{text[600:]}\n")
    pysam.faidx(str(tmp_path / "g.fa"))
    with pyBigWig.open(str(tmp_path / "t.bw"), "w") as file:
        file.addHeader([("c1", 600)])
        values = rng.poisson(2, 600).astype(float)
        file.addEntries("c1", 0, values=values, span=1, step=1)
    (tmp_path / "s.tsv").write_text(TABLE)
    torch.manual_seed(0)
    save_file(BPNet(**ARGS).state_dict(), tmp_path / "w.safetensors")
    model = {
        "adapter": "state_dict", "module": "BPNet", "module_args": ARGS, "window_bp": W,
        "targets": [{"name": "counts", "head": 1, "tasks": [0], "scale": "log1p_counts"}],
        "rc": {"average": True}, "folds": [{"weights": "w.safetensors"}],
    }  # fmt: skip

    def make(source, **given) -> Plan:
        model["inputs"] = [{"name": "control", **given.pop("input")}]
        (tmp_path / "m.yaml").write_text(yaml.safe_dump(model))
        fasta, table = str(tmp_path / "g.fa"), str(tmp_path / "s.tsv")
        data = {
            "genome": {"genome": {"fasta": fasta}, "regions": {"tile": {"stride_bp": 50}}},
            "table": {"sequences": table},
        }[source]
        steps = given.pop("steps", {"predict": {}})
        data |= {"run": "r", "models": {"m": str(tmp_path / "m.yaml")}, "steps": steps}
        return Plan.from_config(data | given, root)

    return make


TRACK = {"kind": "bigwig", "paths": ["t.bw"]}
DOSE = {"kind": "column", "column": "dose"}


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("genome", TRACK | {"paths": []}, r"one path per channel; 1 channel\(s\), 0 path\(s\)"),
        ("genome", TRACK | {"channels": 2}, r"one path per channel; 2 channel\(s\), 1 path\(s\)"),
        ("genome", {"kind": "column"}, "name the `column` of the sequence table"),
        ("genome", DOSE, "input 'control': is a column of a table of sequences, and the run has"),
        (
            "table",
            TRACK,
            "input 'control': needs a genome: a bigWig holds positions in a genome, and "
            "sequences have none",
        ),
    ],
)
def test_inputs_that_do_not_fit_the_run(run, source, given, said):
    with pytest.raises(ConfigError, match=said):
        run(source, input=given)


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("genome", TRACK | {"paths": ["g.fa"]}, r"g\.fa: is not a readable bigWig"),
        ("table", DOSE | {"column": "dos"}, r"no column 'dos'.*it has dose, note"),
        ("table", DOSE | {"column": "note"}, "'x' of sequence one is not a number"),
    ],
)
def test_inputs_that_cannot_be_read_stop_before_any_job(run, source, given, said):
    with pytest.raises(GenomeError, match=said):
        run(source, input=given).check_inputs()


def test_another_naming_of_chromosomes_stops_before_any_job(run, tmp_path):
    with pytest.raises(GenomeError, match=r"has no chromosome 'c2' \(it has c1 …\)"):
        regions = {"tile": {"stride_bp": 50}, "chroms": "c2"}
        run("genome", input=TRACK, regions=regions).check_inputs()
    observed = {"predict": {"signal": {"counts": {"paths": [str(tmp_path / "g.fa")]}}}}
    with pytest.raises(GenomeError, match=r"g\.fa: is not a readable bigWig"):
        stop_at_faults(step_checks(run("genome", input={"kind": "zeros"}, steps=observed)))
    run("genome", input=TRACK).check_inputs()


def test_a_chromosome_without_signal_is_zero(run, tmp_path):
    plan = run("genome", input=TRACK)
    windows = Windows.build(["c1", "c2"], [10, 10], [10 + W, 10 + W])
    (track,) = plan.inputs("m", windows)
    with pyBigWig.open(str(tmp_path / "t.bw")) as file:
        assert track[0, 0].tolist() == file.values("c1", 10, 10 + W)
    assert track.shape == (2, 1, W) and (track[1] == 0).all()
    # So a window's signal does not depend on the windows beside it.
    assert (read_signal([tmp_path / "t.bw"], windows.take(slice(1, 2))) == 0).all()
    with pytest.raises(GenomeError, match="not a readable bigWig"):
        check_signal([tmp_path / "absent.bw"], ["c1"])


def test_columns_follow_the_name_of_the_sequence(run):
    plan = run("table", input=DOSE)
    plan.check_inputs()
    windows = Windows.build(["two", "one", "two"], [0] * 3, [W] * 3)
    (dose,) = plan.inputs("m", windows)
    assert dose.tolist() == [[-2.0], [0.5], [-2.0]] and dose.dtype == np.float32


def test_experiments_read_the_tracks_of_their_windows_places(run):
    plan = run("genome", input=TRACK)
    windows = Windows.build(["c1", "c1", "c2"], [10, 300, 40], [70, 360, 100])
    tokens = np.random.default_rng(1).integers(0, 4, (3, W)).astype(np.uint8)
    got = predictor(plan, "m", "cpu", 2)(windows, tokens)
    torch.manual_seed(0)
    net = BPNet(**ARGS).eval()
    X = torch.eye(4)[torch.from_numpy(tokens).long()].transpose(1, 2)
    (track,) = map(torch.from_numpy, read_tracks(plan, windows))
    with torch.no_grad():
        both = net(X, track)[1] + net(X.flip(1, 2), track.flip(2))[1]
    np.testing.assert_allclose(got, both.numpy() / 2, atol=1e-5)
    assert np.abs(net(X, track * 0)[1].detach().numpy() - net(X, track)[1].detach().numpy()).max()


def read_tracks(plan, windows):
    (path,) = plan.models["m"].inputs[0].paths
    with pyBigWig.open(str(path)) as file:
        values = [
            file.values(c, int(s), int(e)) if c == "c1" else [0.0] * W
            for c, s, e in zip(windows.chrom, windows.start, windows.end)
        ]
    return [np.array(values, dtype=np.float32)[:, None]]


def test_a_design_has_no_data_beside_its_sequence(run, tmp_path):
    (tmp_path / "d.bed").write_text("c1\t100\t110\n")
    goals = {"up": [{"model": "m", "target": "counts", "kind": "maximise"}]}
    step = {"design": {"regions": str(tmp_path / "d.bed"), "goals": goals}}
    with pytest.raises(ConfigError, match="model m reads data beside the sequence.*as zeros or"):
        check_design(run("genome", input=TRACK, steps=step))

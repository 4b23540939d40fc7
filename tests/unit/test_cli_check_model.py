"""cisweep check of a model alone: a model.yaml that works is proposed, and the model is tried."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from cisweep.analysis import deep_lift_shap
from cisweep.cli import main as command
from cisweep.cli.examining import incompleteness, is_model, span_read
from cisweep.cli.main import main
from cisweep.errors import ModelError
from cisweep.models import load_model
from cisweep.models.lengths import lengths_of, likely_length
from cisweep.models.modules import BPNet
from cisweep.models.proposal import propose
from cisweep.plan.run_config import read_model_config

NETS = """
import torch
from torch import nn

class MyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 7)
        self.output = nn.Linear(6 * 8, 3)

    def forward(self, X):  # 8 positions of 5 after a convolution of 7: 46 to 50 bases
        return self.output(nn.functional.max_pool1d(self.conv(X).relu(), 5).flatten(1))

class Any(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 2, 9)

    def forward(self, X):
        y = self.conv(X)
        return y.mean(2).sigmoid(), y

class Last(MyNet):
    def forward(self, X):
        return super().forward(X.transpose(1, 2))

class LastAny(Any):
    def forward(self, X):
        return super().forward(X.transpose(1, 2))

class Image(MyNet):
    def forward(self, X):
        return X[:, :, None]

class Two(MyNet):
    def forward(self, X, more):
        return super().forward(X) + more

class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(30))

    def forward(self, X):
        return X.sum((1, 2))[:, None] * self.w
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The working folder with nets.py; the function writes weights of one of its classes."""
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS)
    monkeypatch.setattr(command, "call", lambda words: pytest.fail("nothing is to be run"))
    names: dict = {}
    exec(NETS, names)

    def save(name: str) -> str:
        torch.manual_seed(0)
        made = names[name]()
        state = {f"model.{n}": t for n, t in made.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 3}, "m.ckpt")
        return "m.ckpt"

    return save


def test_what_is_printed_is_a_model_yaml_that_works(lab, capsys):
    assert main(["check", lab("MyNet"), "--module", "nets.py:MyNet"]) == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out) == {
        "adapter": "auto",
        "module": "nets.py:MyNet",
        "window_bp": 50,
        "targets": [{"name": f"task_{i}", "tasks": [i], "scale": "value"} for i in range(3)],
        "rc": {"average": True},
        "folds": [{"weights": "m.ckpt"}],
    }
    assert "# weights: tensors of torch.save: a state dict or checkpoint" in out
    assert "# window_bp: a guess. Any window of 46 to 50 bp goes through the model; set" in out
    assert "# rc: the mean over both strands" in out
    Path("model.yaml").write_text(out)
    config = read_model_config("model.yaml")
    assert load_model(config)(torch.zeros(2, 4, 50)).shape == (2, 3)
    # And the file that was printed is itself told about, without being proposed again.
    assert main(["check", "model.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["reads 50 bp", "outputs: (N, 3)", "targets: task_0, task_1, task_2"]
    # Strands: the last 4 bases of a window are cut off by the pooling, on either strand.
    assert lines[3] == "receptive field: all 50 bp of the window"
    assert re.fullmatch(r"predict: \S+ s per 1,000 windows on this CPU; fast path holds", lines[4])
    assert re.fullmatch(r"mutagenesis: \S+ s per 1,000 mutated bases; fast path holds", lines[5])
    assert re.match(r"DeepLIFT/SHAP, 20 references: \S+ s per 1,000 windows; fast", lines[6])
    within = re.fullmatch(r"DeepLIFT/SHAP adds up .* within (\S+) of their mean", lines[7])
    assert float(within[1]) < 1e-4
    assert re.fullmatch(r"memory: [\d,]+ MB at most, of the whole process", lines[8])


def test_a_model_yaml_that_lacks_keys_is_completed(lab, capsys):
    lab("Any")
    Path("some.yaml").write_text("module: nets:Any\nfolds: [{weights: m.ckpt}]\nwindow_bp: 33\n")
    assert main(["check", "some.yaml"]) == 0
    out = capsys.readouterr().out
    found = yaml.safe_load(out)
    assert found["window_bp"] == 33
    names = [(t["name"], t["scale"], t.get("reduce")) for t in found["targets"]]
    assert names == [
        ("head_0_0", "probability", None),
        ("head_0_1", "probability", None),
        ("head_1_0", "value", "mean"),
        ("head_1_1", "value", "mean"),
    ]
    assert "# targets: all of head 0 lies between 0 and 1" in out
    assert "# targets: head 1 is (N, 2, 25), tasks by positions" in out


def test_a_window_of_any_length_and_many_tasks(lab):
    given = {"module": "nets.py:Any", "folds": [{"weights": lab("Any")}]}
    found = propose(given, Path())
    assert found.data["window_bp"] == 200
    assert "Any window from 9 bp on goes through the model" in found.notes[1]
    flat = propose({"module": "nets.py:Flat", "folds": [{"weights": lab("Flat")}]}, Path())
    assert len(flat.data["targets"]) == 20
    assert any("head 0 has 30 tasks, of which 20 stand here" in note for note in flat.notes)


def test_bpnet_gives_its_profile_and_counts(tmp_path):
    torch.manual_seed(0)
    args = {"n_filters": 8, "n_layers": 2, "n_outputs": 2, "n_control_tracks": 1}
    save_file(BPNet(**args).state_dict(), tmp_path / "b.safetensors")
    given = {"module": "BPNet", "module_args": args, "folds": [{"weights": "b.safetensors"}]}
    found = propose(given, tmp_path)
    assert [t["name"] for t in found.data["targets"]] == ["counts", "profile"]
    assert found.data["inputs"] == [{"name": "controls", "kind": "zeros", "channels": 1}]
    assert found.data["rc"]["task_permutation"] == [1, 0]


def test_models_that_no_window_goes_through(lab):
    given = {"module": "nets.py:Last", "folds": [{"weights": lab("Last")}]}
    with pytest.raises(ModelError, match=r"no window \(N, 4, length\) goes through"):
        propose(given, Path())
    given = {"module": "nets.py:LastAny", "folds": [{"weights": lab("LastAny")}]}
    with pytest.raises(ModelError, match=r"reads windows \(N, length, 4\), letters last.*transpo"):
        propose(given, Path())
    given = {"module": "nets.py:Image", "folds": [{"weights": lab("Image")}]}
    with pytest.raises(ModelError, match=r"the outputs are \(N, 4, 1, \d+\), and none is \(N,\)"):
        propose(given, Path())
    given = {"module": "nets.py:Two", "folds": [{"weights": lab("Two")}]}
    with pytest.raises(ModelError, match="missing 1 required .*'more'.*declare each further input"):
        propose(given, Path())


class Keeps(nn.Module):
    """Refuses all lengths but some."""

    def __init__(self, goes):
        super().__init__()
        self.goes = goes

    def forward(self, X):
        if not self.goes(X.shape[2]):
            raise ValueError("no")
        return X.sum((1, 2))


@pytest.mark.parametrize(
    ("goes", "lengths", "likely"),
    [
        (lambda n: n >= 37, (37, None), 200),
        (lambda n: n % 128 == 0, (128, None), 8192),
        (lambda n: n >= 600, (600, None), 2000),
        (lambda n: 64 <= n <= 70, (64, 70), 70),
    ],
)
def test_lengths_that_go_through(goes, lengths, likely, lab):
    config = propose({"module": "nets.py:Any", "folds": [{"weights": lab("Any")}]}, Path()).config
    assert lengths_of(Keeps(goes), config) == lengths
    assert likely_length(*lengths, goes) == likely
    assert lengths_of(Keeps(lambda n: False), config) is None


def test_the_span_that_is_read_by_brute_force():
    """Against the gradient of each base, for a network that crops its ends."""
    torch.manual_seed(0)
    conv = nn.Conv1d(4, 3, 5)

    class Crops(nn.Module):
        def forward(self, X):
            return conv(X)[:, :, 7:-9].tanh().sum(2)

    X = torch.rand(1, 4, 60, requires_grad=True)
    Crops()(X).sum().backward()
    (read,) = torch.nonzero(X.grad.abs().sum((0, 1)), as_tuple=True)
    assert span_read(Crops(), X.detach()) == (int(read[0]), int(read[-1]) + 1) == (7, 51)
    assert span_read(lambda X: torch.zeros(1, 1), X.detach()) == (60, 0)


def test_what_does_not_add_up_is_seen():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(4, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)).eval()
    X = nn.functional.one_hot(torch.randint(4, (2, 20)), 4).transpose(1, 2).float()
    found = deep_lift_shap(net, X, target=[0, 1], n_shuffles=3, return_references=True)
    assert incompleteness(net, found, X) < 1e-5
    changed = found._replace(attributions=1.5 * found.attributions)
    assert incompleteness(net, changed, X) > 0.1


def test_what_is_a_model_and_what_a_run(lab, root):
    assert is_model(Path(lab("MyNet")))
    assert is_model(root / "workflow/resources/models/ctcf_pu1.yaml")
    assert not is_model(root / "config" / "demo.yaml")
    assert not is_model(Path("gone.pt"))


def test_options_at_the_wrong_place(lab, capsys, root):
    lab("MyNet")
    Path("m.yaml").write_text("folds: [{weights: m.ckpt}]\n")
    assert main(["check", "m.yaml", "--module", "nets.py:MyNet"]) == 1
    assert "m.yaml: module is given beside a model.yaml. Mend: write" in capsys.readouterr().err
    assert main(["check", str(root / "config/demo.yaml"), "--window-bp", "3"]) == 1
    assert "window_bp is of a model, and this is the config of a run" in capsys.readouterr().err
    assert main(["check", "m.ckpt"]) == 1
    assert "Mend: name the class, or a function that makes it: module" in capsys.readouterr().err

"""The adapter auto: each kind of file is told by its bytes and read, or refused with a mend."""

import json
import pickle
import re
import zipfile
from pathlib import Path

import h5py
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cisweep.analysis import deep_lift_shap, saturation_mutagenesis
from cisweep.config.model import ModelConfig
from cisweep.errors import AttributionError, ModelError
from cisweep.models import load_model
from cisweep.models.adapters.export import reads_programs
from cisweep.models.own_code import importing_from
from cisweep.models.recognition import recognise

NETS = """
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv1d(4, width, 5)

    def forward(self, X):
        return self.conv(X).relu()

class MyNet(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.block = Block(width)
        self.output = nn.Linear(width, 2)

    def forward(self, X):
        return self.output(self.block(X).mean(2))
"""


@pytest.fixture
def lab(tmp_path):
    """A folder with nets.py, its network with random weights, and windows."""
    (tmp_path / "nets.py").write_text(NETS)
    torch.manual_seed(0)
    with importing_from(tmp_path, "nets"):
        import nets
    return tmp_path, nets.MyNet().eval()


X = nn.functional.one_hot(torch.arange(60).reshape(3, 20) * 7 % 4, 4).transpose(1, 2).float()


def config_of(path, folder=None, **changes):
    values = {
        "adapter": "auto",
        "window_bp": 20,
        "targets": [{"name": "first", "tasks": [0]}],
        "folds": [{"weights": path}],
    }
    config = ModelConfig.model_validate(values | changes)
    return config if folder is None else config.placed(folder)


def gives(net, path, folder=None, **changes):
    """Does the file give what the network gives, to the bit?"""
    with torch.no_grad():
        return torch.equal(load_model(config_of(path, folder, **changes))(X), net(X))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("key", "prefix", "beside"),
    [
        ("", "", {}),
        ("", "module.", {}),
        ("state_dict", "model.", {"epoch": 3, "hyper_parameters": {"lr": 0.1}}),
        ("state_dict", "model._orig_mod.", {"criterion": {"weight": torch.ones(3)}}),
        ("model_state_dict", "", {"optimizer": {"state": {0: {"step": torch.ones(1)}}}}),
    ],
)
def test_state_dicts_below_any_key_and_prefix(lab, key, prefix, beside, legacy):
    folder, net = lab
    state = {prefix + name: tensor for name, tensor in net.state_dict().items()}
    if key:
        state["loss.weight"] = torch.ones(2)  # a loss with a parameter, beside the network
        state = state if prefix else net.state_dict()
    content = {key: state} | beside if key else state
    path = folder / "m.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    assert gives(net, path, folder, module="nets.py:MyNet")
    said = recognise(path).says
    assert said == (
        "a pickle in torch's format before 1.6"
        if legacy
        else "tensors of torch.save: a state dict or checkpoint"
    )


def test_safetensors(lab):
    folder, net = lab
    save_file(net.state_dict(), folder / "m.safetensors")
    assert gives(net, folder / "m.safetensors", folder, module="nets:MyNet")
    assert recognise(folder / "m.safetensors").says == "a state dict in safetensors"
    with pytest.raises(ModelError) as caught:
        load_model(config_of(folder / "m.safetensors"))
    assert str(caught.value) == (
        f"{folder}/m.safetensors: the file holds 4 tensors (block.conv.bias, block.conv.weight, "
        "output.bias, output.weight), and not the network that they belong to. Mend: name the "
        "class, or a function that makes it: module: nets.py:MyNet"
    )


def test_two_sets_that_fit(lab):
    folder, net = lab
    other = {n: t + 1 for n, t in net.state_dict().items()}
    torch.save({"last": net.state_dict(), "ema": other}, folder / "m.pt")
    with pytest.raises(ModelError, match=r"2 sets .* key last with prefix \(none\), key ema .*key"):
        load_model(config_of(folder / "m.pt", folder, module="nets.py:MyNet"))
    assert gives(net, folder / "m.pt", folder, module="nets.py:MyNet", key="last")
    both = {f"a.{n}": t for n, t in net.state_dict().items()}
    torch.save(both | {f"b.{n}": t for n, t in other.items()}, folder / "m.pt")
    with pytest.raises(ModelError, match=r"key \(none\) with prefix a., key .* prefix b"):
        load_model(config_of(folder / "m.pt", folder, module="nets.py:MyNet"))
    assert gives(net, folder / "m.pt", folder, module="nets.py:MyNet", strip_prefix="a.")


def test_what_does_not_fit_is_told_as_it_stands(lab):
    folder, net = lab
    torch.save({"state_dict": net.state_dict() | {"more": torch.ones(1)}}, folder / "m.pt")
    with pytest.raises(ModelError, match="do not fit the module: the file has more too many"):
        load_model(config_of(folder / "m.pt", folder, module="nets.py:MyNet"))
    args = {"module": "nets.py:MyNet", "module_args": {"width": 5}}
    torch.save(net.state_dict(), folder / "m.pt")
    with pytest.raises(ModelError, match=r"conv.weight is \(3, 4, 5\) in the file and \(5, 4, 5\)"):
        load_model(config_of(folder / "m.pt", folder, **args))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_module(lab, legacy, monkeypatch):
    """torch.save(model): refused unless trusted; its classes are found beside model.yaml."""
    folder, net = lab
    path = folder / "m.pt"
    with importing_from(folder, "nets"):
        torch.save(net, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ModelError, match="a pickle that can run code, and is refused.*trust_pickl"):
        load_model(config_of(path, folder))
    assert gives(net, path, folder, trust_pickle=True)
    if not legacy:
        assert recognise(path).says.startswith("a pickle that names nets.Block, nets.MyNet")
    with pytest.raises(ModelError) as caught:
        load_model(config_of(path, folder / "elsewhere", trust_pickle=True))
    assert re.search(
        r"the file needs nets\.\w+, which cannot be imported \(No module named 'nets'\)\. Mend: "
        "put nets beside the model.yaml",
        str(caught.value),
    )


def test_a_module_of_a_notebook(lab, monkeypatch):
    """Its classes were defined in __main__, and now stand in the file of `module`."""
    folder, net = lab
    for kind in (type(net), type(net.block)):
        monkeypatch.setattr(kind, "__module__", "__main__")
        monkeypatch.setitem(__import__("sys").modules["__main__"].__dict__, kind.__name__, kind)
    torch.save({"model": nn.DataParallel(net), "epoch": 3}, folder / "m.pt")
    for kind in (type(net), type(net.block)):
        monkeypatch.delitem(__import__("sys").modules["__main__"].__dict__, kind.__name__)
    assert gives(net, folder / "m.pt", folder, trust_pickle=True, module="nets.py:MyNet")
    with pytest.raises(ModelError, match=r"needs __main__\.\w+, .*module: nets.py:\w+$"):
        load_model(config_of(folder / "m.pt", folder, trust_pickle=True))


def test_two_modules_in_a_pickle(lab):
    folder, net = lab
    with importing_from(folder, "nets"):
        torch.save({"model": net, "ema": net}, folder / "m.pt")
    with pytest.raises(ModelError, match="holds 2 modules: model, ema.*set `key`"):
        load_model(config_of(folder / "m.pt", folder, trust_pickle=True))
    assert gives(net, folder / "m.pt", folder, trust_pickle=True, key="ema")


def test_a_trusted_pickle_of_a_checkpoint(lab):
    """Hyperparameters of a class of the lab's own, beside the state dict."""
    folder, net = lab
    state = {f"model.{n}": t for n, t in net.state_dict().items()}
    with importing_from(folder, "nets"):
        torch.save({"state_dict": state, "hyper_parameters": type(net)}, folder / "m.ckpt")
    with pytest.raises(ModelError, match="refused"):
        load_model(config_of(folder / "m.ckpt", folder, module="nets.py:MyNet"))
    assert gives(net, folder / "m.ckpt", folder, module="nets.py:MyNet", trust_pickle=True)
    torch.save([1, 2], folder / "m.pt")
    with pytest.raises(ModelError, match="the file holds list, and not the network"):
        load_model(config_of(folder / "m.pt", folder, trust_pickle=True))


def test_torchscript(lab):
    folder, net = lab
    torch.jit.script(net).save(folder / "m.pt")
    assert recognise(folder / "m.pt").says == "TorchScript"
    with pytest.raises(ModelError, match="TorchScript, which can write files.*trust_pickle: true"):
        load_model(config_of(folder / "m.pt", folder))
    assert gives(net, folder / "m.pt", folder, trust_pickle=True)
    loaded = load_model(config_of(folder / "m.pt", folder, trust_pickle=True))
    found, expected = (saturation_mutagenesis(m, X, raw_outputs=True)[1] for m in (loaded, net))
    torch.testing.assert_close(found, expected)
    with pytest.raises(AttributionError, match="TorchScript hides its operations"):
        deep_lift_shap(loaded, X, n_shuffles=2)


@pytest.mark.skipif(not reads_programs(), reason="torch.export needs torch 2.8 or newer")
def test_an_exported_program(lab):
    folder, net = lab
    shapes = {"X": {0: torch.export.Dim("batch")}}
    torch.export.save(torch.export.export(net, (X,), dynamic_shapes=shapes), folder / "m.pt2")
    assert recognise(folder / "m.pt2").says == "a program of torch.export"
    assert gives(net, folder / "m.pt2", folder)


def test_a_pickle_of_bpnet_lite_needs_no_trust(tmp_path):
    lite = pytest.importorskip("bpnetlite.bpnet")
    torch.manual_seed(1)
    peer = lite.BPNet(n_filters=8, n_layers=2, n_control_tracks=0, trimming=20, verbose=False)
    torch.save(peer.eval(), tmp_path / "m.torch")
    config = config_of(
        tmp_path / "m.torch", window_bp=200, targets=[{"name": "c", "head": 1, "tasks": [0]}]
    )
    windows = nn.functional.one_hot(torch.arange(400).reshape(2, 200) * 7 % 4, 4).transpose(1, 2)
    with torch.no_grad():
        expected = peer(windows.float())
        for mine, theirs in zip(load_model(config)(windows.float()), expected):
            assert torch.allclose(mine, theirs, atol=1e-5)


def _folder(path: Path, name: str) -> None:
    path.mkdir()
    (path / name).write_text("{}")


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "")


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["dense/kernel"] = [1.0]


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("m.onnx", lambda p: p.write_bytes(b"\x08\x07\x12\x07pytorch"), "an ONNX graph.*exported"),
        ("lm", lambda p: _folder(p, "config.json"), "a folder of transformers.*use the adapter hf"),
        ("tf", lambda p: _folder(p, "saved_model.pb"), "a SavedModel of TensorFlow.*with Keras 3"),
        ("dir", lambda p: _folder(p, "x"), "it is a folder, which the adapter auto does not read"),
        ("m.zip", _zip, "a zip archive without a model"),
        ("m.h5", _hdf5, "HDF5 without the layers of a model.*save the whole model"),
        ("m.txt", lambda p: p.write_text("weights: 3"), "no model file that is known"),
        ("m.json", lambda p: p.write_text(json.dumps({})), "no model file that is known"),
        ("m.pt", lambda p: p.write_bytes(b""), "it is empty"),
        ("gone.pt", lambda p: None, "there is no such model file"),
        ("m.pkl", lambda p: p.write_bytes(pickle.dumps(print)), "truncated|can run code"),
        ("cut.safetensors", lambda p: p.write_bytes(b"\x08"), "truncated or of another format"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(tmp_path, name, write, said):
    write(tmp_path / name)
    with pytest.raises(ModelError, match=said) as caught:
        load_model(config_of(tmp_path / name, module="CNN"))
    assert str(tmp_path / name) in str(caught.value)

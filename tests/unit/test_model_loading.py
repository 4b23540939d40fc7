"""Model files: each adapter gives the model that was saved, each fault an error with its mend."""

import collections
import io
import json
import os
import pickle
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import nn

from cisweep.config.model import BUILT_IN_MODULES, ModelConfig
from cisweep.errors import ModelError
from cisweep.models import load_model
from cisweep.models.adapters.export import reads_programs
from cisweep.models.building import module_class
from cisweep.models.modules import BUILT_IN, CNN, BPNet, ChromBPNet, Linear

DEMO_NAMES = {"c.": "conv.", "d.": "dilated.", "o.": "output."}


def config_of(path, **changes):
    values = {
        "adapter": "state_dict",
        "module": "CNN",
        "module_args": {"n_filters": 8, "first_width": 5},
        "window_bp": 40,
        "targets": [{"name": "first", "tasks": [0]}],
        "rc": {"average": False},
        "folds": [{"weights": path}],
    }
    return ModelConfig.model_validate(values | changes)


@pytest.fixture
def windows():
    tokens = torch.randint(0, 4, (3, 40), generator=torch.Generator().manual_seed(1))
    return nn.functional.one_hot(tokens, 4).transpose(1, 2).float()


@pytest.fixture
def cnn():
    torch.manual_seed(0)
    return CNN(8, first_width=5).eval()


def equal(a, b):
    a, b = ((x,) if isinstance(x, torch.Tensor) else x for x in (a, b))
    return all(torch.equal(i, j) for i, j in zip(a, b, strict=True))


def test_safetensors(cnn, windows, tmp_path):
    save_file(cnn.state_dict(), tmp_path / "m.safetensors")
    loaded = load_model(config_of(tmp_path / "m.safetensors"))
    assert equal(loaded(windows), cnn(windows))
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())


def test_lightning_checkpoint(cnn, windows, tmp_path):
    state = {f"model.{n}": t for n, t in cnn.state_dict().items()} | {"loss.w": torch.ones(1)}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "m.ckpt")
    config = config_of(tmp_path / "m.ckpt", key="state_dict", strip_prefix="model.")
    assert equal(load_model(config)(windows), cnn(windows))
    with pytest.raises(
        ModelError, match="no state dict at its top level; it has state_dict, epoch"
    ):
        load_model(config_of(tmp_path / "m.ckpt"))
    with pytest.raises(ModelError, match="no key 'weights'"):
        load_model(config_of(tmp_path / "m.ckpt", key="weights"))
    with pytest.raises(ModelError, match="no parameter has the prefix 'net.'"):
        load_model(config_of(tmp_path / "m.ckpt", key="state_dict", strip_prefix="net."))


def test_demo_model_by_published_names():
    path = Path(__file__).parents[1] / "data" / "first_ctcf_pu1.safetensors"
    config = config_of(path, module_args={}, rename_prefix=DEMO_NAMES, window_bp=100)
    loaded = load_model(config)
    state = load_file(path)
    assert sum(p.numel() for p in loaded.parameters()) == 24_674
    X = nn.functional.one_hot(torch.randint(0, 4, (4, 100)), 4).transpose(1, 2).float()
    x = torch.relu(nn.functional.conv1d(X, state["c.weight"], state["c.bias"], padding=9))
    for i, d in enumerate((2, 4, 8)):
        weight, bias = state[f"d.{i}.weight"], state[f"d.{i}.bias"]
        x = x + torch.relu(nn.functional.conv1d(x, weight, bias, padding=d, dilation=d))
    expected = x.amax(2) @ state["o.weight"].T + state["o.bias"]
    torch.testing.assert_close(loaded(X), expected, rtol=1e-5, atol=1e-5)


def test_wrong_shape_names_both_sizes(cnn, tmp_path):
    save_file(cnn.state_dict(), tmp_path / "m.safetensors")
    config = config_of(tmp_path / "m.safetensors", module_args={"n_filters": 8, "first_width": 7})
    with pytest.raises(ModelError, match=r"conv.weight is \(8, 4, 5\) in the file and \(8, 4, 7\)"):
        load_model(config)


def test_missing_and_unexpected_parameters(cnn, tmp_path):
    state = cnn.state_dict()
    state["surplus"] = state.pop("output.bias")
    save_file(state, tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="needs output.bias; the file has surplus too many"):
        load_model(config_of(tmp_path / "m.safetensors"))


def test_absent_and_truncated_files(cnn, tmp_path):
    with pytest.raises(ModelError, match=r"gone\.pt: there is no such model file"):
        load_model(config_of(tmp_path / "gone.pt"))
    for name, save in (("m.safetensors", save_file), ("m.pt", torch.save)):
        save(cnn.state_dict(), tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for size in (0, 20, len(whole) // 2):
            (tmp_path / name).write_bytes(whole[:size])
            with pytest.raises(ModelError, match="truncated or of another format"):
                load_model(config_of(tmp_path / name))


class Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["CISWEEP_BOMB"],)


def test_pickle_that_runs_code_is_refused(cnn, windows, tmp_path, monkeypatch):
    monkeypatch.setenv("CISWEEP_BOMB", str(tmp_path / "exploded"))
    torch.save({"state": Bomb()}, tmp_path / "bomb.pt")
    for adapter in ("state_dict", "bpnet", "export"):
        with pytest.raises(ModelError):
            load_model(config_of(tmp_path / "bomb.pt", adapter=adapter))
    with pytest.raises(ModelError, match=r"can run code, and is refused.*trust_pickle: true"):
        load_model(config_of(tmp_path / "bomb.pt"))
    assert not (tmp_path / "exploded").exists()


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
CHANGES = {  # of the function that every tensor is made by: pickle's BUILD sets attributes
    "attribute": REBUILD + b"}X\x07\x00\x00\x00strayedK\x01sb.",
    "defaults": REBUILD + b"N}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86b.",
}


def write_pickle(path, pickled, legacy):
    """Write a torch.save file, new or of before torch 1.6, with the bytes of a pickle in it."""
    if legacy:
        torch.save({}, path, _use_new_zipfile_serialization=False)
        # Magic number, protocol and system stand before the content and the keys of the storages.
        parts, file = [], io.BytesIO(path.read_bytes())
        for _ in range(3):
            begin = file.tell()
            pickle.load(file)
            parts.append(file.getvalue()[begin : file.tell()])
        path.write_bytes(b"".join(parts) + pickled + pickle.dumps([], protocol=2))
        return
    torch.save({}, path)
    held = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(held)) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("adapter", ["bpnet", "state_dict"])
def test_a_pickle_changes_no_function(tmp_path, adapter, change, legacy):
    rebuild = torch._utils._rebuild_tensor_v2
    before = dict(vars(rebuild)), rebuild.__defaults__
    write_pickle(tmp_path / "m.pt", b"\x80\x02" + CHANGES[change], legacy)
    try:
        with pytest.raises(ModelError, match="can run code, and is refused"):
            load_model(config_of(tmp_path / "m.pt", adapter=adapter))
        assert (dict(vars(rebuild)), rebuild.__defaults__) == before
    finally:
        rebuild.__defaults__ = before[1]
        vars(rebuild).pop("strayed", None)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "it names o?s?.?(posix|os).system"),
        (b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "it names (builtins.)?eval"),
        (b"cno_such.package\nThing\n)R.", "it names no_such.package.Thing"),
    ],
)
def test_what_a_pickle_names_is_told(tmp_path, pickled, said, legacy):
    write_pickle(tmp_path / "m.pt", b"\x80\x02" + pickled, legacy)
    message = rf"m\.pt: .* is refused \({said}\).*Mend: save only the state dict"
    with pytest.raises(ModelError, match=message):
        load_model(config_of(tmp_path / "m.pt"))
    with pytest.raises(
        ModelError, match="can run code|holds (system|eval|Thing), and this adapter"
    ):
        load_model(config_of(tmp_path / "m.pt", adapter="bpnet"))


def test_stubs_are_forgotten_after_the_file(lite, tmp_path):
    """torch keeps a list of classes that weights may name, for the whole process."""
    lite.save(lite.BPNet(6, 3, 1, 0, 61), tmp_path / "m.torch")
    before = set(torch.serialization.get_safe_globals())
    load_model(lite_config(tmp_path / "m.torch"))
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(ModelError, match=r"it names bpnetlite\.bpnet\.BPNet"):
        load_model(config_of(tmp_path / "m.torch"))


def test_what_a_legacy_file_may_name_is_torchs_own():
    from torch._weights_only_unpickler import _get_allowed_globals

    from cisweep.models.adapters.bpnet import _Unpickler

    mine = {name.replace("__builtin__", "builtins") for name in _Unpickler.KNOWN}
    assert mine <= set(_get_allowed_globals())


def test_a_tar_is_not_unpacked(tmp_path):
    with tarfile.open(tmp_path / "m.pt", "w") as archive:
        member = tarfile.TarInfo("storages")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(member)
    for adapter, message in (("bpnet", "holds a tar archive"), ("state_dict", "tar")):
        with pytest.raises(ModelError, match=message):
            load_model(config_of(tmp_path / "m.pt", adapter=adapter))


def test_checkpoints_of_lightning(cnn, windows, tmp_path):
    """Beside the state dict such files hold numbers, texts, lists, sets and optimizers' states."""
    content = {
        "state_dict": {f"model.{k}": v for k, v in cnn.state_dict().items()},
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "optimizer_states": [torch.optim.Adam(cnn.parameters()).state_dict()],
        "hyper_parameters": collections.OrderedDict(lr=1e-3, sizes=[4, 8], names={"a", "b"}),
        "callbacks": {"best": torch.tensor(0.5), "counts": collections.Counter("aab")},
        "dtype": torch.float32,
        "size": torch.Size([2, 3]),
    }
    for legacy in (False, True):
        torch.save(content, tmp_path / "m.ckpt", _use_new_zipfile_serialization=not legacy)
        config = config_of(tmp_path / "m.ckpt", key="state_dict", strip_prefix="model.")
        assert equal(load_model(config)(windows), cnn(windows))


def test_trusted_pickle_of_a_module(cnn, windows, tmp_path):
    torch.save(cnn, tmp_path / "m.pt")
    with pytest.raises(ModelError, match="refused"):
        load_model(config_of(tmp_path / "m.pt"))
    assert equal(load_model(config_of(tmp_path / "m.pt", trust_pickle=True))(windows), cnn(windows))


def test_torchscript_is_refused(cnn, tmp_path):
    torch.jit.save(torch.jit.trace(cnn, torch.zeros(1, 4, 40)), tmp_path / "m.pt")
    for adapter in ("state_dict", "bpnet"):
        with pytest.raises(ModelError, match="TorchScript"):
            load_model(config_of(tmp_path / "m.pt", adapter=adapter))


def test_window_says_which_length_the_model_reads(tmp_path):
    model = Linear(36)
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    config = config_of(
        tmp_path / "m.safetensors", module="Linear", module_args={"length_bp": 36}, window_bp=40
    )
    with pytest.raises(ModelError, match="window of 40 bp does not go .* the model reads 36 bp"):
        load_model(config)
    save_file(BPNet(8, 3).state_dict(), tmp_path / "b.safetensors")
    args = {"n_filters": 8, "n_layers": 3}
    config = config_of(tmp_path / "b.safetensors", module="BPNet", module_args=args, window_bp=100)
    with pytest.raises(ModelError, match="reads at least 123 bp"):
        load_model(config)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"head": 1}, "reads head 1, and the model has 1 outputs"),
        ({"tasks": [2]}, r"reads tasks \[2\], and head 0 has 2"),
        ({"positions": (0, 3)}, r"reads positions \[0, 3\), and head 0 has 0"),
        ({"reduce": "center"}, r"reads the centre of \(2,\) values"),
    ],
)
def test_targets_that_the_model_does_not_return(cnn, tmp_path, target, message):
    save_file(cnn.state_dict(), tmp_path / "m.safetensors")
    config = config_of(tmp_path / "m.safetensors", targets=[{"name": "wrong", **target}])
    with pytest.raises(ModelError, match=f"target 'wrong' {message}"):
        load_model(config)


def test_task_permutation_must_fit(cnn, tmp_path):
    save_file(cnn.state_dict(), tmp_path / "m.safetensors")
    rc = {"average": True, "task_permutation": [0, 2, 1]}
    with pytest.raises(ModelError, match=r"permutation has 3 tasks, and .* have \[2\]"):
        load_model(config_of(tmp_path / "m.safetensors", rc=rc))


def test_unknown_module_fold_and_arguments(cnn, tmp_path):
    save_file(cnn.state_dict(), tmp_path / "m.safetensors")
    path = tmp_path / "m.safetensors"
    with pytest.raises(ValidationError, match="no built-in module 'RNN'.*Linear, CNN, BPNet"):
        config_of(path, module="RNN")
    with pytest.raises(ModelError, match="no built-in module 'RNN'.*Linear, CNN, BPNet"):
        module_class("RNN")
    assert tuple(BUILT_IN) == BUILT_IN_MODULES
    with pytest.raises(ModelError, match="cannot be imported"):
        load_model(config_of(path, adapter="python", module="no.such:Net"))
    with pytest.raises(ModelError, match="is the class OrderedDict, and no class of torch.nn"):
        load_model(config_of(path, adapter="python", module="collections:OrderedDict"))
    with pytest.raises(ModelError, match="cannot be made with"):
        load_model(config_of(path, module_args={"filters": 3}))
    for n_filters in (-48, 10**11):
        with pytest.raises(ModelError, match=f"cannot be made with .*{n_filters}") as caught:
            load_model(config_of(path, module_args={"n_filters": n_filters, "n_outputs": 2}))
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="no fold 1; the config has 1"):
        load_model(config_of(path), fold=1)


class FromFile(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    @classmethod
    def from_file(cls, path, scale=1.0):
        return cls(scale * float(path.read_text()))

    def forward(self, X):
        return self.factor * X.sum((1, 2), keepdim=True)[:, :, 0]


def test_python_adapter(cnn, windows, tmp_path, monkeypatch):
    module = types.ModuleType("user_nets")
    module.Net, module.FromFile = CNN, FromFile
    monkeypatch.setitem(sys.modules, "user_nets", module)
    save_file(cnn.state_dict(), tmp_path / "m.safetensors")
    config = config_of(tmp_path / "m.safetensors", adapter="python", module="user_nets:Net")
    assert equal(load_model(config)(windows), cnn(windows))
    (tmp_path / "m.txt").write_text("2.0")
    args = {"adapter": "python", "module": "user_nets:FromFile", "module_args": {"scale": 3.0}}
    assert load_model(config_of(tmp_path / "m.txt", **args))(windows).tolist() == [[240.0]] * 3


needs_programs = pytest.mark.skipif(
    not reads_programs(), reason="programs of torch.export need torch 2.8 or newer"
)


@pytest.mark.parametrize("version", ["2.6.0+cpu", "2.7.1"])
def test_exported_programs_of_an_old_torch_say_which_one_is_needed(tmp_path, monkeypatch, version):
    (tmp_path / "m.pt2").write_bytes(b"any")
    monkeypatch.setattr(torch, "__version__", version)
    wanted = (
        rf"m\.pt2: programs of torch.export need torch 2\.8 or newer, and this is torch {version}"
    )
    with pytest.raises(ModelError, match=wanted.replace("+", r"\+") + r".*state dict"):
        load_model(config_of(tmp_path / "m.pt2", adapter="export"))


@pytest.mark.parametrize(
    ("version", "reads"), [("2.7.9", False), ("2.8.0", True), ("2.14.1", True)]
)
def test_the_oldest_torch_of_exported_programs(monkeypatch, version, reads):
    monkeypatch.setattr(torch, "__version__", version)
    assert reads_programs() == reads


def export(model, path, batch=None):
    shapes = {"X": {0: batch}} if batch else None
    program = torch.export.export(model, (torch.zeros(2, 4, 40),), dynamic_shapes=shapes)
    torch.export.save(program, path)


@needs_programs
def test_exported_program(cnn, windows, tmp_path):
    export(cnn, tmp_path / "m.pt2", torch.export.Dim("batch"))
    config = config_of(tmp_path / "m.pt2", adapter="export")
    torch.testing.assert_close(load_model(config)(windows), cnn(windows))
    with pytest.raises(ModelError, match=r"reads input 0 of shape \(any, 4, 40\), and got"):
        load_model(config_of(tmp_path / "m.pt2", adapter="export", window_bp=41))


@needs_programs
def test_exported_program_of_a_fixed_batch(cnn, windows, tmp_path):
    export(cnn, tmp_path / "m.pt2")
    model = load_model(config_of(tmp_path / "m.pt2", adapter="export"))
    with pytest.raises(ModelError, match=r"\(2, 4, 40\), and got \(3, 4, 40\).*dynamic batch"):
        model(windows)


def rewrite(source, target, change):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


@needs_programs
def test_exported_program_that_runs_code_is_refused(cnn, tmp_path, monkeypatch):
    export(cnn, tmp_path / "m.pt2", torch.export.Dim("batch"))
    monkeypatch.setenv("CISWEEP_BOMB", str(tmp_path / "exploded"))
    code = f"__import__('os').mkdir('{tmp_path / 'exploded'}')"

    def size(name, content):
        return content.replace(b"Symbol('", json.dumps(f"Add({code!r}) + Symbol('")[1:-1].encode())

    def operation(name, content):
        return content.replace(b"torch.ops.aten.relu.default", b"torch.hub.load")

    def sample_inputs(name, content):
        return pickle.dumps(Bomb()) if name.endswith("sample_inputs/model.pt") else content

    cases = {size: "a size is", operation: "it calls torch.hub.load", sample_inputs: "truncated"}
    for change, message in cases.items():
        rewrite(tmp_path / "m.pt2", tmp_path / "bad.pt2", change)
        with pytest.raises(ModelError, match=message):
            load_model(config_of(tmp_path / "bad.pt2", adapter="export"))
        assert not (tmp_path / "exploded").exists()


class _Logger:
    def __init__(self, names):
        self.names = names


@pytest.fixture
def lite(monkeypatch):
    """Classes in bpnet-lite's layout (names, attributes), to write pickles as it writes them."""

    class LiteBPNet(nn.Module):
        def __init__(self, n_filters, n_layers, n_outputs, n_controls, trimming, spare=0):
            super().__init__()
            self.trimming, self.n_layers = trimming, n_layers
            self.n_control_tracks, self.n_outputs = n_controls, n_outputs
            self.logger = _Logger(["Epoch"])
            self.iconv = nn.Conv1d(4, n_filters, 21, padding=10)
            self.irelu = nn.ReLU()
            self.rconvs = nn.ModuleList(
                nn.Conv1d(n_filters, n_filters, 3, padding=2**i, dilation=2**i)
                for i in range(1, n_layers + 1)
            )
            self.fconv = nn.Conv1d(n_filters + n_controls, n_outputs, 75, padding=37)
            self.linear = nn.Linear(n_filters + (n_controls > 0) + spare, 1)
            self.spare = spare

        def forward(self, X, X_ctl=None):
            start, end = self.trimming, X.shape[2] - self.trimming
            x = self.irelu(self.iconv(X))
            for conv in self.rconvs:
                x = x + torch.relu(conv(x))
            both = x if X_ctl is None else torch.cat([x, X_ctl], 1)
            profile = self.fconv(both)[:, :, start:end]
            x = x[:, :, max(start - 37, 0) : end + 37].mean(2)
            if X_ctl is not None:
                total = X_ctl[:, :, max(start - 37, 0) : end + 37].sum((1, 2))[:, None]
                x = torch.cat([x, torch.log(total + 1)], 1)
            if self.spare:
                x = torch.cat([x, torch.zeros(len(x), 1)], 1)
            return profile, self.linear(x)

    class LiteChromBPNet(nn.Module):
        def __init__(self, bias, accessibility):
            super().__init__()
            self.bias, self.accessibility, self.name = bias, accessibility, "chrombpnet"

        def forward(self, X):
            (p, c), (bp, bc) = self.accessibility(X), self.bias(X)
            w = (bp.shape[2] - p.shape[2]) // 2
            return p + bp[:, :, w : bp.shape[2] - w], torch.log(torch.exp(c) + torch.exp(bc))

    def install():
        monkeypatch.setitem(sys.modules, "bpnetlite", types.ModuleType("bpnetlite"))
        for name, made, kind in (
            ("bpnetlite.bpnet", LiteBPNet, "BPNet"),
            ("bpnetlite.chrombpnet", LiteChromBPNet, "ChromBPNet"),
            ("bpnetlite.logging", _Logger, "Logger"),
        ):
            made.__module__, made.__name__, made.__qualname__ = name, kind, kind
            module = types.ModuleType(name)
            setattr(module, kind, made)
            monkeypatch.setitem(sys.modules, name, module)

    def save(model, path, **kwargs):
        install()
        torch.save(model, path, **kwargs)
        for name in ("bpnetlite", "bpnetlite.bpnet", "bpnetlite.chrombpnet", "bpnetlite.logging"):
            monkeypatch.delitem(sys.modules, name)

    torch.manual_seed(0)
    return types.SimpleNamespace(BPNet=LiteBPNet, ChromBPNet=LiteChromBPNet, save=save)


def lite_config(path, **changes):
    targets = [{"name": "counts", "head": 1, "scale": "log1p_counts"}]
    return config_of(
        path, **{"adapter": "bpnet", "window_bp": 400, "targets": targets, "module": None} | changes
    )


CONTROLS = [{"name": "control", "kind": "bigwig", "channels": 2, "paths": ["a.bw", "b.bw"]}]


@pytest.mark.parametrize("controls", [0, 2])
@pytest.mark.parametrize("trimming", [61, 16, 90])  # 61 = 10 + 14 + 37, the reach
@pytest.mark.parametrize("legacy", [False, True])
def test_bpnet_lite_pickle(lite, tmp_path, controls, trimming, legacy):
    model = lite.BPNet(6, 3, 2, controls, trimming).eval()
    lite.save(model, tmp_path / "m.torch", _use_new_zipfile_serialization=not legacy)
    loaded = load_model(lite_config(tmp_path / "m.torch", inputs=CONTROLS if controls else []))
    X = nn.functional.one_hot(torch.randint(0, 4, (2, 400)), 4).transpose(1, 2).float()
    args = (torch.rand(2, 2, 400),) if controls else ()
    for ours, theirs in zip(loaded(X, *args), model(X, *args), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_zero_controls_are_made(lite, tmp_path):
    model = lite.BPNet(6, 3, 2, 2, 61).eval()
    lite.save(model, tmp_path / "m.torch")
    zeros = [{"name": "control", "kind": "zeros", "channels": 2}]
    loaded = load_model(lite_config(tmp_path / "m.torch", inputs=zeros))
    X = torch.rand(2, 4, 400)
    expected = model(X, torch.zeros(2, 2, 400))
    torch.testing.assert_close(loaded(X)[0], expected[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match="reads 2 control tracks and got 0"):
        load_model(lite_config(tmp_path / "m.torch"))
    with pytest.raises(ModelError, match=r"input 'control' \(bigwig\) is not given"):
        given = lite_config(tmp_path / "m.torch", inputs=CONTROLS + [{**zeros[0], "name": "z"}])
        load_model(given, check=False)(X)


def test_old_bpnet_lite_count_head(lite, tmp_path):
    model = lite.BPNet(6, 3, 1, 0, 61, spare=1).eval()
    lite.save(model, tmp_path / "m.torch")
    X = torch.rand(2, 4, 400)
    ours = load_model(lite_config(tmp_path / "m.torch"))(X)[1]
    torch.testing.assert_close(ours, model(X)[1], rtol=1e-5, atol=1e-6)


def test_chrombpnet_lite_pickle(lite, tmp_path):
    model = lite.ChromBPNet(lite.BPNet(4, 2, 1, 0, 53), lite.BPNet(6, 3, 1, 0, 61)).eval()
    lite.save(model, tmp_path / "m.torch")
    loaded = load_model(lite_config(tmp_path / "m.torch"))
    assert isinstance(loaded, ChromBPNet)
    X = torch.rand(2, 4, 400)
    for ours, theirs in zip(loaded(X), model(X), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_other_pickles_are_not_bpnet(cnn, tmp_path):
    torch.save(cnn, tmp_path / "m.pt")
    with pytest.raises(ModelError, match="holds CNN, and this adapter reads bpnet-lite's"):
        load_model(lite_config(tmp_path / "m.pt"))
    torch.save(collections.OrderedDict(a=torch.ones(2)), tmp_path / "m.pt")
    with pytest.raises(ModelError, match="holds OrderedDict"):
        load_model(lite_config(tmp_path / "m.pt"))

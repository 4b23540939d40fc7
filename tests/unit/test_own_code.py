"""A lab's own network beside model.yaml: found without PYTHONPATH, by file or module."""

import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from cisweep.config.import_paths import check_import, module_files
from cisweep.config.model import model_sha256
from cisweep.errors import ConfigError, ModelError
from cisweep.models import load_model
from cisweep.models.own_code import importing_from
from cisweep.plan.model_keys import model_key
from cisweep.plan.run_config import read_model_config

NET = """
import torch
from torch import nn

class MyNet(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.conv = nn.Conv1d(4, width, 5)

    def forward(self, X):
        return {factor} * self.conv(X).sum(2)
"""


def model(folder: Path, module: str, factor: float = 1, **more) -> Path:
    """Write nets.py, weights of ones and model.yaml into a folder."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "nets.py").write_text(NET.format(factor=factor))
    ones = {"conv.weight": torch.ones(3, 4, 5), "conv.bias": torch.zeros(3)}
    save_file(ones, folder / "w.safetensors")
    data = {
        "adapter": "state_dict",
        "module": module,
        "window_bp": 9,
        "targets": [{"name": "a", "tasks": [0]}],
        "folds": [{"weights": "w.safetensors"}],
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(data | more))
    return folder / "model.yaml"


def value(path: Path) -> float:
    """Return the first task of a window of A's: 5 positions × 5 weights × the factor."""
    X = torch.zeros(1, 4, 9)
    X[:, 0] = 1
    return float(load_model(read_model_config(path))(X)[0, 0])


@pytest.fixture(autouse=True)
def _same_path():
    path, finders = [*sys.path], [*sys.meta_path]
    yield
    assert (sys.path, sys.meta_path) == (path, finders)


@pytest.mark.parametrize("adapter", ["state_dict", "python"])
@pytest.mark.parametrize("module", ["nets.py:MyNet", "nets:MyNet", "./nets.py:MyNet"])
def test_a_class_beside_model_yaml(tmp_path, monkeypatch, module, adapter):
    path = model(tmp_path / "m", module, factor=2, adapter=adapter)
    monkeypatch.chdir(tmp_path)
    assert value(path) == value(path.relative_to(tmp_path)) == 50
    check_import(module, "module", Path("m"))
    assert read_model_config("m/model.yaml").files() == [
        Path("m/w.safetensors"),
        Path("m/nets.py"),
    ]


def test_a_file_elsewhere_and_a_package(tmp_path):
    path = model(tmp_path / "m", "../code/my-nets.py:MyNet")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my-nets.py").write_text(NET.format(factor=3))
    assert value(path) == 75
    inner = tmp_path / "m" / "lab" / "inner"
    inner.mkdir(parents=True)
    (inner / "nets.py").write_text("from ..sizes import FACTOR\n" + NET.format(factor="FACTOR"))
    (tmp_path / "m" / "lab" / "sizes.py").write_text("FACTOR = 4\n")
    path = model(tmp_path / "m", "lab.inner.nets:MyNet")
    assert value(path) == 100
    assert read_model_config(path).module_files() == [
        inner / "nets.py",
        tmp_path / "m" / "lab" / "sizes.py",
    ]


def test_a_function_that_returns_a_module(tmp_path):
    path = model(tmp_path, "nets.py:make", module_args={"factor": 5})
    text = (tmp_path / "nets.py").read_text()
    made = "def make(factor):\n    net = MyNet()\n    net.factor = factor\n    return net\n"
    text = text.replace("return 1 *", "return self.factor *") + made
    (tmp_path / "nets.py").write_text(text)
    assert value(path) == 125


def test_two_models_whose_modules_have_one_name(tmp_path):
    paths = [model(tmp_path / f"m{n}", "nets:MyNet", factor="FACTOR") for n in (1, 2)]
    for n, path in enumerate(paths, 1):
        text = "from sizes import FACTOR\n" + (path.parent / "nets.py").read_text()
        (path.parent / "nets.py").write_text(text)
        (path.parent / "sizes.py").write_text(f"FACTOR = {n}\n")
    assert [value(path) for path in (*paths, *paths)] == [25, 50, 25, 50]


def test_what_lies_there_takes_no_package_s_place(tmp_path, monkeypatch):
    """Only the module that model.yaml names comes before what is installed."""
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "nets.py").write_text("raise SystemExit('it was imported')\n")
    (installed / "sizes_of_mine.py").write_text("FACTOR = 7\n")
    monkeypatch.syspath_prepend(str(installed))
    path = model(tmp_path / "m", "nets:MyNet", factor="FACTOR")
    text = "from sizes_of_mine import FACTOR\n" + NET.format(factor="FACTOR")
    (tmp_path / "m" / "nets.py").write_text(text)
    (tmp_path / "m" / "sizes_of_mine.py").write_text("FACTOR = 9\n")
    monkeypatch.setitem(sys.modules, "nets", "one that was there")
    assert value(path) == 7 * 25
    assert sys.modules["nets"] == "one that was there"


def test_python_s_path_where_nothing_lies_beside(tmp_path, monkeypatch):
    path = model(tmp_path / "m", "nets_on_the_path:MyNet")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "nets_on_the_path.py").write_text(NET.format(factor=6))
    with pytest.raises(ModelError, match="No module named 'nets_on_the_path'"):
        load_model(read_model_config(path))
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    assert value(path) == 150
    assert read_model_config(path).module_files() == [tmp_path / "code" / "nets_on_the_path.py"]


def test_an_edit_of_the_code_is_another_model(tmp_path):
    """The hash of a model, by which products are made anew, sees its module and what that imports
    from beside it; the key of its config sees no folder."""
    path = model(tmp_path / "m", "nets:MyNet")
    (tmp_path / "m" / "layers.py").write_text("import nothing_that_is_there\nA = 1\n")
    (tmp_path / "m" / "unread.py").write_text("A = 1\n")
    text = (tmp_path / "m" / "nets.py").read_text()
    (tmp_path / "m" / "nets.py").write_text(text + "\ndef later():\n    import layers\n")
    config = read_model_config(path)
    hashes = [model_sha256(config, {})[0]]
    for name in ("unread.py", "layers.py", "nets.py"):
        with open(tmp_path / "m" / name, "a") as file:
            file.write("B = 2\n")
        hashes.append(model_sha256(config, {})[0])
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
    (tmp_path / "m").rename(tmp_path / "moved")
    moved = read_model_config(tmp_path / "moved" / "model.yaml")
    assert model_key(moved, False) == model_key(config, False)
    assert model_sha256(moved, {})[0] == hashes[-1]


def test_modules_that_import_each_other(tmp_path):
    (tmp_path / "a.py").write_text("import b\nimport b.c\nfrom . import d\nclass A: ...\n")
    (tmp_path / "b.py").write_text("from a import A\n")
    assert module_files("a:A", tmp_path) == [tmp_path / "a.py", tmp_path / "b.py"]
    (tmp_path / "a.py").write_text("class A(:\n")
    assert module_files("a.py:A", tmp_path) == [tmp_path / "a.py"]


def test_what_is_wrong_is_told_before_any_job(tmp_path):
    model(tmp_path, "nets:MyNet")
    cases = {
        "netz.py:MyNet": f"there is no file {tmp_path}/netz.py. Mend: correct its path, which is "
        "relative to the model.yaml",
        "netz:MyNet": f"there is no module 'netz' in {tmp_path} or on Python's path. Mend: name it "
        "as nets.py:MyNet",
        "nets.py:Net": f"{tmp_path}/nets.py has no 'Net'. Mend: name what it defines: MyNet",
    }
    for module, said in cases.items():
        with pytest.raises(ConfigError) as caught:
            check_import(module, "models.m.module", tmp_path)
        assert f"models.m.module: '{module}' cannot be imported: {said}" in str(caught.value)


@pytest.mark.parametrize("module", ["nets.py:", "nets.py:My.Net", "ne ts:Net", ":Net", "n.:N"])
def test_what_is_no_import_path(tmp_path, module):
    with pytest.raises(ConfigError, match="is not an import path, nets.py:Class or package"):
        read_model_config(model(tmp_path, module))


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("raise KeyError('x')", "MyNet", r"cannot be imported \(KeyError: 'x'\)"),
        ("import not_there", "MyNet", "No module named 'not_there'.*looked for on Python's path"),
        ("Net = 3", "MyNet", "has no attribute 'MyNet'"),
        ("Net = 3", "Net", "is an object of class int, and no class of torch.nn.Module"),
        ("class Net: ...", "Net", "is the class Net, and no class of torch.nn.Module"),
        ("def make(): return 3", "make", "returned int, and no torch.nn.Module.*return the module"),
        ("def make(n): ...", "make", r"cannot be made with {} \(make\(\) missing 1 required"),
    ],
)
def test_errors_of_the_code(tmp_path, text, name, said):
    path = model(tmp_path, f"nets.py:{name}")
    (tmp_path / "nets.py").write_text(text)
    with pytest.raises(ModelError, match=f"(?s){said}"):
        load_model(read_model_config(path))


def test_what_is_imported_from_a_folder_is_kept_once(tmp_path):
    (tmp_path / "once.py").write_text("")
    for _ in range(2):
        with importing_from(tmp_path, "once"):
            import once
        found = once
    assert sys.modules.pop("once") is found
    with importing_from(tmp_path):
        import once
    assert once is found

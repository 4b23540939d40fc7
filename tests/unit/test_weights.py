"""Weights that are no numbers are refused by file and tensor; casts that lose digits are named."""

import logging
import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.unit.test_model_loading import config_of
from torch import nn

from cisweep.config.model import FoldConfig
from cisweep.errors import ModelError
from cisweep.jobs.prepare import prepare
from cisweep.models import load_model
from cisweep.models.modules import CNN
from cisweep.models.weights import check_finite
from cisweep.plan.run_config import read_model_config
from cisweep.scope import ModelScope


@pytest.fixture
def cnn():
    torch.manual_seed(0)
    return CNN(8, first_width=5).eval()


def from_safetensors(cnn, folder):
    save_file(cnn.state_dict(), folder / "m.safetensors")
    return config_of(folder / "m.safetensors")


def from_torch_save(cnn, folder):
    torch.save(cnn.state_dict(), folder / "m.pth")
    return config_of(folder / "m.pth")


def from_checkpoint(cnn, folder):
    torch.save({"state_dict": cnn.state_dict()}, folder / "m.ckpt")
    return config_of(folder / "m.ckpt", key="state_dict")


def from_pickle(cnn, folder):
    torch.save(cnn, folder / "m.pt")
    return config_of(folder / "m.pt", trust_pickle=True)


def from_export(cnn, folder):
    batch = torch.export.Dim("batch")
    program = torch.export.export(cnn, (torch.zeros(2, 4, 40),), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "m.pt2")
    return config_of(folder / "m.pt2", adapter="export", module=None, module_args={})


def from_module(cnn, folder):
    torch.save(cnn.state_dict(), folder / "m.pt")
    (folder / "own_reader.py").write_text(
        "import torch\nfrom cisweep.models.modules import CNN\n\n\nclass Own(CNN):\n"
        "    @classmethod\n    def from_file(cls, path):\n"
        "        made = cls(8, first_width=5)\n"
        "        made.load_state_dict(torch.load(path))\n        return made\n"
    )
    return config_of(folder / "m.pt", adapter="python", module="own_reader:Own", module_args={})


WAYS = [from_safetensors, from_torch_save, from_checkpoint, from_pickle, from_export, from_module]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_refused(way, value, cnn, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    with torch.no_grad():
        # A's in all windows: this letter's weights are not read by the window that is run.
        cnn.conv.weight[3, 2, 1] = value
    config = way(cnn, tmp_path)
    with pytest.raises(ModelError) as error:
        load_model(config)
    assert str(config.folds[0].weights) in str(error.value)
    assert "conv.weight has 1 of 160 numbers that are NaN or infinite" in str(error.value)
    assert "compare checksums" in error.value.mend


def test_all_tensors_are_named_at_once(cnn, tmp_path):
    with torch.no_grad():
        cnn.conv.bias[:] = torch.nan
        cnn.output.bias[0] = torch.inf
    with pytest.raises(ModelError, match="conv.bias has 8 of 8 .*; output.bias has 1 of "):
        load_model(from_safetensors(cnn, tmp_path))


def test_a_sum_beyond_float32_is_no_fault():
    layer = nn.Linear(4, 1)
    nn.init.constant_(layer.weight, 3e38)
    check_finite(layer, ["w"])


def test_masks_of_buffers_are_taken():
    """Causal masks hold −∞; NaN and +∞ in a buffer (running statistics) are faults."""
    module = nn.Module()
    module.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    module.register_buffer("steps", torch.tensor(3))
    check_finite(module, ["w"])
    module.mask[0] = torch.inf
    with pytest.raises(ModelError, match="w: mask has 1 of 2 numbers"):
        check_finite(module, ["w"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_keras_weights(value, tmp_path):
    rng = np.random.default_rng(0)
    sizes = {"bpnet_1st_conv": (5, 4, 6), "bpnet_1conv": (3, 6, 6), "prof_out_precrop": (7, 6, 1)}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name, size in {**sizes, "logcount_predictions": (6, 1)}.items():
            kernel = rng.normal(size=size)
            if name == "bpnet_1conv":
                kernel[1, 2, 3] = value
            group = file.create_group(f"model_weights/{name}/{name}")
            group["kernel:0"], group["bias:0"] = kernel, np.zeros(size[-1])
    config = config_of(tmp_path / "m.h5", adapter="chrombpnet", module=None, module_args={})
    with pytest.raises(ModelError, match=r"m\.h5: dilated_convs.0.weight has 1 of 108 numbers"):
        load_model(config)


@pytest.mark.parametrize(
    ("dtype", "line"),
    [
        (torch.float64, "m.safetensors: 1 tensors are float64 in the file and float32 in the "),
        (torch.int64, "m.safetensors: 1 tensors are int64 in the file and float32 in the model: "),
        (torch.int8, "int8 in the file"),
        (torch.float16, None),
        (torch.bfloat16, None),
    ],
)
def test_casts_that_lose_digits_are_named(dtype, line, cnn, tmp_path, caplog):
    state = cnn.state_dict()
    state["conv.bias"] = state["conv.bias"].to(dtype)
    save_file(state, tmp_path / "m.safetensors")
    with caplog.at_level(logging.WARNING, logger="cisweep"):
        load_model(config_of(tmp_path / "m.safetensors"))
    assert ("conv.bias" in caplog.text) == (line is not None)
    assert (line or "") in caplog.text


def test_complex_weights_are_refused(cnn, tmp_path):
    state = cnn.state_dict()
    state["conv.bias"] = state["conv.bias"].to(torch.complex64)
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(ModelError, match="conv.bias has complex numbers, and the module real"):
        load_model(config_of(tmp_path / "m.pt"))


def test_a_language_model(tmp_path, resources):
    """hf_lm reads its weights by transformers; the rule prepare looks at them all the same."""
    pytest.importorskip("transformers")
    folder = tmp_path / "lm"
    shutil.copytree(resources / "yeast_lm" / "model", folder)
    (path,) = folder.glob("*.safetensors")
    config = read_model_config(resources / "yeast_lm" / "model.yaml")
    folds = [FoldConfig(weights=folder)]
    load_model(config.model_copy(update={"folds": folds}))
    state = load_file(path)
    name = next(n for n, tensor in state.items() if tensor.ndim == 2)
    state[name][0, 0] = torch.nan
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="numbers that are NaN or infinite") as error:
        load_model(config.model_copy(update={"folds": folds}))
    assert name.split(".", 1)[1] in str(error.value) and str(folder) in str(error.value)


def test_prepare_looks_and_the_jobs_behind_it_do_not(cnn, tmp_path):
    """The pass over all weights costs 0.2 s for 50 million; what prepare has seen is the same."""
    cnn.output.bias.data[0] = torch.nan
    config = from_safetensors(cnn, tmp_path)
    load_model(config, prepared=True)
    with pytest.raises(ModelError, match="numbers that are NaN or infinite"):
        prepare(ModelScope(plan=SimpleNamespace(models={"m": config}), model="m"), tmp_path / "p")

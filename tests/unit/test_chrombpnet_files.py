"""Keras HDF5 files in ChromBPNet's layout, against its network written out in Keras's terms."""

import json

import h5py
import numpy as np
import pytest
import torch

from cisweep.config.model import ModelConfig
from cisweep.errors import ModelError
from cisweep.models import hdf5, load_model
from cisweep.models.adapters import chrombpnet
from cisweep.models.ensemble import Ensemble
from cisweep.models.modules import ChromBPNet

LENGTH = 300


def layers(rng, n_filters, n_layers, prefix):
    """Return Keras weights by layer name: kernels are (width, in, out), dense (in, out)."""
    names = {"bpnet_1st_conv": (21, 4, n_filters)}
    names |= {f"bpnet_{i}conv": (3, n_filters, n_filters) for i in range(1, n_layers + 1)}
    heads = {"prof_out_precrop": (75, n_filters, 1), "logcount_predictions": (n_filters, 1)}
    if prefix:
        names = {"wo_bias_" + name: shape for name, shape in names.items()}
        heads = {"wo_bias_bpnet_" + name: shape for name, shape in heads.items()}
    return {
        name: (rng.normal(0, 0.2, shape).astype("f4"), rng.normal(0, 0.2, shape[-1]).astype("f4"))
        for name, shape in (names | heads).items()
    }


def keras(weights, x):
    """Return profile and counts of x (length, 4) as Keras's valid layers compute them."""
    named = {name.removeprefix("wo_bias_").removeprefix("bpnet_"): w for name, w in weights.items()}

    def conv(x, name, dilation=1):
        kernel, bias = named[name]
        length = len(x) - dilation * (len(kernel) - 1)
        return sum(x[t * dilation :][:length] @ kernel[t] for t in range(len(kernel))) + bias

    x = np.maximum(conv(x.astype("f8"), "1st_conv"), 0)
    for i in range(1, len(weights) - 2):
        y = np.maximum(conv(x, f"{i}conv", 2**i), 0)
        crop = (len(x) - len(y)) // 2
        x = y + x[crop : crop + len(y)]
    kernel, bias = named["logcount_predictions"]
    return conv(x, "prof_out_precrop")[:, 0], (x.mean(0) @ kernel + bias)[0]


def write(path, weights, groups=lambda name: f"{name}/{name}", crops=None, root="model_weights"):
    with h5py.File(path, "a") as file:
        for name, (kernel, bias) in weights.items():
            file[f"{root}/{groups(name)}/kernel:0"] = kernel
            file[f"{root}/{groups(name)}/bias:0"] = bias
            file.require_group("optimizer_weights")
        if crops:
            cropping = [
                {"class_name": "Cropping1D", "config": {"name": name, "cropping": [crop, crop]}}
                for name, crop in crops.items()
            ]
            file.attrs["model_config"] = json.dumps({"config": {"layers": cropping}})


def config_of(path, **extra):
    fold = {"weights": path, "extra_weights": extra}
    return ModelConfig.model_validate(
        {
            "adapter": "chrombpnet",
            "window_bp": LENGTH,
            "targets": [{"name": "counts", "head": 1}],
            "folds": [fold],
            "rc": {"average": False},
        }
    )


def load(path, **extra):
    return load_model(config_of(path, **extra))


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return layers(rng, 6, 4, "wo_bias_"), layers(rng, 5, 2, "")


@pytest.fixture
def window():
    tokens = np.random.default_rng(1).integers(0, 4, LENGTH)
    return np.eye(4)[tokens]


def predicted(model, window):
    with torch.no_grad():
        profile, counts = model(torch.from_numpy(window.T[None].copy()).float())
    return profile[0, 0].numpy(), counts[0, 0].item()


@pytest.mark.parametrize("which", [0, 1])
def test_one_network(weights, window, tmp_path, which):
    write(tmp_path / "m.h5", weights[which])
    profile, counts = predicted(load(tmp_path / "m.h5"), window)
    expected_profile, expected_counts = keras(weights[which], window)
    np.testing.assert_allclose(profile, expected_profile, atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(counts, expected_counts, rtol=1e-4)


@pytest.mark.parametrize("nested", [False, True])
def test_full_model(weights, window, tmp_path, nested):
    """The full file nests both networks; or a nobias and a bias file are given."""
    without, bias = weights
    crops = {"wo_bias_bpnet_logitt_before_flatten": 7, "logits_profile_predictions_preact": 31}
    if nested:
        write(tmp_path / "m.h5", without, lambda n: f"model_wo_bias/{n}", crops)
        write(tmp_path / "m.h5", bias, lambda n: f"model_1/{n}")
        model = load(tmp_path / "m.h5")
    else:
        names = list(crops)
        write(tmp_path / "m.h5", without, crops={names[0]: 7})
        write(tmp_path / "b.h5", bias, crops={names[1]: 31})
        model = load(tmp_path / "m.h5", bias=tmp_path / "b.h5")
    assert isinstance(model, ChromBPNet)
    profile, counts = predicted(model, window)
    (p, c), (bias_p, bias_c) = keras(without, window), keras(bias, window)
    p = p[7:-7]
    inner = (len(bias_p) - len(p)) // 2
    expected = p + bias_p[inner : inner + len(p)]
    np.testing.assert_allclose(profile, expected, atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(counts, np.logaddexp(c, bias_c), rtol=1e-4)


def test_bpnet_lites_loader_agrees(weights, window, tmp_path):
    """bpnet-lite reads one network a file and its own widths, 21 and 75."""
    peer = pytest.importorskip("bpnetlite.bpnet")
    for which in (0, 1):
        write(tmp_path / f"{which}.h5", weights[which])
        model = peer.BPNet.from_chrombpnet(str(tmp_path / f"{which}.h5")).eval()
        profile, counts = predicted(model, window)
        found_profile, found_counts = predicted(load(tmp_path / f"{which}.h5"), window)
        np.testing.assert_allclose(found_profile, profile, atol=2e-5, rtol=1e-4)
        np.testing.assert_allclose(found_counts, counts, rtol=1e-4)


def test_errors(weights, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["model_weights/dense_1/dense_1/kernel:0"] = np.zeros((2, 3))
    with pytest.raises(ModelError, match="no ChromBPNet layers .* it has dense_1"):
        load(tmp_path / "other.h5")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(ModelError, match="no ChromBPNet layers .* it has none"):
        load(tmp_path / "empty.h5")
    write(tmp_path / "m.h5", weights[0])
    (tmp_path / "cut.h5").write_bytes((tmp_path / "m.h5").read_bytes()[:900])
    with pytest.raises(ModelError, match="truncated or of another format"):
        load(tmp_path / "cut.h5")
    with pytest.raises(ModelError, match="holds no bias model"):
        load(tmp_path / "m.h5", bias=tmp_path / "m.h5")
    with pytest.raises(ModelError, match="no such model file"):
        load(tmp_path / "gone.h5")


def test_a_file_that_the_hdf5_library_reads_without_end(weights, tmp_path, monkeypatch):
    """Found by fuzzing: of the heap with the model's config, the place of its free space."""
    monkeypatch.setattr(hdf5, "SECONDS", 3)
    path = tmp_path / "m.h5"
    write(path, weights[0])
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = "x" * 96
    load_error = r"m\.h5: .*HDF5 library reads it for more than 3 s without reaching its end"
    raw = bytearray(path.read_bytes())
    free = raw.index(b"x" * 96) + 96
    raw[free + 1 : free + 9] = bytes([42, 65, 32, 212, 160, 56, 143, 55])
    path.write_bytes(raw)
    with pytest.raises(ModelError, match=load_error + ".*Mend: copy the file again"):
        load(path)


def test_a_file_at_which_the_hdf5_library_ends_the_process(weights, tmp_path, monkeypatch):
    write(tmp_path / "m.h5", weights[0])
    monkeypatch.setattr(hdf5, "_READER", "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(ModelError, match=r"m\.h5: .*crashed the process that read it, signal 11"):
        load(tmp_path / "m.h5")
    with pytest.raises(ModelError, match=r"m\.h5: .*signal 11"):  # each file of the fold
        chrombpnet.check(config_of(tmp_path / "m.h5", bias=tmp_path / "m.h5").folds[0])


def test_what_prepare_has_read_is_read_without_another_process(weights, tmp_path, monkeypatch):
    write(tmp_path / "m.h5", weights[0])
    X = torch.zeros(1, 4, LENGTH)
    _, expected = load(tmp_path / "m.h5")(X)
    monkeypatch.setattr(hdf5, "_READER", "import os; os.kill(os.getpid(), 11)")
    config = config_of(tmp_path / "m.h5")
    assert torch.equal(load_model(config, prepared=True)(X)[1], expected)
    assert torch.equal(Ensemble.load(config).folds[0](X)[:, :1], expected)
    with pytest.raises(ModelError, match="signal 11"):
        load_model(config)


def test_weights_that_are_one_number(weights, tmp_path):
    write(tmp_path / "m.h5", weights[0])
    with h5py.File(tmp_path / "m.h5", "a") as file:
        names = []
        file.visit(names.append)
        name = next(n for n in names if n.endswith("bias:0") and "bpnet_1st_conv" in n)
        del file[name]
        file[name] = np.float32(1)
    with pytest.raises(ModelError, match=r"m\.h5: .*1st_conv/bias: "):
        load(tmp_path / "m.h5")

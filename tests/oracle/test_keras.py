"""Models that Keras saved, against Keras' own predictions; DeepLIFT/SHAP adds up on them.

Each test builds and saves its model, with norms that have statistics. Keras' own predictions are
those of the model that was saved, on windows with the letters last.
"""

import json
import os
import sys
import types
import zipfile

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from cisweep.analysis import deep_lift_shap, predict, saturation_mutagenesis
from cisweep.config.model import ModelConfig
from cisweep.errors import ConfigError, ModelError
from cisweep.models import hdf5, load_model
from cisweep.models.adapters import keras as adapter
from cisweep.models.proposal import propose
from cisweep.models.targets import target_module

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="keras is not installed: make install-extras")
if keras.backend.backend() != "torch":
    pytest.skip("keras was imported with another backend", allow_module_level=True)
L = keras.layers
LENGTH = 120


def basset():
    """Three convolutions with norms and max pooling, two dense layers (Kelley et al. 2016)."""
    x = given = L.Input((LENGTH, 4))
    for filters, width, pool in ((16, 19, 3), (12, 11, 4), (12, 7, 4)):
        x = L.Conv1D(filters, width, padding="same")(x)
        x = L.Activation("relu")(L.BatchNormalization()(x))
        x = L.MaxPooling1D(pool, padding="same")(x)
    x = L.Dropout(0.3)(L.Dense(20, activation="relu")(L.Flatten()(x)))
    return keras.Model(given, L.Dense(3, activation="sigmoid")(x))


def dilated():
    """A stem with GELU, dilated residual blocks that are cropped, an average, as CREsted's."""
    given = L.Input((LENGTH, 4))
    x = L.Conv1D(16, 13, padding="same", use_bias=False)(given)
    x = L.Dropout(0.1)(L.Activation("gelu")(L.BatchNormalization()(x)))
    for dilation in (2, 4, 8):
        y = L.Conv1D(16, 3, dilation_rate=dilation, activation="relu")(x)
        y = L.BatchNormalization()(y)
        x = L.Add()([L.Cropping1D(dilation)(x), y])
    x = L.GlobalAveragePooling1D()(x)
    return keras.Model(given, L.Dense(4, activation="softplus")(x))


def attention():
    """Pooling by attention weights of its own layers, a transformer block, the maximum."""
    given = L.Input((LENGTH, 4))
    x = L.Conv1D(16, 9, padding="same", activation="gelu")(given)
    x = L.LayerNormalization()(L.AveragePooling1D(4)(x))
    x = L.Add()([x, L.MultiHeadAttention(2, 8)(x, x)])
    y = L.Dense(32, activation="swish")(L.LayerNormalization()(x))
    x = L.Add()([x, L.Dense(16)(y)])
    return keras.Model(given, L.Dense(2)(L.GlobalMaxPooling1D()(x)))


def separable():
    """What else models of DNA use: separable and grouped convolutions, gates, group norms."""
    x = L.SeparableConv1D(12, 7, padding="same", activation="elu")(given := L.Input((LENGTH, 4)))
    x = L.GroupNormalization(3)(x)
    x = L.Multiply()([x, L.Conv1D(12, 1, activation="sigmoid")(x)])
    x = L.DepthwiseConv1D(5, padding="same")(L.LeakyReLU(0.2)(x))
    x = L.ZeroPadding1D(2)(L.PReLU(shared_axes=[1])(x))
    x = L.UpSampling1D(2)(L.MaxPooling1D(4)(x))
    x = L.Concatenate()([L.GlobalAveragePooling1D()(x), L.GlobalMaxPooling1D()(x)])
    return keras.Model(given, L.Dense(2, activation="tanh")(x))


def recurrent():
    """Both directions of an LSTM over pooled convolutions (DanQ)."""
    x = L.Conv1D(8, 9, activation="relu")(given := L.Input((LENGTH, 4)))
    x = L.Bidirectional(L.LSTM(5, return_sequences=True))(L.MaxPooling1D(14)(x))
    return keras.Model(given, L.Dense(2)(L.Flatten()(x)))


def operations():
    """A functional model of bare operations, as keras.ops.relu."""
    x = keras.ops.relu(L.Conv1D(6, 5)(given := L.Input((LENGTH, 4))))
    return keras.Model(given, L.Dense(2)(keras.ops.mean(x * 2.0 + keras.ops.exp(-x), axis=1)))


MODELS = [basset, dilated, attention, separable, recurrent, operations]


def made(build, seed=1):
    """Return a model with weights and statistics of norms drawn at random."""
    keras.utils.set_random_seed(seed)
    model = build()
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith(("moving_variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(("moving_mean", "beta", "bias", "alpha")):
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


def windows(n=3, length=LENGTH, seed=0):
    tokens = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(seed))
    return nn.functional.one_hot(tokens, 4).transpose(1, 2).float()


def last(X):
    return X.transpose(1, 2).numpy()


def config_of(path, **changes):
    values = {
        "adapter": "keras",
        "window_bp": LENGTH,
        "targets": [{"name": "first", "tasks": [0]}],
        "rc": {"average": False},
        "folds": [{"weights": path}],
    }
    return ModelConfig.model_validate(values | changes)


def saved(model, path):
    model.save(path)
    return path


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("build", MODELS)
def test_predictions_are_keras_own(build, suffix, tmp_path):
    if build is operations and suffix == "h5":
        pytest.skip("Keras cannot read its own bare operations from HDF5")
    model = made(build)
    loaded = load_model(config_of(saved(model, tmp_path / f"m.{suffix}")))
    X = windows()
    np.testing.assert_allclose(
        predict(loaded, X).numpy(), model.predict(last(X), verbose=0), rtol=2e-5, atol=1e-6
    )


@pytest.mark.parametrize("build", MODELS)
def test_attributions_add_up_to_differences_of_keras_own_predictions(build, tmp_path):
    model = made(build)
    config = config_of(saved(model, tmp_path / "m.keras"))
    module = target_module(load_model(config), config.targets, config.rc)
    X = windows()
    A, references = deep_lift_shap(module, X, n_shuffles=4, return_references=True)
    own = model.predict(last(X), verbose=0)[:, 0].astype(np.float64)
    theirs = np.stack([model.predict(last(r), verbose=0)[:, 0] for r in references]).mean(1)
    differences = own - theirs
    assert np.abs(differences).min() > 1e-4  # else nothing was explained
    np.testing.assert_allclose(
        A.sum((1, 2)).numpy(), differences, atol=1e-4 * np.abs(differences).mean()
    )


def test_mutagenesis_of_a_keras_model(tmp_path):
    """Every substitution of a stretch, as Keras itself predicts the mutated windows."""
    model = made(dilated)
    loaded = load_model(config_of(saved(model, tmp_path / "m.keras")))
    X = windows(1)
    _, found = saturation_mutagenesis(loaded, X, start=50, end=56, raw_outputs=True)
    mutants = X.repeat(24, 1, 1)
    for i in range(24):
        mutants[i, :, 50 + i % 6] = torch.eye(4)[i // 6]
    expected = model.predict(last(mutants), verbose=0).reshape(4, 6, -1)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=2e-5, atol=1e-6)


def test_inputs_and_outputs(tmp_path):
    """The sequence is not the first input; tracks have their channels last; outputs are named."""
    controls, given = L.Input((LENGTH, 2), name="controls"), L.Input((LENGTH, 4), name="dna")
    depth = L.Input((1,), name="depth")
    x = L.Concatenate()([L.Conv1D(6, 7, padding="same", activation="relu")(given), controls])
    profile = L.Conv1D(2, 5, name="profile")(x)
    counts = L.Dense(1, name="counts")(L.Concatenate()([L.GlobalAveragePooling1D()(x), depth]))
    model = made(
        lambda: keras.Model([controls, given, depth], {"profile": profile, "counts": counts})
    )
    inputs = [
        {"name": "controls", "kind": "constant", "channels": 2, "value": 0.5},
        {"name": "depth", "kind": "column", "column": "depth"},
    ]
    targets = [
        {"name": "profile", "head": 1, "reduce": "profile"},
        {"name": "counts", "head": 0, "tasks": [0]},
    ]
    path = saved(model, tmp_path / "m.keras")
    loaded = load_model(config_of(path, inputs=inputs, targets=targets))
    X, depth = windows(), torch.tensor([[0.1], [2.0], [-1.0]])
    found = loaded(X, depth)
    own = model.predict(
        {"controls": np.full((3, LENGTH, 2), 0.5), "dna": last(X), "depth": depth.numpy()},
        verbose=0,
    )
    assert [tuple(head.shape) for head in found] == [(3, 1), (3, 2, LENGTH - 4)]
    np.testing.assert_allclose(found[1].transpose(1, 2), own["profile"], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[0], own["counts"], rtol=2e-5, atol=1e-6)
    with pytest.raises(ModelError, match=r"2 inputs beside the sequence, .*\(120, 2\), \(1,\).*0 "):
        load_model(config_of(path))


def test_a_model_yaml_is_proposed(tmp_path):
    """Of the file alone: its window, its other inputs, its outputs."""
    controls, given = L.Input((60, 2), name="controls"), L.Input((LENGTH, 4), name="dna")
    x = L.Concatenate()([L.Flatten()(L.Conv1D(2, 5)(given)), L.Flatten()(controls)])
    model = made(lambda: keras.Model([controls, given], L.Dense(2)(x)))
    saved(model, tmp_path / "m.keras")
    found = propose({"folds": [{"weights": "m.keras"}]}, tmp_path)
    assert found.data == {
        "adapter": "auto",
        "window_bp": LENGTH,
        "inputs": [{"name": "input_0", "kind": "zeros", "channels": 2, "length_bp": 60}],
        "targets": [{"name": f"task_{i}", "tasks": [i], "scale": "value"} for i in range(2)],
        "rc": {"average": True},
        "folds": [{"weights": "m.keras"}],
    }
    assert found.notes[:3] == [
        "weights: a model of Keras 3",
        "inputs: zeros to begin with; config/README.md has the other kinds",
        "window_bp: what the file says",
    ]
    own = model.predict([np.zeros((3, 60, 2)), last(windows())], verbose=0)
    np.testing.assert_allclose(load_model(found.config)(windows()), own, rtol=2e-5, atol=1e-6)


def test_letters_first_and_any_length(tmp_path):
    given = L.Input((4, LENGTH))
    model = made(lambda: keras.Model(given, L.Dense(2)(L.Flatten()(given))))
    X = windows()
    loaded = load_model(config_of(saved(model, tmp_path / "m.keras")))
    np.testing.assert_allclose(loaded(X), model.predict(X.numpy(), verbose=0), rtol=1e-5)
    given = L.Input((None, 4))
    model = made(lambda: keras.Model(given, L.GlobalMaxPooling1D()(L.Conv1D(2, 5)(given))))
    loaded = load_model(config_of(saved(model, tmp_path / "m.keras"), window_bp=33))
    assert loaded.length_bp is None
    np.testing.assert_allclose(
        loaded(windows(length=33)), model.predict(last(windows(length=33)), verbose=0), rtol=1e-5
    )


def test_half_precision_is_computed_in_float32(tmp_path, caplog):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = made(dilated)
    finally:
        keras.config.set_dtype_policy(policy)
    exact = made(dilated)
    exact.set_weights(model.get_weights())
    with caplog.at_level("WARNING", "cisweep.models.keras"):
        loaded = load_model(config_of(saved(model, tmp_path / "m.keras")))
    assert "layers compute in float32 instead of half precision" in caplog.text
    X = windows()
    assert loaded(X).dtype == torch.float32
    np.testing.assert_allclose(loaded(X), exact.predict(last(X), verbose=0), rtol=2e-5, atol=1e-6)


SCALE = """
import keras

@keras.saving.register_keras_serializable("lab")
class Scale(keras.layers.Layer):
    def call(self, x):
        return 3.0 * x

class Plain(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x
"""


def test_layers_of_one_s_own(tmp_path):
    """They are named by import path, beside model.yaml; without it the error says how."""
    (tmp_path / "layers.py").write_text(SCALE)
    there = types.ModuleType("layers_of_the_training")
    exec(SCALE.replace('@keras.saving.register_keras_serializable("lab")', ""), there.__dict__)
    there.Plain.__module__ = there.Scale.__module__ = "layers_of_the_training"
    given = L.Input((LENGTH, 4))
    model = made(
        lambda: keras.Model(given, L.Dense(1)(L.Flatten()(there.Plain()(there.Scale()(given)))))
    )
    for suffix in ("keras", "h5"):
        path = saved(model, tmp_path / f"m.{suffix}")
        with pytest.raises(ModelError, match=r"layer or function of its own.*custom_objects: {Nam"):
            load_model(config_of(path).placed(tmp_path))
        named = {"Plain": "layers.py:Plain", "Scale": "layers:Scale"}
        config = config_of(path, custom_objects=named).placed(tmp_path)
        np.testing.assert_allclose(
            load_model(config)(windows()), model.predict(last(windows()), verbose=0), rtol=1e-5
        )
        assert config.files() == [path, tmp_path / "layers.py"]
    with pytest.raises(ModelError, match="has no attribute 'Gone'"):
        load_model(config_of(path, custom_objects={"Plain": "layers.py:Gone"}).placed(tmp_path))


def test_custom_objects_in_a_config(tmp_path):
    with pytest.raises(ValueError, match="'layers.py' of Scale is not an import path"):
        config_of("m.keras", custom_objects={"Scale": "layers.py"})
    with pytest.raises(ValueError, match="read by the adapter auto or keras, and adapter chrombp"):
        config_of("m.h5", adapter="chrombpnet", custom_objects={"Scale": "layers.py:Scale"})
    from cisweep.config.import_paths import check_import

    config = config_of("m.keras", custom_objects={"S": "not_there.py:S"}).placed(tmp_path)
    ((key, path),) = config.import_paths().items()
    with pytest.raises(ConfigError, match=f"custom_objects.S: 'not_there.py:S'.*file {tmp_path}"):
        check_import(path, key, config.folder)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_code_is_refused_unless_it_is_trusted(tmp_path, suffix):
    given = L.Input((LENGTH, 4))
    double = L.Lambda(lambda x: 2 * x, output_shape=(LENGTH, 4), name="double")
    model = made(lambda: keras.Model(given, L.Dense(1)(L.Flatten()(double(given)))))
    path = saved(model, tmp_path / f"m.{suffix}")
    with pytest.raises(ModelError) as caught:
        load_model(config_of(path))
    assert "a Lambda layer, which is Python code named 'double'" in str(caught.value)
    assert "set trust_pickle: true if you made the file" in str(caught.value)
    loaded = load_model(config_of(path, trust_pickle=True))
    np.testing.assert_allclose(
        loaded(windows()), model.predict(last(windows()), verbose=0), rtol=1e-5
    )


def changed(path, change):
    """Write a .keras file again, with its layers changed by a function."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"class_name": "TFSMLayer", "config": {"filepath": "x"}}, "a program of TensorFlow"),
        ({"class_name": "TorchModuleWrapper"}, "a pickle of a torch module"),
        ({"class_name": "__lambda__", "config": {"value": "x"}}, "a Python function"),
        ({"class_name": "StringLookup"}, "a vocabulary, which may be any file"),
        ({"class_name": "system", "module": "os", "config": "x"}, "is deserialized|of its own"),
        ({"class_name": "get_file", "module": "keras.utils"}, "not a|of its own"),
    ],
)
def test_no_class_of_a_file_runs(tmp_path, layer, said):
    path = saved(made(basset), tmp_path / "m.keras")

    def change(config):
        config["config"]["layers"][1] |= {"registered_name": None} | layer

    changed(path, change)
    with pytest.raises(ModelError, match=said if "|" not in said else str(path)):
        load_model(config_of(path))


def test_files_that_are_no_model(tmp_path, monkeypatch):
    path = saved(made(basset), tmp_path / "m.keras")
    whole = path.read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="truncated or of another format"):
        load_model(config_of(tmp_path / "cut.keras"))
    (tmp_path / "m.pt").write_bytes(whole)
    with pytest.raises(ModelError, match="this one ends in '.pt'.*model.keras or model.h5"):
        load_model(config_of(tmp_path / "m.pt"))
    with pytest.raises(ModelError, match="there is no such model file"):
        load_model(config_of(tmp_path / "gone.keras"))
    made(basset).save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ModelError, match="weights alone.*save the whole model"):
        load_model(config_of(tmp_path / "w.weights.h5"))
    given = L.Input((50,))
    saved(keras.Model(given, L.Dense(1)(given)), tmp_path / "d.keras")
    with pytest.raises(ModelError, match=r"one-hot DNA.*its inputs are \[\(50,\)\]"):
        load_model(config_of(tmp_path / "d.keras"))
    monkeypatch.setattr(hdf5, "_READER", "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(ModelError, match="crashed the process that read it, signal 11"):
        load_model(config_of(path))
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file.attrs["model_config"] = "{"
    monkeypatch.undo()
    with pytest.raises(ModelError, match="truncated or of another format"):
        load_model(config_of(tmp_path / "e.h5"))


def test_keras_with_another_backend_and_without_keras(tmp_path, monkeypatch):
    path = saved(made(basset), tmp_path / "m.keras")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ModelError, match="imported with the backend jax.*KERAS_BACKEND=torch"):
        load_model(config_of(path))
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setattr(adapter, "_refuse_code", lambda config, path: None)
    with pytest.raises(ModelError, match=r"not installed.*pip install 'cisweep\[keras\]'"):
        load_model(config_of(path))

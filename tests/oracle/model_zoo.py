"""The configs of config/models: what the tests run each of them with, and what comes of it.

Weights are drawn and written by the tests; nothing is fetched. Run as a script it writes the table
of docs/models.md.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import language_models
import numpy as np
import torch
import yaml
from published_networks import DOCUMENT, trained_like, windows
from safetensors.torch import load_file, save_file
from torch import nn

from cisweep.config.model import ModelConfig
from cisweep.models.building import build_module
from cisweep.plan.run_config import model_config_of

MODELS = Path(__file__).resolve().parents[2] / "config" / "models"

STEPS = ("predict", "attribute", "ism", "variants", "design", "zero_shot")
"""Columns of the table."""

TOKENS = dict.fromkeys(("attribute", "ism", "variants", "design"), "reads tokens")

# What a file is written by: its config with the sizes of the test, the fold, the path.
Writer = Callable[[ModelConfig, int, Path], nn.Module | None]


@dataclass(frozen=True)
class Entry:
    """A config of config/models.

    name: of its file; title: what it is; write: makes the weights of a fold, and returns the
    package's own model where there is one; changes: keys of model.yaml that the test replaces;
    sizes: what of it is smaller than published;
    reasons: step -> why it is not done; slow: more than ten seconds; own: `write` returns the model
    of the package or of Keras, whose output is compared.
    """

    name: str
    title: str
    write: Writer
    changes: dict[str, Any] = field(default_factory=dict)
    sizes: str = "as published"
    reasons: dict[str, str] = field(default_factory=dict)
    slow: bool = False
    own: bool = False

    def cell(self, step: str) -> str:
        """Return what the table says of a step."""
        if step in self.reasons:
            return self.reasons[step]
        if step == "zero_shot" and not self.reasons:
            return "reads windows"
        return "✓"


# ---- weights -----------------------------------------------------------------------------------


def drawn(model: nn.Module, length: int, seed: int) -> nn.Module:
    """Return a module with weights as training leaves them; norms have statistics."""
    return trained_like(model.eval(), windows(8, length, seed=7), seed)


def state(config: ModelConfig, fold: int, path: Path) -> None:
    """Write the state dict of the module that the config names."""
    torch.manual_seed(fold)
    made = drawn(build_module(config), config.window_bp, fold).state_dict()
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in made.items()}, path)
    else:
        torch.save(made, path)


def keras_weights(config: ModelConfig, fold: int, path: Path) -> None:
    """Write DeepSTARR's weights as Keras 2 writes them: a group a layer, kernels turned round."""
    import h5py

    model = drawn(build_module(config), config.window_bp, fold)
    blocks = [*zip(model.convs, model.norms), *zip(model.dense, model.dense_norms)]
    layers = [layer for block in blocks for layer in block] + [*model.heads]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [f"layer_{i}".encode() for i in range(len(layers))]
        for i, layer in enumerate(layers):
            named = {"kernel": layer.weight, "bias": layer.bias}
            if isinstance(layer, nn.BatchNorm1d):
                named = {"gamma": layer.weight, "beta": layer.bias}
                named |= {"moving_mean": layer.running_mean}
                named |= {"moving_variance": layer.running_var}
            group = file.create_group(f"layer_{i}")
            group.attrs["weight_names"] = [f"layer_{i}/{n}:0".encode() for n in named]
            for name, tensor in named.items():
                array = np.ascontiguousarray(tensor.detach().numpy().T)
                group[f"layer_{i}/{name}:0"] = array


def bpnet_lite(**options: Any) -> Writer:
    """Return the writer of a pickled BPNet of bpnet-lite, which is the package's own."""

    def write(config: ModelConfig, fold: int, path: Path) -> nn.Module:
        made = import_module("bpnetlite").BPNet(verbose=False, **options)
        wrapped = import_module("bpnetlite.bpnet").ControlWrapper(made)
        drawn(wrapped, config.window_bp, fold)
        torch.save(made, path)
        return wrapped

    return write


def chrombpnet_lite(config: ModelConfig, fold: int, path: Path) -> nn.Module:
    """Write bpnet-lite's ChromBPNet; its own output is the package's."""
    module = import_module("bpnetlite")
    options = dict(n_outputs=1, n_control_tracks=0, verbose=False)
    bias = module.BPNet(n_filters=16, n_layers=4, trimming=557, **options)
    made = module.ChromBPNet(bias, module.BPNet(n_filters=32, n_layers=8, **options), "zoo")
    drawn(made, config.window_bp, fold)
    torch.save(made, path)
    return made


def chrombpnet(config: ModelConfig, fold: int, path: Path) -> None:
    """Write a network without bias as ChromBPNet's training saves it: Keras 2's layers by name."""
    import h5py

    draw, n = np.random.default_rng(fold), 16
    shapes = {"wo_bias_bpnet_1st_conv": (21, 4, n)}
    shapes |= {f"wo_bias_bpnet_{i}conv": (3, n, n) for i in range(1, 9)}
    shapes |= {
        "wo_bias_bpnet_prof_out_precrop": (75, n, 1),
        "wo_bias_bpnet_logcount_predictions": (n, 1),
    }
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            group = file.create_group(f"model_weights/{name}/{name}")
            width = np.prod(shape[:-1]) ** -0.5
            group["kernel:0"] = draw.normal(0, width, shape).astype("f4")
            group["bias:0"] = draw.normal(0, 0.1, shape[-1]).astype("f4")


def open_splice_ai(config: ModelConfig, fold: int, path: Path) -> nn.Module:
    """Write a state dict of the package's own SpliceAI."""
    options = {80: ([11] * 4, [1] * 4), 400: ([11] * 8, [1] * 4 + [4] * 4)}
    widths, dilations = options[config.module_args["flanking"]]
    module = import_module("openspliceai.train_base.openspliceai")
    made = module.SpliceAI(32, np.array(widths), np.array(dilations))
    torch.save(drawn(made, config.window_bp, fold).state_dict(), path)
    return made


class Called(nn.Module):
    """A package's model, and how the package calls it."""

    def __init__(self, model: nn.Module, call: Callable[[nn.Module, torch.Tensor], Any]):
        super().__init__()
        self.model, self.call = model, call

    def forward(self, X: torch.Tensor) -> Any:
        return self.call(self.model, X)


def loaded_by(make: Callable[[dict], nn.Module], call: Callable[..., Any]) -> Writer:
    """Return the writer of a state dict that the package's own class takes, with that class."""

    def write(config: ModelConfig, fold: int, path: Path) -> nn.Module:
        state(config, fold, path)
        made = make(dict(config.module_args)).eval()
        read = load_file if path.suffix == ".safetensors" else torch.load
        made.load_state_dict(read(path))  # strict: every name is the package's
        return Called(made, call)

    return write


def enformer(options: dict) -> nn.Module:
    return import_module("enformer_pytorch").Enformer.from_hparams(**options)


def enformers_tracks(model: nn.Module, X: torch.Tensor) -> torch.Tensor:
    return model(X.transpose(1, 2))["human"].transpose(1, 2)


def borzoi(options: dict) -> nn.Module:
    return import_module("borzoi_pytorch").Borzoi.from_hparams(**options)


def alphagenome(options: dict) -> nn.Module:
    module = import_module("alphagenome_pytorch.alphagenome")
    heads = options.pop("heads")
    del options["outputs"]
    made = module.AlphaGenome(**options)
    made.add_reference_heads("human", **heads)
    module.set_update_running_var(made, False)
    return made


def alphagenomes_tracks(model: nn.Module, X: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """From tokens, as the package reads them."""
    found = model(X.argmax(1), 0)["human"]
    outputs = [found["dnase"]["scaled_predictions_1bp"], found["cage"]["scaled_predictions_128bp"]]
    return tuple(x.transpose(1, 2) for x in outputs)


class TurnedKeras(nn.Module):
    """What Keras predicts of windows (N, 4, length)."""

    def __init__(self, model: Any):
        super().__init__()
        self.keras = [model]

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        found = self.keras[0].predict(X.transpose(1, 2).float().numpy(), verbose=0)
        return torch.from_numpy(found)


def with_keras(build: Callable[[Any, int], Any]) -> Writer:
    """Return the writer of a Keras model, whose norms have statistics."""

    def write(config: ModelConfig, fold: int, path: Path) -> nn.Module:
        import os

        os.environ.setdefault("KERAS_BACKEND", "torch")
        keras = import_module("keras")
        keras.utils.set_random_seed(fold + 1)
        model = build(keras, config.window_bp)
        rng = np.random.default_rng(fold)
        for weight in model.weights:
            if weight.path.endswith(("moving_variance", "gamma")):
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            elif weight.path.endswith(("moving_mean", "beta", "bias")):
                weight.assign(rng.normal(0, 0.3, weight.shape))
        model.save(path)
        return TurnedKeras(model)

    return write


def dilated_cnn(keras: Any, length: int, filters: int = 32) -> Any:
    """CREsted's DilatedCNN: a stem with GELU, eight cropped dilated residual layers, an average."""
    L = keras.layers
    x = L.Conv1D(filters, 5, padding="same", use_bias=False)(given := L.Input((length, 4)))
    x = L.Dropout(0.1)(L.Activation("gelu")(L.BatchNormalization()(x)))
    for dilation in (2**i for i in range(1, 9)):
        y = L.BatchNormalization()(L.Conv1D(filters, 3, dilation_rate=dilation, use_bias=False)(x))
        x = L.Dropout(0.1)(L.Add()([L.Activation("relu")(y), L.Cropping1D(dilation)(x)]))
    x = L.GlobalAveragePooling1D()(x)
    return keras.Model(given, L.Dense(3, activation="softplus")(x))


def basenji(keras: Any, length: int, filters: int = 24) -> Any:
    """CREsted's Basenji: blocks of GELU, convolution, norm; eleven dilated residual pairs."""
    L = keras.layers

    def block(x: Any, filters: int, width: int = 1, dilation: int = 1) -> Any:
        conv = L.Conv1D(filters, width, padding="same", dilation_rate=dilation, use_bias=False)
        return L.BatchNormalization()(conv(L.Activation("gelu")(x)))

    x = L.MaxPooling1D(2, padding="same")(block(given := L.Input((length, 4)), filters, 15))
    for i in range(11):
        y = block(x, filters // 2, 3, int(np.round(1.5**i)))
        x = L.Add()([x, L.Dropout(0.3)(block(y, filters))])
    x = L.GlobalAveragePooling1D()(L.Dropout(0.05)(block(x, 4 * filters)))
    return keras.Model(given, L.Dense(3, activation="softplus")(x))


# ---- the table ---------------------------------------------------------------------------------

ENTRIES = [
    Entry("deepstarr", "DeepSTARR", keras_weights),
    Entry("basset", "Basset", state),
    Entry(
        "beluga", "DeepSEA Beluga", state,
        {"module_args": {"n_outputs": 12, "n_hidden": 32, "filters": [40, 60, 80]}},
        "an eighth of the filters, 32 hidden units, 12 outputs",
    ),
    Entry(
        "bpnet_lite", "BPNet (bpnet-lite)", bpnet_lite(n_outputs=2, n_control_tracks=0), own=True
    ),
    Entry(
        "bpnet_controls", "BPNet with controls (bpnet-lite)",
        bpnet_lite(n_outputs=2, n_control_tracks=2), own=True,
    ),
    Entry("chrombpnet", "ChromBPNet, five folds", chrombpnet, sizes="16 filters"),
    Entry(
        "chrombpnet_lite", "ChromBPNet (bpnet-lite)", chrombpnet_lite,
        sizes="32 and 16 filters", own=True,
    ),
    Entry("malinois", "Malinois", state),
    Entry("legnet", "MPRA-LegNet", state),
    Entry(
        "sei", "Sei", state, {"module_args": {"n_outputs": 16, "filters": [16, 24, 32]}},
        "a thirtieth of the filters, 16 outputs",
    ),
    Entry(
        "splice_ai", "OpenSpliceAI", open_splice_ai,
        {"module_args": {"flanking": 400}, "window_bp": 421}, "400 of 10,000 nt around", own=True,
    ),
    Entry(
        "crested_dilated_cnn", "DilatedCNN (CREsted)", with_keras(dilated_cnn),
        sizes="32 filters", own=True,
    ),
    Entry(
        "crested_basenji", "Basenji-like (CREsted)", with_keras(basenji),
        {"window_bp": 512}, "24 filters, 512 bp", own=True,
    ),
    Entry(
        "enformer", "Enformer (enformer-pytorch)",
        loaded_by(enformer, enformers_tracks),
        {
            "module_args": dict(
                dim=48, depth=2, heads=2, output_heads={"human": 5, "mouse": 3}, target_length=8,
                attn_dim_key=8, num_downsamples=3, dim_divisible_by=8,
            ),
            "window_bp": 96,
            "targets": {
                0: {"tasks": [1], "positions": [3, 5]}, 1: {"tasks": [4], "positions": [3, 5]}
            },
        },
        "2 blocks of width 48, bins of 8 bp, 96 bp", own=True,
    ),
    Entry(
        "borzoi", "Borzoi (borzoi-pytorch)",
        loaded_by(borzoi, lambda net, X: net(X)),
        {
            "module_args": dict(
                dim=24, depth=2, heads=2, attn_dim_key=8, attn_dim_value=12, bins_to_return=6
            ),
            "window_bp": 256,
            "targets": {0: {"positions": [2, 4]}, 1: {"positions": [2, 4]}},
        },
        "2 blocks of width 24, 256 bp", own=True, slow=True,
    ),
    Entry(
        "alphagenome", "AlphaGenome (alphagenome-pytorch)",
        loaded_by(alphagenome, alphagenomes_tracks),
        {
            "module_args": dict(
                outputs=[["dnase", 1], ["cage", 128]], dims=[8, 12, 16],
                heads=dict(
                    genome_track_heads={
                        "dnase": {"num_tracks": 3, "resolutions": [1]},
                        "cage": {"num_tracks": 2, "resolutions": [128]},
                    },
                    num_tracks_contacts=2, num_splice_usage_tracks=2,
                    splice_junction_hidden_dim=8, splice_junction_max_tissues=2,
                ),
                transformer_kwargs=dict(
                    depth=2, heads=2, dim_head_qk=8, dim_head_v=6, dim_pairwise=6, pool_size=4,
                    max_positions=512, single_to_pairwise_heads=4,
                ),
            ),
            "window_bp": 64,
            "targets": {0: {"positions": [30, 34]}, 1: {"positions": [1, 3]}},
        },
        "2 blocks, widths of 8 to 16, 64 bp", own=True,
    ),
    Entry(
        "hyena_dna", "HyenaDNA", language_models.hyena_like, {"window_bp": 36},
        "in its place Llama of transformers (causal, letters)", reasons=TOKENS,
    ),
    Entry(
        "nucleotide_transformer", "Nucleotide Transformer",
        language_models.nucleotide_transformer, {"window_bp": 38},
        "2 layers of width 16", reasons=TOKENS,
    ),
    Entry(
        "caduceus", "Caduceus", language_models.caduceus_like, {"window_bp": 36},
        "in its place Mamba of transformers (causal, letters)", reasons=TOKENS,
    ),
    Entry(
        "gpn", "GPN", language_models.gpn_like,
        {"window_bp": 36, "module": "language_models:ConvNetForMaskedLM"},
        "in its place dilated convolutions (masked, letters)", reasons=TOKENS,
    ),
    Entry(
        "letters", "letters, by their likelihood", language_models.beside_its_folder,
        {"window_bp": 36}, "Llama of transformers (causal)", own=True,
    ),
]  # fmt: skip


def config_of(entry: Entry, folder: Path | None = None) -> ModelConfig:
    """Return the config of an entry with the sizes of the test; its weights lie in `folder`."""
    data = yaml.safe_load((MODELS / f"{entry.name}.yaml").read_text())
    changes = copy.deepcopy(entry.changes)
    for i, keys in changes.pop("targets", {}).items():
        data["targets"][i] |= keys
    data |= changes
    if folder is not None:
        for i, fold in enumerate(data["folds"]):
            fold["weights"] = str(folder / f"{i}_{Path(fold['weights']).name}")
    return model_config_of(data, MODELS)


def table() -> str:
    """Return the table of docs/models.md."""
    lines = [["config", "architecture", "sizes in the test", *STEPS]]
    lines.append(["---"] * len(lines[0]))
    for entry in ENTRIES:
        cells = [entry.cell(step) for step in STEPS]
        lines.append([f"`{entry.name}.yaml`", entry.title, entry.sizes, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def in_document(text: str) -> re.Match:
    """Return the table in the text of docs/models.md."""
    return re.search(r"^\| config \|.*\n(?:\|.*\n)+", text, flags=re.M)


if __name__ == "__main__":
    before = DOCUMENT.read_text()
    found = in_document(before)
    DOCUMENT.write_text(before[: found.start()] + table() + before[found.end() :])

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

import numpy as np
import torch
import yaml
from published_networks import DOCUMENT, trained_like, windows
from torch import nn

from cisweep.config.model import ModelConfig
from cisweep.models.building import build_module
from cisweep.plan.run_config import model_config_of

MODELS = Path(__file__).resolve().parents[2] / "config" / "models"

STEPS = ("predict", "attribute", "ism", "variants", "design")
"""Columns of the table."""

# What a file is written by: its config with the sizes of the test, the fold, the path.
Writer = Callable[[ModelConfig, int, Path], nn.Module | None]


@dataclass(frozen=True)
class Entry:
    """A config of config/models.

    name: of its file; title: what it is; write: makes the weights of a fold, and returns the
    package's own model where there is one; changes: keys of model.yaml that the test replaces;
    sizes: what of it is smaller than published; gradients: attributed by gradients, and why;
    reasons: step -> why it is not done; slow: more than ten seconds; own: `write` returns the model
    of the package or of Keras, whose output is compared.
    """

    name: str
    title: str
    write: Writer
    changes: dict[str, Any] = field(default_factory=dict)
    sizes: str = "as published"
    gradients: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    slow: bool = False
    own: bool = False

    def cell(self, step: str) -> str:
        """Return what the table says of a step."""
        if step in self.reasons:
            return self.reasons[step]
        return f"✓ gradients: {self.gradients}" if step == "attribute" and self.gradients else "✓"


# ---- weights -----------------------------------------------------------------------------------


def drawn(model: nn.Module, length: int, seed: int) -> nn.Module:
    """Return a module with weights as training leaves them; norms have statistics."""
    return trained_like(model.eval(), windows(8, length, seed=7), seed)


def state(config: ModelConfig, fold: int, path: Path) -> None:
    """Write the state dict of the module that the config names."""
    torch.manual_seed(fold)
    torch.save(drawn(build_module(config), config.window_bp, fold).state_dict(), path)


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
        "enformer", "Enformer (enformer-pytorch)", state,
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
        "2 blocks of width 48, bins of 8 bp, 96 bp",
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

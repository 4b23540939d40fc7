"""DeepSTARR (de Almeida et al., Nature Genetics 2022): enhancer activity in Drosophila cells."""

from pathlib import Path
from typing import Self

import h5py
import torch
from torch import Tensor, nn

WIDTHS, FILTERS = (7, 3, 5, 3), (256, 60, 60, 120)


class DeepSTARR(nn.Module):
    """Four convolutions, each with norm, ReLU and a maximum over 2 bp; two dense layers; two tasks.

    It reads one-hot windows (N, 4, 249) and gives log2 activities (N, 2): developmental,
    housekeeping.
    """

    def __init__(self, length: int = 249):
        super().__init__()
        sizes = [4, *FILTERS]
        self.convs = nn.ModuleList(
            nn.Conv1d(sizes[i], sizes[i + 1], WIDTHS[i], padding=WIDTHS[i] // 2) for i in range(4)
        )
        # Keras' norms add 0.001 to the variance.
        self.norms = nn.ModuleList(nn.BatchNorm1d(n, eps=1e-3) for n in FILTERS)
        self.dense = nn.ModuleList(
            [nn.Linear(length // 16 * FILTERS[-1], 256), nn.Linear(256, 256)]
        )
        self.dense_norms = nn.ModuleList(nn.BatchNorm1d(256, eps=1e-3) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(256, 1) for _ in range(2))

    def forward(self, X: Tensor) -> Tensor:
        """Return the activities (N, 2)."""
        for conv, norm in zip(self.convs, self.norms):
            X = torch.max_pool1d(torch.relu(norm(conv(X))), 2)
        # As Keras flattens: position by position.
        X = X.transpose(1, 2).flatten(1)
        for dense, norm in zip(self.dense, self.dense_norms):
            X = torch.relu(norm(dense(X)))
        return torch.cat([head(X) for head in self.heads], 1)

    @classmethod
    def from_file(cls, path: Path, **options: int) -> Self:
        """Return the model with the weights of the published file: Keras' HDF5, weights alone.

        Layers are read in the order of the file, which is that of the network.
        """
        model = cls(**options)
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            arrays = [
                torch.from_numpy(group[layer][name][()])
                for layer in _texts(group.attrs["layer_names"])
                for name in _texts(group[layer].attrs["weight_names"])
            ]
        blocks = [*zip(model.convs, model.norms), *zip(model.dense, model.dense_norms)]
        layers = [layer for block in blocks for layer in block] + [*model.heads]
        with torch.no_grad():
            for layer in layers:
                for tensor in _tensors(layer):
                    # (width, in, out) and (in, out) become (out, in, width) and (out, in).
                    tensor.copy_(arrays.pop(0).permute(*reversed(range(tensor.ndim))))
        if arrays:
            raise ValueError(f"{path} has {len(arrays)} arrays more than DeepSTARR")
        return model


def _texts(names: object) -> list[str]:
    return [n.decode() if isinstance(n, bytes) else str(n) for n in names]


def _tensors(layer: nn.Module) -> list[Tensor]:
    if isinstance(layer, nn.BatchNorm1d):
        return [layer.weight, layer.bias, layer.running_mean, layer.running_var]
    return [layer.weight, layer.bias]

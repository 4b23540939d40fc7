"""One epoch of BPNet training against bpnet-lite 1.1's own loop, on the same windows.

bpnet-lite is no dependency (it builds macs3): put its package on PYTHONPATH, else no rows come.
"""

import contextlib
import os
import tempfile

import numpy as np
import torch

from benchmarks.common import compare
from cisweep.models.modules import BPNet
from cisweep.train.data.datasets import SignalDataset
from cisweep.train.fitting import FitConfig, fit
from cisweep.train.losses import profile_objective


def rows(quick: bool) -> list[dict]:
    try:
        import bpnetlite
        from bpnetlite.io import PeakNegativeSampler
    except ImportError:
        return []
    torch.set_num_threads(1)
    n, held, jitter = (32, 8, 128) if quick else (128, 32, 128)
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 4, (n, 2114 + 2 * jitter), dtype=np.uint8)
    signal = generator.poisson(0.2, (n, 2, 1000 + 2 * jitter)).astype(np.float32)
    data = SignalDataset(
        tokens, signal, np.ones(n, bool), jitter_bp=jitter, reverse_complement=True
    )
    validation = data.take(np.arange(held))
    one_hot = torch.from_numpy(np.eye(4, dtype=np.int8)[tokens].transpose(0, 2, 1).copy())

    def ours() -> None:
        config = FitConfig(epochs=1, batch_size=16, optimizer="adam", progress=False)
        fit(BPNet(64, 8), data, validation, profile_objective(1.0), config)

    def theirs() -> None:
        made = PeakNegativeSampler(
            one_hot, torch.from_numpy(signal), one_hot[:1], torch.from_numpy(signal[:1]),
            negative_ratio=1e-9, max_jitter=jitter, reverse_complement=True, random_state=0,
        )  # fmt: skip
        loader = torch.utils.data.DataLoader(made, batch_size=16)
        batch = validation.batch(np.arange(held))
        folder = tempfile.mkdtemp()
        model = bpnetlite.BPNet(
            64, 8, n_control_tracks=0, trimming=557, name=os.path.join(folder, "b"), verbose=False
        )
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            model.fit(
                loader, torch.optim.Adam(model.parameters(), lr=1e-3), X_valid=batch.one_hot(),
                y_valid=batch.targets["counts"], max_epochs=1, batch_size=16, device="cpu",
            )  # fmt: skip

    return [
        compare(
            f"train one epoch of BPNet, {n} × 2114 bp",
            {"cisweep": ours, "bpnet-lite 1.1 loop": theirs},
            repeats=2 if quick else 3,
            goals={"bpnet-lite 1.1 loop": 1.5},
            check="same architecture, batch size, jitter and validation windows",
            warm_up=False,
        )
    ]


if __name__ == "__main__":
    for row in rows(quick=True):
        print(row)

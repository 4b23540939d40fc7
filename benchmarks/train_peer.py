"""bpnet-lite 1.1's own loop on the windows of a recipe, judged as ours, in one table.

    python -m benchmarks.train_peer CONFIG MODEL METRICS     (METRICS: metrics.tsv of our training)

Same windows, size, epochs and batch size; learning rate, schedule and weight of the counts are
those of bpnet-lite's command line. bpnet-lite is no dependency (it builds macs3): put its package
on PYTHONPATH. `--kernels ours` runs its convolutions by cisweep.engine.convolution.training, which
gives the same values within rounding in half the time.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import torch
import yaml

from cisweep.engine.convolution.training import fast_training
from cisweep.steps.train import Recipe
from cisweep.train.data.datasets import SignalDataset
from cisweep.train.data.loading import load_examples
from cisweep.train.judging.evaluation import Predicting, predict_dataset, profile_rows
from cisweep.train.products import markdown


def train_peer(recipe: Recipe, parts: dict[str, SignalDataset]) -> torch.nn.Module:
    """Return bpnet-lite's model of the epoch that validated best."""
    import bpnetlite
    from bpnetlite.io import PeakNegativeSampler

    data, train, fit = recipe.data, parts["train"], recipe.fit
    one_hot = torch.from_numpy(np.eye(5, 4, dtype=np.int8)[train.tokens[train.rows]])
    one_hot = one_hot.transpose(1, 2).contiguous()
    signal = torch.from_numpy(np.array(train.signal[train.rows]))
    peak = torch.from_numpy(np.asarray(train.is_peak[train.rows]))
    # The sampler needs a negative even where none is drawn.
    negative, ratio = (~peak, data.negative_ratio) if (~peak).any() else (slice(0, 1), 1e-9)
    sampler = PeakNegativeSampler(
        one_hot[peak], signal[peak], one_hot[negative], signal[negative], negative_ratio=ratio,
        in_window=data.window_bp, out_window=data.output_bp, max_jitter=data.jitter_bp,
        reverse_complement=True, random_state=recipe.seed,
    )  # fmt: skip
    torch.manual_seed(recipe.seed)
    name = os.path.join(tempfile.mkdtemp(), "peer")
    model = bpnetlite.BPNet(
        recipe.module_args["n_filters"], recipe.module_args["n_layers"], n_outputs=signal.shape[1],
        n_control_tracks=0, count_loss_weight=float(signal[peak].sum(dim=2).mean()),
        trimming=(data.window_bp - data.output_bp) // 2, name=name,
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=5, threshold=0.0001, min_lr=0.0001
    )
    held = parts["validation"].batch(np.arange(len(parts["validation"])))
    with contextlib.redirect_stdout(sys.stderr):
        model.fit(
            torch.utils.data.DataLoader(sampler, batch_size=fit.batch_size), optimizer, schedule,
            X_valid=held.one_hot(), y_valid=held.targets["counts"], max_epochs=fit.epochs,
            batch_size=fit.batch_size, device="cpu",
        )  # fmt: skip
    return torch.load(f"{name}.torch", weights_only=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("model")
    parser.add_argument("metrics", type=Path)
    parser.add_argument("--kernels", choices=("own", "ours"), default="own")
    given = parser.parse_args()
    torch.set_num_threads(1)
    steps = yaml.safe_load(given.config.read_text())["steps"]
    recipe = Recipe.model_validate(steps["train"]["models"][given.model])
    examples = load_examples(recipe)
    parts = {
        name: examples.data.take(getattr(examples.split, name))
        for name in ("train", "validation", "test")
    }
    started = process_time()
    with fast_training() if given.kernels == "ours" else contextlib.nullcontext():
        model = train_peer(recipe, parts)
    print(f"{process_time() - started:.0f} s of CPU", file=sys.stderr)
    outputs = predict_dataset(model.eval(), parts["test"], Predicting(both_strands=True))
    least = recipe.data.metrics_min_reads
    rows = pd.DataFrame(profile_rows(outputs, parts["test"], parts["train"], least, recipe.seed))
    rows = rows[rows["scorer"] == "model"].assign(scorer="bpnet-lite 1.1")
    ours = pd.read_csv(given.metrics, sep="\t").drop(columns="fold")
    joined = pd.concat([ours.replace({"scorer": {"model": "cisweep"}}), rows])
    wide = joined.fillna({"subset": ""}).pivot_table(
        index=["task", "subset", "n", "scorer"], columns="metric", values="value", sort=False
    )
    print("\n".join(markdown(wide.reset_index())))


if __name__ == "__main__":
    main()

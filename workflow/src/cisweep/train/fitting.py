"""Training: one loop for every task, resumable after each epoch."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from cisweep.contracts import digest, seed_of
from cisweep.errors import TrainingError
from cisweep.train.convolution import fast_training
from cisweep.train.datasets import Batch, Dataset

Objective = Callable[[nn.Module, Batch], dict[str, Tensor]]
"""Gives {"loss": scalar tensor to minimise, …further parts to record} of a batch."""


@dataclass(frozen=True)
class FitConfig:
    """How to train; every field but `progress` and `device` determines the result.

    monitor: the history column whose lowest value marks the best epoch. schedule: `plateau`
    multiplies the rate by `plateau_factor` after `plateau_patience` epochs without a better
    monitor; `cosine` falls to zero over `epochs`. mixed_precision: bfloat16 autocast, on a GPU
    only. gradient_clip: largest norm of the whole gradient; None for none.
    """

    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 1e-3
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = 0.01
    schedule: Literal["plateau", "cosine", "constant"] = "plateau"
    plateau_factor: float = 0.5
    plateau_patience: int = 3
    gradient_clip: float | None = 1.0
    early_stopping: int | None = 10
    monitor: str = "validation_loss"
    mixed_precision: bool = True
    seed: int = 0
    device: str = "cpu"
    progress: bool = True

    def fingerprint(self) -> str:
        """Return a hash of what determines the result."""
        values = asdict(self)
        return digest(*(f"{k}={v}" for k, v in values.items() if k not in ("device", "progress")))


@dataclass
class FitResult:
    """A finished training: history (one row an epoch), the best epoch (1-based), seconds spent.

    `resumed_from` is the last epoch of an interrupted run that was taken up, 0 for none.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0
    resumed_from: int = 0
    examples: int = 0


@dataclass
class _State:
    """What changes from epoch to epoch, and so what a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: Any
    best: dict[str, Tensor]
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        values = [row["_monitor"] for row in self.history]
        return int(np.argmin(values)) + 1 if values else 0


def fit(
    model: nn.Module,
    train: Dataset,
    validation: Dataset,
    objective: Objective,
    config: FitConfig = FitConfig(),
    checkpoint: Path | None = None,
) -> FitResult:
    """Return the history of training `model`, which holds the best epoch's weights afterwards.

    Parameters
    ----------
    model: trained in place, on config.device.
    train, validation: data sets; only `train` is augmented.
    objective: gives the loss of a batch.
    checkpoint: a file that is written after each epoch and taken up when it is there; None for
        no checkpoint. It must lie outside declared outputs, which Snakemake deletes on rerun.

    Raises
    ------
    TrainingError: a loss that is not finite, or a checkpoint of another configuration.

    Notes
    -----
    Order, jitter and dropout of epoch e are drawn from seed_of(seed, "train", "epoch", e) alone,
    so a run that was killed and taken up ends with the weights of an undisturbed one (same
    machine, CPU, same number of threads).

    On a CPU the convolutions are those of train.convolution, which have no second derivative.
    """
    device = torch.device(config.device)
    model.to(device)
    state = _fresh_state(model, config)
    result = FitResult()
    if checkpoint is not None and checkpoint.exists():
        _load(state, checkpoint, config)
        result.resumed_from = len(state.history)
    started = perf_counter()
    bar = tqdm(
        total=config.epochs,
        initial=len(state.history),
        desc="train",
        unit="epoch",
        disable=not config.progress,
    )
    with bar:
        for epoch in range(len(state.history) + 1, config.epochs + 1):
            if _stalled(state, config):
                break
            result.examples += _epoch(state, train, validation, objective, config, epoch)
            bar.update()
            bar.set_postfix({k: f"{v:.4g}" for k, v in state.history[-1].items() if "loss" in k})
            if checkpoint is not None:
                _save(state, checkpoint, config)
    model.load_state_dict(state.best)
    result.history = [{k: v for k, v in r.items() if k != "_monitor"} for r in state.history]
    result.best_epoch = state.best_epoch
    result.seconds = perf_counter() - started
    return result


def _fresh_state(model: nn.Module, config: FitConfig) -> _State:
    cls = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    decay = config.weight_decay if config.optimizer == "adamw" else 0.0
    optimizer = cls(model.parameters(), lr=config.learning_rate, weight_decay=decay)
    if config.schedule == "plateau":
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=config.plateau_factor, patience=config.plateau_patience
        )
    elif config.schedule == "cosine":
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs)
    else:
        scheduler = None
    return _State(model, optimizer, scheduler, deepcopy(model.state_dict()))


def _stalled(state: _State, config: FitConfig) -> bool:
    patience = config.early_stopping
    return patience is not None and len(state.history) - state.best_epoch >= patience > 0


def _epoch(
    state: _State,
    train: Dataset,
    validation: Dataset,
    objective: Objective,
    config: FitConfig,
    epoch: int,
) -> int:
    """Train one epoch, judge it, and keep the weights if they are the best; return examples."""
    rate = state.optimizer.param_groups[0]["lr"]
    seed = seed_of(config.seed, "train", "epoch", epoch)
    generator = np.random.default_rng(seed)
    with _torch_seed(seed):
        rows = train.epoch_rows(generator)
        fitted = _train_rows(state, train, rows, objective, config, generator)
    judged = mean_losses(state.model, validation, objective, config)
    row = {"epoch": epoch, "learning_rate": rate}
    row |= {f"train_{k}": v for k, v in fitted.items()}
    row |= {f"validation_{k}": v for k, v in judged.items()}
    if config.monitor not in row:
        raise TrainingError(
            f"nothing is recorded as {config.monitor!r}",
            where="fit.monitor",
            mend=f"one of {', '.join(row)}",
        )
    row["_monitor"] = row[config.monitor]
    if not np.isfinite(row["_monitor"]):
        raise TrainingError(
            f"{config.monitor} is {row['_monitor']} in epoch {epoch}",
            where="fit",
            mend="lower fit.learning_rate, or set fit.gradient_clip",
        )
    state.history.append(row)
    if state.best_epoch == epoch:
        state.best = deepcopy(state.model.state_dict())
    if config.schedule == "plateau":
        state.scheduler.step(row["_monitor"])
    elif state.scheduler is not None:
        state.scheduler.step()
    return len(rows)


def _train_rows(
    state: _State,
    train: Dataset,
    rows: np.ndarray,
    objective: Objective,
    config: FitConfig,
    generator: np.random.Generator,
) -> dict[str, float]:
    state.model.train()
    device = torch.device(config.device)
    sums: dict[str, Tensor] = {}
    for block in _blocks(rows, config.batch_size):
        batch = train.batch(block, generator).to(device)
        state.optimizer.zero_grad(set_to_none=True)
        with _arithmetic(config):
            parts = objective(state.model, batch)
        parts["loss"].backward()
        if config.gradient_clip is not None:
            nn.utils.clip_grad_norm_(state.model.parameters(), config.gradient_clip)
        state.optimizer.step()
        # Sums stay on the device: reading one back at each step would wait for it.
        for name, value in parts.items():
            sums[name] = sums.get(name, 0) + value.detach() * len(block)
    return {name: float(value) / len(rows) for name, value in sums.items()}


@torch.no_grad()
def mean_losses(
    model: nn.Module, data: Dataset, objective: Objective, config: FitConfig
) -> dict[str, float]:
    """Return the mean of each part of the objective over a data set, not augmented."""
    model.eval()
    device = torch.device(config.device)
    sums: dict[str, Tensor] = {}
    for block in _blocks(np.arange(len(data)), config.batch_size):
        with _arithmetic(config):
            parts = objective(model, data.batch(block).to(device))
        for name, value in parts.items():
            sums[name] = sums.get(name, 0) + value * len(block)
    return {name: float(value) / len(data) for name, value in sums.items()}


def _blocks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def _arithmetic(config: FitConfig) -> Any:
    """Return the context of a forward pass: mixed precision on a GPU, fast kernels on a CPU."""
    if config.device == "cpu":
        return fast_training()
    if config.mixed_precision and config.device.startswith("cuda"):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


@contextmanager
def _torch_seed(seed: int) -> Iterator[None]:
    """Seed torch (dropout has no generator of its own) and give the old state back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed & (2**63 - 1))
        yield


def _save(state: _State, path: Path, config: FitConfig) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    scheduler = None if state.scheduler is None else state.scheduler.state_dict()
    content = {
        "fingerprint": config.fingerprint(),
        "model": state.model.state_dict(),
        "best": state.best,
        "optimizer": state.optimizer.state_dict(),
        "scheduler": scheduler,
        "history": state.history,
    }
    torch.save(content, temporary)
    os.replace(temporary, path)


def _load(state: _State, path: Path, config: FitConfig) -> None:
    content = torch.load(path, map_location=config.device, weights_only=True)
    if content["fingerprint"] != config.fingerprint():
        raise TrainingError(
            "the checkpoint was written with another training configuration",
            where=str(path),
            mend="delete it to start anew, or restore the configuration",
        )
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    if state.scheduler is not None:
        state.scheduler.load_state_dict(content["scheduler"])
    state.best, state.history = content["best"], content["history"]

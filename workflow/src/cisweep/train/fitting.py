"""Training: one loop for every task, resumable after each epoch."""

import logging
from collections.abc import Iterator
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
from cisweep.engine.convolution.training import fast_training
from cisweep.errors import TrainingError
from cisweep.origin import is_whole, write_origin
from cisweep.temporary import atomic
from cisweep.train.data.datasets import Dataset
from cisweep.train.losses import Objective, Sums, outputs_of
from cisweep.train.monitoring import Choice, Judged, choose, judge

_log = logging.getLogger("cisweep.train")


@dataclass(frozen=True)
class FitConfig:
    """How to train; every field but `progress` and `device` determines the result.

    monitor: what marks the best epoch, `metric` (that of the objective; see
    train.monitoring.choose) or `loss` (the lowest). schedule: `plateau` multiplies the rate by
    `plateau_factor` after `plateau_patience` epochs without a better monitor; `cosine` falls to
    zero over `epochs`. early_stopping: epochs without a better one. mixed_precision: bfloat16
    autocast, on a GPU only. gradient_clip: largest norm of the whole gradient; None for none.
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
    monitor: Literal["metric", "loss"] = "metric"
    mixed_precision: bool = True
    seed: int = 0
    device: str = "cpu"
    progress: bool = True

    def __post_init__(self) -> None:
        if self.monitor not in ("metric", "loss"):
            raise TrainingError(
                f"no monitor {self.monitor!r}", where="fit.monitor", mend="one of metric, loss"
            )

    def fingerprint(self) -> str:
        """Return a hash of what determines the result."""
        values = asdict(self)
        return digest(*(f"{k}={v}" for k, v in values.items() if k not in ("device", "progress")))


@dataclass
class FitResult:
    """A finished training: history (one row an epoch), the best epoch, seconds spent.

    `best_epoch` (1-based) is the one whose weights were kept, `highest_epoch` the one with the best
    monitor; they differ where noise alone tells them apart. `monitor` is the history's column.
    `resumed_from` is the last epoch of an interrupted run that was taken up, 0 for none.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    highest_epoch: int = 0
    monitor: str = ""
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

    def choice(self, config: FitConfig) -> Choice:
        """Return which epoch is kept so far, and which one has the best monitor."""
        losses = [row["validation_loss"] for row in self.history]
        if config.monitor == "metric":
            return choose(
                [row["_metric"] for row in self.history],
                [np.array(row["_draws"]) for row in self.history],
                losses,
            )
        lowest = int(np.argmin(losses)) + 1 if losses else 0
        return Choice(lowest, lowest)


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
    objective: the loss, and the metric of an epoch.
    checkpoint: a file that is written after each epoch and taken up when it is there; None for
        no checkpoint. It must lie outside declared outputs, which Snakemake deletes on rerun.

    Raises
    ------
    TrainingError: a loss that is not finite, a metric that the validation rows leave undefined, or
        a checkpoint of another configuration.

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
    if checkpoint is not None and checkpoint.exists() and not is_whole(checkpoint):
        _log.warning(
            f"{checkpoint}: its bytes are not those that were written; training starts from the "
            "beginning"
        )
        checkpoint.unlink()
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
    result.history = [{k: v for k, v in r.items() if k[0] != "_"} for r in state.history]
    choice = state.choice(config)
    result.best_epoch, result.highest_epoch = choice.kept, choice.highest
    result.monitor = _column(objective, config)
    result.seconds = perf_counter() - started
    return result


def _fresh_state(model: nn.Module, config: FitConfig) -> _State:
    cls = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    decay = config.weight_decay if config.optimizer == "adamw" else 0.0
    optimizer = cls(model.parameters(), lr=config.learning_rate, weight_decay=decay)
    if config.schedule == "plateau":
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            mode="max" if config.monitor == "metric" else "min",
            factor=config.plateau_factor,
            patience=config.plateau_patience,
        )
    elif config.schedule == "cosine":
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs)
    else:
        scheduler = None
    return _State(model, optimizer, scheduler, deepcopy(model.state_dict()))


def _column(objective: Objective, config: FitConfig) -> str:
    """Return the history's column that marks the best epoch."""
    return f"validation_{objective.metric.name if config.monitor == 'metric' else 'loss'}"


def _stalled(state: _State, config: FitConfig) -> bool:
    patience = config.early_stopping
    choice = state.choice(config)
    improved = max(choice.kept, choice.highest)
    return patience is not None and len(state.history) - improved >= patience > 0


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
    losses, judged = validate(state.model, validation, objective, config)
    row = {"epoch": epoch, "learning_rate": rate}
    row |= {f"train_{k}": v for k, v in fitted.items()}
    row |= {f"validation_{k}": v for k, v in losses.items()}
    name = f"validation_{objective.metric.name}"
    row |= {name: judged.value, f"{name}_low": judged.low, f"{name}_high": judged.high}
    _check_finite(row, name, epoch, config)
    state.history.append(row | {"_metric": judged.value, "_draws": judged.draws.tolist()})
    if state.choice(config).kept == epoch:
        state.best = deepcopy(state.model.state_dict())
    if config.schedule == "plateau":
        state.scheduler.step(row[_column(objective, config)])
    elif state.scheduler is not None:
        state.scheduler.step()
    return len(rows)


def _check_finite(row: dict[str, float], metric: str, epoch: int, config: FitConfig) -> None:
    if not np.isfinite(row["validation_loss"]):
        raise TrainingError(
            f"validation_loss is {row['validation_loss']} in epoch {epoch}",
            where="fit",
            mend="lower fit.learning_rate, or set fit.gradient_clip",
        )
    if config.monitor == "metric" and not np.isfinite(row[metric]):
        raise TrainingError(
            f"{metric} is undefined: no target has validation rows that differ in their label",
            where="fit.monitor",
            mend="give validation more rows (split.validation), or set fit.monitor to loss",
        )


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
    sums: Sums = {}
    for block in _blocks(rows, config.batch_size):
        batch = train.batch(block, generator).to(device)
        state.optimizer.zero_grad(set_to_none=True)
        with _arithmetic(config):
            parts = objective.sums(outputs_of(state.model, batch), batch)
        objective.means(parts)["loss"].backward()
        if config.gradient_clip is not None:
            nn.utils.clip_grad_norm_(state.model.parameters(), config.gradient_clip)
        state.optimizer.step()
        # Sums stay on the device: reading one back at each step would wait for it.
        _add(sums, parts)
    return _means(objective, sums)


def _add(sums: Sums, parts: Sums) -> None:
    """Add the sums of a batch, without their gradients."""
    for name, pair in parts.items():
        pair = [value.detach().double() for value in pair]
        total, n = sums.get(name, (0.0, 0.0))
        sums[name] = (total + pair[0], n + pair[1])


def _means(objective: Objective, sums: Sums) -> dict[str, float]:
    return {name: float(value) for name, value in objective.means(sums).items()}


@torch.no_grad()
def validate(
    model: nn.Module, data: Dataset, objective: Objective, config: FitConfig
) -> tuple[dict[str, float], Judged]:
    """Return the loss with its parts, and the metric, over a data set, not augmented."""
    model.eval()
    device = torch.device(config.device)
    sums: Sums = {}
    read = []
    for block in _blocks(np.arange(len(data)), config.batch_size):
        batch = data.batch(block).to(device)
        with _arithmetic(config):
            outputs = outputs_of(model, batch)
            _add(sums, objective.sums(outputs, batch))
        read.append(objective.metric.read(outputs, batch))
    draws = seed_of(config.seed, "train", "monitor")
    return _means(objective, sums), judge(objective.metric, read, draws)


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
    scheduler = None if state.scheduler is None else state.scheduler.state_dict()
    content = {
        "fingerprint": config.fingerprint(),
        "model": state.model.state_dict(),
        "best": state.best,
        "optimizer": state.optimizer.state_dict(),
        "scheduler": scheduler,
        "history": state.history,
    }
    with atomic(path) as temporary:
        torch.save(content, temporary)
        write_origin(path, "train_fold", "", content["fingerprint"], {}, written=temporary)


def _load(state: _State, path: Path, config: FitConfig) -> None:
    content = torch.load(path, map_location=config.device, weights_only=True)
    if content["fingerprint"] != config.fingerprint():
        raise TrainingError(
            "the checkpoint was written with another training configuration",
            where=str(path),
            mend="delete it to start from the beginning, or restore the configuration",
        )
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    if state.scheduler is not None:
        state.scheduler.load_state_dict(content["scheduler"])
    state.best, state.history = content["best"], content["history"]

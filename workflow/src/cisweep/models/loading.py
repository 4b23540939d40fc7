"""A trained model from its config: read, checked with one window, ready to predict."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cisweep.config.model import InputConfig, ModelConfig
from cisweep.errors import ModelError
from cisweep.models.adapters import adapter, check_files
from cisweep.models.targets import heads_of, read_target
from cisweep.models.tracks import read_counts_track
from cisweep.models.weights import check_finite

_LONGEST_BP = 65536  # up to which the length that a model reads is looked for


class ConstantInputs(nn.Module):
    """A model whose inputs of zeros and constants are made, so that only data are passed.

    Parameters
    ----------
    model: reads the sequence and all inputs.
    inputs: the inputs in the model's order.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[InputConfig]):
        super().__init__()
        self.model = model
        self.inputs = list(inputs)

    def forward(self, X: Tensor, *args: Tensor) -> object:
        """Return the model's output of X (N, 4, length) and the bigwig and column inputs."""
        given, every = list(args), []
        for each in self.inputs:
            if each.kind in ("zeros", "constant"):
                shape = (X.shape[0], each.channels, each.length_bp or X.shape[-1])
                value = each.value if each.kind == "constant" else 0.0
                every.append(X.new_full(shape, value))
            elif given:
                every.append(given.pop(0))
            else:
                raise ModelError(
                    f"input {each.name!r} ({each.kind}) is not given",
                    where=f"inputs.{each.name}",
                    mend="pass the bigwig and column inputs in the order of the config",
                )
        return self.model(X, *every, *given)


def load_model(
    config: ModelConfig,
    fold: int = 0,
    device: str | torch.device = "cpu",
    *,
    check: bool = True,
    prepared: bool = False,
) -> nn.Module:
    """Return a trained model: eval mode, gradients off, on the device.

    It is called with one-hot windows (N, 4, window_bp), and the inputs of kind bigwig and column
    in the order of the config; inputs of zeros and constants are made inside. Its targets are
    read by `targets.target_module(model, config.targets, config.rc)`.

    Parameters
    ----------
    config: the model's config.
    fold: index of the set of weights.
    device: where the model goes.
    check: whether to run one window of A's, which shows that window, inputs and targets fit.
    prepared: whether the rule prepare has loaded these bytes, as the jobs behind it know by their
        hash: files that the adapter must look at first (`check`), and NaN and infinite weights, are
        then not looked for again.

    Raises
    ------
    ModelError: the file is absent, broken, refused, or does not fit the module; a weight is NaN
        or infinite; the window does not fit the model; a target asks for what the model does not
        return.
    """
    if not 0 <= fold < len(config.folds):
        raise ModelError(
            f"there is no fold {fold}; the config has {len(config.folds)}",
            where="folds",
            mend="count folds from 0",
        )
    weights = config.folds[fold]
    if not prepared:
        check_files(config.adapter, weights)
    model = adapter(config.adapter)(config, weights)
    if not prepared:
        check_finite(
            model, map(str, (weights.hub or weights.weights, *weights.extra_weights.values()))
        )
    if any(each.kind in ("zeros", "constant") for each in config.inputs):
        model = ConstantInputs(model, config.inputs)
    model = model.eval().requires_grad_(False)
    if check:
        check_model(model, config)
    return model.to(device)


def check_model(model: nn.Module, config: ModelConfig) -> None:
    """Raise a ModelError unless one window goes through the model and every target is there."""
    output = _forward_one(model, config, config.window_bp)
    for target in config.targets:
        value = read_target(output, target)
        if value.shape[0] != 2:
            raise ModelError(
                f"the model returned {value.shape[0]} rows for 2 windows",
                where=f"targets.{target.name}",
                mend="the first axis of each output must be the batch",
            )
    for track in config.tracks:
        length = read_counts_track(output, track, config.targets).shape[2] * track.bin_bp
        if length > config.window_bp or (config.window_bp - length) % 2:
            raise ModelError(
                f"the track covers {length} bp, which cannot be the middle of a window of "
                f"{config.window_bp} bp",
                where=f"tracks.{track.name}",
                mend="set tracks.bin_bp to the bases of one position of the output",
            )
    permutation = config.rc.task_permutation
    n_tasks = [head.shape[1] for head in heads_of(output) if head.ndim > 1]
    if config.rc.average and permutation is not None and len(permutation) not in n_tasks:
        raise ModelError(
            f"the permutation has {len(permutation)} tasks, and the model's outputs have {n_tasks}",
            where="rc.task_permutation",
            mend="give one entry for each task",
        )


def _forward_one(model: nn.Module, config: ModelConfig, length: int) -> object:
    try:
        return attempt(model, config, length)
    except ModelError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        readable = _readable_length(model, config)
        told = "" if readable is None else f"; the model reads {readable} bp"
        raise ModelError(
            f"a window of {length} bp does not go through the model{told} ({reason})",
            where="window_bp",
            mend="set window_bp to the length that the model was trained on, and declare each "
            "further input",
        ) from None


@torch.no_grad()
def attempt(model: nn.Module, config: ModelConfig, length: int, X: Tensor | None = None) -> object:
    """Return the output of two windows X, of A's by default (a batch of one would hide a fixed
    batch)."""
    if X is None:
        X = torch.zeros(2, 4, length)
        X[:, 0] = 1
    args = [example(each, length) for each in config.inputs if each.kind in ("bigwig", "column")]
    return model(X, *args)


def example(each: InputConfig, length: int) -> Tensor:
    """Return zeros for a bigwig or column input of two windows."""
    if each.kind == "column":
        return torch.zeros(2, 1)
    return torch.zeros(2, each.channels, each.length_bp or length)


def _readable_length(model: nn.Module, config: ModelConfig) -> int | None:
    """Return a length that goes through, where a linear layer's size tells it; else None.

    The features that reach the first layer which refuses them grow with the length, so the
    length that gives the layer's own number is found by bisection.
    """
    low, high = 1, max(config.window_bp, min(16 * config.window_bp, _LONGEST_BP))
    while low < high:
        middle = (low + high) // 2
        if too_short(model, config, middle):
            low = middle + 1
        else:
            high = middle
    return low if runs(model, config, low) else None


def runs(model: nn.Module, config: ModelConfig, length: int) -> bool:
    """Does a window of this length go through the model?"""
    try:
        attempt(model, config, length)
    except Exception:
        return False
    return True


def too_short(model: nn.Module, config: ModelConfig, length: int) -> bool:
    """Return whether `length` gives some linear layer fewer features than it has."""
    short: list[bool] = []

    def compare(layer: nn.Linear, args: tuple[Tensor, ...]) -> None:
        if args[0].shape[-1] != layer.in_features:
            short.append(args[0].shape[-1] < layer.in_features)

    hooks = [
        layer.register_forward_pre_hook(compare)
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        attempt(model, config, length)
        return False
    except Exception:
        return short[0] if short else True  # convolutions refuse what is shorter than they are
    finally:
        for hook in hooks:
            hook.remove()

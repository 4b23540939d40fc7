"""Targets: the scalars of a model's outputs that analyses explain.

An output ("head") is (N,), (N, tasks) or (N, tasks, positions). A target picks a head, tasks
and positions, and reduces them to one value per window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from cisweep.config.model import RcConfig
from cisweep.config.targets import TargetConfig
from cisweep.errors import ModelError

Output = Tensor | Sequence[Tensor]


def centered_logits(logits: Tensor) -> Tensor:
    """Return logits (N, tasks, positions) flattened to (N, n) minus their mean."""
    flat = torch.flatten(logits, 1)
    return flat - flat.mean(dim=1, keepdim=True)


def fixed_profile_weights(logits: Tensor) -> Tensor:
    """Return softmax(logits) (N, n) of centred logits (N, n) as constants, without gradient.

    In an attribution the weights of a reference are those of its example. A TorchFunctionMode
    (the engine of DeepLIFT/SHAP) therefore receives this function as one operation.
    """
    if has_torch_function_unary(logits):
        return handle_torch_function(fixed_profile_weights, (logits,), logits)
    return torch.softmax(logits, dim=1).detach()


def profile_score(logits: Tensor) -> Tensor:
    """Return Σ w·z (N,) of profile logits (N, tasks, positions).

    z are the logits minus their mean and w = softmax(z) over all tasks and positions, held fixed
    in gradients, and in attributions also for the example's references. Source: the profile
    contribution score of ChromBPNet (Pampari et al. 2024).
    """
    z = centered_logits(logits)
    return (fixed_profile_weights(z) * z).sum(dim=1)


def profile_score_bpnetlite(logits: Tensor) -> Tensor:
    """Return Σ z·softmax(z) (N,) of profile logits (N, tasks, positions), with its gradient.

    The same value as `profile_score`; only its attributions differ. Source: bpnet-lite 1.1,
    ProfileWrapper, with one softmax over both strands.
    """
    z = centered_logits(logits)
    return (torch.softmax(z, dim=1) * z).sum(dim=1)


def heads_of(output: Output) -> Sequence[Tensor]:
    """Return a model's output as a sequence of tensors, one a head."""
    heads = (output,) if isinstance(output, Tensor) else output
    if not isinstance(heads, list | tuple) or not all(isinstance(h, Tensor) for h in heads):
        raise ModelError(
            f"the model returned {type(output).__name__}, neither a tensor nor several",
            mend="wrap the model in a module that returns a tensor or a tuple of tensors",
        )
    return heads


def track(output: Output, target: TargetConfig) -> Tensor:
    """Return the part of the output that a target reads, before `reduce`.

    (N, tasks) of a head without positions, or (N, tasks, positions).
    """
    heads = heads_of(output)
    if target.head >= len(heads):
        raise target_error(
            target, f"reads head {target.head}, and the model has {len(heads)} outputs"
        )
    head = heads[target.head]
    if head.ndim == 1:
        head = head.unsqueeze(1)
    if head.ndim > 3:
        raise target_error(
            target,
            f"reads head {target.head} of shape {tuple(head.shape)}, which does not have 1 to 3 "
            "axes",
        )
    if target.tasks is not None:
        wrong = [t for t in target.tasks if not 0 <= t < head.shape[1]]
        if wrong or not target.tasks:
            raise target_error(
                target, f"reads tasks {target.tasks}, and head {target.head} has {head.shape[1]}"
            )
        head = head[:, target.tasks]
    return head if target.positions is None else _positions(head, target)


def _positions(head: Tensor, target: TargetConfig) -> Tensor:
    start, end = target.positions
    length = head.shape[2] if head.ndim == 3 else 0
    if not 0 <= start < end <= length:
        raise target_error(
            target,
            f"reads positions [{start}, {end}), and head {target.head} has {length}",
        )
    return head[:, :, start:end]


def target_error(target: TargetConfig, what: str, kind: str = "targets") -> ModelError:
    """Return the error of a target (or track, kind "tracks") that does not fit the model."""
    return ModelError(
        f"{kind.removesuffix('s')} {target.name!r} {what}",
        where=f"{kind}.{target.name}",
        mend=f"make the {kind.removesuffix('s')} fit what the model returns",
    )


def _center(part: Tensor) -> Tensor:
    return part[:, 0, part.shape[2] // 2]


_REDUCE = {
    "sum": lambda part: torch.flatten(part, 1).sum(dim=1),
    "mean": lambda part: torch.flatten(part, 1).mean(dim=1),
    "max": lambda part: torch.flatten(part, 1).amax(dim=1),
    "center": _center,
    "profile": profile_score,
    "profile_bpnetlite": profile_score_bpnetlite,
}


def read_target(output: Output, target: TargetConfig) -> Tensor:
    """Return one target of a model's output, in the target's own scale.

    (N,) for a target that is one scalar, else the track: (N, tasks) or (N, tasks, positions).

    Raises
    ------
    ModelError: the model has no such head, task or position, or the reduction needs other axes.
    """
    part = track(output, target)
    if target.reduce == "none":
        value = part.flatten(1).squeeze(1) if part[0].numel() == 1 else part
    elif target.reduce == "center" and (part.ndim != 3 or part.shape[1] != 1):
        raise target_error(
            target,
            f"reads the centre of {tuple(part.shape[1:])} values; set tasks to one task of the "
            "track",
        )
    else:
        value = _REDUCE[target.reduce](part)
    return torch.log1p(value) if target.transform == "log1p" else value


class TargetModule(nn.Module):
    """A model whose output is its targets, (N, T), in the order of the config.

    Parameters
    ----------
    model: a module that returns a tensor or several.
    targets: the targets; each must be one scalar a window.
    """

    def __init__(self, model: nn.Module, targets: Sequence[TargetConfig]):
        super().__init__()
        self.model = model
        self.targets = list(targets)

    def forward(self, X: Tensor, *args: Tensor) -> Tensor:
        """Return the targets (N, T) of one-hot windows X (N, 4, length) and further inputs."""
        return self.read(self.model(X, *args))

    def read(self, output: Output) -> Tensor:
        """Return the targets (N, T) of what the model returned."""
        values = [read_target(output, target) for target in self.targets]
        for target, value in zip(self.targets, values):
            if value.ndim != 1:
                raise target_error(
                    target,
                    f"has {tuple(value.shape[1:])} values per window, and this step needs one; "
                    "give it `reduce` or one task",
                )
        return torch.stack(values, dim=1)


class TrackModule(nn.Module):
    """A model whose output is a tuple with one tensor a target, unreduced where `reduce: none`.

    (N,) for a scalar target, (N, tasks) or (N, tasks, positions) for a track.
    """

    def __init__(self, model: nn.Module, targets: Sequence[TargetConfig]):
        super().__init__()
        self.model = model
        self.targets = list(targets)

    def forward(self, X: Tensor, *args: Tensor) -> tuple[Tensor, ...]:
        """Return each target of one-hot windows X (N, 4, length) and further inputs."""
        output = self.model(X, *args)
        return tuple(read_target(output, target) for target in self.targets)


class ReverseComplement(nn.Module):
    """A model that reads the reverse complement and answers in the window's own orientation.

    Positions are turned back, and task i is read from task `task_permutation[i]`, in each head
    and each track input that has as many tasks as the permutation.
    """

    def __init__(self, model: nn.Module, task_permutation: Sequence[int] | None = None):
        super().__init__()
        self.model = model
        self.task_permutation = None if task_permutation is None else list(task_permutation)

    def forward(self, X: Tensor, *args: Tensor) -> Any:
        """Return the model's output of the reverse complement of X (N, 4, length)."""
        return self.answer(X.flip(1, 2), *(self.turn(a) for a in args))

    def answer(self, X: Tensor, *args: Tensor) -> Any:
        """Return the model's output of inputs that are reverse complements already."""
        output = self.model(X, *args)
        turned = tuple(self.turn(head) for head in heads_of(output))
        return turned[0] if isinstance(output, Tensor) else turned

    def turn(self, head: Tensor) -> Tensor:
        """Return an output or a track input in the other orientation."""
        return turned(head, self.task_permutation)


def turned(values: Tensor, permutation: Sequence[int] | None) -> Tensor:
    """Return an output or a track input (N, tasks, positions) in the other orientation: positions
    turned, and tasks permuted where there are as many as the permutation has."""
    if permutation is not None and values.ndim > 1 and values.shape[1] == len(permutation):
        values = values[:, list(permutation)]
    return values.flip(2) if values.ndim == 3 else values


class StrandMean(nn.Module):
    """The mean of the targets over the window and its reverse complement.

    The mean is taken in each target's own scale, so a sum of its attributions is a difference
    of its predictions.

    Parameters
    ----------
    model: the model itself.
    readout: TargetModule, TrackModule, or SignalModule with its tracks.
    targets, rc: of the model's config.
    """

    def __init__(
        self,
        model: nn.Module,
        readout: Callable[[nn.Module, Sequence[TargetConfig]], nn.Module],
        targets: Sequence[TargetConfig],
        rc: RcConfig,
    ):
        super().__init__()
        self.forward_strand = readout(model, targets)
        self.reverse_strand = readout(ReverseComplement(model, rc.task_permutation), targets)

    def forward(self, X: Tensor, *args: Tensor) -> Any:
        """Return the mean over strands of what the readout returns."""
        plus, minus = self.forward_strand(X, *args), self.reverse_strand(X, *args)
        if isinstance(plus, Tensor):
            return (plus + minus) / 2
        return tuple((a + b) / 2 for a, b in zip(plus, minus))


class _Answer(nn.Module):
    """What a ReverseComplement says of inputs that are reverse complements already."""

    def __init__(self, turned: ReverseComplement):
        super().__init__()
        self.turned = turned

    def forward(self, X: Tensor, *args: Tensor) -> Any:
        return self.turned.answer(X, *args)


@dataclass(frozen=True)
class Strand:
    """One strand of a target module: a module, and what turns its inputs (None: nothing).

    The inputs are turned before the module, not in it: so a change of one base stays a change of
    one base in all that the module does.
    """

    module: nn.Module
    turned: ReverseComplement | None = None

    def inputs(self, X: Tensor, args: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return one-hot windows X (N, 4, length) and further inputs as the module reads them."""
        if self.turned is None:
            return X, tuple(args)
        return X.flip(1, 2), tuple(self.turned.turn(a) for a in args)


def strands_of(module: nn.Module) -> list[Strand]:
    """Return the strands whose mean a target module is; itself, if it averages none."""
    if not isinstance(module, StrandMean):
        return [Strand(module)]
    reverse = module.reverse_strand
    answer = type(reverse)(_Answer(reverse.model), reverse.targets)
    return [Strand(module.forward_strand), Strand(answer.eval(), reverse.model)]


def strand_mean(
    model: nn.Module,
    readout: Callable[[nn.Module, Sequence[TargetConfig]], nn.Module],
    targets: Sequence[TargetConfig],
    rc: RcConfig,
) -> nn.Module:
    """Return the module of what `readout` reads, averaged over strands if `rc.average`."""
    return StrandMean(model, readout, targets, rc) if rc.average else readout(model, targets)


def target_module(model: nn.Module, targets: Sequence[TargetConfig], rc: RcConfig) -> nn.Module:
    """Return the module of the scalar targets (N, T), averaged over strands if `rc.average`."""
    return strand_mean(model, TargetModule, targets, rc)


def track_module(model: nn.Module, targets: Sequence[TargetConfig], rc: RcConfig) -> nn.Module:
    """Return the module of all targets, tracks unreduced, averaged over strands if asked."""
    return strand_mean(model, TrackModule, targets, rc)

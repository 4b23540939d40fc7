"""A model on a device for a while: moved, in eval mode, and left as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cisweep.errors import ModelError


def resolve_device(device: str | torch.device | None) -> torch.device:
    """Return the device; None is the GPU if there is one, else the CPU.

    That is what `device=None` means in every function: the model is moved there, and back.

    Raises
    ------
    ModelError: a GPU is asked for and there is none. There is no silent fall-back.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            f"device {str(device)!r} is requested, and this machine has no usable GPU",
            where="device",
            mend="use device cpu, or run on a machine with a GPU and a CUDA build of torch",
        )
    return device


def resolve_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """Return the dtype that a name means ("float16"); a dtype and None as they are.

    Raises ModelError if torch has no such dtype.
    """
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if dtype is not None and not isinstance(found, torch.dtype):
        raise ModelError(
            f"dtype is {dtype!r}, which is no dtype of torch",
            mend='use "float32", "bfloat16", "float16" or "float64"',
        )
    return found


# The mend where a model that looks letters up should have a gradient.
DIFFERENTIABLE = (
    "give the model the one-hot sequence itself: embeddings of letters are the product "
    "X.transpose(1, 2) @ embedding.weight[ids of A, C, G, T]"
)


def dtype_of(model: nn.Module) -> torch.dtype:
    """Return the dtype of a model's floating-point parameters; float32 if it has none."""
    tensors = (*model.parameters(), *model.buffers())
    return next((t.dtype for t in tensors if t.is_floating_point()), torch.float32)


# Just below the largest size for which glibc adapts its thresholds.
_HEAP_BYTES = 2**25 - 2**14


def keep_heap(device: torch.device) -> None:
    """Let the allocator keep freed memory of up to 64 MB, where activations come and go on a CPU.

    glibc gives memory at the top of its heap back, at twice the size of the largest block that it
    ever unmapped, and page faults for the next layer then cost up to a third of its time. One
    block, never touched, raises that mark; other allocators do not mind.
    """
    if device.type == "cpu":
        torch.empty(_HEAP_BYTES, dtype=torch.uint8)


@contextmanager
def steady(model: nn.Module) -> Iterator[None]:
    """Run what a model in eval mode is called for, and check that it is the same model after it.

    Raises
    ------
    ModelError: a forward changed what belongs to the model's weights, as a norm does that updates
        its statistics in eval mode too. A prediction would depend on those before it.
    """
    before = _marks(model)
    yield
    after = _marks(model)
    changed = [name for name, mark in before.items() if after.get(name, mark) != mark]
    if changed:
        more = f" and {len(changed) - 1} others" if len(changed) > 1 else ""
        raise ModelError(
            f"the model changes {changed[0]}{more} when it predicts, so that a prediction depends "
            "on those before it",
            where=type(model).__name__,
            mend="switch the update of its statistics off (a flag of the module), or write the "
            "forward so that it changes weights and buffers in training mode only",
        )


def _marks(model: nn.Module) -> dict[str, tuple[int, str]]:
    """Return for each weight and buffer of the model's state what differs after a change.

    That is torch's count of changes in place, and for buffers their norm too, since the kernel of
    a batch norm does not count the statistics that it moves.
    """
    weights = {id(p) for p in model.parameters()}
    found = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor) and not is_lazy(tensor) and not tensor.is_inference():
            is_buffer = id(tensor) not in weights and tensor.is_floating_point()
            norm = torch.linalg.vector_norm(tensor.detach()).item() if is_buffer else 0.0
            found[name] = (tensor._version, repr(norm))
    return found


@contextmanager
def running(model: nn.Module, device: torch.device) -> Iterator[nn.Module]:
    """Yield the model on the device in eval mode; its device and modes are restored at the end.

    Raises ModelError if the model was another one at the end, see `steady`.
    """
    modes = {module: module.training for module in model.modules()}
    first: Tensor | None = next((*model.parameters(), *model.buffers()).__iter__(), None)
    before = device if first is None else first.device
    keep_heap(device)
    try:
        model.eval()
        if before != device:
            model.to(device)
        with steady(model):
            yield model
    finally:
        if before != device:
            model.to(before)
        for module, training in modes.items():
            module.training = training

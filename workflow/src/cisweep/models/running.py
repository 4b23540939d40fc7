"""A model on a device for a while: moved, in eval mode, and left as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cisweep.errors import ModelError


def resolve_device(device: str | torch.device | None) -> torch.device:
    """Return the device; None is the GPU if there is one, else the CPU.

    Raises
    ------
    ModelError: a GPU is asked for and there is none. There is no silent fall-back.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            f"device {str(device)!r} is asked for, and this machine has no usable GPU",
            where="device",
            mend="use device cpu, or run on a machine with a GPU and a CUDA build of torch",
        )
    return device


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
def running(model: nn.Module, device: torch.device) -> Iterator[nn.Module]:
    """Yield the model on the device in eval mode; its place and modes are restored at the end."""
    modes = {module: module.training for module in model.modules()}
    first: Tensor | None = next((*model.parameters(), *model.buffers()).__iter__(), None)
    before = device if first is None else first.device
    keep_heap(device)
    try:
        model.eval()
        if before != device:
            model.to(device)
        yield model
    finally:
        if before != device:
            model.to(before)
        for module, training in modes.items():
            module.training = training

"""What has to be seen at the level at which the model calls torch, above single operations."""

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from cisweep.analysis.attribution.rescale.tracing import Trace, Tracked
from cisweep.models.targets import fixed_profile_weights

# The profile target of ChromBPNet: weights of the example, also for its references.
HELD = frozenset({fixed_profile_weights})
_FACTORIES = frozenset(
    getattr(place, name)
    for place, names in (
        (torch, "zeros ones empty full zeros_like ones_like empty_like full_like"),
        (torch.Tensor, "new_zeros new_ones new_empty new_full"),
    )
    for name in names.split()
)


class ModelCalls(TorchFunctionMode):
    """What has to be seen as the model calls it: new tensors, and weights held at the example's.

    Functions in HELD have for a reference the value that they have for its example.
    """

    def __init__(self, trace: Trace):
        super().__init__()
        self.trace = trace

    def __enter__(self) -> "ModelCalls":
        """Open the trace."""
        self.trace.open = True
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        """Close the trace: tensors that the model has kept become what they are inside."""
        self.trace.open = False
        super().__exit__(*error)

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None):
        """Run a function of torch, with a second look at those two kinds."""
        kwargs = kwargs or {}
        if func in _FACTORIES:
            made = func(*args, **kwargs)
            return made if isinstance(made, Tracked) else self.trace.constant(made)
        if func in HELD and isinstance(args[0], Tracked):
            return self.trace.hold(lambda: func(args[0].inner))
        return func(*args, **kwargs)


_switching = threading.RLock()


@contextmanager
def followed(trace: Trace, device: torch.device) -> Iterator[None]:
    """Run a model on tracked tensors: no gradients outside, no fused layers or attention.

    The switch for these layers is global in torch; the lock keeps two threads from restoring each
    other's value.
    """
    with _switching:
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with _written_out(device), eager(), torch.no_grad(), ModelCalls(trace):
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)


def _written_out(device: torch.device) -> AbstractContextManager:
    """Return the context in which attention is written out; on a CPU its one kernel has a rule."""
    if device.type == "cpu":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)


def eager() -> AbstractContextManager:
    """Return the context in which what `torch.compile` made runs as it was written."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")

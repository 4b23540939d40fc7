"""Built-in networks, found by class name: one file each, `BUILT_IN` maps a name to its class."""

from cisweep.models.modules.bpnet import BPNet
from cisweep.models.modules.chrombpnet import ChromBPNet
from cisweep.models.modules.cnn import CNN
from cisweep.models.modules.linear import Linear

BUILT_IN = {module.__name__: module for module in (Linear, CNN, BPNet, ChromBPNet)}

__all__ = ["BPNet", "BUILT_IN", "CNN", "ChromBPNet", "Linear"]

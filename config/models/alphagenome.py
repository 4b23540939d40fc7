"""AlphaGenome (Avsec et al. 2025) of the package alphagenome-pytorch, from one-hot windows."""

from collections.abc import Mapping, Sequence
from typing import Any

from alphagenome_pytorch import AlphaGenome
from alphagenome_pytorch.alphagenome import set_update_running_var
from torch import Tensor, nn


class _OneHot(nn.Module):
    """The package's first layers without the tokens in front of them, under the same names."""

    def __init__(self, embed: nn.Module):
        super().__init__()
        self.conv, self.pointwise, self.pool = embed.conv, embed.pointwise, embed.pool

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        X = self.conv(X)
        X = X + self.pointwise(X)
        return self.pool(X), X


class AlphaGenomeTracks(AlphaGenome):
    """Outputs (N, tracks, bins) of chosen heads of one species, of one-hot windows (N, 4, length).

    The package reads tokens, which have no gradient, and its norms update their statistics in every
    forward; here the first convolution is given the window itself, and statistics stay.

    Parameters
    ----------
    outputs: (head, bin in bp) of each output, as [dnase, 128].
    organism: human or mouse.
    heads: what `add_reference_heads` takes; {} for those of the published weights.
    options: what AlphaGenome takes.
    """

    def __init__(
        self,
        outputs: Sequence[tuple[str, int]] = (("dnase", 128),),
        organism: str = "human",
        heads: Mapping[str, Any] | None = None,
        **options: Any,
    ):
        super().__init__(**options)
        self.add_reference_heads(organism, **(heads or {}))
        self.organism, self.outputs = organism, [tuple(each) for each in outputs]
        self.transformer_unet.dna_embed = _OneHot(self.transformer_unet.dna_embed)
        set_update_running_var(self, False)

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        """Return the chosen outputs."""
        found = super().forward(X, 0 if self.organism == "human" else 1)[self.organism]
        return tuple(
            found[head][f"scaled_predictions_{bin_bp}bp"].transpose(1, 2)
            for head, bin_bp in self.outputs
        )

"""A language model of single letters as a model of windows: how likely it finds each window."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from cisweep.models.adapters.hf_lm import load_language_model


class LetterModel(nn.Module):
    """The log-likelihood of one-hot windows (N, 4, length) in nats, (N, 1).

    A letter's embedding is a product with the window, not a look-up, so that what explains, edits
    and designs windows goes through it. Causal models: the sum of log p(base | those before it),
    from a BOS token on. Masked models: the sum of log p(base | the window), without masks, in one
    pass. At an N nothing is summed.

    Parameters
    ----------
    model, tokenizer: of transformers; the model takes `inputs_embeds`.
    causal: whether it reads from left to right.
    """

    def __init__(self, model: nn.Module, tokenizer: object, causal: bool):
        super().__init__()
        self.model, self.causal = model, causal
        ids = tokenizer.convert_tokens_to_ids(list("ACGT"))
        self.register_buffer("letters", torch.tensor(ids))
        self.register_buffer("begin", torch.tensor([tokenizer.bos_token_id or 0]))

    @classmethod
    def from_file(cls, path: Path, *, trust_remote_code: bool = False) -> Self:
        """Return the model of the folder of transformers in which the weights lie."""
        found = load_language_model(path.parent, trust_remote_code=trust_remote_code)
        return cls(found.model, found.tokenizer, found.kind == "causal")

    def forward(self, X: Tensor) -> Tensor:
        """Return the log-likelihood of each window."""
        table = self.model.get_input_embeddings().weight
        embedded = X.transpose(1, 2) @ table[self.letters]
        if self.causal:
            first = table[self.begin].expand(X.shape[0], 1, -1)
            embedded = torch.cat([first, embedded[:, :-1]], 1)
        logits = self.model(inputs_embeds=embedded).logits
        return (logits.log_softmax(2)[:, :, self.letters].transpose(1, 2) * X).sum((1, 2))[:, None]

"""DNA language models of transformers: a causal or masked model and its tokenizer.

`weights` is a local folder, or a hub name where there is a network. Code in the folder runs only
with `trust_remote_code: true`.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cisweep.bases import text_of
from cisweep.config.model import LANGUAGE_HEADS, FoldConfig, ModelConfig
from cisweep.errors import ModelError
from cisweep.models.own_code import own_object
from cisweep.models.weights import say_casts

ADAPTER = {
    "is_language_model": True,
    "reads_hub": True,
    "package": ("transformers", "transformers", "lm"),
}

Kind = Literal["causal", "masked", "encoder"]


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the language model as a module of one-hot windows: (N, 4, L) -> (N, D) embeddings.

    `module` is imported first: packages as gpn name their classes to transformers in that moment.
    """
    if config.module is not None:
        own_object(config.module, config.folder)
    name = fold.weights if fold.hub is None else fold.hub
    return load_language_model(name, trust_remote_code=config.trust_remote_code)


@dataclass(frozen=True)
class TokenBatch:
    """Sequences as tokens, padded on the right.

    rows: (B,) which sequences; ids, mask: (B, T) int64, mask 0 on padding; special: (B, T) bool,
    tokens that are no part of the sequence (padding too).
    """

    rows: Tensor
    ids: Tensor
    mask: Tensor
    special: Tensor

    def to(self, device: torch.device) -> "TokenBatch":
        """Return the batch on a device."""
        return TokenBatch(*(t.to(device) for t in (self.rows, self.ids, self.mask, self.special)))


class LanguageModel(nn.Module):
    """A transformers model with its tokenizer.

    Parameters
    ----------
    model: of transformers, with a language head if `kind` is causal or masked.
    tokenizer: of transformers.
    kind: causal (left to right), masked, or encoder (no language head at all).
    headless: why logits must not be used (weights of the head are missing), or None.

    `commit` is the hub's commit that the weights are of, "" for a local folder.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, kind: Kind, headless: str | None = None):
        super().__init__()
        self.commit = ""
        self.model, self.tokenizer, self.kind, self.headless = model, tokenizer, kind, headless

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def max_tokens(self) -> int | None:
        """The longest input, special tokens counted, or None if the model does not say."""
        limits = [getattr(self.model.config, "max_position_embeddings", None)]
        limits.append(getattr(self.tokenizer, "model_max_length", None))
        known = [n for n in limits if isinstance(n, int) and 0 < n < 10**9]
        return min(known, default=None)

    def encode(self, sequences: Sequence[str]) -> list[tuple[list[int], list[bool]]]:
        """Return (token ids, is special) of each sequence.

        A tokenizer that has a BOS token but does not put it there gets it in front for a causal
        model, whose first token would have no probability without it.
        """
        if not sequences:
            return []
        upper = [s.upper() for s in sequences]
        found = self.tokenizer(upper, add_special_tokens=True, return_special_tokens_mask=True)
        pairs = list(zip(found["input_ids"], found["special_tokens_mask"]))
        bos = self.tokenizer.bos_token_id
        encoded = []
        for text, (ids, marks) in zip(upper, pairs):
            ids, special = list(ids), self._special(ids, marks)
            if self.kind == "causal" and bos is not None and (not ids or ids[0] != bos):
                ids, special = [bos, *ids], [True, *special]
            if self.max_tokens is not None and len(ids) > self.max_tokens:
                raise ModelError(
                    f"a sequence of {len(text)} bp has {len(ids)} tokens; the model reads "
                    f"{self.max_tokens}",
                    where="window_bp",
                    mend="give shorter sequences",
                )
            encoded.append((ids, special))
        return encoded

    def _special(self, ids: Sequence[int], marks: Sequence[int]) -> list[bool]:
        """Return which tokens are no part of the sequence.

        ESM's tokenizer marks an end that it does not put there if it has no EOS token, as that of
        the Nucleotide Transformer; then the ids themselves say it.
        """
        if len(marks) == len(ids):
            return [bool(m) for m in marks]
        special = {*self.tokenizer.all_special_ids} - {self.tokenizer.unk_token_id}
        return [i in special for i in ids]

    def batches(
        self, encoded: Sequence[tuple[list[int], list[bool]]], batch_size: int
    ) -> Iterator[TokenBatch]:
        """Yield batches of sequences of similar length, so that little padding is computed."""
        order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i][0]), encoded[i][0]))
        pad = self.tokenizer.pad_token_id or 0
        for begin in range(0, len(order), batch_size):
            rows = order[begin : begin + batch_size]
            longest = max(len(encoded[i][0]) for i in rows)
            ids = torch.full((len(rows), longest), pad)
            mask, special = torch.zeros_like(ids), torch.ones(ids.shape, dtype=torch.bool)
            for k, i in enumerate(rows):
                n = len(encoded[i][0])
                ids[k, :n], mask[k, :n] = torch.tensor(encoded[i][0]), 1
                special[k, :n] = torch.tensor(encoded[i][1])
            yield TokenBatch(torch.tensor(rows), ids, mask, special).to(self.device)

    def hidden(self, batch: TokenBatch) -> Tensor:
        """Return the last hidden states (B, T, D); the language head is not computed."""
        body = self.model.base_model
        return _last_hidden(body(input_ids=batch.ids, attention_mask=batch.mask))

    def logits(self, batch: TokenBatch) -> Tensor:
        """Return the logits (B, T, vocabulary).

        Raises ModelError if the checkpoint has no weights of the language head.
        """
        self.check_head()
        return self.model(input_ids=batch.ids, attention_mask=batch.mask).logits

    def hidden_and_logits(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Return `hidden` and `logits` of one pass. Raises ModelError as logits does."""
        seen: list[Any] = []
        hook = self.model.base_model.register_forward_hook(lambda _, __, out: seen.append(out))
        try:
            logits = self.logits(batch)
        finally:
            hook.remove()
        return _last_hidden(seen[-1]), logits

    def check_head(self) -> None:
        """Raise ModelError unless logits come from trained weights."""
        if self.headless is not None:
            raise ModelError(
                f"the checkpoint has no language head ({self.headless}); transformers would make "
                "its weights up at random",
                where="logits, likelihoods",
                mend="use a checkpoint with its lm_head, or distances of hidden states",
            )

    def forward(self, X: Tensor) -> Tensor:
        """Return the last hidden states, averaged over the sequence's tokens, (N, D).

        X: one-hot windows (N, 4, L).
        """
        index = torch.where(X.sum(1) > 0, X.argmax(1), 4).numpy(force=True)
        texts = [text_of(row) for row in index]
        out: Tensor | None = None
        for batch in self.batches(self.encode(texts), len(texts)):
            pooled = pool(self.hidden(batch), ~batch.special, "mean")
            out = pooled.new_empty(len(texts), pooled.shape[1]) if out is None else out
            out[batch.rows] = pooled
        return out


def _last_hidden(output: Any) -> Tensor:
    return output.last_hidden_state if hasattr(output, "last_hidden_state") else output[0]


def pool(values: Tensor, keep: Tensor, how: Literal["mean", "max"]) -> Tensor:
    """Return (B, D): the mean or maximum of values (B, T, D) over the tokens where keep (B, T)."""
    if how == "max":
        return values.masked_fill(~keep[:, :, None], -torch.inf).amax(1)
    weight = keep[:, :, None].to(values.dtype)
    return (values * weight).sum(1) / weight.sum(1)


def load_language_model(
    path: str | Path, *, trust_remote_code: bool = False, device: str | torch.device = "cpu"
) -> LanguageModel:
    """Return a language model and its tokenizer, in eval mode, in float32.

    path: a local folder, or a hub name (owner/name, or owner/name@revision).

    Raises
    ------
    ModelError: transformers is not installed, there is no such model, it needs code that is not
        trusted, or weights of its body are missing.
    """
    # A hub name must not become one with the folder that happens to be the working directory.
    name = str(path)
    local = os.path.isdir(name)
    name, revision = name.split("@", 1) if not local and "@" in name else (name, None)
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    options |= {} if revision is None else {"revision": revision}
    transformers = _transformers()
    with _explained(name):
        config = transformers.AutoConfig.from_pretrained(name, **options)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
        kind = kind_of(config)
        classes = {
            "causal": transformers.AutoModelForCausalLM,
            "masked": transformers.AutoModelForMaskedLM,
            "encoder": transformers.AutoModel,
        }
        model, report = classes[kind].from_pretrained(
            name, dtype=torch.float32, output_loading_info=True, **options
        )
        # A file of the hub lies in the folder of its commit.
        cached = transformers.utils.cached_file(name, "config.json", revision=revision)
    given = getattr(config, "dtype", None)
    if isinstance(given, torch.dtype):
        say_casts([("all weights", given, torch.float32)], Path(name))
    tokenizer.padding_side = "right"
    headless = _headless(model, kind, sorted(report["missing_keys"]), name)
    found = LanguageModel(model, tokenizer, kind, headless)
    found.commit = "" if local else Path(cached).parent.name
    return found.eval().requires_grad_(False).to(device)


def kind_of(config: Any) -> Kind:
    """Return the kind that a transformers config declares by its architecture's name."""
    for name in getattr(config, "architectures", None) or []:
        for suffix, kind in LANGUAGE_HEADS.items():
            if name.endswith(suffix):
                return kind
    return "encoder"


def _headless(model: nn.Module, kind: Kind, missing: list[str], name: str) -> str | None:
    """Return why the head cannot be used, or None; refuse a body with missing weights."""
    if kind == "encoder":
        return "its architecture is a bare encoder"
    prefix = f"{model.base_model_prefix}."
    # Poolers are unused here, and many checkpoints come without them.
    body = [k for k in missing if k.startswith(prefix) and "pooler" not in k]
    if body:
        raise ModelError(
            f"{len(body)} weights are missing (first: {body[0]}); transformers would make them up",
            where=name,
            mend="use the complete checkpoint",
        )
    head = [k for k in missing if not k.startswith(prefix)]
    return f"missing: {', '.join(head[:3])}" if head else None


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise ModelError(
            "the adapter hf_lm needs the package transformers, which is not installed",
            where="adapter",
            mend="pip install 'cisweep[lm]'",
        ) from None
    transformers.logging.set_verbosity_error()
    return transformers


class _explained:
    """Turns what transformers raises into a ModelError that names the model and the mend."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> bool:
        if error is None or isinstance(error, ModelError) or not isinstance(error, Exception):
            return False
        first = str(error).strip().split("\n")[0]
        if "trust_remote_code" in str(error):
            raise ModelError(
                "the model needs to run its own code, which is refused",
                where=self.name,
                mend="read that code, and if you trust it set trust_remote_code: true",
            ) from None
        raise ModelError(
            f"no language model can be read there ({first})",
            where=self.name,
            mend="give a folder with config.json, weights and tokenizer, or a hub name where there "
            "is a network",
        ) from None

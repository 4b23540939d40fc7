"""Language models as the published ones, small and with drawn weights: folders of transformers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tokenizers
import torch
import transformers
from torch import nn

SPECIAL = ["[PAD]", "[UNK]", "[BOS]", "[MASK]"]


class ConvNetConfig(transformers.PretrainedConfig):
    model_type = "convnet_of_letters"

    def __init__(self, vocab_size: int = 9, hidden_size: int = 16, **options: Any):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**options)


class ConvNet(transformers.PreTrainedModel):
    """Dilated residual convolutions over letters, as GPN."""

    config_class, base_model_prefix = ConvNetConfig, "model"

    def __init__(self, config: ConvNetConfig):
        super().__init__(config)
        n = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, n)
        self.convs = nn.ModuleList(nn.Conv1d(n, n, 9, dilation=d, padding=4 * d) for d in (1, 2, 4))
        self.norms = nn.ModuleList(nn.LayerNorm(n) for _ in range(3))
        self.post_init()

    def forward(self, input_ids, attention_mask=None, **options):
        h = self.embedding(input_ids)
        for conv, norm in zip(self.convs, self.norms):
            h = h + nn.functional.gelu(conv(norm(h).transpose(1, 2)).transpose(1, 2))
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=h)


class ConvNetForMaskedLM(transformers.PreTrainedModel):
    config_class, base_model_prefix = ConvNetConfig, "model"

    def __init__(self, config: ConvNetConfig):
        super().__init__(config)
        self.model = ConvNet(config)
        self.head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, **options):
        hidden = self.model(input_ids).last_hidden_state
        return transformers.modeling_outputs.MaskedLMOutput(logits=self.head(hidden))


transformers.AutoConfig.register("convnet_of_letters", ConvNetConfig)
transformers.AutoModel.register(ConvNetConfig, ConvNet)
transformers.AutoModelForMaskedLM.register(ConvNetConfig, ConvNetForMaskedLM)


def letters(path: Path) -> Any:
    """Write and return a tokenizer of single letters."""
    names = [*SPECIAL, *"ACGTN"]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", bos_token="[BOS]",
        mask_token="[MASK]",
    )  # fmt: skip
    tokenizer.save_pretrained(path)
    return tokenizer


def six_mers(path: Path) -> Any:
    """Write and return the Nucleotide Transformer's tokenizer: 6-mers, else single letters."""
    path.mkdir()
    words = [""]
    for _ in range(6):
        words = [word + letter for word in words for letter in "ATCG"]
    vocabulary = ["<unk>", "<pad>", "<mask>", "<cls>", *words, *"ATCGN"]
    (path / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = transformers.EsmTokenizer(str(path / "vocab.txt"), eos_token=None)
    tokenizer.save_pretrained(path)
    return tokenizer


def _drawn(model: nn.Module, seed: int) -> nn.Module:
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            width = p[0].numel() ** -0.5 if p.ndim > 1 else 0.3
            drawn = torch.randn(p.shape, generator=draw) * width
            p.copy_(drawn if p.ndim > 1 else p + drawn * 0.3)
    return model.eval()


def saved(path: Path, tokenizer: Any, model: nn.Module) -> SimpleNamespace:
    """Write a model beside its tokenizer; return both, as transformers itself calls them."""
    _drawn(model, 1).save_pretrained(path)
    return SimpleNamespace(model=model.double(), tokenizer=tokenizer)


def hyena_like(config: Any, fold: int, path: Path) -> SimpleNamespace:
    made = transformers.LlamaConfig(
        vocab_size=9, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=24, max_position_embeddings=80, use_cache=False,
    )  # fmt: skip
    return saved(path, letters(path), transformers.LlamaForCausalLM(made))


def nucleotide_transformer(config: Any, fold: int, path: Path) -> SimpleNamespace:
    made = transformers.EsmConfig(
        vocab_size=4105, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=80, position_embedding_type="rotary",
        pad_token_id=1, mask_token_id=2, token_dropout=False,
    )  # fmt: skip
    return saved(path, six_mers(path), transformers.EsmForMaskedLM(made))


def caduceus_like(config: Any, fold: int, path: Path) -> SimpleNamespace:
    made = transformers.MambaConfig(
        vocab_size=9, hidden_size=12, state_size=4, num_hidden_layers=2, use_cache=False
    )
    return saved(path, letters(path), transformers.MambaForCausalLM(made))


def gpn_like(config: Any, fold: int, path: Path) -> SimpleNamespace:
    return saved(path, letters(path), ConvNetForMaskedLM(ConvNetConfig()))


def bert(config: Any, fold: int, path: Path) -> SimpleNamespace:
    made = transformers.BertConfig(
        vocab_size=9, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=80,
    )  # fmt: skip
    return saved(path, letters(path), transformers.BertForMaskedLM(made))


def likelihood(own: SimpleNamespace, X: torch.Tensor, causal: bool) -> torch.Tensor:
    """Return log-likelihoods (N, 1) of windows from token ids, base by base."""
    ids = X.argmax(1) + len(SPECIAL)
    begin = torch.full_like(ids[:, :1], own.tokenizer.bos_token_id)
    given = torch.cat([begin, ids[:, :-1]], 1) if causal else ids
    logits = own.model(input_ids=given).logits.log_softmax(2)
    return logits.gather(2, ids[:, :, None]).sum(1)


def beside_its_folder(config: Any, fold: int, path: Path, make: Any = hyena_like) -> Any:
    """Write a model; `path` is its file of weights. Return what transformers itself says."""
    own = make(config, fold, path.parent)
    (path.parent / "model.safetensors").rename(path)
    path.with_name("model.safetensors").symlink_to(path)
    return lambda X: likelihood(own, X, make is hyena_like)

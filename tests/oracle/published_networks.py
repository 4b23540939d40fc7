"""Published architectures in small, with weights as training leaves them: none is 0 or 1.

Nothing is fetched: the configurations are small and the weights drawn. Each network takes
one-hot windows (N, 4, length) and returns (N, n_outputs). Run as a script it writes the table of
docs/models.md, which says what comes of each.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.models.wrappers import ControlWrapper, CountWrapper, EnformerWrapper, ProfileWrapper


@dataclass(frozen=True)
class Network:
    """An architecture of the table.

    make: builds it; length: of its windows; package: what it is of, "" where it is written here;
    title: what it is called in docs/models.md.
    """

    name: str
    make: Callable[[], nn.Module]
    length: int
    package: str = ""
    title: str = ""


def trained_like(model: nn.Module, X: torch.Tensor, seed: int = 0) -> nn.Module:
    """Return the model with weights, biases, scales and statistics that matter, in eval mode.

    Published code begins with zeros in the last layer of a block and with norms that do nothing;
    a rule that forgets a shift or a branch would pass there. The norms' statistics are those of
    windows X.
    """
    draw = torch.Generator().manual_seed(seed)
    norms = [m for m in model.eval().modules() if hasattr(m, "running_var")]
    with torch.no_grad():
        for module in model.modules():
            for p in module.parameters(recurse=False):
                drawn = torch.randn(p.shape, generator=draw)
                if p.ndim > 1:
                    drawn *= 1.0 if isinstance(module, nn.Embedding) else p[0].numel() ** -0.5
                else:
                    drawn = 0.3 * drawn + p.mean()
                p.copy_(drawn)
        was = [(m.momentum, getattr(m, "update_running_var", None)) for m in norms]
        for m in norms:
            m.train()
            m.momentum, m.update_running_var = 1.0, True
        model(X)
        for m, (momentum, update) in zip(norms, was):
            m.eval()
            m.momentum, m.update_running_var = momentum, update
    return model


class OneHot(nn.Module):
    """A transformers model that is given each base's embedding, then a mean over positions."""

    def __init__(self, body: nn.Module, width: int):
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, 2)

    def embedded(self, X: torch.Tensor) -> torch.Tensor:
        """Return the embeddings (N, length, width) of one-hot X: a product, not a look-up."""
        return X.transpose(1, 2) @ self.body.get_input_embeddings().weight[4:8]

    def forward(self, X):
        return self.head(self.body(inputs_embeds=self.embedded(X)).last_hidden_state.mean(1))


class Tokens(OneHot):
    """The same with token ids, as a tokenizer gives them."""

    def forward(self, X):
        ids = X.argmax(1) + 4
        return self.head(self.body(input_ids=ids).last_hidden_state.mean(1))


class BothWays(OneHot):
    """A state-space model read forwards and over the reverse complement, as Caduceus does."""

    def forward(self, X):
        there = self.body(inputs_embeds=self.embedded(X)).last_hidden_state
        back = self.body(inputs_embeds=self.embedded(X.flip(1, 2))).last_hidden_state
        return self.head((there + back.flip(1)).mean(1))


class Hyena(nn.Module):
    """Gated long convolutions by FFT with implicit filters: HyenaDNA's operator of order 2."""

    def __init__(self, width: int = 12, length: int = 96, depth: int = 2):
        super().__init__()
        self.length = length
        self.embed = nn.Linear(4, width)
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.project = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(depth))
        self.short = nn.ModuleList(
            nn.Conv1d(3 * width, 3 * width, 3, padding=2, groups=3 * width) for _ in range(depth)
        )
        self.filter = nn.ModuleList(
            nn.Sequential(nn.Linear(5, 16), Sine(), nn.Linear(16, width, bias=False))
            for _ in range(depth)
        )
        self.skip = nn.ParameterList(nn.Parameter(torch.randn(width)) for _ in range(depth))
        self.decay = nn.Parameter(torch.linspace(1, 6, width))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 2)

    def long(self, u: torch.Tensor, k: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Return the causal convolution of u (N, width, length) with k (width, length)."""
        n = 2 * u.shape[-1]
        spectrum = torch.fft.rfft(u, n=n) * torch.fft.rfft(k, n=n)
        return torch.fft.irfft(spectrum, n=n)[..., : u.shape[-1]] + u * skip[:, None]

    def forward(self, X):
        h = self.embed(X.transpose(1, 2))
        t = torch.linspace(0, 1, h.shape[1], dtype=h.dtype)[:, None]
        z = torch.cat(
            [t, *(f(2 * torch.pi * b * t) for b in (1, 2) for f in (torch.sin, torch.cos))], 1
        )
        for norm, project, short, implicit, skip, out in zip(
            self.norm, self.project, self.short, self.filter, self.skip, self.out
        ):
            u = short(project(norm(h)).transpose(1, 2))[..., : h.shape[1]]
            a, b, v = u.chunk(3, dim=1)
            k = (implicit(z) * torch.exp(-t * self.decay.abs())).T
            h = h + out((b * self.long(v * a, k, skip)).transpose(1, 2))
        return self.head(h.mean(1))


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(x)


class SelectiveScan(nn.Module):
    """Mamba's block: gates, a short causal convolution, a scan with steps that the input sets."""

    def __init__(self, width: int = 8, state: int = 4):
        super().__init__()
        self.embed = nn.Conv1d(4, width, 1)
        self.both = nn.Linear(width, 2 * width)
        self.conv = nn.Conv1d(width, width, 4, padding=3, groups=width)
        self.step, self.given, self.read = (
            nn.Linear(width, width), nn.Linear(width, state), nn.Linear(width, state),
        )  # fmt: skip
        self.decay = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(width, 1))
        self.skip = nn.Parameter(torch.randn(width))
        self.out, self.head = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, X):
        h = self.embed(X).transpose(1, 2)
        u, gate = self.both(h).chunk(2, dim=-1)
        u = F.silu(self.conv(u.transpose(1, 2))[..., : X.shape[2]].transpose(1, 2))
        step = F.softplus(self.step(u))
        kept = torch.exp(-step[..., None] * self.decay.exp())
        added = (step * u)[..., None] * self.given(u)[:, :, None, :]
        state = u.new_zeros(u.shape[0], *self.decay.shape)
        seen = []
        for i in range(u.shape[1]):
            state = kept[:, i] * state + added[:, i]
            seen.append((state * self.read(u[:, i])[:, None, :]).sum(-1))
        y = (torch.stack(seen, 1) + u * self.skip) * F.silu(gate)
        return self.head((h + self.out(y)).mean(1))


class Recurrent(nn.Module):
    """As DanQ: a convolution, max pooling, a bidirectional recurrent layer, dense layers."""

    def __init__(self, kind: type[nn.Module]):
        super().__init__()
        self.conv = nn.Conv1d(4, 12, 9)
        self.cell = kind(12, 8, batch_first=True, bidirectional=True)
        self.dense, self.head = nn.LazyLinear(16), nn.Linear(16, 2)

    def forward(self, X):
        h = F.max_pool1d(F.relu(self.conv(X)), 4)
        h, _ = self.cell(h.transpose(1, 2))
        return self.head(F.relu(self.dense(h.flatten(1))))


class LastState(nn.Module):
    """A recurrent layer over the letters, of which the last state is read."""

    def __init__(self, kind: type[nn.Module]):
        super().__init__()
        self.cell, self.head = kind(4, 12, batch_first=True), nn.Linear(12, 2)

    def forward(self, X):
        return self.head(self.cell(X.transpose(1, 2))[0][:, -1])


class Mean(nn.Module):
    """The mean over positions of a net that returns (N, tracks, positions)."""

    def __init__(self, model: nn.Module, first: int = 2):
        super().__init__()
        self.model, self.first = model, first

    def forward(self, X):
        return self.model(X)[:, : self.first].mean(-1)


def narrowed(model: nn.Module, factor: int, widths: set[int]) -> nn.Module:
    """Return a model whose convolutions and batch norms of the given widths are `factor` thinner.

    For packages in which the widths of the convolutional part are written into the code.
    """

    def thin(n: int) -> int:
        return n // factor if n in widths else n

    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d):
                setattr(module, name, nn.BatchNorm1d(thin(child.num_features), eps=child.eps))
            elif isinstance(child, nn.Conv1d):
                made = nn.Conv1d(
                    thin(child.in_channels), thin(child.out_channels), child.kernel_size,
                    padding=child.padding, dilation=child.dilation, groups=thin(child.groups),
                    bias=child.bias is not None,
                )  # fmt: skip
                setattr(module, name, made)
    return model


class EnformerTracks(nn.Module):
    """Enformer as a model.yaml reads it: one-hot windows (N, 4, length) to (N, tracks, bins)."""

    def __init__(self):
        super().__init__()
        self.net = import_module("enformer_pytorch").Enformer.from_hparams(
            dim=48, depth=2, heads=2, output_heads={"human": 5, "mouse": 3}, target_length=8,
            attn_dim_key=8, num_downsamples=3, dim_divisible_by=8,
        )  # fmt: skip

    def forward(self, X):
        return self.net(X.transpose(1, 2))["human"].transpose(1, 2)


class BorzoiTracks(nn.Module):
    """Borzoi: one-hot windows (N, 4, length) to (N, tracks, bins)."""

    def __init__(self):
        super().__init__()
        self.net = import_module("borzoi_pytorch").Borzoi.from_hparams(
            dim=24, depth=2, heads=2, attn_dim_key=8, attn_dim_value=12, bins_to_return=6,
            return_center_bins_only=True,
        )  # fmt: skip
        self.net.set_track_subset([0, 1, 2])
        del self.net.human_head_bak
        narrowed(self.net, 64, {512, 608, 736, 896, 1056, 1280, 1920})

    def forward(self, X):
        return self.net(X)


def enformer() -> nn.Module:
    net = EnformerTracks().net
    return Columns(
        EnformerWrapper(net, tracks=[0, 2], bins=(2, 6), head="human", length_bp=96),
        EnformerWrapper(net, tracks=[1], head="mouse", length_bp=96),
    )


def borzoi() -> nn.Module:
    return Mean(BorzoiTracks())


def splice_ai() -> nn.Module:
    module = import_module("openspliceai.train_base.openspliceai")
    return Mean(module.SpliceAI(8, np.array([11, 11, 11, 11]), np.array([1, 1, 2, 2])))


class AlphaGenome(nn.Module):
    """Tracks at 1 and 16 bp and contacts, from the tokens that the package asks for."""

    def __init__(self):
        super().__init__()
        module = import_module("alphagenome_pytorch.alphagenome")
        self.model = module.AlphaGenome(
            dims=(8, 12, 16),
            transformer_kwargs=dict(
                depth=2, heads=2, dim_head_qk=8, dim_head_v=6, dim_pairwise=6, pool_size=4,
                max_positions=512, single_to_pairwise_heads=4,
            ),
        )  # fmt: skip
        self.model.add_heads("human", 3, 2, 2, 2, hidden_dim_splice_juncs=8)
        del self.model.heads["human"]["splice_juncs"]

    def tokens(self, X: torch.Tensor) -> torch.Tensor:
        """Return the tokens (N, length), −1 at an N."""
        return torch.where(X.sum(1) > 0, X.argmax(1), -1)

    def forward(self, X):
        out = self.model(self.tokens(X), 0)["human"]
        tracks = [out["1bp_tracks"].mean(1)[:, :1], out["128bp_tracks"].mean(1)[:, :1]]
        return torch.cat([*tracks, out["contact_head"].mean((1, 2))[:, :1]], 1)


class FrozenAlphaGenome(AlphaGenome):
    """Without the update of its norms' statistics, which the package makes in eval mode too."""

    def __init__(self):
        super().__init__()
        import_module("alphagenome_pytorch.alphagenome").set_update_running_var(self, False)


class OneHotEmbed(nn.Module):
    """AlphaGenome's first layers from one-hot windows, without the tokens in front of them."""

    def __init__(self, embed: nn.Module):
        super().__init__()
        self.conv, self.pointwise, self.pool = embed.conv, embed.pointwise, embed.pool

    def forward(self, x):
        out = self.conv(x)
        out = out + self.pointwise(out)
        return self.pool(out), out


class OneHotAlphaGenome(FrozenAlphaGenome):
    """Its first convolution is given the one-hot window itself, which makes it explainable."""

    def __init__(self):
        super().__init__()
        unet = self.model.transformer_unet
        unet.dna_embed = OneHotEmbed(unet.dna_embed)

    def tokens(self, X):
        return X


class Columns(nn.Module):
    """Several nets of one output beside each other."""

    def __init__(self, *models: nn.Module):
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, X):
        return torch.cat([model(X) for model in self.models], 1)


def bpnet_lite() -> nn.Module:
    made = import_module("bpnetlite").BPNet(
        n_filters=8, n_layers=3, n_outputs=2, n_control_tracks=2, verbose=False
    )
    return Columns(CountWrapper(ControlWrapper(made)), ProfileWrapper(ControlWrapper(made)))


def bpnet_lite_wrapped() -> nn.Module:
    """With the package's own wrappers."""
    module = import_module("bpnetlite.bpnet")
    made = module.BPNet(n_filters=8, n_layers=3, n_outputs=1, n_control_tracks=0, verbose=False)
    return Columns(module.CountWrapper(made), module.ProfileWrapper(made))


def chrombpnet_lite() -> nn.Module:
    module = import_module("bpnetlite")
    options = dict(n_outputs=1, n_control_tracks=0, verbose=False)
    bias = module.BPNet(n_filters=4, n_layers=2, **options)
    made = module.ChromBPNet(bias, module.BPNet(n_filters=8, n_layers=3, **options), "small")
    return Columns(CountWrapper(made), ProfileWrapper(made))


def bert(wrap: type[OneHot] = OneHot) -> nn.Module:
    t = import_module("transformers")
    config = t.BertConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=80,
    )  # fmt: skip
    return wrap(t.BertModel(config, add_pooling_layer=False), 16)


def esm() -> nn.Module:
    t = import_module("transformers")
    config = t.EsmConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=80, position_embedding_type="rotary",
        pad_token_id=1, token_dropout=False,
    )  # fmt: skip
    return OneHot(t.EsmModel(config, add_pooling_layer=False), 16)


def llama() -> nn.Module:
    t = import_module("transformers")
    config = t.LlamaConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=24, max_position_embeddings=80, use_cache=False,
    )  # fmt: skip
    return OneHot(t.LlamaModel(config), 16)


def mamba(wrap: type[OneHot] = BothWays) -> nn.Module:
    t = import_module("transformers")
    config = t.MambaConfig(
        vocab_size=12, hidden_size=12, state_size=4, num_hidden_layers=2, use_cache=False
    )
    return wrap(t.MambaModel(config), 12)


NETWORKS = [
    Network("bpnet_lite", bpnet_lite, 200, "bpnet-lite", "BPNet with controls"),
    Network("bpnet_lite_wrapped", bpnet_lite_wrapped, 200, "bpnet-lite", "BPNet, its wrappers"),
    Network("chrombpnet_lite", chrombpnet_lite, 200, "bpnet-lite", "ChromBPNet"),
    Network("splice_ai", splice_ai, 160, "openspliceai", "SpliceAI"),
    Network("enformer", enformer, 96, "enformer-pytorch", "Enformer"),
    Network("borzoi", borzoi, 256, "borzoi-pytorch", "Borzoi"),
    Network("alphagenome", OneHotAlphaGenome, 64, "alphagenome-pytorch", "AlphaGenome ¹ ²"),
    Network("alphagenome_tokens", FrozenAlphaGenome, 64, "alphagenome-pytorch", "its tokens ¹"),
    Network("bert", bert, 48, "transformers", "BERT (DNABERT) ²"),
    Network("bert_tokens", lambda: bert(Tokens), 48, "transformers", "its tokens"),
    Network("esm", esm, 48, "transformers", "ESM, rotary (Nucleotide Transformer) ²"),
    Network("llama", llama, 48, "transformers", "Llama, causal ²"),
    Network("mamba", mamba, 24, "transformers", "Mamba on both strands (Caduceus) ²"),
    Network("selective_scan", SelectiveScan, 40, "", "Mamba's selective scan"),
    Network("hyena", Hyena, 96, "", "Hyena (HyenaDNA)"),
    Network("lstm", lambda: Recurrent(nn.LSTM), 72, "", "LSTM behind a convolution (DanQ)"),
    Network("gru", lambda: Recurrent(nn.GRU), 72, "", "GRU behind a convolution"),
    Network("lstm_last", lambda: LastState(nn.LSTM), 40, "", "LSTM, last state"),
]

# What comes of each in tests/oracle/test_published_networks.py: "fast", "in full" where a fast path
# is off, "yes" where there is one way only, "error".
VERBS = {
    "predict": "predict",
    "deep_lift": "DeepLIFT/SHAP",
    "gradients": "gradients",
    "mutagenesis": "mutagenesis",
    "substitutions": "substitution effects",
    "design": "design",
    "pruning": "pruning",
    "tiles": "tiles",
}
_FAST = {verb: "yes" if verb == "gradients" else "fast" for verb in VERBS}
_LETTERS = {verb: "error" for verb in ("deep_lift", "gradients", "design")}
_FULL = {verb: "in full" for verb in VERBS if verb not in ("gradients", "deep_lift")}
_NO_TILES = {"tiles": "in full"}
_EXCEPTIONS: dict[str, dict[str, str]] = {
    "splice_ai": _NO_TILES,
    "borzoi": _FULL,
    "alphagenome": _NO_TILES,
    "alphagenome_tokens": _FULL | _LETTERS,
    "bert_tokens": _NO_TILES | _LETTERS,
    "mamba": _NO_TILES,
    "lstm": _NO_TILES,
    "gru": _NO_TILES | {"deep_lift": "in full"},
}
OUTCOMES = {network.name: _FAST | _EXCEPTIONS.get(network.name, {}) for network in NETWORKS}


def windows(n: int, length: int, seed: int = 0) -> torch.Tensor:
    """Return one-hot windows (n, 4, length) in float32."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 4, (n, length), generator=draw)
    return F.one_hot(tokens, 4).transpose(1, 2).float().contiguous()


def built(network: Network, seed: int = 1) -> nn.Module:
    """Return a network of the table with drawn weights."""
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed)
        model, X = network.make().eval(), windows(16, network.length, seed=7)
        with torch.no_grad():
            model(X)  # lazy layers
        return forgetful(trained_like(model, X, seed))
    finally:
        torch.random.set_rng_state(state)


def forgetful(model: nn.Module) -> nn.Module:
    """Return the model without what its first forward left in it (Borzoi keeps its positions)."""
    for module in model.modules():
        if hasattr(module, "positions"):
            module.positions = None
    return model


class Exact(nn.Module):
    """A network in float64, also where its code casts to float32."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = copy.deepcopy(model).double()

    def forward(self, X):
        with patch.object(torch.Tensor, "float", torch.Tensor.double):
            return self.model(X.double())


ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "models.md"


def pinned(package: str) -> str:
    """Return the release of a package that the tests run with."""
    locks = [(ROOT / "requirements" / f"{name}.lock").read_text() for name in ("networks", "test")]
    return re.search(rf"^{package}==(\S+)", "\n".join(locks), flags=re.M)[1]


def table() -> str:
    """Return the table of docs/models.md."""
    lines = [["network", "package", *VERBS.values()]]
    lines.append(["---"] * len(lines[0]))
    for network in NETWORKS:
        package = network.package and f"{network.package} {pinned(network.package)}"
        cells = [OUTCOMES[network.name][verb] for verb in VERBS]
        lines.append([network.title, package or "the tests", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def in_document(text: str) -> re.Match:
    """Return the table in the text of docs/models.md."""
    return re.search(r"^\| network .*\n(?:\|.*\n)+", text, flags=re.M)


if __name__ == "__main__":
    before = DOCUMENT.read_text()
    found = in_document(before)
    DOCUMENT.write_text(before[: found.start()] + table() + before[found.end() :])

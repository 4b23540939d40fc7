"""Effects of substitutions against tangermeme; language-model scoring against transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import compare
from benchmarks.networks import Counts
from cisweep.analysis.language_model.embedding import log_likelihoods
from cisweep.analysis.language_model.zero_shot import ZeroShotOptions, score_pairs
from cisweep.analysis.mutagenesis.effects import substitution_effect
from cisweep.models.adapters.hf_lm import LanguageModel, load_language_model
from cisweep.models.modules import CNN, BPNet
from cisweep.plan.contents.zero_shot import SequencePair

_NETWORKS = {
    # name: (network, length, tangermeme's batch sizes: its best ones and its default)
    "BPNet counts": (lambda: Counts(BPNet(n_control_tracks=0)), 2114, (2, 4, 32)),
    "demo CNN": (lambda: CNN(48, first_width=19, dilations=(2, 4, 8)), 200, (8, 32, 64)),
}


def _substitutions(name: str, n: int, per_place: int) -> dict:
    import tangermeme.variant_effect

    torch.manual_seed(0)
    torch.set_num_threads(1)
    make, length, sizes = _NETWORKS[name]
    model = make().eval()
    rng = np.random.default_rng(0)
    places, middle = n // per_place, length // 2
    tokens = torch.from_numpy(rng.integers(0, 4, (places, length)))
    X = torch.eye(4)[tokens].transpose(1, 2).repeat_interleave(per_place, dim=0).contiguous()
    ref = tokens[:, middle].repeat_interleave(per_place)
    alt = (ref + torch.arange(1, per_place + 1).repeat(places)) % 4
    rows = torch.stack([torch.arange(n), torch.full((n,), middle), alt], 1)
    options = {"device": "cpu"}
    ours = substitution_effect(model, X, rows, **options)
    theirs = tangermeme.variant_effect.substitution_effect(model, X, rows, **options)
    worst = max(float((a - b).abs().max()) for a, b in zip(ours, theirs))
    rivals = {"cisweep": lambda: substitution_effect(model, X, rows, **options)}
    for size in sizes:
        rivals[f"tangermeme, batch {size}"] = lambda size=size: (
            tangermeme.variant_effect.substitution_effect(
                model, X, rows, batch_size=size, **options
            )
        )
    return compare(
        f"substitution_effect, {name}, {n} variants at {places} places",
        rivals,
        repeats=3,
        goals=dict.fromkeys(list(rivals)[1:], 3.0),
        check=f"largest difference {worst:.1e}",
        warm_up=False,
    )


def _language_model() -> LanguageModel:
    torch.set_num_threads(1)
    folder = Path(__file__).parents[1] / "workflow" / "resources" / "yeast_lm" / "model"
    return load_language_model(folder)


def _texts(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), 200)) for _ in range(n)]


def _beside_forward(
    task: str, ours: Callable[[], Any], model: LanguageModel, texts: list[str]
) -> dict:
    """Compare with a plain pass of transformers over the texts."""

    @torch.no_grad()
    def forward() -> None:
        for i in range(0, len(texts), 32):
            batch = model.tokenizer(texts[i : i + 32], padding=True, return_tensors="pt")
            model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])

    return compare(
        task,
        {"cisweep": ours, "transformers, forward alone": forward},
        repeats=5,
        goals={"transformers, forward alone": 1 / 1.2},
    )


def _likelihoods(n: int) -> dict:
    model, texts = _language_model(), _texts(n, seed=0)
    return _beside_forward(
        f"likelihoods of {n} sequences of 200 bp",
        lambda: log_likelihoods(model, texts, batch_size=32),
        model,
        texts,
    )


def _pairs(n: int) -> dict:
    """All that zero_shot makes of pairs of alleles, beside a plain pass over both."""
    model, refs = _language_model(), _texts(n, seed=1)
    alts = [s[:100] + "ACGT"[("ACGT".index(s[100]) + 1) % 4] + s[101:] for s in refs]
    pairs = [SequencePair(str(i), *both) for i, both in enumerate(zip(refs, alts))]
    options = ZeroShotOptions(("l2", "cosine", "likelihood_ratio"), batch_size=32)
    return _beside_forward(
        f"distances, likelihood ratio and embeddings of {n} pairs of 200 bp",
        lambda: list(score_pairs(model, pairs, options)),
        model,
        [*refs, *alts],
    )


def rows(quick: bool) -> list[dict]:
    """Return the rows of this benchmark."""
    n = {"BPNet counts": 48 if quick else 1000, "demo CNN": 1000}
    substitutions = [
        _substitutions(name, n[name] // per_place * per_place, per_place)
        for name in _NETWORKS
        for per_place in (1, 3)
    ]
    n_texts = 64 if quick else 256
    return [*substitutions, _likelihoods(n_texts), _pairs(n_texts // 2)]

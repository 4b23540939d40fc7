"""Effects of substitutions against tangermeme; language-model scoring against transformers."""

import numpy as np
import torch

from benchmarks.common import compare
from benchmarks.networks import Counts
from cisweep.analysis.effects import substitution_effect
from cisweep.models.modules import CNN, BPNet

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


def _language_model(n: int) -> dict:
    from pathlib import Path

    from cisweep.analysis.embedding import log_likelihoods
    from cisweep.models.adapters.hf_lm import load_language_model

    torch.set_num_threads(1)
    folder = Path(__file__).parents[1] / "workflow" / "resources" / "yeast_lm" / "model"
    model = load_language_model(folder)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 200)) for _ in range(n)]

    @torch.no_grad()
    def forward() -> None:
        for i in range(0, n, 32):
            batch = model.tokenizer(texts[i : i + 32], padding=True, return_tensors="pt")
            model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])

    return compare(
        f"likelihoods of {n} sequences of 200 bp",
        {
            "cisweep": lambda: log_likelihoods(model, texts, batch_size=32),
            "transformers, forward alone": forward,
        },
        repeats=5,
        goals={"transformers, forward alone": 1 / 1.2},
    )


def _pairs(n: int) -> dict:
    """All that zero_shot makes of pairs of alleles, beside a plain pass over both."""
    from pathlib import Path

    from cisweep.analysis.zero_shot import ZeroShotOptions, score_pairs
    from cisweep.genome.pairs import SequencePair
    from cisweep.models.adapters.hf_lm import load_language_model

    torch.set_num_threads(1)
    folder = Path(__file__).parents[1] / "workflow" / "resources" / "yeast_lm" / "model"
    model = load_language_model(folder)
    rng = np.random.default_rng(1)
    refs = ["".join(rng.choice(list("ACGT"), 200)) for _ in range(n)]
    alts = [s[:100] + "ACGT"[("ACGT".index(s[100]) + 1) % 4] + s[101:] for s in refs]
    pairs = [SequencePair(str(i), *both) for i, both in enumerate(zip(refs, alts))]
    options = ZeroShotOptions(("l2", "cosine", "likelihood_ratio"), batch_size=32)

    @torch.no_grad()
    def forward() -> None:
        texts = [*refs, *alts]
        for i in range(0, len(texts), 32):
            batch = model.tokenizer(texts[i : i + 32], padding=True, return_tensors="pt")
            model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])

    return compare(
        f"distances, likelihood ratio and embeddings of {n} pairs of 200 bp",
        {
            "cisweep": lambda: list(score_pairs(model, pairs, options)),
            "transformers, forward alone": forward,
        },
        repeats=5,
        goals={"transformers, forward alone": 1 / 1.2},
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
    return [*substitutions, _language_model(n_texts), _pairs(n_texts // 2)]

"""Train cisweep's small causal language model of the yeast genome, and say what it has learnt.

    python train.py sacCer3.fa.gz model/ --steps 6000

Architecture: Mixtral (4 layers, 4 experts of which 2 are used), BPE tokens. All chromosomes but
chrXVI are read, on both strands; chrXVI is held out for the bits per base, which are printed
beside Markov chains of order 0, 5 and 8 that were counted on the same chromosomes. The same
seed, steps and thread count give the same weights on one machine.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, processors, trainers
from transformers import MixtralConfig, MixtralForCausalLM, PreTrainedTokenizerFast

from cisweep.genome.fasta import Genome

HELD_OUT = "chrXVI"
VOCABULARY = 512
CONTEXT = 128
SEED = 20


def sequences(fasta: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Return both strands of the training chromosomes, and the held-out one, as tokens 0-3."""
    genome = Genome(fasta)
    chromosomes = {c: genome.tokens(c, 0, n) for c, n in genome.lengths.items()}
    held_out = chromosomes.pop(HELD_OUT)
    both = [s for t in chromosomes.values() for s in (t, (3 - t)[::-1])]
    return both, held_out


def text(tokens: np.ndarray) -> str:
    """Return the letters of tokens 0-3."""
    return np.frombuffer(b"ACGT", dtype=np.uint8)[tokens].tobytes().decode()


def train_tokenizer(parts: list[np.ndarray]) -> PreTrainedTokenizerFast:
    """Return a BPE tokenizer learnt on pieces of 100 bp."""
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<unk>", "<s>"],
        initial_alphabet=list("ACGT"),
        max_token_length=8,
        show_progress=False,
    )
    pieces = (text(p[i : i + 100]) for p in parts for i in range(0, len(p), 100))
    bpe.train_from_iterator(pieces, trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", unk_token="<unk>", bos_token="<s>"
    )


def encode(tokenizer: PreTrainedTokenizerFast, tokens: np.ndarray) -> np.ndarray:
    """Return the BPE tokens of a chromosome, read in pieces of 10 kb."""
    pieces = [text(tokens[i : i + 10_000]) for i in range(0, len(tokens), 10_000)]
    return np.concatenate(tokenizer(pieces, add_special_tokens=False)["input_ids"])


def new_model() -> MixtralForCausalLM:
    """Return the untrained model, about 1.1 million parameters."""
    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            num_local_experts=4,
            num_experts_per_tok=2,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=None,
            use_cache=False,
            initializer_range=0.05,
        )
    )


def fit(model: MixtralForCausalLM, stream: np.ndarray, steps: int, batch: int, rate: float) -> None:
    """Train on random stretches of `stream`, each behind <s>."""
    rng = np.random.default_rng(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05, betas=(0.9, 0.98))
    begun, recent = time.time(), []
    model.train()
    for step in range(steps):
        warm = min(1.0, (step + 1) / 100)
        decay = 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rate * warm * (0.02 + 0.98 * decay)
        starts = rng.integers(0, len(stream) - CONTEXT, batch)
        ids = np.stack([np.r_[2, stream[s : s + CONTEXT]] for s in starts])
        ids = torch.from_numpy(ids)
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.item())
        if step % 200 == 199:
            print(
                f"{step + 1} {np.mean(recent):.4f} nat/token {time.time() - begun:.0f} s",
                flush=True,
            )
            recent = []


@torch.no_grad()
def bits_per_base(model: MixtralForCausalLM, ids: np.ndarray, n_bases: int) -> float:
    """Return bits per base: windows of CONTEXT tokens, the second half of each is scored."""
    model.eval()
    half, bits = CONTEXT // 2, 0.0
    padded = np.r_[np.full(1, 2), ids]
    starts = list(range(0, len(padded) - 1, half))
    for i in range(0, len(starts), 64):
        rows = [padded[max(0, s - half) : s + half + 1] for s in starts[i : i + 64]]
        width = max(map(len, rows))
        tensor = torch.tensor(np.stack([np.pad(r, (0, width - len(r))) for r in rows]))
        log_p = torch.log_softmax(model(input_ids=tensor).logits.double(), -1)
        picked = log_p[:, :-1].gather(2, tensor[:, 1:, None])[..., 0].numpy() / math.log(2)
        for row, s, value in zip(rows, starts[i : i + 64], picked):
            before = s - max(0, s - half)
            bits -= value[before : len(row) - 1].sum()
    return bits / n_bases


def markov_bits(parts: list[np.ndarray], held_out: np.ndarray, order: int) -> float:
    """Return bits per base of a Markov chain with one pseudocount a context."""

    def grams(tokens: np.ndarray) -> np.ndarray:
        n = len(tokens) - order
        code = np.zeros(n, dtype=np.int64)
        for k in range(order + 1):
            code = code * 4 + tokens[k : k + n]
        return code

    counts = sum(np.bincount(grams(p), minlength=4 ** (order + 1)) for p in parts)
    table = counts.reshape(-1, 4) + 0.25
    log_p = np.log2(table / table.sum(1, keepdims=True)).ravel()
    return float(-log_p[grams(held_out)].mean())


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fasta")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-3)
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    parts, held_out = sequences(options.fasta)
    tokenizer = train_tokenizer(parts)
    stream = np.concatenate([encode(tokenizer, p) for p in parts])
    n_bases = sum(map(len, parts))
    print(f"{n_bases / len(stream):.2f} bp a token, {len(stream)} tokens", flush=True)
    model = new_model()
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f"{n_parameters} parameters", flush=True)
    fit(model, stream, options.steps, options.batch, options.rate)
    figures = {
        "parameters": n_parameters,
        "steps": options.steps,
        "bp_per_token": n_bases / len(stream),
        "held_out": HELD_OUT,
        "bits_per_base": bits_per_base(model, encode(tokenizer, held_out), len(held_out)),
        **{f"markov_{k}_bits_per_base": markov_bits(parts, held_out, k) for k in (0, 5, 8)},
    }
    options.folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(options.folder)
    tokenizer.save_pretrained(options.folder)
    (options.folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

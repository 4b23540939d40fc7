"""Zero-shot scores against loops over single, unpadded sequences; tiny Mixtral and BERT."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from safetensors.torch import load_file, save_file  # noqa: E402

from cisweep.analysis.language_model.embedding import (  # noqa: E402
    EmbeddingOptions,
    embedding_distance,
    embeddings_and_likelihoods,
    likelihood_ratio,
    log_likelihoods,
    masked_token_ratio,
    pseudo_log_likelihoods,
    reverse_complements,
    sequence_embeddings,
)
from cisweep.errors import ConfigError, ModelError, SequenceError  # noqa: E402
from cisweep.models.adapters.hf_lm import load_language_model  # noqa: E402
from cisweep.plan.plan import Plan  # noqa: E402
from cisweep.plan.run_config import read_model_config  # noqa: E402

WILD = "ATTAAAGAAAATATCATCTTTGGTGTTTCCTAT"
SILENT = "ATAAAAGAAAATATCATCTTTGGTGTTTCCTAT"
DELETION = "ATTAAAGAAAATATCATTGGTGTTTCCTAT"


def bpe(texts, special):
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=40, special_tokens=special, initial_alphabet=list("ACGT"), show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random Mixtral with a BPE tokenizer that puts <s> in front."""
    path = tmp_path_factory.mktemp("mixtral")
    rng = np.random.default_rng(0)
    made = bpe(
        ["".join(rng.choice(list("ACGT"), 60)) for _ in range(50)], ["<pad>", "<unk>", "<s>"]
    )
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", bos_token="<s>"
    ).save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.MixtralConfig(
        vocab_size=40, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2,
        max_position_embeddings=64, initializer_range=0.5, bos_token_id=2, eos_token_id=None,
    )  # fmt: skip
    transformers.MixtralForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def causal(folder):
    return load_language_model(folder)


@pytest.fixture(scope="module")
def masked_folder(tmp_path_factory):
    """A random BERT with one token a base, between [CLS] and [SEP]."""
    path = tmp_path_factory.mktemp("bert")
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ACGTN"]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]",
        cls_token="[CLS]", sep_token="[SEP]",
    ).save_pretrained(path)  # fmt: skip
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=10, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(3)
    return ["".join(rng.choice(list("ACGT"), n)) for n in (5, 33, 12, 60, 33, 47, 1)]


def alone(model, text, space="hidden", special=False):
    """The states of one sequence, without a batch and without padding: (T, D), and its tokens."""
    ids = model.tokenizer(text)["input_ids"]
    with torch.no_grad():
        out = model.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    states = out.logits[0] if space == "logits" else out.hidden_states[-1][0]
    keep = [special or i not in model.tokenizer.all_special_ids for i in ids]
    return states[torch.tensor(keep)], ids


@pytest.mark.parametrize("space", ["hidden", "logits"])
@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_embeddings_do_not_depend_on_padding(
    causal, sequences, space, pooling, special, batch_size
):
    options = EmbeddingOptions(space, pooling, special)
    found = sequence_embeddings(causal, sequences, options, batch_size=batch_size)
    for text, vector in zip(sequences, found):
        states, _ = alone(causal, text, space, special)
        expected = states.amax(0) if pooling == "max" else states.mean(0)
        assert vector == pytest.approx(expected.numpy(), abs=1e-5)


def test_distances(causal, sequences):
    refs, alts = sequences[:3], sequences[3:6]
    a, b = (sequence_embeddings(causal, s).astype(float) for s in (refs, alts))
    l2 = embedding_distance(causal, refs, alts)
    assert l2 == pytest.approx([np.linalg.norm(x - y) for x, y in zip(a, b)])
    inner = embedding_distance(causal, refs, alts, distance="inner_product")
    assert inner == pytest.approx([x @ y for x, y in zip(a, b)])
    cosine = embedding_distance(causal, refs, alts, distance="cosine")
    norms = [np.linalg.norm(x) * np.linalg.norm(y) for x, y in zip(a, b)]
    assert cosine == pytest.approx(1 - inner / norms)
    both = embedding_distance(causal, refs, alts, EmbeddingOptions(both_strands=True))
    turned = embedding_distance(causal, reverse_complements(refs), reverse_complements(alts))
    assert both == pytest.approx((l2 + turned) / 2)
    assert embedding_distance(causal, refs, refs).tolist() == [0.0] * 3
    lower = [s.lower() for s in refs]
    assert embedding_distance(causal, lower, alts) == pytest.approx(l2)


def loop_likelihood(model, text):
    logits, ids = alone(model, text, "logits", special=True)
    log_p = torch.log_softmax(logits.double(), -1)
    return sum(float(log_p[t - 1, ids[t]]) for t in range(1, len(ids))), len(ids) - 1


def test_likelihoods_of_a_causal_model(causal, sequences):
    total, count = log_likelihoods(causal, sequences, batch_size=4)
    expected = [loop_likelihood(causal, s) for s in sequences]
    assert total == pytest.approx([e[0] for e in expected], abs=1e-4)
    assert count.tolist() == [e[1] for e in expected]
    one = likelihood_ratio(causal, [WILD, WILD], [SILENT, DELETION], both_strands=False)
    likelihoods = [loop_likelihood(causal, s)[0] for s in (WILD, SILENT, DELETION)]
    assert one.ratio == pytest.approx(np.array(likelihoods[1:]) - likelihoods[0], abs=1e-4)
    assert one.n_tokens_ref[0] == len(causal.tokenizer(WILD)["input_ids"]) - 1
    assert one.n_tokens_alt[1] == len(causal.tokenizer(DELETION)["input_ids"]) - 1
    two = likelihood_ratio(causal, [WILD], [SILENT])
    turned = [loop_likelihood(causal, s)[0] for s in reverse_complements([WILD, SILENT])]
    expected = (likelihoods[1] - likelihoods[0] + turned[1] - turned[0]) / 2
    assert two.ratio == pytest.approx([expected], abs=1e-4)


def test_pseudo_likelihoods_and_masked_tokens(masked_folder):
    model = load_language_model(masked_folder)
    assert model.kind == "masked"
    texts = ["ACGTTA", "ACGTA", "GGGAT"]

    def masked_log_p(text, place):
        ids = model.tokenizer(text)["input_ids"]
        with torch.no_grad():
            row = torch.tensor([ids[: place + 1] + [4] + ids[place + 2 :]])
            return torch.log_softmax(model.model(input_ids=row).logits[0, place + 1].double(), -1)

    base = {b: 5 + i for i, b in enumerate("ACGT")}
    total, count = pseudo_log_likelihoods(model, texts, batch_size=4)
    for text, value in zip(texts, total):
        expected = sum(float(masked_log_p(text, i)[base[b]]) for i, b in enumerate(text))
        assert value == pytest.approx(expected, abs=1e-4)
    assert count.tolist() == [6, 5, 5]
    ratio = likelihood_ratio(model, texts[:1], texts[1:2], both_strands=False)
    assert ratio.ratio == pytest.approx([total[1] - total[0]])
    found = masked_token_ratio(model, ["ACGTA"] * 3, ["ACTTA", "AC", "CCTTA"], both_strands=False)
    log_p = masked_log_p("ACGTA", 2)
    assert found[0] == pytest.approx(float(log_p[base["T"]] - log_p[base["G"]]), abs=1e-5)
    assert np.isnan(found[1:]).all()
    with pytest.raises(ModelError, match="a masked model has no left-to-right likelihood"):
        log_likelihoods(model, texts)


def test_masks_need_a_masked_model(causal):
    with pytest.raises(ModelError, match="a causal model has no masked tokens"):
        pseudo_log_likelihoods(causal, ["ACGT"])


def without(folder, out, prefix):
    """A copy of a checkpoint without the weights of a prefix."""
    out.mkdir()
    for path in folder.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    state = load_file(folder / "model.safetensors")
    kept = {k: v for k, v in state.items() if not k.startswith(prefix)}
    assert len(kept) < len(state)
    save_file(kept, out / "model.safetensors", {"format": "pt"})
    return out


def test_a_checkpoint_without_its_head_gives_distances_but_no_logits(folder, tmp_path, causal):
    model = load_language_model(without(folder, tmp_path / "x", "lm_head"))
    same = embedding_distance(causal, [WILD], [DELETION])
    assert embedding_distance(model, [WILD], [DELETION]) == pytest.approx(same)
    for call in (
        lambda: log_likelihoods(model, [WILD]),
        lambda: sequence_embeddings(model, [WILD], EmbeddingOptions("logits")),
        lambda: likelihood_ratio(model, [WILD], [SILENT]),
    ):
        with pytest.raises(ModelError, match="no language head .*make its weights up at random"):
            call()


def test_a_checkpoint_with_a_hole_in_its_body_is_refused(folder, tmp_path):
    holed = without(folder, tmp_path / "x", "model.layers.1.self_attn")
    with pytest.raises(ModelError, match="4 weights are missing .*transformers would make them up"):
        load_language_model(holed)


def test_a_bare_encoder_has_distances_only(masked_folder, tmp_path):
    model = transformers.BertModel.from_pretrained(masked_folder)
    model.save_pretrained(tmp_path)
    for path in masked_folder.glob("*token*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bare = load_language_model(tmp_path)
    assert bare.kind == "encoder"
    assert embedding_distance(bare, ["ACGT"], ["ACTT"])[0] > 0
    with pytest.raises(ModelError, match="bare encoder"):
        log_likelihoods(bare, ["ACGT"])


def test_code_of_the_folder_is_not_run(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config.update(
        model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Net"}
    )
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ModelError, match="needs to run its own code.*set trust_remote_code: true"):
        load_language_model(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_messages(causal, tmp_path):
    with pytest.raises(ModelError, match="no language model can be read there"):
        load_language_model(tmp_path)
    with pytest.raises(SequenceError, match="2 reference and 1 alternate sequences"):
        embedding_distance(causal, ["A", "C"], ["A"])
    with pytest.raises(ModelError, match="use one of l2, cosine, inner_product"):
        embedding_distance(causal, ["A"], ["C"], distance="l1")
    with pytest.raises(ModelError, match="a sequence of 400 bp has .* tokens; the model reads 64"):
        sequence_embeddings(causal, ["ACGT" * 100])
    with pytest.raises(ModelError, match="has no tokens to pool"):
        sequence_embeddings(causal, ["ACGT", ""])


def test_a_model_of_a_hub(folder, tmp_path):
    """The layout of transformers' cache, read without a network; the name may carry a revision."""
    cache = tmp_path / "hub" / "models--owner--tiny"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (cache / "refs").mkdir(parents=True)
    for name in ("main", "v2"):
        (cache / "refs" / name).write_text(commit)
    (cache / "snapshots").mkdir()
    shutil.copytree(folder, cache / "snapshots" / commit)
    code = """
from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.models import load_model
for weights in ("hub:owner/tiny", "hub:owner/tiny@v2", "hub:owner/other"):
    fold = {"weights": weights}
    targets = [{"name": "x"}]
    config = ModelConfig(adapter="hf_lm", window_bp=9, targets=targets, folds=[fold])
    assert config.files() == []
    try:
        print(load_model(config).commit)
    except Exception as error:
        print(type(error).__name__, error)
"""
    env = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    first, second, third = done.stdout.strip().split("\n")
    assert first == second == commit
    assert third.startswith("ModelError owner/other: no language model can be read there")
    assert "Mend: give a folder" in third


def test_names_in_a_hub_are_part_of_the_model(tmp_path, root):
    text = (root / "workflow" / "resources" / "yeast_lm" / "model.yaml").read_text()

    def config(weights, adapter="hf_lm"):
        path = tmp_path / "model.yaml"
        path.write_text(text.replace("weights: model", f"weights: {weights}")
                        .replace("adapter: hf_lm", f"adapter: {adapter}"))  # fmt: skip
        return read_model_config(path)

    def key(weights):
        run = SimpleNamespace(tf32=False, device="cpu")
        return Plan(run, {"m": config(weights)}, tmp_path).model_key("m")

    assert config("hub:a/b").folds[0].hub == "a/b" and config("x").folds[0].hub is None
    assert len({key("hub:a/b"), key("hub:a/b@v2"), key("x")}) == 3
    assert key("x") == key("y")
    with pytest.raises(
        ConfigError, match="hub:a/b: only models of adapter hf_lm can be taken from a hub"
    ):
        config("hub:a/b", "export")


def test_as_a_module_of_windows(causal):
    X = torch.eye(4)[torch.tensor([[0, 1, 2, 3, 0], [3, 3, 3, 2, 1]])].transpose(1, 2)
    with torch.no_grad():
        found = causal(X)
    assert found.numpy() == pytest.approx(sequence_embeddings(causal, ["ACGTA", "TTTGC"]), abs=1e-6)


def test_ranks_of_edits_against_a_loop(causal):
    from cisweep.analysis.language_model.zero_shot import edit_rank

    options = EmbeddingOptions(pooling="max")
    for alt, kind, n in ((DELETION, "3-base deletion", 31), (SILENT, "substitution", 99)):
        found = edit_rank(causal, WILD, alt, options)
        others = [WILD[:i] + WILD[i + 3 :] for i in range(31)]
        if n == 99:
            others = [
                WILD[:i] + b + WILD[i + 1 :] for i in range(33) for b in "ACGT" if b != WILD[i]
            ]
        wild, *vectors = sequence_embeddings(causal, [WILD, *others], options).astype(float)
        distances = [np.linalg.norm(v - wild) for v in vectors]
        own = np.linalg.norm(sequence_embeddings(causal, [alt], options)[0].astype(float) - wild)
        assert (found.kind, found.n) == (kind, n)
        assert found.distance == pytest.approx(own)
        assert found.rank == 1 + sum(d > own + 1e-5 for d in distances)
    assert edit_rank(causal, WILD, WILD + "A") is None
    assert edit_rank(causal, WILD, SILENT[:-1] + "G") is None


def test_tables_of_pairs(causal, monkeypatch):
    from cisweep.analysis.language_model import zero_shot
    from cisweep.plan.contents.zero_shot import SequencePair

    pairs = [
        SequencePair("silent", WILD, SILENT, "mild"),
        SequencePair("deletion", WILD, DELETION, "severe"),
        SequencePair("again", WILD, SILENT, "mild"),
    ]
    options = zero_shot.ZeroShotOptions(("l2", "cosine", "likelihood_ratio"))
    monkeypatch.setattr(zero_shot, "PAIRS_OF_BLOCK", 2)
    blocks = list(zero_shot.score_pairs(causal, iter(pairs), options))
    assert [len(table) for table, _, _ in blocks] == [2, 1]
    table = blocks[0][0]
    assert table["name"].tolist() == ["silent", "deletion"]
    assert table["length_alt_bp"].tolist() == [33, 30]
    expected = embedding_distance(causal, [WILD] * 2, [SILENT, DELETION])
    assert table["l2"].to_numpy() == pytest.approx(expected)
    ratio = likelihood_ratio(causal, [WILD] * 2, [SILENT, DELETION], both_strands=False)
    assert table["likelihood_ratio"].to_numpy() == pytest.approx(ratio.ratio, abs=1e-5)
    assert table["n_tokens_alt"].tolist() == ratio.n_tokens_alt.tolist()
    assert blocks[0][1][0] == pytest.approx(sequence_embeddings(causal, [WILD])[0], abs=1e-5)
    assert blocks[1][2][0] == pytest.approx(sequence_embeddings(causal, [SILENT])[0], abs=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("space", ["hidden", "logits"])
def test_one_pass_gives_what_two_give(causal, sequences, space, pooling):
    options = EmbeddingOptions(space, pooling)
    vectors, likelihoods, n_tokens = embeddings_and_likelihoods(causal, sequences, options)
    assert vectors == pytest.approx(sequence_embeddings(causal, sequences, options), abs=1e-6)
    expected = log_likelihoods(causal, sequences)
    assert likelihoods == pytest.approx(expected[0], abs=1e-5)
    assert n_tokens.tolist() == expected[1].tolist()


def test_scores_of_both_strands_are_averages(causal, masked_folder):
    from cisweep.analysis.language_model.zero_shot import ZeroShotOptions, empty_scores, score_pairs
    from cisweep.plan.contents.zero_shot import SequencePair

    pairs = [SequencePair("a", WILD, SILENT), SequencePair("b", SILENT[:20], WILD[:20])]
    refs, alts = [p.ref for p in pairs], [p.alt for p in pairs]
    embedding = EmbeddingOptions("hidden", "max", both_strands=True)
    for model in (causal, load_language_model(masked_folder)):
        scores = ("cosine", "l2", "likelihood_ratio")
        scores += ("masked_token_ratio",) * (model.kind == "masked")
        options = ZeroShotOptions(scores, embedding)
        ((table, ref, alt),) = score_pairs(model, pairs, options)
        assert list(table) == list(empty_scores(options, False))
        for score in ("l2", "cosine"):
            expected = embedding_distance(model, refs, alts, embedding, distance=score)
            assert table[score].to_numpy() == pytest.approx(expected, abs=1e-6)
        expected = likelihood_ratio(model, refs, alts)
        assert table["likelihood_ratio"].to_numpy() == pytest.approx(expected.ratio, abs=1e-5)
        assert table["n_tokens_ref"].tolist() == expected.n_tokens_ref.tolist()
        assert table["n_tokens_alt"].tolist() == expected.n_tokens_alt.tolist()
        if model.kind == "masked":
            expected = masked_token_ratio(model, refs, alts)
            assert table["masked_token_ratio"].to_numpy() == pytest.approx(expected, abs=1e-5)
        # The pairs stand in other batches: 16 roundings of float32, which differ between CPUs.
        rounding = 16 * float(np.finfo(np.float32).eps)
        for found, texts in ((ref, refs), (alt, alts)):
            expected = sequence_embeddings(model, texts, embedding)
            assert found == pytest.approx(expected, rel=rounding, abs=1e-6)

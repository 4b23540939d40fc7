"""Each config of config/models through the steps, against the model itself in float64.

The model itself is the module that the config makes, called by torch alone: no call is recorded,
no fast path is taken, every mutant and allele is a window of its own. Where a package publishes the
network, its own output is compared too. What comes of each is the table of docs/models.md.
"""

import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import ledidi
import numpy as np
import pytest
import torch
from scipy.interpolate import splev

from cisweep.analysis import (
    attribute,
    design,
    predict,
    saturation_mutagenesis,
    variant_effects,
)
from cisweep.analysis.language_model.embedding import log_likelihoods, pseudo_log_likelihoods
from cisweep.analysis.variants.model import EffectModel
from cisweep.engine.policy import off
from cisweep.errors import ModelError
from cisweep.genome.fasta import NamedSequences
from cisweep.genome.variants.reading import Variant
from cisweep.models import load_model, target_module
from cisweep.models.building import build_module
from cisweep.models.ensemble import FoldMean
from cisweep.models.own_code import importing_from
from cisweep.plan.run_config import read_model_config
from cisweep.steps import ism as ism_step
from cisweep.steps import variants as variants_step

sys.path.insert(0, str(Path(__file__).parent))
from language_models import bert, beside_its_folder
from model_zoo import DOCUMENT, ENTRIES, MODELS, STEPS, config_of, in_document, table
from published_networks import Exact, forgetful, windows

# Predictions are right to float32's rounding through some twenty layers.
ROUNDING = 1e-5
torch.set_num_threads(2)


def entries() -> pytest.MarkDecorator:
    """Return the parametrisation of a test by the configs of networks that read windows."""
    return pytest.mark.parametrize(
        "name",
        [
            pytest.param(e.name, marks=pytest.mark.slow if e.slow else ())
            for e in ENTRIES
            if not e.reasons
        ],
    )


class Plain(torch.nn.Module):
    """A Keras model as it is: its layers compute in float32, whatever they are given."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.model(X.float()).double()


@cache
def case(name: str) -> SimpleNamespace:
    """Return what the config of an entry makes, itself in float64, windows and their targets."""
    entry = next(e for e in ENTRIES if e.name == name)
    with TemporaryDirectory() as folder:
        config = config_of(entry, Path(folder))
        own = [entry.write(config, i, fold.weights) for i, fold in enumerate(config.folds)]
        loaded = [load_model(config, i) for i in range(len(config.folds))]
        effects = EffectModel.load(config)
    modules = [target_module(model, config.targets, config.rc).eval() for model in loaded]
    model = modules[0] if len(modules) == 1 else FoldMean(modules, config.window_bp).eval()
    exact = Plain(model) if config.adapter == "keras" else Exact(forgetful(model))
    X = windows(2, config.window_bp)
    with torch.no_grad():
        Y = exact(X)
    assert (Y.std(0) > 1e-4 * Y.abs().amax(0)).all()  # the sequence matters
    return SimpleNamespace(
        entry=entry, config=config, own=own, loaded=loaded, effects=effects, model=model,
        exact=exact, X=X, Y=Y, T=Y.shape[1], length=config.window_bp,
    )  # fmt: skip


def assert_near(found: torch.Tensor, wanted: torch.Tensor, tolerance: float = ROUNDING) -> None:
    """Compare relative to the largest value."""
    found, wanted = torch.as_tensor(found).double(), torch.as_tensor(wanted).double()
    assert found.shape == wanted.shape
    error = (found - wanted).abs().max() / wanted.abs().max()
    assert error <= tolerance, error.item()


def test_every_file_is_in_the_table():
    assert sorted(path.stem for path in MODELS.glob("*.yaml")) == sorted(e.name for e in ENTRIES)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_is_read_as_it_stands_and_says_where_weights_are(path):
    config = read_model_config(path)
    assert config.folder == MODELS
    said = "\n".join(line for line in path.read_text().split("\n") if line.startswith("#"))
    assert "Weights:" in said and "Set:" in said
    assert any(word in said for word in ("icence", "MIT", "CC-BY", "Apache"))
    if config.folds[0].hub is None:
        with pytest.raises(ModelError, match="there is no such model file"):
            load_model(config)


# Names and shapes of the published state dicts, from the authors' code.
PUBLISHED = {
    "basset": {
        "0.weight": (300, 4, 19, 1),
        "8.weight": (200, 200, 7, 1),
        "13.1.weight": (1000, 2000),
        "18.running_mean": (1000,),
        "21.1.bias": (164,),
    },
    "beluga": {
        "model.0.0.weight": (320, 4, 1, 8),
        "model.0.14.weight": (640, 640, 1, 8),
        "model.1.2.1.weight": (2003, 67840),
        "model.1.4.1.weight": (2002, 2003),
    },
    "malinois": {
        "conv1.conv.weight": (300, 4, 19),
        "conv3.bn_layer.running_var": (200,),
        "linear1.linear.weight": (1000, 2600),
        "branched.branched_layer_1.weight": (3, 1000, 140),
        "branched.branched_layer_3.bias": (3, 1, 140),
        "output.weight": (3, 140, 1),
    },
    "legnet": {
        "stem.block.0.weight": (64, 4, 11),
        "main.0.0.fn.block.3.weight": (256, 1, 9),
        "main.0.0.fn.block.6.fc.0.weight": (64, 256),
        "main.3.1.block.0.weight": (128, 224, 9),
        "mapper.block.1.weight": (256, 128, 1),
        "head.3.weight": (1, 256),
    },
    "sei": {
        "lconv2.2.weight": (640, 480, 9),
        "conv2.1.weight": (640, 640, 9),
        "dconv5.1.weight": (960, 960, 5),
        "classifier.0.weight": (21907, 15360),
        "classifier.2.bias": (21907,),
    },
    "enformer": {"_heads.human.0.weight": (5313, 3072)},
    "borzoi": {"conv_dna.conv_layer.weight": (512, 4, 15), "human_head.weight": (7611, 1920, 1)},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_of_the_published_size_are_called_as_in_the_file(name):
    """Of the config as it stands; no memory is taken for them."""
    config = read_model_config(MODELS / f"{name}.yaml")
    with torch.device("meta"):
        state = build_module(config).state_dict()
    shapes = {key: tuple(state[key].shape) for key in PUBLISHED[name]}
    assert shapes == PUBLISHED[name]


def test_splines_of_sei_are_those_of_cox_and_de_boor():
    with importing_from(MODELS, "sei"):
        found = import_module("sei").splines(256, 16).numpy()
    inner = np.percentile(np.arange(256), 100 * np.linspace(0, 1, 14)[1:-1])
    knots = np.sort(np.concatenate([[0.0, 255.0] * 4, inner]))
    wanted = np.stack([splev(np.arange(256), (knots, row, 3)) for row in np.eye(16)], 1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_the_table_is_what_the_tests_demand():
    """After a change: python tests/oracle/model_zoo.py."""
    assert in_document(DOCUMENT.read_text())[0] == table()
    assert set().union(*(e.reasons for e in ENTRIES)) <= set(STEPS)


@entries()
def test_predict(name):
    c = case(name)
    assert_near(predict(forgetful(c.model), c.X, batch_size=2), c.Y)


OWN = [pytest.param(e.name, marks=pytest.mark.slow if e.slow else ()) for e in ENTRIES if e.own]


@pytest.mark.parametrize("name", OWN)
def test_outputs_are_the_packages_own(name):
    """Before targets are read: what the package's or the author's class returns itself."""
    c = case(name)
    for model, own in zip(c.loaded, c.own, strict=True):
        with torch.no_grad():
            found, wanted = forgetful(model)(c.X), own(c.X)
        found, wanted = (x if isinstance(x, tuple) else (x,) for x in (found, wanted))
        for a, b in zip(found, wanted, strict=True):
            assert_near(a, b)


def fixed_profile_change(c, head, references):
    """Return Σ w·(z(x) − z(r)), (N, references): w = softmax(z(x)) in each fold and strand."""
    total = 0.0
    for model in c.loaded:
        exact = Exact(forgetful(model))
        for turned in (False, True) if c.config.rc.average else (False,):

            def z(X, exact=exact, turned=turned):
                with torch.no_grad():
                    logits = exact(X.flip(1, 2) if turned else X)[head].flatten(1)
                return logits - logits.mean(1, keepdim=True)

            x, r = z(c.X)[:, None], z(references.flatten(0, 1)).view(*references.shape[:2], -1)
            total = total + (x.softmax(2) * (x - r)).sum(2)
    return total / len(c.loaded) / (2 if c.config.rc.average else 1)


@entries()
def test_attribute(name):
    c = case(name)
    targets = list(range(c.T))
    references = windows(4, c.length, seed=5).view(2, 2, 4, -1)
    found = attribute(forgetful(c.model), c.X, references, targets, batch_size=2)
    with torch.no_grad():
        y = c.exact(references.flatten(0, 1)).view(2, 2, c.T)
    change = (c.Y[:, None] - y).permute(2, 0, 1)
    for target in targets:
        if c.config.targets[target].reduce == "profile":
            change[target] = fixed_profile_change(c, c.config.targets[target].head, references)
    size = change.abs().mean((1, 2))
    # What is attributed is what the model itself says: f(x) − f(r), to 1e-4 of its mean size.
    summed = found.projected.sum(2)
    assert ((summed - change.mean(2)).abs().amax(1) <= 1e-4 * size).all()
    with off():
        wanted = attribute(forgetful(c.model), c.X, references, targets, batch_size=2)
    # Secants of units that hardly change are made of rounded values: single values differ more.
    a, b = found.hypothetical.double(), wanted.hypothetical.double()
    assert (a - b).square().sum().sqrt() <= 1e-3 * b.square().sum().sqrt()


def test_letters_of_a_masked_model(tmp_path):
    config = config_of(next(e for e in ENTRIES if e.name == "letters"), tmp_path)
    own = beside_its_folder(config, 0, config.folds[0].weights, bert)
    X = windows(3, config.window_bp)
    with torch.no_grad():
        assert_near(predict(load_model(config), X), own(X))


LANGUAGE = [e.name for e in ENTRIES if e.reasons]


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_models(name, tmp_path):
    """Embeddings and likelihoods of each sequence by itself, from transformers in float64."""
    entry = next(e for e in ENTRIES if e.name == name)
    config = config_of(entry, tmp_path)
    own = entry.write(config, 0, config.folds[0].weights)
    model, X = load_model(config), windows(3, config.window_bp)
    texts = ["".join("ACGT"[i] for i in row) for row in X.argmax(1)]
    causal = "ForCausalLM" in type(own.model).__name__
    found = predict(model, X)
    scores, counts = (log_likelihoods if causal else pseudo_log_likelihoods)(model, texts)
    for i, text in enumerate(texts):
        ids = own.tokenizer(text)["input_ids"]
        if causal:
            ids = [own.tokenizer.bos_token_id, *ids]
        places = [p for p, t in enumerate(ids) if t not in own.tokenizer.all_special_ids]
        given = torch.tensor([ids])
        with torch.no_grad():
            hidden = own.model.base_model(input_ids=given).last_hidden_state
            assert_near(found[i], hidden[0, places].mean(0))
            if causal:
                logits = own.model(input_ids=given).logits[0].log_softmax(1)
                wanted = sum(logits[p - 1, ids[p]] for p in places)
            else:
                masked = given.repeat(len(places), 1)
                masked[range(len(places)), places] = own.tokenizer.mask_token_id
                logits = own.model(input_ids=masked).logits.log_softmax(2)
                wanted = sum(logits[k, p, ids[p]] for k, p in enumerate(places))
        assert scores[i] == pytest.approx(wanted.item(), rel=1e-5)
        assert counts[i] == len(places)
    for step in (ism_step, variants_step):
        assert not step.STEP.takes_model(config)


@entries()
def test_ism(name):
    c = case(name)
    start = c.length // 2 - 1
    options = dict(start=start, end=start + 2, raw_outputs=True)
    found = saturation_mutagenesis(forgetful(c.model), c.X[:1], **options)
    mutants = c.X[:1, None, None].repeat(1, 4, 2, 1, 1)
    for letter in range(4):
        for i in range(2):
            mutants[:, letter, i, :, start + i] = torch.eye(4)[letter]
    with torch.no_grad():
        wanted = c.exact(mutants.flatten(0, 2)).view(1, 4, 2, c.T)
    assert_near(found.y_hat, wanted)
    # Effects are small beside the outputs, whose rounding they carry.
    effects = wanted - c.Y[:1, None, None]
    error = (found.y_hat.double() - c.Y[:1, None, None] - effects).abs().max()
    assert effects.abs().max() > 0 and error <= ROUNDING * c.Y.abs().max()


@entries()
def test_variants(name):
    c = case(name)
    genome = windows(1, 3 * c.length, seed=9)[0].argmax(0).numpy().astype(np.uint8)
    places = [c.length + c.length // 2, c.length + c.length // 2 + 3]
    starts = np.array([c.length, c.length + 1])
    variants = [
        Variant("c", p, "ACGT"[genome[p]], "ACGT"[(genome[p] + 1 + i) % 4])
        for i, p in enumerate(places)
    ]
    sources = NamedSequences({"c": genome})
    found = variant_effects(c.effects, variants, sources, starts=starts, batch_size=2)
    one_hot = torch.eye(4)[torch.from_numpy(genome).long()].T
    alleles = []
    for variant, start in zip(variants, starts):
        changed = one_hot.clone()
        changed[:, variant.pos] = torch.eye(4)["ACGT".index(variant.alt)]
        alleles += [one_hot[:, start : start + c.length], changed[:, start : start + c.length]]
    with torch.no_grad():
        ref, alt = c.exact(torch.stack(alleles)).view(2, 2, c.T).unbind(1)
    assert_near(found.ref, ref)
    assert_near(found.alt, alt)
    assert (ref != alt).all()


@entries()
def test_design_is_ledidis(name):
    c = case(name)
    y_bar = (c.Y[:1] + c.Y.std(0)).float()
    # A large eps edits every batch.
    options = dict(max_iter=2, random_state=0, batch_size=2, eps=0.02, return_history=True)
    _, found = design(forgetful(c.model), c.X[:1], y_bar, **options)
    _, wanted = ledidi.ledidi(
        forgetful(c.model), c.X[:1], y_bar, device="cpu", verbose=False, **options
    )
    for loss in ("total_loss", "output_loss", "input_loss"):
        np.testing.assert_allclose(found[loss], wanted[loss], rtol=1e-4, atol=1e-6)
    assert sum(found["input_loss"]) > 0
    for a, b in zip(found["edits"], wanted["edits"], strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b))

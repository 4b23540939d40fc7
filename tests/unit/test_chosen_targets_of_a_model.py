"""A model with some of its targets: what steps see that are asked for these alone."""

import pytest

from cisweep.config.model import ModelConfig
from cisweep.steps import all_steps
from cisweep.steps.base import TargetsConfig


@pytest.fixture
def model() -> ModelConfig:
    names = ("A/b", "a_b", "T cell", "T-cell")
    return ModelConfig.model_validate({
        "adapter": "python", "module": "x.y:Z", "window_bp": 100, "folds": [{"weights": "w"}],
        "targets": [
            {"name": n, "tasks": [i], "scale": "logit", "group": "AB"[i // 2]}
            for i, n in enumerate(names)
        ],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(["T cell"], ["T cell"]), (["B"], ["T cell", "T-cell"]), (["T*", "A/b"], None), ([], [])],
)
def test_targets_keep_their_order_and_the_names_of_their_files(model, wanted, found):
    found = ["A/b", "T cell", "T-cell"] if found is None else found
    some = model.of_targets(wanted)
    assert some.target_names == found
    assert some.file_names == model.file_names
    assert [t.tasks for t in some.targets] == [t.tasks for t in model.targets if t.name in found]
    assert all(some.named(model.file_names[t]) == t for t in found)
    assert len(model.targets) == 4


STEPS = [name for name, step in all_steps().items() if issubclass(step.config, TargetsConfig)]


def test_which_steps_take_targets():
    assert STEPS == ["ism", "discover", "variants"]


@pytest.mark.parametrize("name", STEPS)
def test_products_are_those_of_the_targets(name, model):
    step = all_steps()[name]
    given = {"path": "v.vcf"} if name == "variants" else {}
    for wanted in (None, ["B"], ["a_b"]):
        config = step.config(targets=wanted, **given)
        seen = step.model_of(config, model)
        paths = " ".join(step.products(config, seen))
        for target in model.target_names:
            assert (model.file_names[target] in paths) == (target in model.chosen(wanted))
    nothing = step.config(targets=["nobody"], **given)
    assert not step.takes(nothing, model) and step.takes(step.config(**given), model)

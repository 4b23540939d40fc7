"""deep_lift_shap: what its values mean, its options, and the model that it leaves behind."""

import copy
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import (
    attribute,
    attribute_along_path,
    deep_lift_shap,
    input_x_gradient,
    integrated_gradients,
)
from cisweep.analysis.attribution.rescale import reruns
from cisweep.config.targets import TargetConfig
from cisweep.engine.executor import execute
from cisweep.engine.policy import off
from cisweep.errors import AttributionError, ModelError
from cisweep.models.targets import TargetModule, centered_logits

sys.path.insert(0, str(Path(__file__).parents[1]))
from trained_like import trained_like

LENGTH = 40


def one_hot(*shape: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    bases = torch.randint(0, 4, shape, generator=draw)
    return F.one_hot(bases, 4).transpose(-1, -2).float()


X = one_hot(5, LENGTH, seed=1)
REFERENCES = one_hot(5, 6, LENGTH, seed=2)


class Net(nn.Module):
    """A small net whose activation is given; three targets."""

    def __init__(self, activation=F.relu):
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Conv1d(4, 12, 7, padding=3)
        self.second = nn.Conv1d(12, 12, 5, padding=2)
        self.norm = nn.BatchNorm1d(12)
        self.out = nn.Linear(12, 3)
        self.activation = activation
        trained_like(self).train()

    def forward(self, x):
        x = self.activation(self.first(x))
        x = self.activation(self.norm(self.second(x)))
        return self.out(x.mean(-1))


SAME_AS_RELU = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "method": torch.Tensor.relu,
    "clamp": lambda h: h.clamp(min=0),
    "where": lambda h: torch.where(h > 0, h, torch.zeros_like(h)),
    "mask": lambda h: h * (h > 0),
    "maximum": lambda h: torch.maximum(h, torch.zeros(1, dtype=h.dtype)),
    "amax": lambda h: torch.stack([h, torch.zeros_like(h)]).amax(0),
    "assignment": lambda h: (h := h.clone()).masked_fill_(h < 0, 0),
    "leaky": lambda h: F.leaky_relu(h, 0.0),
    "half sum": lambda h: (h + h.abs()) / 2,
}


@pytest.mark.parametrize("name", SAME_AS_RELU)
def test_every_way_to_write_relu_gives_the_same(name):
    x, references = X.double(), REFERENCES.double()
    wanted = attribute(Net().eval().double(), x, references, [0, 1])
    found = attribute(Net(SAME_AS_RELU[name]).eval().double(), x, references, [0, 1])
    torch.testing.assert_close(found.hypothetical, wanted.hypothetical, rtol=1e-8, atol=1e-12)


def test_a_linear_model_gives_weights_times_differences():
    torch.manual_seed(0)
    weights = torch.randn(4, LENGTH, dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4 * LENGTH, 1)).double()
    with torch.no_grad():
        model[1].weight.copy_(weights.flatten())
    found = attribute(model, X, REFERENCES, dtype=torch.float64, multipliers=True)
    r = REFERENCES.double()
    wanted = weights * X[:, None].double() - (weights * r).sum(2, keepdim=True) * X[:, None]
    torch.testing.assert_close(found.hypothetical[0] * X, wanted.mean(1), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.multipliers[0], weights.expand(5, 6, 4, LENGTH))
    # Summed over positions it is w·(x − r).
    total = ((X[:, None] - r) * weights).sum((2, 3)).mean(1)
    torch.testing.assert_close(found.projected[0].sum(1), total, rtol=0, atol=1e-12)


def test_values_by_brute_force():
    """The multipliers of a net of two layers, from the definition, pair by pair, in loops."""
    torch.manual_seed(0)
    first, second = nn.Linear(16, 6), nn.Linear(6, 1)
    model = nn.Sequential(nn.Flatten(), first, nn.Tanh(), second).double()
    x, references = one_hot(2, 4, seed=5).double(), one_hot(2, 3, 4, seed=6).double()
    found = attribute(model, x, references, multipliers=True).multipliers[0]
    with torch.no_grad():
        for i in range(2):
            for k in range(3):
                z_e, z_r = first(x[i].flatten()), first(references[i, k].flatten())
                m = torch.zeros(16, dtype=torch.float64)
                for unit in range(6):
                    change = z_e[unit] - z_r[unit]
                    slope = (z_e[unit].tanh() - z_r[unit].tanh()) / change
                    m += first.weight[unit] * slope * second.weight[0, unit]
                torch.testing.assert_close(found[i, k].flatten(), m, rtol=1e-10, atol=1e-12)


def test_nothing_outside_the_receptive_field():
    class Middle(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv1d(4, 8, 5)

        def forward(self, x):
            return F.gelu(self.conv(x[..., 10:25])).amax(-1)

    found = attribute(Middle(), X, REFERENCES, [0, 3])
    outside = torch.ones(LENGTH, dtype=torch.bool)
    outside[10:25] = False
    assert (found.hypothetical[..., outside] == 0).all()
    assert (found.projected[..., ~outside] != 0).any()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 30, 200])
def test_batch_size_never_changes_the_result(batch_size):
    wanted = attribute(Net().double(), X, REFERENCES, [0, 2], batch_size=64)
    found = attribute(Net().double(), X, REFERENCES, [0, 2], batch_size=batch_size)
    for name in ("hypothetical", "projected", "reference_sd", "deltas", "delta_y"):
        a, b = getattr(found, name), getattr(wanted, name)
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-14)


def test_an_example_does_not_depend_on_its_neighbours():
    whole = attribute(Net(), X, REFERENCES)
    turned = attribute(Net(), X.roll(2, 0), REFERENCES.roll(2, 0))
    assert torch.equal(turned.hypothetical, whole.hypothetical.roll(2, 1))


def test_several_targets_are_each_alone():
    together = attribute(Net(), X, REFERENCES, [2, 0, lambda y: y[:, 1] * y[:, 2]])
    for i, target in enumerate([2, 0, lambda y: y[:, 1] * y[:, 2]]):
        alone = attribute(Net(), X, REFERENCES, [target])
        torch.testing.assert_close(together.hypothetical[i], alone.hypothetical[0])
    assert together.deltas.shape == (3, 5, 6)
    assert together.mean_abs_dy.shape == (3,)
    listed = deep_lift_shap(Net(), X, target=[2, 0], references=REFERENCES)
    torch.testing.assert_close(listed[0], deep_lift_shap(Net(), X, target=2, references=REFERENCES))


def test_fields_fit_each_other():
    found = attribute(Net(), X, REFERENCES, multipliers=True)
    m, r = found.multipliers, REFERENCES
    share = m - (m * r).sum(3, keepdim=True)
    projected = (share * X[:, None]).sum(3)
    torch.testing.assert_close(found.hypothetical, share.mean(2))
    torch.testing.assert_close(found.projected, projected.mean(2))
    torch.testing.assert_close(
        found.reference_sd, projected.std(2, correction=0), rtol=1e-4, atol=1e-7
    )
    # Σ attribution is the mean difference of outputs.
    torch.testing.assert_close(
        found.projected.sum(-1), found.delta_y.mean(-1), rtol=1e-4, atol=1e-6
    )


def state_of(model: nn.Module) -> tuple:
    modules = list(model.modules())
    return (
        [m.training for m in modules],
        [sorted(m.__dict__) for m in modules],
        [p.requires_grad for p in model.parameters()],
        [p.grad is None for p in model.parameters()],
        [len(m._forward_hooks) for m in modules],
        {k: (v.dtype, v.clone()) for k, v in model.state_dict().items()},
    )


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was_found(fails):
    model = Net(nn.Tanh() if not fails else lambda h: h.cummax(1)[0])
    model.train()
    model.norm.eval()
    model.first.weight.requires_grad_(False)
    calls = []
    model.second.register_forward_hook(lambda *_: calls.append(1))
    before = state_of(model)
    settings = {"dtype": torch.float64, "additional_nonlinear_ops": {nn.Tanh: "rescale"}}
    if fails:
        with pytest.raises(AttributionError, match="cummax"):
            attribute(model, X, REFERENCES, **settings)
    else:
        attribute(model, X, REFERENCES, **settings)
        assert calls
    after = state_of(model)
    assert before[:5] == after[:5]
    for name, (dtype, value) in before[5].items():
        assert after[5][name][0] == dtype and torch.equal(after[5][name][1], value)
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.is_grad_enabled()


def test_dtype_of_the_call_is_not_that_of_the_model():
    single = attribute(Net(), X, REFERENCES)
    double = attribute(Net(), X, REFERENCES, dtype=torch.float64)
    assert single.hypothetical.dtype == torch.float32
    assert double.hypothetical.dtype == torch.float64
    torch.testing.assert_close(
        single.hypothetical.double(), double.hypothetical, rtol=1e-3, atol=1e-6
    )
    assert double.deltas.abs().max() < 1e-12 * 100
    half = attribute(Net(), X, REFERENCES, dtype=torch.bfloat16)
    # An error of bfloat16's rounding, 2^-8, in each of ten operations turns a vector by less than
    # 10 * 2^-8; its cosine falls by half of the square of that.
    found, wanted = half.hypothetical.flatten().float(), single.hypothetical.flatten()
    assert F.cosine_similarity(found, wanted, 0) > 1 - (10 * 2.0**-8) ** 2 / 2


def test_integer_one_hot_and_inference_mode():
    model = Net()
    wanted = attribute(model, X, REFERENCES).hypothetical
    with torch.inference_mode():
        found = attribute(model, X.to(torch.int8), REFERENCES.to(torch.int8)).hypothetical
    torch.testing.assert_close(found, wanted)


def test_further_inputs_go_with_their_example():
    class Scaled(Net):
        def forward(self, x, scale, shift):
            return super().forward(x) * scale + shift

    scale, shift = torch.linspace(1, 2, 5).view(5, 1), torch.arange(15.0).view(5, 3)
    found = deep_lift_shap(Scaled(), X, args=(scale, shift), target=1, references=REFERENCES)
    plain = deep_lift_shap(Net(), X, target=1, references=REFERENCES)
    torch.testing.assert_close(found, plain * scale[:, :, None], rtol=1e-4, atol=1e-7)


def test_profile_weights_are_those_of_the_example():
    class Profile(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.out = nn.Conv1d(4, 8, 5), nn.Conv1d(8, 2, 3)

        def forward(self, x):
            return self.out(F.relu(self.conv(x))) * 4

    base = Profile().double()
    targets = [
        TargetConfig(name=name, head=0, reduce=name, scale="logit")
        for name in ("profile", "profile_bpnetlite")
    ]
    found = attribute(TargetModule(base, targets), X, REFERENCES, [0, 1])
    assert (found.deltas.abs().amax((1, 2)) < 1e-9 * found.mean_abs_dy).all()
    with torch.no_grad():
        z = centered_logits(base(X.double()))
        z_r = torch.stack([centered_logits(base(r)) for r in REFERENCES.double().unbind(1)], 1)
        w = torch.softmax(z, 1)[:, None]
        held = (w * (z[:, None] - z_r)).sum(-1)
        free = (w * z[:, None]).sum(-1) - (torch.softmax(z_r, -1) * z_r).sum(-1)
    torch.testing.assert_close(found.delta_y[0], held)
    torch.testing.assert_close(found.delta_y[1], free)


def test_unneeded_heads_are_not_computed_for_references():
    class Head(nn.Module):
        calls = 0

        def forward(self, h):
            return torch.erf(h)

    class TwoHeads(Net):
        def __init__(self):
            super().__init__()
            self.head = Head()

        def forward(self, x):
            hidden = F.relu(self.first(x))
            return self.head(hidden), self.out(hidden.mean(-1))

    seen = []
    rule = lambda module, grad_input, grad_output: grad_input  # noqa: E731
    model = TwoHeads()
    forward = model.head.forward
    model.head.forward = lambda h: (seen.append(type(h).__name__), forward(h))[1]
    attribute(model, X, REFERENCES, [lambda y: y[1][:, 0]], additional_nonlinear_ops={Head: rule})
    plain = [name for name in seen if name == "Tensor"]
    assert len(plain) == 2, "for the examples, traced and plainly; never for the references' passes"


def test_named_results_deltas_and_warnings(capsys):
    result = deep_lift_shap(
        Net(), X, references=REFERENCES, return_references=True, return_deltas=True,
        print_convergence_deltas=True,
    )  # fmt: skip
    assert result._fields == ("attributions", "references", "deltas")
    assert result.deltas.shape == (5, 6)
    assert "tensor" in capsys.readouterr().out
    raw = deep_lift_shap(Net(), X, references=REFERENCES, raw_outputs=True)
    assert raw.shape == (5, 6, 4, LENGTH)
    with pytest.warns(RuntimeWarning, match="convergence deltas"):
        deep_lift_shap(Net(), X, references=REFERENCES, warning_threshold=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deep_lift_shap(Net(), X, references=REFERENCES)


def test_integrated_gradients_and_input_x_gradient():
    model = Net(torch.tanh).double().eval()
    found = attribute_along_path(model, X, REFERENCES, [0, 1], n_steps=40)
    assert (found.deltas.abs().amax((1, 2)) < 1e-6 * found.mean_abs_dy).all()
    ig = integrated_gradients(model, X, target=1, references=REFERENCES, n_steps=40)
    torch.testing.assert_close(ig, found.hypothetical[1] * X)
    x = X.double().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x)[:, 2].sum(), x)
    torch.testing.assert_close(input_x_gradient(model, X, target=2), gradient * X)
    torch.testing.assert_close(input_x_gradient(model, X, target=2, hypothetical=True), gradient)


class Bessel(nn.Module):
    def forward(self, h):
        return torch.special.i1(h)


def rescale(module, grad_input, grad_output):
    change = torch.sub(*module.input.chunk(2))
    ratio = torch.sub(*module.output.chunk(2)) / change
    ratio = torch.cat([ratio, ratio])
    near = torch.cat([change, change]).abs() < 1e-9
    return (torch.where(near, grad_input[0], grad_output[0] * ratio),)


@pytest.mark.parametrize(
    "rules",
    [
        {Bessel: rescale}, {Bessel: "rescale"}, {"aten.special_i1.default": "rescale"},
        {torch.special.i1: rescale}, {torch.ops.aten.special_i1: "rescale"},
    ],
)  # fmt: skip
def test_registered_rules(rules):
    model = Net(Bessel()).double().eval()
    with pytest.raises(AttributionError, match="special_i1.*additional_nonlinear_ops"):
        attribute(model, X, REFERENCES)
    found = attribute(model, X, REFERENCES, additional_nonlinear_ops=rules)
    assert found.deltas.abs().max() < 1e-9 * found.mean_abs_dy.item()


def test_bad_rules_are_named():
    with pytest.raises(AttributionError, match="'secant' is not a rule"):
        attribute(Net(), X, REFERENCES, additional_nonlinear_ops={torch.erf: "secant"})
    with pytest.raises(AttributionError, match="not an ATen operation"):
        attribute(Net(), X, REFERENCES, additional_nonlinear_ops={isinstance: "rescale"})


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h):
        return (h > 0).to(h.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class WithoutContext(StraightThrough):
    @staticmethod
    def forward(h):
        return (h > 0).to(h.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass


class Wrapped(StraightThrough):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda")
    def forward(ctx, h):
        return (h > 0).to(h.dtype)


class Heir(StraightThrough):
    pass


@pytest.mark.parametrize("function", [StraightThrough, WithoutContext, Wrapped, Heir])
def test_custom_autograd_functions_are_refused(function):
    name = "StraightThrough" if function is Heir else function.__name__
    with pytest.raises(AttributionError, match=f"custom autograd function {name} has"):
        attribute(Net(function.apply), X, REFERENCES)


def test_what_hides_operations_is_refused():
    scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(4 * LENGTH, 2)))
    with pytest.raises(AttributionError, match="TorchScript"):
        attribute(scripted, X, REFERENCES)
    with pytest.raises(AttributionError, match="TorchScript"):
        attribute(nn.Sequential(nn.Identity(), scripted), X, REFERENCES)


def test_checkpointed_layers_are_seen():
    from torch.utils.checkpoint import checkpoint

    for reentrant in (False, True):
        found = attribute(
            Net(lambda h, how=reentrant: checkpoint(torch.relu, h, use_reentrant=how)),
            X,
            REFERENCES,
        )
        torch.testing.assert_close(found.hypothetical, attribute(Net(), X, REFERENCES).hypothetical)


def test_branches_that_differ_between_the_passes_are_refused():
    class Flip(Net):
        turn = 0

        def forward(self, x):
            self.turn += 1
            return super().forward(x) + (x.mean((1, 2))[:, None] if self.turn > 1 else 0)

    with pytest.raises(AttributionError, match="ran something else for the example"):
        attribute(Flip(), X, REFERENCES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": X[0]}, r"X has shape \(4, 40\)"),
        ({"X": X + 0.5}, "X is not one-hot"),
        ({"references": REFERENCES[:3]}, r"references have shape \(3, 6, 4, 40\)"),
        ({"references": REFERENCES[:, :0]}, "no references"),
        ({"targets": [3]}, "target 3 of a model that returns 3 targets"),
        ({"targets": [lambda y: y]}, r"gave \(5, 3\)|gave \(\d+, 3\), not one value"),
        ({"model": nn.Identity()}, r"the model returned shape \(\d+, 4, 40\)"),
        ({"model": type("T", (Net,), {"forward": lambda s, x: (x, x)})()}, "returned tuple"),
    ],
)
def test_errors_say_what_and_where(change, message):
    call = {"model": Net(), "X": X, "references": REFERENCES, "targets": [0], **change}
    with pytest.raises(AttributionError, match=message):
        attribute(call.pop("model"), call.pop("X"), call.pop("references"), call.pop("targets"))


def test_calls_of_a_reference_run_in_the_engines_loop_and_leave_no_value(monkeypatch):
    ran = []

    def watched(program, values, run):
        execute(program, values, run)
        ran.append((len(program.calls), [cell.value for cell in values.cells]))

    monkeypatch.setattr(reruns, "execute", watched)
    with off():
        expected = attribute(Net(), X, REFERENCES, batch_size=5)
    assert not ran
    found = attribute(Net(), X, REFERENCES, batch_size=5)
    torch.testing.assert_close(found.hypothetical, expected.hypothetical, rtol=0, atol=1e-6)
    assert len(ran) >= 4 and all(n > 5 for n, _ in ran)
    # What is left at the end is what a target reads, and what the model made itself.
    assert all(sum(value is not None for value in left) <= 1 for _, left in ran)


def test_no_silent_fall_back_to_the_cpu():
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="this machine has no usable GPU"):
            attribute(Net(), X, REFERENCES, device="cuda")


def test_a_constant_head_has_no_attributions():
    class Constant(Net):
        def forward(self, x):
            return torch.stack([super().forward(x)[:, 0], torch.ones(len(x))], 1)

    found = attribute(Constant(), X, REFERENCES, [0, 1, lambda y: torch.ones(len(y))])
    assert (found.hypothetical[1:] == 0).all() and (found.hypothetical[0] != 0).any()


def test_a_copy_of_the_model_still_works_afterwards():
    model = Net()
    attribute(model, X, REFERENCES)
    torch.testing.assert_close(copy.deepcopy(model).eval()(X), model.eval()(X))


def test_a_compiled_model_runs_as_it_was_written():
    model = Net().eval()
    compiled = torch.compile(model, backend="eager")
    found, wanted = attribute(compiled, X, REFERENCES), attribute(model, X, REFERENCES)
    torch.testing.assert_close(found.hypothetical, wanted.hypothetical)


def test_an_exported_program_of_one_batch_size_is_explained():
    program = torch.export.export(Net().eval(), (X[:3],)).module()
    with pytest.raises(AttributionError, match="export it with a dynamic batch axis"):
        attribute(program, X, REFERENCES)


def test_a_buffer_made_in_the_first_call_serves_later_ones():
    class Cached(Net):
        kept = None

        def forward(self, x):
            if self.kept is None:
                self.kept = torch.zeros(1, 4, LENGTH)
                self.kept[:, 1] = 0.5
            return super().forward(x + self.kept)

    model = Cached().eval()
    fresh = Cached().eval()
    fresh(X)
    for _ in range(2):
        found = attribute(model, X, REFERENCES, batch_size=2)
        wanted = attribute(fresh, X, REFERENCES, batch_size=2)
        torch.testing.assert_close(found.hypothetical, wanted.hypothetical)
    torch.testing.assert_close(model(X), fresh(X))


def test_activations_kept_from_an_earlier_call_are_refused():
    class Remembers(Net):
        kept = None

        def forward(self, x):
            before, self.kept = self.kept, x
            return super().forward(x if before is None else x + before)

    with pytest.raises(AttributionError, match="ran something else|keeps activations"):
        attribute(Remembers(), X, REFERENCES)

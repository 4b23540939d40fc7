"""Rules that users add: for modules in tangermeme's layout, and for functions.

A rule is `rule(module, grad_input, grad_output) -> (grad_input,)` in the layout of tangermeme 1.6:
`module.input`, `module.output` and the gradients hold the examples' half, then the references'
half, along the first axis; `grad_input` is what the ordinary derivative gives.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.analysis.attribution.rescale.rules.elementwise import elementwise
from cisweep.analysis.attribution.rescale.rules.table import RULES, linear
from cisweep.analysis.attribution.rescale.tracing import Handler, Trace, Tracked, bare
from cisweep.errors import AttributionError

Rule = Callable[[Any, tuple, tuple], tuple]
_NAMED: dict[str, Handler] = {"rescale": elementwise, "linear": linear}


class _Ruled(torch.autograd.Function):
    """A function of several activations whose multipliers a user's rule gives."""

    @staticmethod
    def forward(ctx: Any, rule: Any, holder: Any, run: Any, examples: tuple, *inputs: Tensor):
        """Return `run(*inputs)`; `examples` are the example's output and inputs."""
        output = run(*inputs)
        ctx.rule, ctx.holder, ctx.run, ctx.examples = rule, holder, run, examples
        ctx.save_for_backward(output, *inputs)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor):
        """Return the rule's multipliers of the references' half."""
        output, *inputs = ctx.saved_tensors
        output_e, *inputs_e = ctx.examples
        both = [torch.cat([e, r]).requires_grad_() for e, r in zip(inputs_e, inputs)]
        grad_output = torch.cat([gradient, gradient])
        with torch.enable_grad():
            plain = torch.autograd.grad(ctx.run(*both), both, grad_output)
        holder = ctx.holder
        before = {name: holder.__dict__.get(name) for name in ("input", "output")}
        holder.__dict__.update(input=both[0].detach(), output=torch.cat([output_e, output]))
        try:
            found = ctx.rule(holder, tuple(plain), (grad_output,))
        finally:
            for name, value in before.items():
                holder.__dict__.pop(name)
                if value is not None:
                    holder.__dict__[name] = value
        return None, None, None, None, *(m.chunk(2)[0] for m in found)


def _ruled(rule: Rule, holder: Any, run: Callable, trace: Trace, key: Any, inputs: list) -> Any:
    def example() -> tuple[Any, list[Any]]:
        values = [x.inner for x in inputs]
        output = run(*values)
        return output, [output, *values]

    def reference(saved: list[Any]) -> Any:
        return _Ruled.apply(rule, holder, run, tuple(saved), *(x.inner for x in inputs))

    return trace.operation(key, inputs, example, reference)


def _function_rule(rule: Rule) -> Handler:
    """Return the handler of a function with a rule; what is not an activation is constant."""

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        places = [i for i, arg in enumerate(args) if isinstance(arg, Tracked)]
        constants = bare([None if i in places else arg for i, arg in enumerate(args)])

        def run(*values: Tensor) -> Any:
            given = list(constants)
            for place, value in zip(places, values):
                given[place] = value
            return func(*given, **bare(kwargs))

        inputs = [args[i] for i in places]
        return _ruled(rule, SimpleNamespace(), run, trace, func, inputs)

    return handle


def _is_module_class(key: Any) -> bool:
    return isinstance(key, type) and issubclass(key, nn.Module)


def rule_table(additional: dict[Any, Any] | None) -> dict[str, Handler]:
    """Return the built-in rules with the user's rules for functions before them."""
    table = dict(RULES)
    for key, rule in (additional or {}).items():
        if not _is_module_class(key):
            table[_operation_name(key)] = _handler(key, rule)
    return table


def _handler(key: Any, rule: Any) -> Handler:
    if isinstance(rule, str) and rule in _NAMED:
        return _NAMED[rule]
    if callable(rule):
        return _function_rule(rule)
    raise AttributionError(
        f"{rule!r} is not a rule",
        where=f"additional_nonlinear_ops[{key!r}]",
        mend="give 'rescale', 'linear' or a function (module, grad_input, grad_output)",
    )


def _operation_name(key: Any) -> str:
    """Return the name under which an operation is looked up: 'aten.erf' or 'aten.erf.default'."""
    if isinstance(key, str):
        return key
    if isinstance(key, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
        return str(key)
    name = getattr(key, "__name__", "")
    for candidate in (name, f"special_{name}"):
        if candidate and hasattr(torch.ops.aten, candidate):
            return f"aten.{candidate}"
    raise AttributionError(
        f"{key!r} is not an ATen operation",
        where="additional_nonlinear_ops",
        mend="give the name in the error message, a torch function, or a module's class",
    )


@contextmanager
def registered_modules(model: nn.Module, additional: dict[Any, Any] | None) -> Iterator[None]:
    """Put the user's rules for classes of modules in place of the modules' own forward."""
    rules = {key: rule for key, rule in (additional or {}).items() if _is_module_class(key)}
    changed: list[tuple[nn.Module, Any]] = []
    try:
        for module in model.modules() if rules else ():
            rule = rules.get(type(module))
            if rule is not None:
                changed.append((module, module.__dict__.get("forward")))
                module.__dict__["forward"] = _with_rule(module, rule)
        yield
    finally:
        for module, own in changed:
            del module.__dict__["forward"]
            if own is not None:
                module.__dict__["forward"] = own


def _with_rule(module: nn.Module, rule: Any) -> Callable[..., Any]:
    forward = module.forward

    def run(*args: Any, **kwargs: Any) -> Any:
        inputs = [arg for arg in args if isinstance(arg, Tracked)]
        if not inputs:
            return forward(*args, **kwargs)
        if isinstance(rule, str):
            handler = _handler(type(module), rule)
            return _module_by_name(handler, forward, args, kwargs)
        places = [i for i, arg in enumerate(args) if isinstance(arg, Tracked)]

        def call(*plain: Tensor) -> Any:
            values = list(args)
            for place, value in zip(places, plain):
                values[place] = value
            with inputs[0].trace.paused():
                return forward(*values, **kwargs)

        return _ruled(rule, module, call, inputs[0].trace, type(module), inputs)

    return run


def _module_by_name(handler: Handler, forward: Callable, args: tuple, kwargs: dict) -> Any:
    trace = next(arg.trace for arg in args if isinstance(arg, Tracked))
    return handler(trace, forward, args, kwargs)

"""The table of rules: what is done with each operation, keyed by its ATen name.

An operation in no list is refused by name; `additional_nonlinear_ops` adds rules for it.
"""

from collections.abc import Callable
from typing import Any

import torch

from cisweep.analysis.attribution.rescale.rules import composites as write_out
from cisweep.analysis.attribution.rescale.rules.elementwise import (
    elementwise,
    elementwise_of_two,
    exponential,
    step_function,
)
from cisweep.analysis.attribution.rescale.rules.linear import PRODUCTS, SHAPES, SUMS
from cisweep.analysis.attribution.rescale.rules.names import (
    COMPARISONS,
    CURVES,
    FACTORIES,
    PLACES,
    QUERIES,
)
from cisweep.analysis.attribution.rescale.rules.pooling import (
    kth_value,
    maximum_of_two,
    maximum_over_axes,
    sort,
    topk,
)
from cisweep.analysis.attribution.rescale.rules.products import choice, product
from cisweep.analysis.attribution.rescale.rules.rectifier import relu
from cisweep.analysis.attribution.rescale.rules.softmax import logsumexp, softmax
from cisweep.analysis.attribution.rescale.rules.window_maxima import max_pooling
from cisweep.analysis.attribution.rescale.tracing import (
    Handler,
    Trace,
    Tracked,
    bare,
    calling_line,
    composite,
    reentrant,
    settled,
    tracked_in,
)
from cisweep.engine.convolution.dispatch import fixed_conv1d
from cisweep.engine.operations import steer_gradient
from cisweep.engine.running import DIFFERENTIABLE
from cisweep.errors import AttributionError


def refuse(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Raise the error that names an operation without a rule and says how to register one."""
    name = str(func)
    if func._schema.name == "aten::_local_scalar_dense":
        raise AttributionError(
            "the model reads the value of an activation (item, float, bool, if)",
            where=calling_line(),
            mend="keep it a tensor; write a branch with torch.where",
        )
    if func._schema.name == "aten::detach":
        raise AttributionError(
            "the model detaches an activation, which would drop its share of the attribution",
            where=calling_line(),
            mend="remove detach() or .data from what is attributed",
        )
    if torch.Tag.nondeterministic_seeded in func.tags:
        raise AttributionError(
            f"operation {name} is random, so that example and reference would differ by chance",
            where=calling_line(),
            mend="leave dropout and noise out in evaluation (F.dropout(…, training=False))",
        )
    integers = any(not (t.is_floating_point() or t.is_complex()) for t in tracked_in(args, kwargs))
    if func._schema.name.removeprefix("aten::") in PLACES or integers:
        raise AttributionError(
            f"operation {name} returns or reads positions (integers) that depend on activations, "
            "and a position has no multiplier",
            where=calling_line(),
            mend="take the values at these positions by max, sort or topk, or weigh all of them by "
            f"a softmax; where they are letters, {DIFFERENTIABLE}",
        )
    raise AttributionError(
        f"operation {name} is neither linear nor has a DeepLIFT rule",
        where=calling_line(),
        mend=f"register one: additional_nonlinear_ops={{{name!r}: 'rescale'}} for a function of "
        "each element alone, 'linear' for a linear one, or a rule (module, grad_input, "
        "grad_output), also keyed by the class of the module that contains the call",
    )


def linear(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Let an operation pass: its gradient is its multiplier."""
    args, kwargs = settled(args), settled(kwargs)

    def run(_: Any = None) -> Any:
        value = func(*bare(args), **bare(kwargs))
        steer_gradient(value)
        return value

    return trace.operation(func, (args, kwargs), lambda: (run(), []), run)


def _convolution(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Let a convolution pass, by the fast one where it is one over sequences."""
    x, weight, bias, stride, padding, dilation, transposed, _, groups = args
    if x.ndim != 3 or transposed or isinstance(weight, Tracked) or isinstance(bias, Tracked):
        return product("convolution", linear)(trace, func, args, kwargs)
    options = (bare(weight), bare(bias), stride[0], padding[0], dilation[0], groups)
    convolve = None

    def run(_: Any = None) -> Any:
        nonlocal convolve
        if convolve is None and x.inner is not None:
            convolve = fixed_conv1d(x.inner, *options)
        return convolve(x.inner)

    return trace.operation(func, (x,), lambda: (run(), []), run)


def _addmm(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Let a linear layer pass, on sizes for which a row's bits do not depend on its place."""
    bias, x, weight = args[:3]
    uneven = any(size % 16 for size in weight.shape)
    if not uneven or kwargs or x.device.type != "cpu" or tracked_in((bias, weight)):
        return product("addmm", linear)(trace, func, args, kwargs)

    def run(_: Any = None) -> Any:
        n_in, n_out = weight.shape
        padded = torch.nn.functional.pad(bare(weight), (0, -n_out % 16, 0, -n_in % 16))
        value = torch.nn.functional.pad(x.inner, (0, -n_in % 16)) @ padded
        return value[:, :n_out] + bare(bias)

    return trace.operation(func, (x,), lambda: (run(), []), run)


def _batch_norm(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Scale and shift by running statistics; torch writes instance norm as training on one row."""
    x, weight, bias, mean, var, *training, _, eps = args
    if any(training) or tracked_in(args[1:]):
        return composite(write_out.instance_norm)(trace, func, (x, weight, bias, eps), {})

    def example() -> tuple[Any, list[Any]]:
        scale = torch.rsqrt(bare(var) + eps)
        scale = scale if weight is None else scale * bare(weight)
        shift = -bare(mean) * scale if bias is None else bare(bias) - bare(mean) * scale
        saved = [t.view(1, -1, *[1] * (x.ndim - 2)).to(x.dtype) for t in (scale, shift)]
        return reference(saved), saved

    def reference(saved: list[Any]) -> Any:
        scale, shift = saved
        return torch.addcmul(shift, x.inner, scale)

    value = trace.operation(func, (x,), example, reference)
    return (value, *(torch.empty(0) for _ in func._schema.returns[1:]))


def _floating(handler: Handler) -> Handler:
    """Refuse indices and masks made of activations where only numbers are linear."""

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        for tensor in () if trace.replaying else tracked_in(args, kwargs):
            if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
                return refuse(trace, func, args, kwargs)
        return handler(trace, func, args, kwargs)

    return handle


def _shape(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Move values about; a mask stays one, an index made of activations is refused."""
    x, *rest = args
    if tracked_in(rest, kwargs):
        return refuse(trace, func, args, kwargs)
    name = func._schema.name
    dtype = torch.bool if isinstance(x, Tracked) and x.dtype is torch.bool else None

    def run(_: Any = None) -> Any:
        # A convolution may have left channels-last strides where the model expects to view.
        if name in ("aten::view", "aten::_unsafe_view") and func._overloadname == "default":
            return x.inner.reshape(args[1])
        return func(*bare(args), **bare(kwargs))

    return trace.operation(func, (args, kwargs), lambda: (run(), []), run, dtype=dtype)


def _cast(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Change dtype, device or layout; a mask may become numbers, but numbers no integers."""
    x, dtype = args[0], kwargs.get("dtype")
    if dtype is torch.bool and x.dtype is not torch.bool:
        return x != 0
    if x.dtype is torch.bool and (dtype is None or dtype is torch.bool):
        return _shape(trace, torch.ops.aten.clone.default, (x,), {})
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        return refuse(trace, func, args, kwargs)
    return linear(trace, func, args, kwargs)


def _factory(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Make a constant of the shape of an activation."""
    model = args[0]
    blank = torch.empty_strided(model.shape, model.stride(), dtype=model.dtype, device=model.device)
    if "rand" in func._schema.name:
        return refuse(trace, func, args, kwargs)
    return trace.constant(func(blank, *bare(args[1:]), **bare(kwargs)))


def _query(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    return NotImplemented


def _one_curve(handler: Handler, both: Handler) -> Handler:
    """Choose between a function of one activation and an operation on two."""

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        if tracked_in(kwargs):
            return refuse(trace, func, args, kwargs)
        chosen = handler if len(tracked_in(args)) == 1 else both
        return chosen(trace, func, args, kwargs)

    return handle


def _div(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    if isinstance(args[1], Tracked):
        if isinstance(args[0], Tracked) or kwargs.get("rounding_mode"):
            return composite(write_out.div)(trace, func, args, kwargs)
        return elementwise(trace, func, args, kwargs)
    if kwargs.get("rounding_mode"):
        return refuse(trace, func, args, kwargs)
    return linear(trace, func, args, kwargs)


def _compare(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    if len(tracked_in(args)) == 1:
        return step_function(trace, func, args, kwargs)
    scalar = getattr(torch.ops.aten, func._schema.name.removeprefix("aten::")).Scalar
    with reentrant():
        return scalar(args[0] - args[1], 0)


def _masked(handler: Callable[..., Any], place: int) -> Handler:
    """Use `handler` where argument `place`, a mask, depends on the input; else pass linearly."""

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        if isinstance(args[place], Tracked):
            return composite(handler)(trace, func, args, kwargs)
        return linear(trace, func, args, kwargs)

    return handle


def _where(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    if isinstance(args[0], Tracked):
        return choice(trace, func, args, kwargs)
    return linear(trace, func, args, kwargs)


def _rrelu(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    x, _, lower, upper, training = (*args, 1 / 8, 1 / 3, False)[:5] if len(args) < 5 else args[:5]
    if training:
        return refuse(trace, func, args, kwargs)
    with reentrant():
        return torch.nn.functional.leaky_relu(x, (lower + upper) / 2)


def _index_put(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    x, indices, value, *accumulate = args
    if not tracked_in(indices):
        return _floating(linear)(trace, func, args, kwargs)
    if len(indices) > 1 or value.numel() != 1 or any(accumulate):
        return refuse(trace, func, args, kwargs)
    mask = indices[0]
    with reentrant():
        mask = mask.view(*mask.shape, *[1] * (x.ndim - mask.ndim))
        return torch.where(mask, value.to(x.dtype), x)


def _kinds() -> dict[str, Handler]:
    """Return the handlers of operations that are alike in kind."""
    table: dict[str, Handler] = {name: _shape for name in SHAPES}
    table.update({name: _floating(linear) for name in SUMS})
    table.update({name: product(name, linear) for name in PRODUCTS})
    table.update({name: _one_curve(elementwise, refuse) for name in CURVES})
    table.update({name: _compare for name in COMPARISONS})
    table.update({name: _factory for name in FACTORIES})
    table.update({name: _query for name in QUERIES})
    two = _one_curve(elementwise, maximum_of_two)
    table.update(dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), two))
    of_two = _one_curve(elementwise, elementwise_of_two)
    table.update(dict.fromkeys(("pow", "atan2", "hypot", "xlogy", "special_xlog1py"), of_two))
    table.update(dict.fromkeys(("clamp_min", "clamp_max"), two))
    table.update(dict.fromkeys(("amax", "amin"), maximum_over_axes))
    max_like = _one_curve(maximum_over_axes, maximum_of_two)
    table.update(max=max_like, min=max_like)
    return table


def _single() -> dict[str, Handler]:
    """Return the handlers of operations with a rule of their own."""
    return dict(
        convolution=_convolution,
        addmm=_addmm,
        native_batch_norm=_batch_norm,
        cudnn_batch_norm=_batch_norm,
        miopen_batch_norm=_batch_norm,
        _native_batch_norm_legit_no_training=_batch_norm,
        relu=relu,
        leaky_relu=relu,
        exp=exponential,
        div=_div,
        divide=_div,
        true_divide=_div,
        _to_copy=_cast,
        _softmax=softmax,
        _log_softmax=softmax,
        _safe_softmax=softmax,
        softmax=softmax,
        log_softmax=softmax,
        logsumexp=logsumexp,
        where=_where,
        rrelu_with_noise=_rrelu,
        index_put=_index_put,
        masked_fill=_masked(write_out.masked_fill, 1),
        sort=sort,
        topk=topk,
        kthvalue=kth_value,
        median=kth_value,
        max_pool2d_with_indices=max_pooling(2),
        max_pool3d_with_indices=max_pooling(3),
        adaptive_max_pool2d=max_pooling(2),
        adaptive_max_pool3d=max_pooling(3),
    )


def _composites() -> dict[str, Handler]:
    """Return the handlers of operations that are written out as others."""
    expanded = {
        "glu": write_out.glu,
        "native_layer_norm": write_out.layer_norm,
        "native_group_norm": write_out.group_norm,
        "_fused_rms_norm": write_out.rms_norm,
        "var": write_out.var,
        "std": write_out.std,
        "var_mean": write_out.var_mean,
        "std_mean": write_out.std_mean,
        "linalg_vector_norm": write_out.vector_norm,
        "norm": write_out.norm,
        "logaddexp": write_out.logaddexp,
        "prod": write_out.prod,
        "cumprod": write_out.cumprod,
        "_cdist_forward": write_out.distances,
        "lerp": write_out.lerp,
        "mkldnn_rnn_layer": write_out.lstm_layer,
        "addcdiv": write_out.addcdiv,
        "logical_not": write_out.logical_not,
        "bitwise_not": write_out.logical_not,
        "logical_and": write_out.logical_and,
        "bitwise_and": write_out.logical_and,
        "logical_or": write_out.logical_or,
        "bitwise_or": write_out.logical_or,
        "logical_xor": write_out.logical_xor,
        "bitwise_xor": write_out.logical_xor,
        "_scaled_dot_product_flash_attention_for_cpu": write_out.flash_cpu,
    }
    return {name: composite(expand) for name, expand in expanded.items()}


RULES = _kinds() | _single() | _composites()


def handler_for(table: dict[str, Handler]) -> Callable[[Any], Handler]:
    """Return the function that finds the handler of an ATen call, in-place ones included."""
    found: dict[Any, Handler] = {}

    def find(func: Any) -> Handler:
        if func not in found:
            found[func] = _look_up(table, func)
        return found[func]

    return find


def _look_up(table: dict[str, Handler], func: Any) -> Handler:
    name = func._schema.name.removeprefix("aten::")
    if func._schema.is_mutable and name != "rrelu_with_noise":
        random = torch.Tag.nondeterministic_seeded in func.tags
        return refuse if random else _in_place
    return table.get(str(func)) or table.get(f"aten.{name}") or table.get(name, refuse)


def _in_place(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Run the functional form and copy its result into the tensor that is to change."""
    target = args[0]
    name = func._schema.name.removeprefix("aten::")
    if not isinstance(target, Tracked):
        raise AttributionError(
            f"{func} writes an activation into a tensor that does not depend on the input",
            where=calling_line(),
            mend="make the tensor with x.new_zeros(…), or join the parts by torch.cat or stack",
        )
    if torch.Tag.inplace_view in func.tags:
        return _turn_in_place(trace, func, args, kwargs)
    source = args[1] if name == "copy_" else None
    if source is None:
        functional = getattr(torch.ops.aten, name.removesuffix("_"))
        # Autograd may keep the constant that is about to be overwritten.
        first = target if target.memory.active else target.inner.clone()
        args = (first, *args[1:])
        found = tracked_in(args, kwargs)
        source = trace.call(getattr(functional, func._overloadname), args, kwargs, found)

    def write(_: Any = None) -> Any:
        target.inner.copy_(bare(source))

    return trace.operation(func, (source,), lambda: (write(), []), write, writes=target)


def _turn_in_place(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Run transpose_, squeeze_ and the like, which change a tensor's shape and not its values."""
    target = args[0]

    def turn(_: Any = None) -> Any:
        func(target.inner, *bare(args[1:]), **bare(kwargs))

    result = trace.operation(func, (), lambda: (turn(), []), turn, writes=target)
    with torch._C._DisableTorchDispatch():
        func(*args, **kwargs)  # the outside has a shape of its own
    return result

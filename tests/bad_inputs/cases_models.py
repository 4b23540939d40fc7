"""Bad model.yaml files."""

from harness import Case

MODEL = """adapter: state_dict
module: CNN
module_args: {n_filters: 48, first_width: 19, dilations: [2, 4, 8], pooling: max, n_outputs: 2}
window_bp: 200
targets:
  - {name: ctcf, tasks: [0], scale: logit}
folds:
  - {weights: weights.safetensors}
"""


def model(name: str, yaml: str | bytes, *says: str, at: str = "parse", **files: str) -> Case:
    """Return the case of a model.yaml."""
    return Case(
        f"model {name}",
        files={"m.yaml": yaml, "weights.safetensors": b"", **files},
        config={"models": {"ctcf_pu1": None, "m": "{dir}/m.yaml"}},
        says=("models.m", *says),
        at=at,
    )


def changed(name: str, old: str, new: str, *says: str) -> Case:
    """Return the case of the sound model.yaml with one part in place of another."""
    assert old in MODEL
    return model(name, MODEL.replace(old, new), *says)


FOLDS = "folds:\n  - {weights: weights.safetensors}\n"
TARGET = "{name: ctcf, tasks: [0], scale: logit}"
ARGS = "{n_filters: 48, first_width: 19, dilations: [2, 4, 8], pooling: max, n_outputs: 2}"

CASES = [
    changed("folds 3", FOLDS, "folds: 3\n", "folds", "valid list, got 3"),
    changed("folds a list of numbers", FOLDS, "folds: [3]\n", "folds.0", "got 3"),
    changed("folds a mapping", FOLDS, "folds: {weights: a}\n", "folds", "valid list"),
    changed("no folds", FOLDS, "folds: []\n", "folds", "at least 1 item"),
    changed("folds missing", FOLDS, "", "folds: missing", "config/README.md describes it"),
    changed("inputs 5", FOLDS, "inputs: 5\n" + FOLDS, "inputs", "valid list, got 5"),
    changed("inputs [5]", FOLDS, "inputs: [5]\n" + FOLDS, "inputs.0", "got 5"),
    changed("targets a text", "\n  - " + TARGET, " ctcf", "targets", "valid list, got 'ctcf'"),
    changed("targets [true]", TARGET, "true", "targets.0", "got True"),
    changed("no targets", "\n  - " + TARGET, " []", "targets", "at least 1 item"),
    changed(
        "a long path",
        "weights: weights.safetensors",
        f"weights: {'w' * 300}",
        "folds.0.weights",
        "no file system takes so long a path",
    ),
    changed("no such weights", "weights.safetensors", "no.safetensors", "no such file", "correct"),
    changed(
        "an empty path", "weights: weights.safetensors", "weights: ''", "folds.0.weights", "empty"
    ),
    changed(
        "weights a number", "weights: weights.safetensors", "weights: 3", "folds.0.weights", "got 3"
    ),
    changed("no module", "module: CNN\n", "", "adapter state_dict needs `module`", "CNN"),
    changed(
        "module :X", "CNN", "':X'", "module: ':X' is not an import path", "package.module:Class"
    ),
    changed(
        "module X:", "CNN", "'X:'", "module: 'X:' is not an import path", "package.module:Class"
    ),
    changed(
        "module a:b:c",
        "CNN",
        "a:b:c",
        "module: 'a:b:c' is not an import path",
        "package.module:Class",
    ),
    changed("module ../a:B", "CNN", "'../a:B'", "is not an import path", "package.module:Class"),
    changed("module_args in themselves", ARGS, "&a {b: *a}", "m.yaml", "itself through an alias"),
    changed("module_args 60 deep", ARGS, "[" * 60 + "]" * 60, "m.yaml", "more than 50 deep"),
    changed("5,000 deep", ARGS, "[" * 5000 + "]" * 5000, "m.yaml", "more than 50 deep"),
    changed("module_args nan", "48", ".nan", "module_args", "n_filters: give a finite number"),
    changed("module_args inf", "[2, 4, 8]", "[2, .inf]", "module_args", "dilations: give a finite"),
    changed(
        "module_args huge", "48", "1" + "0" * 30, "module_args", "n_filters:", "larger than 1e+15"
    ),
    changed("module_args a list", ARGS, "[1]", "module_args", "valid dictionary"),
    changed(
        "window_bp 0", "window_bp: 200", "window_bp: 0", "window_bp", "greater than or equal to 1"
    ),
    changed("window_bp true", "window_bp: 200", "window_bp: true", "window_bp", "got true"),
    changed("window_bp inf", "window_bp: 200", "window_bp: .inf", "window_bp", "got inf"),
    changed("window_bp 1e30", "window_bp: 200", "window_bp: 1.0e+30", "window_bp", "got 1e+30"),
    changed(
        "a key twice",
        "window_bp: 200",
        "window_bp: 200\nmodule: BPNet",
        "m.yaml): module: the key is given twice, in lines 2 and 5",
        "keep one of them",
    ),
    changed(
        "a target's key twice",
        TARGET,
        "{name: a, name: b}",
        "targets.0.name: the key is given twice, in lines 6 and 6",
        "keep one of them",
    ),
    changed(
        "tasks true", "tasks: [0]", "tasks: [true]", "targets.0.tasks", "give a number, got true"
    ),
    changed("tasks -1", "tasks: [0]", "tasks: [-1]", "targets.0", "tasks [-1]", "from 0"),
    changed("no tasks", "tasks: [0]", "tasks: []", "targets.0", "tasks []", "or null"),
    changed(
        "two tasks without reduce",
        "tasks: [0]",
        "tasks: [0, 1]",
        "targets.0",
        "tasks [0, 1] with reduce: none are 2 values",
        "give one task, or reduce",
    ),
    changed(
        "positions", "tasks: [0]", "positions: [5, 5]", "targets.0", "are not 0 <= start < end"
    ),
    changed("scale", "scale: logit", "scale: logits", "targets.0.scale", "got 'logits'"),
    changed(
        "name of a target",
        "name: ctcf",
        r'name: "a\tb"',
        "targets.0.name: the name 'a\\tb' has the letter U+0009",
        "take it out",
    ),
    changed("an empty name", "name: ctcf", "name: ''", "targets.0.name: a name is empty"),
    changed(
        "two targets of a name", TARGET, f"{TARGET}\n  - {TARGET}", "names of targets", "twice"
    ),
    changed("adapter", "adapter: state_dict", "adapter: jax", "adapter", "got 'jax'"),
    changed("an unknown key", "window_bp: 200", "window: 200", "window: unknown key", "window_bp?"),
    changed("rc a list", FOLDS, FOLDS + "rc: [1]\n", "rc: give a mapping of keys", "got [1]"),
    changed("rc.average 3", FOLDS, FOLDS + "rc: {average: 3}\n", "rc.average", "valid boolean"),
    changed(
        "rc.task_permutation",
        FOLDS,
        FOLDS + "rc: {task_permutation: [1, 1]}\n",
        "rc.task_permutation must be a permutation of 0..n-1",
        "got [1, 1]",
    ),
    changed(
        "test_chroms", FOLDS, FOLDS + "fold_policy: held_out\n", "needs test_chroms", "empty: [0]"
    ),
    changed(
        "quality nan",
        FOLDS,
        FOLDS + "quality: {targets: {ctcf: {metric: r, value: .nan}}}\n",
        "quality.targets.ctcf.value",
        "got nan",
    ),
    changed(
        "a constant inf",
        FOLDS,
        FOLDS + "inputs: [{name: c, kind: constant, value: .inf}]\n",
        "inputs.0.value",
        "got inf",
    ),
    changed(
        "channels",
        FOLDS,
        FOLDS + "inputs: [{name: c, kind: bigwig, channels: 2}]\n",
        "inputs.0",
        "one path per channel",
        "0 path(s)",
    ),
    model("empty", "", "a model config is a mapping", "got NoneType"),
    model("a text", "hello", "a model config is a mapping", "got str"),
    model("a list", "- a\n- b\n", "a model config is a mapping", "got list"),
    model("broken YAML", "a: [1, 2\nb: 3\n", "not readable YAML", "line 2"),
    model("tabs", "a:\n\tb: 1\n", "not readable YAML", "line 2"),
    model("a date that is none", "a: 2020-99-99\n", "not readable YAML", "correct the file"),
    model(
        "Python in YAML", "a: !!python/object/apply:os.system [ls]\n", "not readable YAML", "line 1"
    ),
    model("binary", bytes(range(256)) * 4, "m.yaml", "cannot be read", "UTF-8"),
    model("UTF-16", "adapter: x\n".encode("utf-16"), "m.yaml", "UTF-16", "save it as UTF-8"),
    model(
        "11 million letters", "#" * 11_000_000, "more than 10,000,000 characters", "give the path"
    ),
    model(
        "a number of 5,000 digits",
        "a: " + "9" * 5000 + "\n",
        "not readable YAML",
        "correct the file",
    ),
    model("two documents", "a: 1\n---\nb: 2\n", "not readable YAML", "line 2"),
    model("a list as a key", "? [a]\n: 1\n", "not readable YAML", "line 1"),
]

"""Bad inputs that only the job that loads the model can see: torch is not there at parse."""

from itertools import product

from cases_models import MODEL
from cases_readers import ALL_OFF
from harness import ROOT, Case

WEIGHTS = (ROOT / "workflow/resources/models/ctcf_pu1.safetensors").read_bytes()


def job(name: str, old: str, new: str, *says: str, weights: bytes = WEIGHTS) -> Case:
    """Return the case of a model.yaml that is sound but for what it makes."""
    assert old in MODEL
    return Case(
        f"job {name}",
        files={"m.yaml": MODEL.replace(old, new), "weights.safetensors": weights},
        config={"models": {"ctcf_pu1": None, "m": "{dir}/m.yaml"}},
        says=("prepare: ", *says),
        at="job",
    )


def own_module(task: str, *says: str) -> Case:
    """Return the case of a module by import path that gives a profile, for another task."""
    rows = [f"{''.join(word)}AC\t{i % 2}\n" for i, word in enumerate(product("ACGT", repeat=4))]
    recipe = {
        "data": {"kind": "table", "paths": ["{dir}/t.tsv"], "values": ["value"]}, "task": task,
        "module": "cisweep.models.modules.bpnet:BPNet",
        "module_args": {"n_filters": 4, "n_layers": 1, "profile_width": 5, "trimming": 0},
    }  # fmt: skip
    steps = ALL_OFF | {"predict": None, "train": {"models": {"t": recipe}}}
    files = {"t.tsv": "sequence\tvalue\n" + "".join(rows)}
    return Case(f"job {task} by a profile", files, {"models": {"ctcf_pu1": None}, "steps": steps},
                says, "job")  # fmt: skip


CASES = [
    own_module(
        "regression",
        "module: BPNet gives (1, 1, 6) and (1, 1) for 1 examples, and task",
        "regression learns (1, 1)",
        "use a module, module_args or a task",
    ),
    job("empty weights", "CNN", "CNN", "weights.safetensors", "it is empty", weights=b""),
    job("negative module_args", "48", "-48", "module_args", "give the arguments that the class"),
]

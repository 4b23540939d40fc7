"""Bad inputs that only the job that loads the model can see: torch is not there at parse."""

from cases_models import ARGS, MODEL
from harness import Case


def job(name: str, old: str, new: str, *says: str, weights: bytes = b"") -> Case:
    """Return the case of a model.yaml that is sound but for what it makes."""
    assert old in MODEL
    return Case(
        f"job {name}",
        files={"m.yaml": MODEL.replace(old, new), "weights.safetensors": weights},
        config={"models": {"ctcf_pu1": None, "m": "{dir}/m.yaml"}},
        says=("prepare: ", *says),
        at="job",
    )


CASES = [
    job("empty weights", "CNN", "CNN", "weights.safetensors"),
    job("negative module_args", "48", "-48", "module_args", "give the arguments that the class"),
    job(
        "huge module_args", "48", "1" + "0" * 11, "module_args", "give the arguments that the class"
    ),
    job("module_args of another class", ARGS, "{depth: 3}", "module_args", "'depth'"),
    job("no such package", "CNN", "no_such_package:Net", "module", "cannot be imported"),
]

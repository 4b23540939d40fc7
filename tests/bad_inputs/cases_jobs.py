"""Bad inputs that only the job that loads the model can see: torch is not there at parse."""

from cases_models import MODEL
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


CASES = [
    job("empty weights", "CNN", "CNN", "weights.safetensors", "it is empty", weights=b""),
    job("negative module_args", "48", "-48", "module_args", "give the arguments that the class"),
]

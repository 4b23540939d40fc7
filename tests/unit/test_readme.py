"""The Python example of the README runs as it stands."""

import re

from cisweep.config.model import ModelConfig
from cisweep.plan.run_config import run_model


def block(root, first: str) -> str:
    text = (root / "README.md").read_text()
    found = [b for b in re.findall(r"```\w+\n(.*?)```", text, flags=re.S) if b.startswith(first)]
    assert len(found) == 1
    return found[0]


def test_the_python_example(root, monkeypatch):
    monkeypatch.chdir(root)
    names: dict = {}
    exec(block(root, "import torch"), names)
    assert names["predictions"].shape == (1, 2)
    assert names["attributions"].shape == (1, 4, 200)
    assert abs(names["attributions"]).sum() > 0
    assert len(names["hits"]) == 1019


def test_the_configs(root):
    import yaml

    config = yaml.safe_load(block(root, "# my.yaml"))
    assert run_model().model_validate(config).regions.bed.name == "peaks.narrowPeak"
    model = ModelConfig.model_validate(yaml.safe_load(block(root, "# models/mine.yaml")))
    assert model.target_names == ["ctcf", "pu1"]

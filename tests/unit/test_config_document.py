"""config/README.md and the schemas say what the config models say."""

import json
import re

import pytest
import yaml
from pydantic_core import to_jsonable_python

from cisweep.config.messages import models_in
from cisweep.config.model import ModelConfig
from cisweep.plan.document import (
    CONFIG_SCHEMA,
    MODEL_SCHEMA,
    TEMPLATE,
    default_text,
    documents,
    field_texts,
    type_text,
)
from cisweep.plan.run_config import run_model
from cisweep.steps import all_steps


@pytest.mark.parametrize("path", list(documents()))
def test_generated_files_are_up_to_date(root, path):
    assert (root / path).read_text() == documents()[path], f"{path} has drifted: run `make docs`"


def all_models() -> set:
    found, queue = set(), [run_model(), ModelConfig]
    while queue:
        model = queue.pop()
        if model not in found:
            found.add(model)
            queue += [m for f in model.model_fields.values() for m in models_in(f.annotation)]
    return found


@pytest.mark.parametrize("model", sorted(all_models(), key=lambda m: m.__name__))
def test_every_key_has_a_description(model):
    assert model.__doc__
    for name, text in field_texts(model).items():
        assert text, f"{model.__name__}.{name}"


def test_every_step_and_key_is_in_the_readme(root):
    text = (root / "config" / "README.md").read_text()
    for step in all_steps().values():
        for key in step.config.model_fields:
            assert f"| `steps.{step.name}.{key}` |" in text
    assert "| `chunk_bp` | integer or null, ≥ 100 | `null` |" in text
    assert '| `regions.edge` | `drop`, `pad` | `"drop"` |' in text
    assert "| `window_bp` | integer, ≥ 1 | *required* |" in text


def uncommented(root) -> dict:
    """Return the template with all that stands behind a # taken in."""
    text = (root / TEMPLATE).read_text()
    return yaml.safe_load(re.sub(r"^( *)# (?= *\w+:(?: |$))", r"\1", text, flags=re.M))


def test_the_template_has_every_key_and_its_default(root):
    data = uncommented(root)
    assert list(data) == list(run_model().model_fields)
    for key in ("genome", "regions"):
        model = models_in(run_model().model_fields[key].annotation)[0]
        assert list(data[key]) == list(model.model_fields)
    assert list(data["steps"]) == list(all_steps())
    for name, step in all_steps().items():
        fields = step.config.model_fields
        assert list(data["steps"][name]) == list(fields), name
        for key, field in fields.items():
            if not field.is_required():
                default = to_jsonable_python(field.get_default(call_default_factory=True))
                assert data["steps"][name][key] == default, f"{name}.{key}"


def test_the_template_with_ones_paths_is_a_config(root, tmp_path, snakemake):
    text = (root / TEMPLATE).read_text()
    own = {
        "my_genome.fa": "genome/chr20_0_1Mb.fa.gz",
        "my_peaks.narrowPeak": "design/regions.bed",
        "models/my_model.yaml": "models/ctcf_pu1.yaml",
        "my_motifs.meme": "motifs/JASPAR2026_CORE_vertebrates_nr.meme",
    }
    for name, path in own.items():
        assert text.count(name) == 1
        text = text.replace(name, f'"{{workflow}}/workflow/resources/{path}"')
    done = snakemake(yaml.safe_load(text), tmp_path, "-n")
    said = done.stdout + done.stderr
    assert re.search(r"^attribute_chunk +1$", said, flags=re.M)
    assert "results/my_run/my_model/hits.parquet" in said
    told = re.findall(r"cisweep: (\w+)", said)
    assert sorted(told) == ["chunk_bp", "disk"]  # the chosen one, and what the run takes


def test_types_in_words():
    assert type_text(dict[str, list[int]]) == "mapping of text to list of integer"
    assert type_text(int | None) == "integer or null"
    assert default_text(ModelConfig.model_fields["fold_policy"]) == '`"mean"`'


def test_the_demo_fits_the_schemas(root):
    jsonschema = pytest.importorskip("jsonschema")
    demo = yaml.safe_load((root / "config" / "demo.yaml").read_text())
    schema = json.loads((root / CONFIG_SCHEMA).read_text())
    jsonschema.validate(demo, schema)
    with pytest.raises(jsonschema.ValidationError, match="sede"):
        jsonschema.validate(demo | {"sede": 1}, schema)
    model = root / "workflow" / "resources" / "models" / "ctcf_pu1.yaml"
    jsonschema.validate(
        yaml.safe_load(model.read_text()), json.loads((root / MODEL_SCHEMA).read_text())
    )

"""SECURITY.md says what the code does."""

import re

import pytest

from cisweep import textfile
from cisweep.config.model import ModelConfig
from cisweep.models import weights


@pytest.fixture
def document(root):
    return (root / "SECURITY.md").read_text()


def test_the_tests_that_it_names_are_there(root, document):
    named = set(re.findall(r"tests/\S+\.py", document))
    assert len(named) >= 6
    assert not [name for name in named if not (root / name).is_file()]


def test_the_bounds_are_those_of_the_code(document):
    rows = re.findall(r"^\| .* \| (?:(\d+) times its size, or )?(\d+) MB \| `", document, re.M)
    assert [(a and int(a), int(b) << 20) for a, b in rows] == [
        (textfile.EXPANSION_MAX, textfile.EXPANDED_MAX_BYTES),
        (weights.EXPANSION_MAX, weights.EXPANDED_MAX_BYTES),
        ("", weights.HEADER_MAX_BYTES),
    ]


def test_what_runs_code_is_off_by_default(document):
    for name in ("trust_pickle", "trust_remote_code"):
        assert ModelConfig.model_fields[name].default is False
        assert f"`{name}: true`" in document

"""The audit of dependencies: what it says of each answer of pip-audit."""

import importlib.util
import json

import pytest


@pytest.fixture
def audit(root, monkeypatch):
    spec = importlib.util.spec_from_file_location("audit", root / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(root)
    return module


def answer(audit, folder, text):
    """Put a pip-audit into a folder that says `text`, as the tool does from a network."""
    (folder / "pip-audit").write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    (folder / "pip-audit").chmod(0o755)
    audit.TOOLS = folder


def test_all_pinned_packages_are_asked_for(audit):
    found = audit.pinned("torch==2.13.0")
    assert "torch==2.13.0" in found
    assert {"numpy", "pysam", "pytest", "modisco"} <= {each.split("==")[0] for each in found}
    assert all(len(each.split("==")) == 2 for each in found)


@pytest.mark.parametrize("text", ["", '{"dependencies": [{"name": "a", "skip_reason": "absent"}]}'])
def test_advisories_out_of_reach_are_said(audit, tmp_path, capsys, text):
    answer(audit, tmp_path, text)
    assert audit.tell_vulnerabilities("torch==2.13.0") == 0
    assert "audit: the advisories cannot be reached" in capsys.readouterr().out


def test_a_known_vulnerability_is_named(audit, tmp_path, capsys):
    bad = {"id": "PYSEC-1", "fix_versions": ["1.2"]}
    found = [
        {"name": "a", "version": "1.0", "vulns": [bad]},
        {"name": "b", "version": "2.0", "vulns": []},
        {"name": "c", "skip_reason": "not on PyPI"},
    ]
    answer(audit, tmp_path, json.dumps({"dependencies": found}))
    assert audit.tell_vulnerabilities("torch==2.13.0") == 1
    said = capsys.readouterr().out
    assert "audit: a 1.0: PYSEC-1 (mended in: 1.2)" in said
    assert "1 of 2 packages have a known vulnerability" in said and "advisories: c" in said

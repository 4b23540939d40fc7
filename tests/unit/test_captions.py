"""The captions of `snakemake --report`: text that docutils can read, and labels."""

import io
import re
from pathlib import Path

import docutils.core
import pytest
from jinja2 import Template

ROOT = Path(__file__).resolve().parents[2]
CAPTIONS = sorted((ROOT / "workflow/report").glob("*.rst"))


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_a_caption_has_no_fault(path):
    class Run:
        config = {"run": "demo"}

    text, said = Template(path.read_text()).render(snakemake=Run), io.StringIO()
    settings = {"warning_stream": said, "report_level": 1}
    html = docutils.core.publish_parts(text, writer_name="html", settings_overrides=settings)
    assert said.getvalue() == "" and "<p>" in html["body"]


def test_each_caption_is_used_and_what_has_wildcards_says_which():
    rules = "".join(p.read_text() for p in (ROOT / "workflow/rules").glob("*.smk"))
    named = set(re.findall(r'(?:caption=|^ *)"../report/(.*?)"', rules, re.MULTILINE))
    named |= set(re.findall(r'report: "workflow/report/(.*?)"', (ROOT / "Snakefile").read_text()))
    assert named == {path.name for path in CAPTIONS}
    shown = re.findall(r"report\(\n(.*?)\n        \),", rules, re.DOTALL)
    assert len(shown) > 15
    for block in shown:
        if "{{target}}" in block:  # a function, as names of targets are not their files'
            assert 'labels=target_labels("' in block, block
        elif "/{{model}}/" in block and "TRAIN" not in block:
            assert '"model": "{model}"' in block and '"what": ' in block, block

"""docs/models.md: its table is that of the tests, its example runs as it stands."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))
from published_networks import DOCUMENT, in_document, table


def test_the_table_is_what_the_tests_found():
    """After a change: python tests/oracle/published_networks.py."""
    assert in_document(DOCUMENT.read_text())[0] == table()


def test_the_example():
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.S)
    names: dict = {}
    exec(example, names)
    assert names["attributions"].shape == (2, 4, 60)
    assert names["attributions"].abs().sum() > 0

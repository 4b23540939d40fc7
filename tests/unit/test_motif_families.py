"""Names of families of motifs: what a TSV gives."""

import pytest

from cisweep.errors import MotifError
from cisweep.genome.motif_families import read_motif_families


def test_families_by_motif_in_any_columns(tmp_path):
    path = tmp_path / "f.tsv"
    path.write_text(
        "class\tmotif\tfamily\nc\tMA1\tEts-related\nc\tMA2\t\n\nd\tJUN\t Jun-related \n"
    )
    assert read_motif_families(path) == {"MA1": "Ets-related", "JUN": "Jun-related"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: has no columns motif and family"),
        ("motif\tname\n", "line 1: has no columns motif and family"),
        ("motif\tfamily\nMA1\n", "line 2: a row has 1 cells"),
        ("motif\tfamily\nM\tA\nM\tA\nM\tB\n", "line 4: motif M is of family A already"),
        ("motif\tfamily\nM\ta\x0bb\n", "line 2: a name has the letter '\\x0b'"),
        ("motif\tfamily\nM\t\n", "names no family"),
    ],
)
def test_what_is_no_table_of_families(tmp_path, text, says):
    path = tmp_path / "f.tsv"
    path.write_text(text)
    with pytest.raises(MotifError) as caught:
        read_motif_families(path)
    assert says in str(caught.value) and "Mend: " in str(caught.value)

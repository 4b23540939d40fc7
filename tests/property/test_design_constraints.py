"""Hard constraints hold in every sample of a design; checked on plain strings."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis import design, fimo
from cisweep.analysis.sequence_design.constraints import Constraints
from cisweep.analysis.sequence_design.motifs import IUPAC, motif_rules
from cisweep.errors import DesignError

LETTERS = "ACGTN"
COMPLEMENT = str.maketrans("ACGTRYKMBDHVSWN", "TGCAYRMKVHDBSWN")


def has_word(sequence: str, word: str) -> bool:
    both = (word, word[::-1].translate(COMPLEMENT))
    pattern = "|".join("".join(f"[{IUPAC[c]}]" for c in w) for w in both)
    return re.search(pattern, sequence) is not None


def text(tokens) -> str:
    return "".join(LETTERS[t] for t in tokens)


def faults(template: str, sample: str, frozen, rules: dict) -> list[str]:
    """Everything wrong with a sample, by string comparison."""
    pairs = list(zip(template, sample))
    edits = [i for i, (a, b) in enumerate(pairs) if a != "N" and a != b]
    out = [f"frozen {i}" for i, (a, b) in enumerate(pairs) if frozen[i] and a != b]
    out += [f"N left at {i}" for i, b in enumerate(sample) if b == "N" and not frozen[i]]
    if rules.get("max_edits") is not None and len(edits) > rules["max_edits"]:
        out.append(f"{len(edits)} edits")
    out += [f"near {a},{b}" for a, b in zip(edits, edits[1:]) if b - a < rules["min_distance_bp"]]
    if rules.get("gc_range"):
        share = sum(c in "GC" for c in sample) / sum(c in "ACGT" for c in sample)
        low, high = rules["gc_range"]
        if not low - 1e-6 <= share <= high + 1e-6:
            out.append(f"GC {share}")
    out += [f"forbidden {w}" for w in rules["forbidden"] if has_word(sample, w)]
    return out + [f"required {w}" for w in rules["required"] if not has_word(sample, w)]


words = st.text("ACGTRYN", min_size=3, max_size=7).filter(lambda w: sum(c in "ACGT" for c in w) > 2)


@st.composite
def cases(draw):
    length = draw(st.integers(20, 50))
    template = draw(st.lists(st.sampled_from([0, 1, 2, 3, 0, 1, 2, 3, 4]),
                             min_size=length, max_size=length))  # fmt: skip
    frozen = draw(st.lists(st.sampled_from([False, False, False, True]),
                           min_size=length, max_size=length))  # fmt: skip
    low = draw(st.sampled_from([None, 0.2, 0.4]))
    rules = dict(
        max_edits=draw(st.sampled_from([None, 0, 2, 6, 12])),
        min_distance_bp=draw(st.sampled_from([1, 1, 2, 5])),
        gc_range=None if low is None else (low, low + 0.3),
        forbidden=draw(st.lists(words, max_size=2)),
        required=draw(st.lists(words, max_size=1)),
    )
    return np.array(template, np.uint8), np.array(frozen), rules, draw(st.integers(0, 2**31))


def constraints(rules: dict) -> Constraints:
    made = {k: v for k, v in rules.items() if k not in ("forbidden", "required")}
    return Constraints(**made, forbidden=motif_rules(rules["forbidden"]),
                       required=motif_rules(rules["required"]))  # fmt: skip


# ---- what is mended, and how, by hand --------------------------------------------------------


def mended(template: str, liked: dict[tuple[int, str], float], sample: str = "", **rules) -> str:
    """The mend of a sample (or of the template) where (position, base) are liked that much."""
    start, scores = tokens_of(template), np.zeros((1, 4, len(template)))
    banned = np.zeros((4, len(template)), bool)
    for place in rules.pop("banned", []):
        banned["ACGT".index(template[place]), place] = True
    for (place, base), score in liked.items():
        scores[0, "ACGT".index(base), place] = score
    usual = dict(min_distance_bp=1, forbidden=[], required=[])
    bound = constraints(usual | rules).bind(start, np.zeros(len(template), bool), banned)
    (found,) = bound.repair(tokens_of(sample or template)[None], scores)
    return text(found)


def tokens_of(letters: str) -> np.ndarray:
    return np.array([LETTERS.index(c) for c in letters], np.uint8)


@pytest.mark.parametrize(
    ("template", "sample", "liked", "rules", "expected"),
    [
        # Of edits that are too many the ones liked most stay.
        ("AAAAAA", "ACAAGA", {(1, "C"): 1, (4, "G"): 5}, {"max_edits": 1}, "AAAAGA"),
        # Edits may stand at exactly the smallest distance; the third one is too near.
        ("A" * 8, "AACAACCA", {(2, "C"): 9, (5, "C"): 8, (6, "C"): 7}, {"min_distance_bp": 3},
         "AACAACAA"),
        # The base at 2 must go, so that no edit may stand beside it.
        ("A" * 8, "AAACAATA", {(2, "G"): 1, (3, "C"): 9, (6, "T"): 8},
         {"min_distance_bp": 3, "banned": [2]}, "AAGAAATA"),
        # Half is within the range; three tenths are the least whole number of ten above 0.25.
        ("AACC", "AACC", {}, {"gc_range": (0.0, 0.5)}, "AACC"),
        ("A" * 10, "A" * 10, {(3, "G"): 3, (7, "C"): 4, (8, "G"): 2}, {"gc_range": (0.25, 1.0)},
         "AAAGAAACGA"),
        ("C" * 4, "C" * 4, {(1, "T"): 3, (2, "A"): 4}, {"gc_range": (0.0, 0.5)}, "CTAC"),
        # Of the ways to break a hit the one liked most; two hits are broken one after the other.
        ("AAACCCAAA", "AAACCCAAA", {(5, "T"): 3, (4, "G"): 1}, {"forbidden": ["CCC"]},
         "AAACCTAAA"),
        ("CCCAAACCC", "CCCAAACCC", {(1, "T"): 3, (7, "A"): 4}, {"forbidden": ["CCC"]},
         "CTCAAACAC"),
        # Of places that take as many edits the one liked most; on the strand that takes fewest.
        ("T" * 8, "T" * 8, {(4, "C"): 3, (5, "C"): 3, (6, "C"): 3}, {"required": ["CCC"]},
         "TTTTCCCT"),
        ("TTTTGGTT", "TTTTGGTT", {(3, "G"): 1, (0, "C"): 9}, {"required": ["CCC"]}, "TTTGGGTT"),
    ],
)  # fmt: skip
def test_mends_by_hand(template, sample, liked, rules, expected):
    assert mended(template, liked, sample, **rules) == expected


@settings(max_examples=150, deadline=None)
@given(cases())
def test_every_repaired_sample_fulfils_every_constraint(case):
    template, frozen, rules, seed = case
    draw = np.random.default_rng(seed)
    banned = draw.random((4, len(template))) < 0.1
    banned[:, banned.all(0)] = False
    try:
        bound = constraints(rules).bind(template, frozen, banned, "region 7")
    except DesignError as error:
        assert "region 7" in str(error) or "both" in str(error)
        return
    scores = draw.gumbel(size=(8, 4, len(template)))
    known = template != 4
    scores[:, template[known], known] += draw.choice([0.0, 2.0, 6.0])
    scores[:, banned] = -np.inf
    samples = scores.argmax(1).astype(np.uint8)
    samples[:, frozen] = template[frozen]
    fixed = bound.repair(samples, scores)
    assert bound.holds(fixed).all()
    for before, after in zip(samples, fixed):
        assert faults(text(template), text(after), frozen, rules) == []
        assert not banned[np.minimum(after, 3), np.arange(len(after))][~frozen].any()
        if not faults(text(template), text(before), frozen, rules):
            assert (before == after).all()  # what is allowed is left alone


class Linear(torch.nn.Module):
    def __init__(self, length: int):
        super().__init__()
        weights = np.random.RandomState(3).normal(size=(4, length))
        self.weights = torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32))
        self.seen: list[torch.Tensor] = []

    def forward(self, X):
        self.seen.append(X.detach().clone())
        return (X * self.weights).sum((1, 2))[:, None]


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([3, 8]), st.sampled_from([1, 4]))
def test_design_shows_the_oracle_and_returns_only_allowed_samples(seed, max_edits, distance):
    draw = np.random.default_rng(seed)
    template = draw.integers(0, 4, 60).astype(np.uint8)
    template[30:33] = 4
    frozen = np.zeros(60, bool)
    frozen[:10] = True
    rules = dict(max_edits=max_edits, min_distance_bp=distance, gc_range=(0.2, 0.7),
                 forbidden=["CCGG"], required=["TATA"])  # fmt: skip
    X = torch.zeros(1, 4, 60)
    known = np.flatnonzero(template != 4)
    X[0, template[known].astype(int), known] = 1
    model = Linear(60)
    try:
        X_hat, designer = design(
            model, X, torch.tensor([[30.0]]), max_iter=15, n_samples=20, random_state=seed,
            input_mask=torch.from_numpy(frozen), constraints=constraints(rules),
            return_designer=True,
        )  # fmt: skip
    except DesignError as error:
        assert "no window was found" in str(error)
        return
    assert X_hat.shape == (20, 4, 60)
    asked = torch.cat(model.seen)
    asked = asked[asked.sum((1, 2)) > 57]  # without the filler of the last call and the start
    for sample in torch.cat([asked, X_hat]):
        tokens = torch.where(sample.sum(0) == 0, 4, sample.argmax(0)).numpy()
        assert faults(text(template), text(tokens), frozen, rules) == []


def test_required_motifs_of_a_matrix_are_hits_by_fimo():
    pwm = np.full((4, 8), 0.02)
    pwm[[0, 1, 2, 3, 0, 2, 1, 3], np.arange(8)] = 0.94
    rules = motif_rules({"made_up": pwm}, threshold=1e-3)
    draw = np.random.default_rng(0)
    template = draw.integers(0, 4, 80).astype(np.uint8)
    bound = Constraints(required=rules, max_edits=8).bind(template, np.zeros(80, bool), None)
    fixed = bound.repair(np.repeat(template[None], 4, 0), draw.normal(size=(4, 4, 80)))
    one_hot = (fixed[:, None] == np.arange(4)[:, None]).astype(np.int8)
    hits = fimo({"made_up": pwm}, one_hot, threshold=1e-3)[0]
    assert set(hits["sequence_name"]) == {0, 1, 2, 3}
    n_hits = sum(int(rules[0].hits(fixed[i : i + 1]).sum()) for i in range(4))
    assert n_hits == len(set(zip(hits["sequence_name"], hits["start"])))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(max_edits=-1), "max_edits must not be negative"),
        (dict(min_distance_bp=0), "at least 1"),
        (dict(gc_range=(0.6, 0.4)), "is not a range"),
        (dict(forbidden=motif_rules(["GATA"]), required=motif_rules(["GATA"])), "both forbidden"),
    ],
)
def test_contradictions_are_errors(arguments, message):
    with pytest.raises(DesignError, match=message):
        Constraints(**arguments)


@pytest.mark.parametrize(
    ("rules", "frozen", "message"),
    [
        (Constraints(required=motif_rules(["GATTACA"]), max_edits=3), False, "GATTACA required"),
        (Constraints(forbidden=motif_rules(["AAAA"])), True, "AAAA forbidden"),
        (Constraints(gc_range=(0.5, 0.6), max_edits=4), False, "GC in"),
    ],
)
def test_impossible_constraints_name_what_is_broken(rules, frozen, message):
    with pytest.raises(DesignError, match=message):
        rules.bind(np.zeros(40, np.uint8), np.full(40, frozen), None)

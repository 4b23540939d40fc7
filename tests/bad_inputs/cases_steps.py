"""Files and keys of single steps that do not fit each other: training, language models, motifs."""

import json

from harness import Case

TABLE = "name\tsequence\tvalue\ttissue\n" + "".join(
    f"s{i}\tACGTACGTAC\t{i}\t{'ab'[i % 2]}\n" for i in range(20)
)
OTHER = TABLE.replace("b\n", "d\n")
DATA = {"kind": "table", "paths": ["{dir}/t.tsv"], "values": ["value"]}
RECIPE = {"data": DATA, "task": "regression", "module": "Linear"}
M = "steps.train.models.m"


def train(name: str, *says: str, data: dict | None = None, **changes: object) -> Case:
    """Return the case of a bad recipe; data: laid over that of a sound table."""
    recipe = RECIPE | {"data": DATA | (data or {})} | changes
    config = {"steps": {"train": {"models": {"m": recipe}}}}
    return Case(f"train {name}", {"t.tsv": TABLE, "u.tsv": OTHER}, config, says)


def of_kind(name: str, data: dict, *says: str, **changes: object) -> Case:
    """Return the case of a bad recipe of another kind of data."""
    files = {"g.fa": ">chrA\nACGTACGTAC\n", "g.fa.fai": "chrA\t10\t6\t10\t11\n"}
    files |= {"p.bed": "chrA\t1\t9\n", "s.bw": ""}
    recipe = RECIPE | {"data": data} | changes
    return Case(f"train {name}", files, {"steps": {"train": {"models": {"m": recipe}}}}, says)


KMERS = {"kind": "kmers", "k": 3}
STRETCH = {"stretches": ["chrA"], "uniform": 5}
PEAKS = {
    "kind": "peaks", "genome": "{dir}/g.fa", "peaks": {"a": "{dir}/p.bed"}, "window_bp": 4,
    "train": STRETCH, "validation": STRETCH, "test": STRETCH,
}  # fmt: skip
REGIONS = {"by": "regions", "validation": ["chrA:0-5"], "test": ["chrA:5-10"]}
SIGNAL = {"kind": "signal", "genome": "{dir}/g.fa", "signal": ["{dir}/s.bw"],
          "peaks": "{dir}/p.bed", "window_bp": 8, "output_bp": 4}  # fmt: skip
PROFILE = {"task": "profile", "module": "BPNet", "split": REGIONS}

TRAINING = [
    train(
        "missing table", f"{M}.data.paths.0: no such file", "correct", data={"paths": ["no.tsv"]}
    ),
    train(
        "column of values", "no column 'score'", f"{M}.data.values.0", data={"values": ["score"]}
    ),
    train("column of sequences", "no column 'dna'", f"{M}.data.sequence", data={"sequence": "dna"}),
    train("column of groups", "no column 'cell'", f"{M}.data.group", data={"group": "cell"}),
    train("hold_out_from", "is not one of the tables", M, data={"hold_out_from": ["{dir}/u.tsv"]}),
    train("conditions", "no condition is named for t", M, data={"conditions": {"u": "x"}}),
    train("unknown data", f"{M}.data", "'kmers', 'table'", data={"kind": "tabel"}),
    train("unknown module", "no built-in module 'RNN'", f"{M}.module", module="RNN"),
    train("module :X", "':X' is not an import path", f"{M}.module", module=":X"),
    train("module_args nan", f"{M}.module_args", "finite", module_args={"x": float("nan")}),
    train("seed true", f"{M}.seed", "give a number, got true", seed=True),
    train("seed huge", f"{M}.seed", "less than", seed=2**64),
    train("spot_check", "spot_check: 'ACGU' is not a sequence", M, spot_check=["ACGU"]),
    train(
        "task profile", M, "task profile and data of kind signal need each other", task="profile"
    ),
    train("split by cells", f"{M}.split.by", "'random', 'group'", split={"by": "cells"}),
    train("split by group", "split.by: group needs data.group", M, split={"by": "group"}),
    train(
        "split by regions",
        "regions needs data.chrom",
        M,
        split={"by": "regions", "validation": ["a"], "test": ["b"]},
    ),
    train(
        "fraction of 2", f"{M}.split.validation", "between 0 and 1, got 2", split={"validation": 2}
    ),
    train("fraction of 0", f"{M}.split.test", "between 0 and 1, got 0", split={"test": 0}),
    train("fraction nan", f"{M}.split.test", "finite", split={"test": float("nan")}),
    train("fraction true", f"{M}.split.test", "got true", split={"test": True}),
    train(
        "fractions of all",
        f"{M}.split.validation 0.5 and test 0.5",
        "leave no row",
        split={"validation": 0.5, "test": 0.5},
    ),
    train(
        "names at random", f"{M}.split.validation", "give a fraction", split={"validation": ["a"]}
    ),
    train(
        "no names",
        f"{M}.split.test",
        "name at least one",
        data={"group": "tissue"},
        split={"by": "group", "validation": ["a"], "test": []},
    ),
    train(
        "a group in both parts",
        f"{M}.split.test",
        "a is in validation too",
        data={"group": "tissue"},
        split={"by": "group", "validation": ["a"], "test": ["a"]},
    ),
    train(
        "a group that no row has",
        f"{M}.split.test: 'c', which no row has in column 'tissue' of {{dir}}/t.tsv",
        "there are: a, b",
        data={"group": "tissue"},
        split={"by": "group", "validation": ["a"], "test": ["b", "c"]},
    ),
    train(
        "a group that trains",
        f"{M}.split.validation: 'a', which no row has that may be held out",
        "there are: d",
        data={
            "group": "tissue",
            "paths": ["{dir}/t.tsv", "{dir}/u.tsv"],
            "hold_out_from": ["{dir}/u.tsv"],
        },
        split={"by": "group", "validation": ["a"], "test": 0.5},
    ),
    train(
        "chromosomes without rows",
        f"{M}.folds.1.test: 'c', 'd', which no row has in column 'tissue'",
        "there are: a, b",
        data={"chrom": "tissue"},
        split={"by": "regions"},
        folds=[{"validation": ["a"], "test": ["b"]}, {"validation": ["a"], "test": ["c", "d"]}],
    ),
    train("folds", M, "folds need split.by regions", folds=[{"validation": ["a"], "test": ["b"]}]),
    train(
        "learning rate", f"{M}.fit.learning_rate", "got inf", fit={"learning_rate": float("inf")}
    ),
    train("epochs", f"{M}.fit.epochs", "got 0", fit={"epochs": 0}),
    of_kind("letters", KMERS | {"letters": {"A": 1}}, "letters: give a number for C, G, T", M),
    of_kind("words", KMERS | {"words": {"ACGT": 1}}, "'ACGT' is not 1 to 3 (k)", M),
    of_kind("words of other letters", KMERS | {"words": {"AU": 1}}, "'AU' is not", "A C G T"),
    of_kind("k true", KMERS | {"k": True}, f"{M}.data.k", "got true"),
    of_kind(
        "near duplicates of 3-mers",
        KMERS,
        "split.kmer 20 is longer than data.k 3",
        M,
        split={"by": "near_duplicates"},
    ),
    of_kind("peaks as regression", PEAKS, "needs task multilabel", M, split=REGIONS),
    of_kind(
        "stretch of negatives",
        PEAKS | {"train": {"stretches": ["chrA:9-3"]}},
        "'chrA:9-3' is not a stretch",
        "write chrom or chrom:start-end",
        task="multilabel",
        split=REGIONS,
    ),
    of_kind(
        "chromosome of negatives",
        PEAKS | {"test": {"stretches": ["chrZ"]}},
        f"{M}.data.test.stretches.0",
        "which the genome lacks",
        task="multilabel",
        split=REGIONS,
    ),
    of_kind(
        "missing peaks",
        PEAKS | {"peaks": {"a": "{dir}/no.bed"}},
        f"{M}.data.peaks.a: no such file",
        "correct",
        task="multilabel",
        split=REGIONS,
    ),
    of_kind(
        "signal at random",
        SIGNAL,
        "data of kind signal needs regions",
        M,
        task="profile",
        module="BPNet",
    ),
    of_kind(
        "a held-out chromosome",
        SIGNAL,
        f"{M}.split.test.0",
        "which the genome lacks",
        **(PROFILE | {"split": REGIONS | {"test": ["chrZ"]}}),
    ),
    of_kind(
        "a held-out stretch",
        SIGNAL,
        "'chrA:x-y' is not a stretch",
        M,
        **(PROFILE | {"split": REGIONS | {"test": ["chrA:x-y"]}}),
    ),
    of_kind(
        "fractions of chromosomes",
        SIGNAL,
        "split.validation",
        "name chromosomes",
        **(PROFILE | {"split": {"by": "regions"}}),
    ),
    of_kind(
        "peaks and tiles", SIGNAL | {"tiles": {"stride_bp": 5}}, M, "give peaks or tiles", **PROFILE
    ),
    of_kind(
        "output beyond the window", SIGNAL | {"output_bp": 9}, "output_bp 9 is longer", M, **PROFILE
    ),
]

LANGUAGE_MODEL = """adapter: hf_lm
window_bp: 33
targets: [{name: embedding, reduce: mean}]
folds: [{weights: lm}]
"""


def language_model(name: str, architecture: str, *says: str, **step: object) -> Case:
    """Return the case of a score that a language model cannot give."""
    files = {
        "m.yaml": LANGUAGE_MODEL,
        "lm/config.json": json.dumps({"architectures": [architecture]}),
        "a.fa": ">a\nACGT\n",
    }
    pairs = {"pairs": [{"ref": "{dir}/a.fa", "alt": "{dir}/a.fa"}]}
    config = {"models": {"lm": "{dir}/m.yaml"}, "steps": {"zero_shot": pairs | step}}
    return Case(f"language model {name}", files, config, says)


def pairs(name: str, ref: str | bytes, alt: str | bytes, *says: str) -> Case:
    """Return the case of bad pairs of sequences."""
    files = {"m.yaml": LANGUAGE_MODEL, "lm/config.json": "{}", "ref.fa": ref, "alt.fa": alt}
    step = {"zero_shot": {"pairs": [{"ref": "{dir}/ref.fa", "alt": "{dir}/alt.fa"}]}}
    return Case(f"pairs {name}", files, {"models": {"lm": "{dir}/m.yaml"}, "steps": step}, says)


ZERO_SHOT = [
    language_model(
        "without a head",
        "BertModel",
        "likelihood_ratio needs a language head",
        "models.lm ({dir}/lm/config.json)",
        scores=["likelihood_ratio"],
    ),
    language_model(
        "without a head, masked",
        "BertModel",
        "masked_token_ratio needs a language head",
        "use a checkpoint with its head",
        scores=["masked_token_ratio"],
    ),
    language_model(
        "without logits",
        "BertModel",
        "space: logits needs a language head",
        "architecture BertModel has none",
        space="logits",
    ),
    language_model(
        "left to right",
        "MixtralForCausalLM",
        "needs a masked model",
        "use likelihood_ratio",
        scores=["masked_token_ratio"],
    ),
    language_model("limit 0", "BertModel", "steps.zero_shot.limit", "got 0", limit=0),
    pairs(
        "of unequal number",
        ">a\nACGT\n>b\nAC\n",
        ">a\nACGT\n",
        "alt.fa: it has 1 records",
        "as many",
    ),
    pairs("without a sequence", ">a\n", ">a\nA\n", "ref.fa: record 1 (a) has no bases", "ref.fa"),
    pairs("of an empty file", "", "", "ref.fa", "no records"),
    Case(
        "pairs missing",
        {"m.yaml": LANGUAGE_MODEL, "lm/config.json": "{}"},
        {
            "models": {"lm": "{dir}/m.yaml"},
            "steps": {"zero_shot": {"pairs": [{"ref": "{dir}/r.fa", "alt": "{dir}/r.fa"}]}},
        },
        ("steps.zero_shot.pairs.0.ref: no such file", "steps.zero_shot.pairs.0.alt: no such file"),
    ),
]

VCF = "##fileformat=VCFv4.2\n##contig=<ID=chrA>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
WIDE = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF wide\nletter-probability matrix: w= 210\n"
WIDE += "0.25 0.25 0.25 0.25\n" * 210
GOALS = {"up": [{"model": "ctcf_pu1", "target": "ctcf", "kind": "maximise"}]}
DESIGN = {"goals": GOALS, "regions": "{dir}/r.bed"}


def design(name: str, key: str, content: str, *says: str) -> Case:
    """Return the case of a bad file of the step design."""
    step = DESIGN | {key: "{dir}/file.txt"}
    files = {"r.bed": "chrA\t5000\t5200\tx\n", "file.txt": content}
    return Case(f"file of design {name}", files, {"steps": {"design": step}}, says)


def goal_table(name: str, content: str, *says: str) -> Case:
    """Return the case of a bad table of goals."""
    step = {"goals_table": "{dir}/goals.tsv", "regions": "{dir}/r.bed"}
    files = {"r.bed": "chrA\t5000\t5200\tx\n", "goals.tsv": content}
    return Case(f"goals {name}", files, {"steps": {"design": step}}, says)


HEADER = "region\tmodel\ttarget\tkind\tvalue\n"
OTHERS = [
    Case(
        "an alias to no chromosome",
        {"v.vcf": VCF + "1\t5000\t.\tA\tC\t.\t.\t.\n"},
        {"steps": {"variants": {"path": "{dir}/v.vcf", "contig_aliases": {"1": "chr1"}}}},
        ("steps.variants.contig_aliases.1", "'chr1' is not a chromosome", "name one of chrA, chrB"),
    ),
    Case(
        "group_info",
        {"v.vcf": VCF + "chrA\t5000\t.\tA\tC\t.\t.\t.\n"},
        {"steps": {"variants": {"path": "{dir}/v.vcf", "group_info": "TISSUE"}}},
        ("v.vcf: group_info 'TISSUE' is not a declared INFO field", "declared: none"),
    ),
    Case(
        "goals of a region that is not there",
        {"r.bed": "chrA\t500\t700\tr0\nchrA\t900\t990\tr1\n"},
        {
            "steps": {
                "design": {
                    "goals": {"up": [{"model": "ctcf_pu1", "target": "ctcf", "kind": "maximise"}]},
                    "regions": "{dir}/r.bed",
                    "region_goals": {"r9": ["up"]},
                }
            }
        },
        ("steps.design.region_goals: no region is named r9", "use names of {dir}/r.bed", "r0, r1"),
    ),
    Case(
        "a motif wider than a window",
        {"m.meme": WIDE},
        {"motifs": "{dir}/m.meme"},
        ("motifs ({dir}/m.meme): motif wide has 210 positions", "model ctcf_pu1 reads 200 bp"),
    ),
    Case(
        "a motif wider than a window, put into it",
        {"m.meme": WIDE},
        {"motifs": "{dir}/m.meme", "steps": {"hits": None, "marginalize": {}}},
        ("steps.marginalize.motifs: motif wide has 210 positions", "model ctcf_pu1 reads 200 bp"),
    ),
    Case(
        "a sequence without bases",
        {"s.fa": ">a\n>b\nACGT\n"},
        {"genome": None, "regions": None, "sequences": "{dir}/s.fa", "steps": {"select": None}},
        ("regions: give a mapping", "got None"),
    ),
    Case(
        "sequences without bases",
        {"s.fa": ">a\n\n>b\nACGT\n"},
        {"genome": None, "regions": {"tile": None}, "sequences": "{dir}/s.fa"},
        ("{dir}/s.fa: sequence 'a' has no bases", "take it out of the file"),
    ),
    Case(
        "chromosomes shorter than a window",
        {"g.fa": ">chrA\nACGTACGTAC\n", "g.fa.fai": "chrA\t10\t6\t10\t11\n"},
        {"genome": {"fasta": "{dir}/g.fa"}},
        ("regions.tile: the longest chromosome", "has 10 bp", "set regions.edge: pad"),
    ),
    Case(
        "several faults of files",
        {"b.bed": "chrA\t9\t3\n"},
        {
            "regions": {"blacklist": ["{dir}/b.bed"]},
            "motifs": "{dir}/no.meme",
            "steps": {"ism": {"bed": "{dir}/no.bed"}},
        },
        (
            "3 faults:",
            "motifs: no such file",
            "steps.ism.bed: no such file",
            "b.bed, line 1: start 9",
        ),
    ),
    design(
        "priors",
        "priors",
        "chrA\t5\t9\tA\tlots\n",
        "steps.design.priors",
        "line 1",
        "is not a prior",
    ),
    design("priors inf", "priors", "chrA\t5\t9\tA\tinf\n", "steps.design.priors", "is not a prior"),
    design("priors of three columns", "priors", "chrA\t5\t9\n", "steps.design.priors", "by tabs"),
    design("frozen", "frozen", "chrA\t9\t5\n", "file.txt, line 1: start 9", "0-based half-open"),
    design("composition", "composition", "chrA\tx\t5\n", "file.txt, line 1", "'x' is not a whole"),
    design("forbidden motifs", "forbidden_motifs", "hello\n", "file.txt", "MEME"),
    design(
        "required motifs wide",
        "required_motifs",
        WIDE,
        "steps.design.required_motifs",
        "has 210 positions",
        "take it out",
    ),
    goal_table("without rows", HEADER, "goals.tsv: give a row of column names", "for each goal"),
    goal_table(
        "of other columns", "a\tb\n1\t2\n", "goals.tsv, line 1: the columns are a, b", "region"
    ),
    goal_table(
        "without a value",
        HEADER + "*\tctcf_pu1\tctcf\tvalue\t\n",
        "goals.tsv, line 2",
        "needs a value",
    ),
    goal_table(
        "with a word",
        HEADER + "*\tctcf_pu1\tctcf\tvalue\tx\n",
        "goals.tsv, line 2",
        "'x' is not a number",
    ),
    goal_table(
        "with nan",
        HEADER + "*\tctcf_pu1\tctcf\tvalue\tnan\n",
        "steps.design.goals",
        "finite number",
    ),
    goal_table("of a short row", HEADER + "*\tctcf_pu1\n", "goals.tsv, line 2: 2 columns", "has 5"),
]

CASES = [*TRAINING, *ZERO_SHOT, *OTHERS]

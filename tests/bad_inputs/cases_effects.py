"""What has no effect where it is given, fits nothing or leads nowhere: once taken in silence."""

from cases_models import MODEL
from cases_readers import PARTS, PEAK, TSV, VCF, WHOLE, training, vcf
from cases_steps import TABLE, M, train
from harness import Case


def summit(name: str, value: int, *says: str, key: str = "bed") -> Case:
    """Return the case of a narrowPeak row of 200 bp with this summit, of regions or of ism."""
    row = f"chrA\t500\t700\tp\t0\t.\t1\t1\t1\t{value}\n"
    regions = {"regions": {"tile": None, "bed": "{dir}/p.narrowPeak"}}
    config = regions if key == "bed" else {"steps": {"ism": {"bed": "{dir}/p.narrowPeak"}}}
    sound = "chrA\t900\t990\tp\t0\t.\t1\t1\t1\t-1\n"
    return Case(f"summit {name}", {"p.narrowPeak": sound + row}, config,
                (f"{{dir}}/p.narrowPeak, line 2: summit {value} (column 10)", *says))  # fmt: skip


INSIDE = (
    "not in its peak 500 to 700, which has 200 bp",
    "distance from the start, 0 to 199, or -1",
)
SUMMITS = [
    summit("behind the peak", 200, *INSIDE),
    summit("as a position of the chromosome", 600, *INSIDE),
    summit("before the peak", -2, *INSIDE),
    summit("behind a peak of ism", 200, *INSIDE, key="ism"),
    training("peaks of a summit behind its peak",
             {"p.narrowPeak": "chrA\t100\t200\tp\t0\t.\t1\t1\t1\t100\n"},
             {"kind": "peaks", "peaks": {"ctcf": "{dir}/p.narrowPeak"}} | PARTS,
             "{dir}/p.narrowPeak, line 1: summit 100", "0 to 99, or -1"),
]  # fmt: skip


def variants(name: str, content: str, *says: str, file: str = "v.tsv", **step: object) -> Case:
    """Return the case of a step variants with a key that its file does not know."""
    config = {"steps": {"variants": {"path": f"{{dir}}/{file}"} | step}}
    return Case(f"variants {name}", {file: content}, config, says)


ALIAS = "steps.variants.contig_aliases.2: contig '2', which {dir}/"
DECLARED = VCF.replace("#CHROM", "##contig=<ID=1>\n#CHROM").format(chrom="1", pos=101)
VARIANTS = [
    variants("alias of no contig of a VCF", vcf("1", pos="101"), ALIAS + "v.vcf has not",
             "use its names (1)", file="v.vcf", contig_aliases={"1": "chrA", "2": "chrB"}),
    variants("alias of no contig of a header", DECLARED, ALIAS + "v.vcf has not",
             "use its names (1)", file="v.vcf", contig_aliases={"1": "chrA", "2": "chrB"}),
    variants("alias of no contig of a table", TSV + "1\t101\tA\tG\n", ALIAS + "v.tsv has not",
             "leave this one out", contig_aliases={"1": "chrA", "2": "chrB"}),
    variants("alias the wrong way round", TSV + "chrA\t101\tA\tG\n",
             "steps.variants.contig_aliases.A: contig 'A', which {dir}/v.tsv has not",
             "use its names (chrA)", contig_aliases={"A": "chrA"}),
    variants("group_info of a table", TSV + "chrA\t101\tA\tG\n",
             "{dir}/v.tsv: a table has no INFO fields, and group_info is 'TISSUE'",
             "in a column `group`, and leave steps.variants.group_info out", group_info="TISSUE"),
]  # fmt: skip


def signal(name: str, data: dict, *says: str, **changes: object) -> Case:
    """Return the case of a recipe of signal with a value that is not read."""
    data = {"kind": "signal", "signal": ["{dir}/s.bw"], "peaks": "{dir}/p.bed", "output_bp": 50,
            **data}  # fmt: skip
    case = training(name, PEAK | {"s.bw": WHOLE}, data, *says)
    case.config["steps"]["train"]["models"]["t"].update(changes)
    return case


T = "steps.train.models.t"
PEAKS = {"kind": "peaks", "peaks": {"ctcf": "{dir}/p.bed"}} | PARTS
MEME = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF a\nletter-probability matrix: w= 1\n1 0 0 0\n"
UNREAD = [
    Case("references of ism", {}, {"steps": {"attribute": {
        "method": "ism", "references": "cisweep.errors:where"}}},
        ("steps.attribute", "references has no effect: method ism needs no references", "leave")),
    Case("references_span_bp of ism", {}, {"steps": {"attribute": {
        "method": "ism", "references_span_bp": [0, 50]}}},
        ("steps.attribute", "references_span_bp has no effect: method ism", "leave it out")),
    Case("gradient_correction without a gradient", {}, {"steps": {"attribute": {
        "gradient_correction": True}}},
        ("steps.attribute", "gradient_correction has no effect: method deep_lift_shap takes no",
         "leave it out, or use integrated_gradients or input_x_gradient")),
    train("conditions of no table", f"{M}.data.conditions.u: has no effect: the tables are t",
          "correct it, or leave it out", data={"conditions": {"t": "x", "u": "y"}}),
    training("matrix_of without matrices", PEAK, PEAKS | {"matrix_of": {"ctcf": "a"}},
             f"{T}.data.matrix_of.ctcf: has no effect: data.matrices names no", "leave it out"),
    training("matrix_of no task", PEAK | {"m.meme": MEME},
             PEAKS | {"matrices": "{dir}/m.meme", "matrix_of": {"spi1": "a"}},
             f"{T}.data.matrix_of.spi1: has no effect: the tasks are ctcf", "leave it out"),
    signal("reads of bigWigs", {"reads": {"min_mapq": 30}},
           f"{T}.data.reads: has no effect: data.signal and data.controls are bigWigs", "leave it"),
    signal("jitter_bp of signal", {},
           f"{T}.jitter_bp: has no effect: windows of signal are shifted by data.jitter_bp",
           "correct it, or leave it out", jitter_bp=5),
    *(Case(f"model inputs {key} of kind {kind}",
           {"m.yaml": f"{MODEL}inputs: [{{name: c, kind: {kind}, {key}: {value}}}]\n",
            "weights.safetensors": b"", "s.bw": WHOLE},
           {"models": {"ctcf_pu1": None, "m": "{dir}/m.yaml"}},
           ("models.m", f"inputs.0.{key} is of a {other} input, and an input of kind {kind}",
            "leave it out"))
      for key, value, kind, other in [("paths", "[s.bw]", "zeros", "bigwig"),
                                      ("column", "x", "constant", "column"),
                                      ("value", "2", "zeros", "constant")]),
]  # fmt: skip

NOWHERE = "cannot be imported: there is no module 'not_there'"
PATH = "with the folder of the package on PYTHONPATH"


def references(name: str, path: str, *says: str) -> Case:
    """Return the case of a function of references that cannot be imported."""
    return Case(f"references {name}", {}, {"steps": {"attribute": {"references": path}}},
                ("steps.attribute.references: ", f"'{path}'", *says))  # fmt: skip


def model(name: str, path: str, *says: str) -> Case:
    """Return the case of a model whose module cannot be imported."""
    files = {"m.yaml": MODEL.replace("CNN", path), "weights.safetensors": b""}
    return Case(f"model's module {name}", files,
                {"models": {"ctcf_pu1": None, "m": "{dir}/m.yaml"}},
                ("models.m.module: ", f"'{path}'", *says))  # fmt: skip


IMPORTS = [
    references("of no module", "not_there:draw", NOWHERE, PATH),
    references("of no module in a package", "cisweep.not_there:draw",
               "there is no module 'cisweep.not_there'", PATH),
    references("of no function", "cisweep.errors:draw", "errors.py has no 'draw'",
               "name what it defines: ", "CisweepError"),
    model("of no module", "not_there:Net", NOWHERE, "or on PYTHONPATH"),
    model("of no file", "not_there.py:Net", "cannot be imported: there is no file",
          "not_there.py", "relative to the model.yaml"),
    model("of no class", "cisweep.errors:Net", "errors.py has no 'Net'", "name what it defines: "),
    train("module of no module", f"{M}.module: 'not_there:Net' {NOWHERE}", PATH,
          module="not_there:Net"),
    train("module of no class", f"{M}.module: 'cisweep.errors:Net' cannot be imported",
          "name what it defines: ", module="cisweep.errors:Net"),
]  # fmt: skip


def cells(name: str, old: str, new: str, *says: str, task: str = "regression") -> Case:
    """Return the case of a table with a cell that cannot be learned."""
    assert TABLE.count(old) == 1
    case = train(name, *says, task=task)
    case.files["t.tsv"] = TABLE.replace(old, new)
    return case


LEARN = f"column 'value' ({M}.data.values.0) has "
NUMBERS = [
    cells("a word as a value", "\t12\t", "\thigh\t", "{dir}/t.tsv, row 14: " + LEARN + "'high'",
          "not a number", "leave the cell empty"),
    cells("a value of 1,5", "\t12\t", "\t1,5\t", "t.tsv, row 14: " + LEARN + "'1,5'",
          "write a number"),
    cells("a value inf", "\t12\t", "\tinf\t", "t.tsv, row 14: " + LEARN + "'inf'",
          "write a number"),
    cells("a label 2", "\t12\t", "\t12\t", "{dir}/t.tsv, row 4: " + LEARN + "'2'",
          "not 0, 1 or empty", "set task: regression", task="multilabel"),
    train("columns of text", "t.tsv, row 2: column 'tissue'", "write a number",
          data={"values": ["value", "tissue"]}),
]  # fmt: skip


def fragments(name: str, row: str, *says: str) -> Case:
    """Return the case of a training on a bad file of fragments."""
    data = {"kind": "signal", "signal": ["{dir}/f.tsv"], "peaks": "{dir}/p.bed", "output_bp": 50}
    return training(f"fragments {name}", PEAK | {"f.tsv": f"#10x\nchrA\t5\t90\n{row}\n"}, data,
                    "{dir}/f.tsv", *says)  # fmt: skip


FRAGMENTS = [
    fragments("of a word", "chrA\tfive\t90", "rows are not chrom, start, end (", "'five'",
              "give fragments as tab-separated chrom, start, end"),
    fragments("of two columns", "chrA\t5", "rows are not chrom, start, end (", "tab-separated"),
    fragments("beyond the chromosome", "chrA\t5\t999999",
              "row 3: fragment chrA:5-999999 leaves its chromosome", "reads were mapped to"),
]  # fmt: skip

LOSSES = [
    train("BPNet as a regression", M, "module: BPNet gives a profile and its counts",
          "task regression does not learn that; use Linear or CNN", module="BPNet"),
    train("ChromBPNet as classes", M, "module: ChromBPNet gives a profile and its counts",
          "use Linear or CNN, or another task", module="ChromBPNet", task="multiclass"),
    signal("CNN as a profile", {}, T, "module: CNN gives one number per task",
           "task profile does not learn that; use BPNet or ChromBPNet", module="CNN"),
]  # fmt: skip

CASES = [*SUMMITS, *VARIANTS, *UNREAD, *IMPORTS, *NUMBERS, *FRAGMENTS, *LOSSES]

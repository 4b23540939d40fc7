"""Bad values in the run's config: unknown keys, wrong kinds, impossible numbers, misfits."""

from harness import Case

NAN, INF = float("nan"), float("inf")


def step(name: str, key: str, value: object, *says: str) -> Case:
    """Return the case of one bad value of a step's key."""
    return Case(
        f"steps.{name}.{key} {value!r:.40}",
        config={"steps": {name: {key: value}}},
        says=(f"steps.{name}.{key}", *says),
    )


def top(key: str, value: object, *says: str) -> Case:
    """Return the case of one bad value of a key of the run."""
    return Case(f"{key} {value!r:.30}", config={key: value}, says=(key, *says))


def text(name: str, overlay: str, *says: str) -> Case:
    """Return the case of a config as the user wrote it."""
    return Case(name, files={"overlay.yaml": overlay}, says=says)


DESIGN = {"goals": {"up": [{"model": "ctcf_pu1", "target": "ctcf", "kind": "maximise"}]}}


def design(name: str, *says: str, **changes: object) -> Case:
    """Return the case of a bad design."""
    return Case(f"design {name}", config={"steps": {"design": DESIGN | changes}}, says=says)


UNKNOWN = [
    Case("unknown key", config={"sede": 3}, says=("sede: unknown key", "did you mean seed?")),
    Case(
        "unknown step",
        config={"steps": {"prdict": {}}},
        says=("steps.prdict: unknown key", "did you mean predict?"),
    ),
    Case(
        "unknown key of a step",
        config={"steps": {"hits": {"treshold": 1e-4}}},
        says=("steps.hits.treshold: unknown key", "did you mean threshold?"),
    ),
    Case(
        "unknown key of the regions",
        config={"regions": {"blacklists": []}},
        says=("regions.blacklists: unknown key", "did you mean blacklist?"),
    ),
    text(
        "a key twice",
        "run: a\nseed: 1\nsteps: {predict: {}}\nseed: 2\n",
        "overlay.yaml: seed: the key is given twice, in lines 2 and 4",
        "keep one of them",
    ),
    text(
        "a key of a step twice",
        "run: a\nsteps:\n  hits: {threshold: 1.0e-4}\n  predict: {}\n  hits: {threshold: 1.0e-3}\n",
        "overlay.yaml: steps.hits: the key is given twice, in lines 3 and 5",
        "keep one of them",
    ),
    text(
        "a key twice in one line",
        "run: a\nregions: {max_n: 0.1, max_n: 0.2}\n",
        "overlay.yaml: regions.max_n: the key is given twice, in lines 2 and 2",
        "keep one of them",
    ),
    text(
        "a key twice in a list",
        "run: a\nsteps:\n  zero_shot:\n    pairs:\n      - {ref: a.fa, ref: b.fa, alt: c.fa}\n",
        "overlay.yaml: steps.zero_shot.pairs.0.ref: the key is given twice, in lines 5 and 5",
        "keep one of them",
    ),
    text(
        "60 lists in each other",
        "run: a\nsteps: " + "[" * 60 + "]" * 60 + "\n",
        "config: steps.0.0.0.0.0",
        "more than 50 deep",
        "write the values flat",
    ),
    text(
        "a billion laughs",
        "run: a\nmotifs:\n  - &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"  - &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh")
        ),
        "config: more than 200,000 values",
        "without aliases",
    ),
    text("NUL in a path", 'run: a\nmotifs: "a\\0b"\n', "motifs: 'a\\x00b' holds NUL", "write the"),
    text("a set", "run: a\nsteps: !!set {a, b}\n", "steps: YAML's set", "give a text, a number"),
    text("bytes", "run: !!binary aGFsbG8=\n", "run: YAML's bytes", "give a text, a number"),
]

KINDS = [
    top("run", "", "letters, digits", "got ''"),
    top("run", "My Run", "letters, digits", "got 'My Run'"),
    top("run", "../x", "letters, digits", "got '../x'"),
    top("run", "a" * 101, "at most 100 characters", "got 'aaa"),
    top("run", 3, "valid string", "got 3"),
    top("run", None, "valid string", "got None"),
    top("seed", True, "seed: give a number, got true"),
    top("seed", -1, "greater than or equal to 0", "got -1"),
    top("seed", 2**70, "less than 1844674407", "got 118059162071741"),
    top("seed", 0.5, "valid integer", "got 0.5"),
    top("seed", NAN, "finite number", "got nan"),
    top("seed", [1], "valid integer", "got [1]"),
    top("chunk_bp", 1e22, "integer", "got 1e+22"),
    top("chunk_bp", 10**16, "chunk_bp: give at most 1e+15", "got 10000000000000000"),
    top("chunk_bp", 0, "greater than or equal to 100", "got 0"),
    top("chunk_bp", 300, "less than twice the window of ctcf_pu1", "(200 bp)"),
    top("chunk_bp", INF, "finite number", "got inf"),
    top("chunk_bp", True, "chunk_bp: give a number, got true"),
    top("device", "gpu", "cpu, cuda or cuda:N", "got 'gpu'"),
    top("device", None, "valid string", "got None"),
    top("deterministic", "perhaps", "valid boolean", "got 'perhaps'"),
    top("tf32", 3, "valid boolean", "got 3"),
    top("genome", "hg38.fa", "give a mapping of keys (fasta)", "got 'hg38.fa'"),
    top("genome", None, "genome: missing", "give genome and regions, or sequences"),
    top("regions", "peaks.bed", "give a mapping of keys (tile, bed", "got 'peaks.bed'"),
    top("steps", [], "give a mapping of keys (", "got []"),
    top("steps", None, "give a mapping of keys (", "got None"),
    top("models", ["a"], "valid dictionary", "got ['a']"),
    top("models", {"a b": "x.yaml"}, "models.a b", "letters, digits"),
    top("models", {"LOGS": "{dir}/m.yaml"}, "LOGS is a file or folder of the run", "another name"),
    top("models", {"no": "{dir}/no.yaml"}, "models.no ({dir}/no.yaml): no such file", "correct"),
    top("models", {"f": "{dir}"}, "models.f ({dir}): is no file", "give the path of a YAML file"),
    top("models", {"z": "/dev/zero"}, "models.z (/dev/zero): is no file", "give the path"),
    top("models", {"CTCF_PU1": "x.yaml"}, "names of models must differ", "differ only in case"),
    top("models", {"ctcf_pu1": None}, "models: at least one model is needed"),
    Case(
        "braces in a file's name",
        files={"{x}.meme": "MEME version 4\n"},
        config={"motifs": "{dir}/{x}.meme"},
        says=("motifs: {dir}/{x}.meme has a brace", "ln -s"),
    ),
    top("motifs", "", "motifs: give a path, got an empty text"),
    top("motifs", "m" * 300, "motifs: no file system takes so long a path or name of a file"),
    top("motifs", "m/" * 3000, "motifs: no file system takes so long a path or name of a file"),
    top("models", {"m": "m" * 300}, "models.m (mmm", "no such file", "correct the path"),
    top("motifs", 3, "not a valid path", "got 3"),
    top("motifs", "{dir}", "motifs: no such file", "correct the path"),
    top("motifs", None, "motifs: missing; needed by seqlets, hits", "MEME format"),
    Case(
        "genome.fasta empty",
        config={"genome": {"fasta": ""}},
        says=("genome.fasta: give a path", "got an empty text"),
    ),
    Case(
        "genome.fasta missing",
        config={"genome": {"fasta": "{dir}/no.fa"}},
        says=("genome.fasta: no such file {dir}/no.fa", "correct the path"),
    ),
    Case(
        "genome and sequences",
        files={"s.fa": ">a\nACGT\n"},
        config={"sequences": "{dir}/s.fa"},
        says=("sequences: give genome or sequences", "not both"),
    ),
]

REGIONS = [
    Case(
        f"regions.{key} {value!r:.40}",
        config={"regions": {key: value}},
        says=(f"regions.{key}", *says),
    )
    for key, value, says in [
        ("max_n", NAN, ("finite number", "got nan")),
        ("max_n", 2, ("less than or equal to 1", "got 2")),
        ("max_n", True, ("give a number", "got true")),
        ("max_dropped", INF, ("finite number", "got inf")),
        ("max_dropped", -0.1, ("greater than or equal to 0", "got -0.1")),
        ("edge", "cut", ("'drop' or 'pad'", "got 'cut'")),
        ("chroms", "chr(", ("not a regular expression", "missing )")),
        ("chroms", "chr7", ("no chromosome of the genome matches 'chr7'", "chrA, chrB")),
        ("tile", {"stride_bp": 0}, (".stride_bp", "greater than or equal to 1")),
        ("tile", {"stride_bp": 10**30}, (".stride_bp", "give at most 1e+15")),
        ("tile", {"stride_bp": True}, (".stride_bp", "give a number, got true")),
        ("tile", {"start": 9, "end": 3}, ("start 9 is not before end 3",)),
        ("tile", {"start": 10**9}, ("is beyond the end of every chromosome", "correct")),
        ("blacklist", ["{dir}/no.bed"], ("no such file {dir}/no.bed", "correct the path")),
        ("blacklist", "{dir}/no.bed", ("valid list", "got '")),
        ("blacklist", [""], ("give a path", "got an empty text")),
        ("blacklist", ["b" * 300], ("no file system takes so long a path",)),
    ]
]

STEPS = [
    step("predict", "batch_size", 0, "greater than or equal to 1", "got 0"),
    step("predict", "batch_size", 10**20, "give at most 1e+15"),
    step("predict", "batch_size", True, "give a number, got true"),
    step("predict", "signal", {"gata1": {"paths": ["{dir}/x.bw"]}}, "no model has this target"),
    step("predict", "signal", {"ctcf": {"paths": []}}, "at least 1 item"),
    step("predict", "signal", {"ctcf": {"paths": ["{dir}/no.bw"]}}, "no such file {dir}/no.bw"),
    step("select", "fdr", 0, "greater than 0", "got 0"),
    step("select", "threshold", INF, "finite number", "got inf"),
    step("select", "threshold", True, "give a number, got true"),
    step("select", "targets", ["gata1"], "no model has the target 'gata1'", "ctcf, pu1"),
    step("select", "targets", ["p[x]1"], "no model has the target 'p[x]1'", "ctcf, pu1"),
    step("select", "targets", ["Ctcf"], "no model has the target 'Ctcf'", "did you mean ctcf?"),
    step("select", "null_windows", -1, "greater than or equal to 0", "got -1"),
    Case(
        "select without any limit",
        config={"steps": {"select": {"fdr": None, "top_n": None}}},
        says=("steps.select", "give fdr, top_n or threshold"),
    ),
    Case(
        "specificity without a number",
        config={"steps": {"select": {"by": "specificity", "top_n": None, "fdr": 0.1}}},
        says=("steps.select.by: specificity needs top_n", "how many peaks each target keeps"),
    ),
    Case(
        "specificity without by",
        config={"steps": {"select": {"specificity": "z"}}},
        says=("steps.select.specificity has no effect", "without by: specificity"),
    ),
    Case(
        "specificity of one target",
        config={
            "steps": {
                "select": {"by": "specificity", "top_n": 5, "targets": ["ctcf"], "among": ["ctcf"]}
            }
        },
        says=("steps.select.among: model ctcf_pu1: specificity compares targets", "name two"),
    ),
    Case(
        "specificity of a target that is left out",
        config={"steps": {"select": {"by": "specificity", "top_n": 5, "among": ["pu1"]}}},
        says=(
            "steps.select.among: model ctcf_pu1: leaves out ctcf",
            "whose specificity is asked for",
        ),
    ),
    step("select", "among", ["gata1"], "among has no effect without by: specificity"),
    Case(
        "rate without shuffled windows",
        config={"steps": {"select": {"fdr": 0.1, "null_windows": 0}}},
        says=("steps.select.fdr needs shuffled windows", "set steps.select.null_windows"),
    ),
    step("attribute", "method", "saliency", "Input should be", "got 'saliency'"),
    step("attribute", "references", "two words", "match pattern", "got 'two words'"),
    step("attribute", "references_span_bp", [0, 300], "beyond the window of model ctcf_pu1", "200"),
    step("attribute", "references_span_bp", [9, 3], "is not 0 <= start < end"),
    step("attribute", "references_span_bp", [0, 1, 2], "at most 2 items"),
    step("attribute", "max_delta", INF, "finite number", "got inf"),
    step("attribute", "max_delta", -1, "greater than 0", "got -1"),
    step("attribute", "n_references", 0, "greater than or equal to 1", "got 0"),
    Case(
        "min_len above max_len",
        config={"steps": {"seqlets": {"min_len": 30}}},
        says=("steps.seqlets.min_len 30 is above max_len 25", "max_len 25"),
    ),
    step("seqlets", "fdr", 1, "less than 1", "got 1"),
    step("seqlets", "clip", 0.5, "less than 0.5", "got 0.5"),
    step("seqlets", "clip", NAN, "steps.seqlets.clip", "got nan"),
    step("seqlets", "name_rate", -INF, "got -inf"),
    Case(
        "seqlets without attribute",
        config={"steps": {"attribute": None}},
        says=("steps.seqlets: needs the step attribute", "add it under steps"),
    ),
    *(
        Case(
            f"hits.background {value}",
            config={"steps": {"hits": {"background": value}}},
            says=("steps.hits", *says),
        )
        for value, says in [
            ([0.5, 0.5], ("four probabilities", "2 numbers")),
            ([0.3, 0.3, 0.3, 0.3], ("sum to 1", "the sum 1.2")),
            ([0.5, 0.5, 0.0, 0.0], ("above 0", "of A C G T")),
            ([0.25, 0.25, 0.25, NAN], ("background", "finite number")),
            ("chromosome", ("background", "'genome', 'uniform' or 'markov1'")),
            ([True, 0.1, 0.1, 0.1], ("background", "give a number, got true")),
        ]
    ),
    step("hits", "bin_size", 1e-12, "greater than or equal to 0.001", "got 1e-12"),
    step("hits", "bin_size", INF, "finite number", "got inf"),
    step("hits", "threshold", 2, "less than 1", "got 2"),
    step("hits", "threshold", "1e-4x", "valid number", "got '1e-4x'"),
    step("hits", "pseudocount", INF, "finite number", "got inf"),
    step("hits", "over", "peaks", "'regions' or 'sweep'", "got 'peaks'"),
    step("hits", "null_copies", 1, "greater than or equal to 2", "got 1"),
    Case(
        "a step is true",
        config={"steps": {"hits": True}},
        says=("steps.hits: give a mapping of keys", "got True"),
    ),
    step("ism", "span_bp", 300, "more than the window of ctcf_pu1", "or null"),
    step("ism", "top_n", 0, "greater than or equal to 1", "got 0"),
    step("ism", "bed", "{dir}/no.bed", "no such file {dir}/no.bed", "correct the path"),
    step("report", "genes", "{dir}/no.gtf", "no such file {dir}/no.gtf", "correct the path"),
    step(
        "report", "motif_families", "{dir}/no.tsv", "no such file {dir}/no.tsv", "correct the path"
    ),
    step("hits", "motifs", [], "at least 1 item"),
    step("hits", "motifs", ["mine"], "'file' or 'discovered'", "got 'mine'"),
    step("hits", "motifs", ["file", "file"], "name each of file and discovered once"),
    step(
        "hits",
        "motifs",
        ["file", "discovered"],
        "steps.hits.motifs: has `discovered`, and the step discover is off; turn it on, or take "
        "`discovered` out of steps.hits.motifs",
    ),
    step("ism", "targets", ["gata1"], "steps.ism.targets: no model has the target 'gata1'"),
    step("discover", "targets", ["x*"], "steps.discover.targets: no model has the target 'x*'"),
    Case(
        "motifs of a target that is not explained",
        config={"steps": {"attribute": {"targets": ["ctcf"]}, "discover": {"targets": ["pu1"]}}},
        says=(
            "steps.discover.targets: pu1 of model ctcf_pu1 is not explained",
            "add it to steps.attribute.targets",
        ),
    ),
    step("discover", "window_bp", 10, "greater than or equal to 40", "got 10"),
    step("discover", "target_fdr", NAN, "got nan"),
    step("report", "top_motifs", 0, "greater than or equal to 1", "got 0"),
    step("report", "hub", {"assembly": "hg38", "email": "me"}, ".email", "got 'me'"),
    Case(
        "report without an end",
        config={"steps": {"report": {"hub": {"assembly": "hg 38", "email": "a@b"}}}},
        says=("steps.report.hub.assembly", "got 'hg 38'"),
    ),
    step("marginalize", "motifs", ["CTCX"], "no motif is called CTCX", "steps.marginalize.motifs"),
    step("marginalize", "n_backgrounds", 1, "greater than or equal to 2", "got 1"),
    Case(
        "space without orientations",
        config={"steps": {"space": {"pairs": [["CTCF", "CTCF"]], "orientations": []}}},
        says=("steps.space.orientations", "at least 1 item", "got []"),
    ),
    Case(
        "space without pairs",
        config={"steps": {"space": {}}},
        says=("steps.space", "give pairs, or product: true with motifs"),
    ),
    Case(
        "space at a negative distance",
        config={"steps": {"space": {"pairs": [["CTCF", "CTCF"]], "distances": [-3]}}},
        says=("steps.space", "distances must be whole numbers from 0"),
    ),
    Case(
        "space with true as a distance",
        config={"steps": {"space": {"pairs": [["CTCF", "CTCF"]], "distances": [True]}}},
        says=("steps.space.distances", "give a number, got true"),
    ),
    Case(
        "space farther than the window",
        config={"steps": {"space": {"pairs": [["MA0139.2", "MA0080.7"]], "distances": [190]}}},
        says=("steps.space.distances", "at 190 bp take", "use shorter distances"),
    ),
    Case(
        "ablate of tiles",
        config={"steps": {"ablate": {}, "select": None}},
        says=("steps.ablate: hits are ablated in regions", "turn on the step select"),
    ),
    step("ablate", "min_hits", 1, "greater than or equal to 2", "got 1"),
    step("variants", "path", "{dir}/no.vcf", "no such file {dir}/no.vcf", "correct the path"),
    step("variants", "path", "{dir}", "no such file {dir}", "correct the path"),
    Case(
        "variants without a path",
        config={"steps": {"variants": {}}},
        says=("steps.variants.path: missing", "for example steps: {variants: {path: my_variants"),
    ),
    Case(
        "haplotype with nulls",
        config={"steps": {"variants": {"path": "x.vcf", "haplotype": True, "n_nulls": 3}}},
        says=("steps.variants.n_nulls must", "n_nulls must be 0 with haplotype"),
    ),
    Case(
        "max_dropped of variants nan",
        config={"steps": {"variants": {"path": "x.vcf", "max_dropped": NAN}}},
        says=("steps.variants.max_dropped", "got nan"),
    ),
    Case(
        "zero_shot without a language model",
        config={"steps": {"zero_shot": {}}},
        says=("steps.zero_shot: no model of the run is a language model", "adapter: hf_lm"),
    ),
    Case(
        "zero_shot without a score",
        config={"steps": {"zero_shot": {"scores": []}}},
        says=("steps.zero_shot.scores", "give at least one score"),
    ),
]

DESIGNS = [
    design("without goals", "steps.design: give goals", "goals_table", goals={}),
    design(
        "gc_range",
        "steps.design.gc_range: give 0",
        "give 0 <= low <= high <= 1",
        gc_range=[0.6, 0.4],
    ),
    design("tau inf", "steps.design.tau", "got inf", tau=INF),
    design("tau true", "steps.design.tau", "give a number, got true", tau=True),
    design("lr nan", "steps.design.lr", "got nan", lr=NAN),
    design("tiles", "steps.design.regions: the run has tiles", "give a BED file"),
    design("frozen", "steps.design.frozen: no such file", "correct", frozen="{dir}/no.bed"),
    design("priors", "steps.design.priors: no such file", "correct", priors="{dir}/no.tsv"),
    design("judge", "no model 'other'", "there are: ctcf_pu1", judges=["other"]),
    design(
        "both",
        "steps.design.judges: ctcf_pu1",
        "is an oracle of the design too",
        judges=["ctcf_pu1"],
    ),
    design(
        "value inf",
        "steps.design.goals.up.0.value",
        "got inf",
        goals={"up": [{"model": "ctcf_pu1", "target": "ctcf", "value": INF}]},
    ),
    design(
        "target",
        "model ctcf_pu1 has no target 'gata1'",
        "there are: ctcf, pu1",
        goals={"up": [{"model": "ctcf_pu1", "target": "gata1", "kind": "maximise"}]},
    ),
    design(
        "goal without a value",
        "steps.design.goals.up.0",
        "a goal of kind value needs `value`",
        goals={"up": [{"model": "ctcf_pu1", "target": "ctcf"}]},
    ),
    design(
        "two goals of a target",
        "steps.design.goals.up: two goals for one target",
        "contradict each other",
        goals={"up": [{"model": "m", "target": "t", "kind": "maximise"}] * 2},
    ),
]

CASES = [*UNKNOWN, *KINDS, *REGIONS, *STEPS, *DESIGNS]

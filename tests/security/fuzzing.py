"""Valid files of every format that is read, changes that keep much of their structure, and what a
reader may do with the outcome: return, or raise a CisweepError, soon and within bounded memory.

    python -m tests.security.fuzzing MINUTES [PARSER...]

tries random changes for so long and prints each new fault with a small input that shows it.
"""

import faulthandler
import gzip
import itertools
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import cisweep
from cisweep.contracts import Windows
from cisweep.errors import CisweepError

PACKAGE = str(Path(cisweep.__file__).parent)

SECONDS = 10
EXTRA_BYTES = 3 << 30  # of address space above what the process has, in a process of its own

Random = random.Random

# ---- formats -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parser:
    """A reader of files.

    name: its folder's name; suffix: of its files; seeds: valid files; read: what is under test;
    words: pieces of the format that are put in; apart: it uses C code that a file could crash, so
    each file is read in a process of its own.
    """

    name: str
    suffix: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], Any]
    words: tuple[bytes, ...] = ()
    apart: bool = False


FASTA = b">chr1 one\nACGTACGTAC\nGTACGTNNAC\nGT\n>chr2\nTTTTGGGGCC\nAA\n"
FAI = b"chr1\t22\t10\t10\t11\nchr2\t12\t41\t10\t11\n"


def _genome(folder: Path) -> Any:
    from cisweep.genome.fasta import Genome

    (folder / "genome.fa").write_bytes(FASTA)
    (folder / "genome.fa.fai").write_bytes(FAI)
    return Genome(folder / "genome.fa")


def _read_genome(path: Path) -> None:
    from cisweep.genome.fasta import Genome

    genome = Genome(path)
    assert genome.identity
    for name, length in genome.lengths.items():
        for start in (-3, 0, length // 2, length - 5):
            assert len(genome.tokens(name, start, start + 12)) == 12


def _read_fasta(path: Path) -> None:
    Path(f"{path}.fai").write_bytes(FAI)
    _read_genome(path)


def _read_fai(path: Path) -> None:
    path.with_suffix("").write_bytes(FASTA)
    _read_genome(path.with_suffix(""))


def _bgzip(_: Path) -> list[bytes]:
    from Bio import bgzf

    with tempfile.NamedTemporaryFile() as file:
        writer = bgzf.BgzfWriter(file.name)
        writer.write(FASTA)
        writer.close()
        return [Path(file.name).read_bytes()]


def _read_bgzip(path: Path) -> None:
    Path(f"{path}.gzi").write_bytes((0).to_bytes(8, "little"))
    _read_fasta(path)


def _read_sequences(path: Path) -> None:
    from cisweep.genome.fasta import read_sequences

    source, names = read_sequences(path)
    assert set(names) == set(source.lengths)


def _read_pairs(path: Path) -> None:
    from cisweep.plan.contents.zero_shot import read_pairs

    list(read_pairs(path, path))


def _read_located(path: Path) -> None:
    from cisweep.train.data.peaks import read_located_fasta

    read_located_fasta(path)


BED = (
    b"track name=x\nchr1\t2\t12\tpeak1\t100\t+\nchr1\t5\t20\tpeak2\t0\t-\t5\t20\t0,0,0\n"
    b"# a comment\nchr2\t0\t12\t.\t1000\t.\n"
)
NARROW = b"chr1\t2\t12\tp\t100\t.\t5.5\t3.2\t2.1\t5\nchr2\t0\t9\tq\t10\t.\t1\t-1\t-1\t-1\n"


def _read_bed(path: Path) -> None:
    from cisweep.genome.regions import WindowPolicy, read_bed, read_blacklist, to_windows

    rows = read_bed(path)
    to_windows(rows, {"chr1": 22, "chr2": 12}, WindowPolicy(4, blacklist=read_blacklist([path])))


VCF = (
    b"##fileformat=VCFv4.2\n##contig=<ID=chr1,length=22>\n##contig=<ID=chr2,length=12>\n"
    b'##INFO=<ID=GENE,Number=1,Type=String,Description="gene">\n'
    b'##INFO=<ID=END,Number=1,Type=Integer,Description="end">\n'
    b'##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNA1\n"
    b"chr1\t2\trs1\tC\tA,T\t.\tPASS\tGENE=a\tGT\t0|1\nchr1\t4\t.\tTA\tT\t50\t.\t.\tGT\t1/1\n"
    b"chr2\t3\t.\tT\t<DEL>\t.\t.\t.\tGT\t./.\nchr2\t5\trs2\tG\tC\t.\t.\tGENE=b\tGT\t1|0\n"
)
VARIANTS = b"chrom\tpos_1based\tref\talt\tid\tgroup\nchr1\t2\tC\tA\tv1\tg\nchr2\t5\tG\tC,T\tv2\th\n"


def _read_variants(path: Path) -> None:
    from cisweep.genome.variants.reading import VariantPolicy, check_variants, read_vcf

    genome = _genome(path.parent)
    vcf = path.name.endswith((".vcf", ".vcf.gz", ".bcf"))
    kinds = [VariantPolicy(max_dropped=1.0)]
    kinds += [VariantPolicy(max_dropped=1.0, group_info="GENE", sample="NA1")] if vcf else []
    faults = []
    for policy in kinds:
        try:
            check_variants(path, policy)
            read_vcf(path, genome, policy)
        except CisweepError as fault:
            faults.append(fault)
    if faults:
        raise faults[0]


def _bcf(folder: Path) -> list[bytes]:
    import pysam

    (folder / "a.vcf").write_bytes(VCF)
    with (
        pysam.VariantFile(str(folder / "a.vcf")) as source,
        pysam.VariantFile(str(folder / "a.bcf"), "wb", header=source.header) as out,
    ):
        for record in source:
            out.write(record)
    raw = gzip.decompress((folder / "a.bcf").read_bytes())
    return [(folder / "a.bcf").read_bytes(), raw]


MEME = (
    b"MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n"
    b"A 0.25 C 0.25 G 0.25 T 0.25\n\nMOTIF MA1.1 ONE\n"
    b"letter-probability matrix: alength= 4 w= 3 nsites= 20 E= 0\n0.7 0.1 0.1 0.1\n"
    b"0.1 0.7 0.1 0.1\n0.25 0.25 0.25 0.25\nURL http://x\n\nMOTIF MA2.1\n"
    b"letter-probability matrix: alength= 4 w= 2\n1 0 0 0\n0 0.5 0.5 0\n"
)


def _read_meme(path: Path) -> None:
    from cisweep.analysis.motifs.score_distribution import prepare_motifs
    from cisweep.genome.motifs import load_motifs

    prepare_motifs(load_motifs(path))


def _bigwig(folder: Path) -> list[bytes]:
    import pyBigWig

    with pyBigWig.open(str(folder / "a.bw"), "w") as file:
        file.addHeader([("chr1", 22), ("chr2", 12)])
        file.addEntries(["chr1"] * 3, [0, 5, 9], ends=[5, 9, 20], values=[1.0, 2.5, 0.0])
        file.addEntries(["chr2"], [1], ends=[7], values=[3.0])
    return [(folder / "a.bw").read_bytes()]


def _read_bigwig(path: Path) -> None:
    from cisweep.genome.signal import check_signal, read_signal
    from cisweep.train.data.signals import SignalTracks

    check_signal([path], ["chr1", "chr2"], thoroughly=True)
    windows = Windows.build(["chr1", "chr2"], np.array([-2, 3]), np.array([18, 23]))
    read_signal([path], windows)
    tracks = SignalTracks([path])
    for chrom, length in tracks.lengths.items():
        tracks.counts(chrom, 0, min(length, 1000))


FRAGMENTS = b"# c\nchr1\t2\t12\tcell\t1\nchr1\t5\t20\tcell\t2\nchr2\t0\t12\tcell\t1\n"


def _read_fragments(path: Path) -> None:
    from cisweep.genome.reads import count_ends

    list(count_ends(path, {"chr1": 22, "chr2": 12}))


TABLE = b"name\tsequence\tvalue\tgroup\na\tACGTACGT\t0.5\tx\nb\tAC\t\ty\nc\tNNNN\t1e3\tx\n"


def _read_table(path: Path) -> None:
    from cisweep.train.data.tables import TableColumns, read_table

    read_table([path], TableColumns(["value"], labels=("group",)))


GOALS = (
    b"goal\tregion\tmodel\ttarget\tkind\tvalue\tweight\ttolerance\n"
    b"up\tall\tm\tcounts\tmaximum\t\t1\t.\nlow\tr1\tm\tcounts\tvalue\t3.5\t0.5\t0.1\n"
)


def _read_goals(path: Path) -> None:
    from pydantic import ValidationError

    from cisweep.steps.design import DesignConfig

    with suppress(ValidationError):  # the config's reader lists such faults
        DesignConfig.model_validate({"goals_table": str(path), "windows": "w.bed"})


PRIORS = b"# chrom start end base weight\nchr1\t2\t5\tA\t0.5\nchr2\t0\t3\t*\t-1e3\n"


def _read_priors(path: Path) -> None:
    from cisweep.plan.contents.design import read_priors

    read_priors(path)


def _model_yaml(**changes: Any) -> bytes:
    model = {
        "adapter": "state_dict", "module": "CNN", "window_bp": 20,
        "module_args": {"n_filters": 4, "first_width": 3},
        "targets": [{"name": "a", "tasks": [0]}, {"name": "b", "tasks": [1], "scale": "counts"}],
        "inputs": [{"name": "zeros", "kind": "zeros", "channels": 1}],
        "rc": {"average": True, "task_permutation": [1, 0]},
        "folds": [{"weights": "m.safetensors", "test_chroms": ["chr1"]}],
    }  # fmt: skip
    return yaml.safe_dump(model | changes).encode()


def _read_model_yaml(path: Path) -> None:
    from cisweep.plan.run_config import read_model_config

    read_model_config(path)


CONFIG = Path(__file__).resolve().parents[2] / "config" / "demo.yaml"


def _read_run_config(path: Path) -> None:
    from cisweep.plan.run_config import load_config

    try:
        data = yaml.safe_load(path.read_bytes())
    except Exception:  # Snakemake's own reader
        return
    if isinstance(data, dict):
        default = yaml.safe_load(CONFIG.read_text())
        load_config(default | data, CONFIG.parents[1])


# ---- weights -------------------------------------------------------------------------------------


def _cnn() -> Any:
    from cisweep.models.modules import CNN

    return CNN(4, first_width=3, n_outputs=2)


def _safetensors(folder: Path) -> list[bytes]:
    from safetensors.torch import save

    return [save(_cnn().state_dict())]


def _pickles(folder: Path) -> list[bytes]:
    import torch

    found = []
    for content in (_cnn().state_dict(), {"state_dict": _cnn().state_dict(), "epoch": 1}):
        for zipped in (True, False):
            torch.save(content, folder / "m.pt", _use_new_zipfile_serialization=zipped)
            found.append((folder / "m.pt").read_bytes())
    torch.save(_cnn(), folder / "m.pt")
    return [*found, (folder / "m.pt").read_bytes()]


def _exported(folder: Path) -> list[bytes]:
    import torch

    program = torch.export.export(_cnn().eval(), (torch.zeros(2, 4, 20),))
    torch.export.save(program, folder / "m.pt2")
    return [(folder / "m.pt2").read_bytes()]


def _keras(folder: Path) -> list[bytes]:
    import h5py

    shapes = {"bpnet_1st_conv": (21, 4, 3), "bpnet_1conv": (3, 3, 3)}
    shapes |= {"prof_out_precrop": (75, 3, 1), "logcount_predictions": (3, 1)}
    with h5py.File(folder / "m.h5", "w") as file:
        for name, shape in shapes.items():
            file[f"model_weights/{name}/{name}/kernel:0"] = np.ones(shape, "f4")
            file[f"model_weights/{name}/{name}/bias:0"] = np.zeros(shape[-1], "f4")
        crop = {"class_name": "Cropping1D", "config": {"name": "c", "cropping": [2, 2]}}
        file.attrs["model_config"] = json.dumps({"config": {"layers": [crop]}})
    return [(folder / "m.h5").read_bytes()]


def _loads(adapter: str, window_bp: int = 20, **changes: Any) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        from cisweep.config.model import ModelConfig
        from cisweep.models import load_model

        values = {
            "adapter": adapter, "window_bp": window_bp, "folds": [{"weights": str(path)}],
            "targets": [{"name": "a"}],
        }  # fmt: skip
        load_model(ModelConfig.model_validate(values | changes))

    return read


_CNN = {"module": "CNN", "module_args": {"n_filters": 4, "first_width": 3, "n_outputs": 2}}
_OPCODES = tuple(bytes([c]) for c in b"cRbuse}](tN0.q") + (
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"cbuiltins\nset\n",
    b"cposix\nsystem\n",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
)

_TEXT_WORDS = (
    *(b"\t", b"\n", b"\r\n", b"\r", b" ", b",", b";", b"#", b">", b'"', b"'", b"\x00", b"\xff"),
    *(b"-1", b"0", b"1e400", b"1e22", b"nan", b"inf", b"-inf", b"99999999999999999999", b"5_0"),
    *("٣".encode(), "é\u2028".encode(), b"NA", b"chr1", b"chr9", b"../x", b"{x}", b"<script>"),
)
_YAML_WORDS = (
    *(b"- ", b": ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!!python/object:os.system ", b"null"),
    *(b"~", b"true", b"[[[[", b".nan", b".inf", b"? ", b"|\n", b"<<: ", b"0x7f", b"2020-01-01"),
    *(b"name: ", b"folds: 3\n", b"inputs: 5\n", b"targets: {}\n", b"window_bp: 1e22\n"),
)


def _of(*texts: bytes) -> Callable[[Path], list[bytes]]:
    return lambda _: list(texts)


PARSERS = {
    p.name: p
    for p in (
        Parser("fasta", ".fa", _of(FASTA), _read_fasta, _TEXT_WORDS),
        Parser("fai", ".fa.fai", _of(FAI), _read_fai, _TEXT_WORDS),
        Parser("bgzip", ".fa.gz", _bgzip, _read_bgzip),
        Parser("sequences", ".txt", _of(FASTA, TABLE), _read_sequences, _TEXT_WORDS),
        Parser("pairs", ".fa", _of(FASTA), _read_pairs, _TEXT_WORDS),
        Parser("located", ".fa", _of(b">chr1:2-6\nACGT\n>chr2:0-4\nNNNA\n"), _read_located,
               (*_TEXT_WORDS, b":1-2")),
        Parser("bed", ".bed", _of(BED), _read_bed, _TEXT_WORDS),
        Parser("narrowpeak", ".narrowPeak", _of(NARROW), _read_bed, _TEXT_WORDS),
        Parser("vcf", ".vcf", _of(VCF), _read_variants, (*_TEXT_WORDS, b"<*>", b"./."), True),
        Parser("bcf", ".bcf", _bcf, _read_variants, (), True),
        Parser("variants", ".tsv", _of(VARIANTS), _read_variants, _TEXT_WORDS),
        Parser("meme", ".meme", _of(MEME), _read_meme, (*_TEXT_WORDS, b"MOTIF ", b"w= ")),
        Parser("bigwig", ".bw", _bigwig, _read_bigwig, (), True),
        Parser("fragments", ".tsv", _of(FRAGMENTS), _read_fragments, _TEXT_WORDS),
        Parser("table", ".tsv", _of(TABLE), _read_table, _TEXT_WORDS),
        Parser("goals", ".tsv", _of(GOALS), _read_goals, _TEXT_WORDS),
        Parser("priors", ".tsv", _of(PRIORS), _read_priors, _TEXT_WORDS),
        Parser("model", ".yaml", _of(_model_yaml()), _read_model_yaml, _TEXT_WORDS + _YAML_WORDS),
        Parser("config", ".yaml", _of(CONFIG.read_bytes()), _read_run_config,
               _TEXT_WORDS + _YAML_WORDS),
        Parser("safetensors", ".safetensors", _safetensors, _loads("state_dict", **_CNN),
               (b"F64", b"BOOL", b"[0,", b"9999999999]", b'{"', b"[]"), True),
        Parser("pickle", ".pt", _pickles, _loads("state_dict", **_CNN), _OPCODES, True),
        Parser("bpnet", ".pt", _pickles, _loads("bpnet"), _OPCODES, True),
        Parser("export", ".pt2", _exported, _loads("export"), _OPCODES, True),
        Parser("keras", ".h5", _keras, _loads("chrombpnet", 300), (b"[", b"{"), True),
    )
}  # fmt: skip

# ---- changes -------------------------------------------------------------------------------------


def changed(data: bytes, words: tuple[bytes, ...], rng: Random) -> bytes:
    """Return a file after one to four changes."""
    for _ in range(rng.randint(1, 4)):
        data = _change(data, words, rng)
    return _wrapped(data, rng)


def _change(data: bytes, words: tuple[bytes, ...], rng: Random) -> bytes:
    kind = rng.randint(0, 9)
    at = rng.randint(0, len(data))
    end = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 64)))
    if kind == 0:  # a bit
        flipped = bytes([data[at] ^ 1 << rng.randint(0, 7)]) if at < len(data) else b"\n"
        return data[:at] + flipped + data[at + 1 :]
    if kind == 1:  # a number of some width, as headers of binary files have
        number = rng.choice(
            (0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1)
        )
        width = rng.choice((1, 2, 4, 8))
        return (
            data[:at] + (number % (1 << 8 * width)).to_bytes(width, "little") + data[at + width :]
        )
    if kind == 2:
        return data[:at] + data[end:]
    if kind == 3:
        return data[:end] + data[at:end] * rng.choice((1, 1, 3, 200)) + data[end:]
    if kind == 4:
        return data[:at]
    if kind == 5 and words:  # a word in place of a field
        fields = [m.span() for m in re.finditer(rb"[^\s,:=]+", data[:20_000])]
        low, high = rng.choice(fields) if fields else (at, at)
        return data[:low] + rng.choice(words) + data[high:]
    if kind == 6 and words:
        return data[:at] + rng.choice(words) + data[at:]
    if kind == 7 and words:  # lines in another order, a line twice, a line less
        lines = data.splitlines(keepends=True) or [b""]
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[i : i + 1] = rng.choice(([], [lines[j]], [lines[i], lines[j]], [lines[i] * 3]))
        return b"".join(lines)
    if kind == 8 and words:  # one separator for another
        return data.replace(
            rng.choice((b"\t", b"\n", b" ")), rng.choice((b",", b" ", b"\r\n", b""))
        )
    return data[:at] + rng.randbytes(end - at) + data[end:]


def _wrapped(data: bytes, rng: Random) -> bytes:
    """Return the file as it is, or once in a while in another encoding, compressed, or cut."""
    kind = rng.randint(0, 39)
    if kind == 0:
        return gzip.compress(data, mtime=0)
    if kind == 1:
        return gzip.compress(data, mtime=0)[: -rng.randint(1, 12)]
    if kind == 2:
        return b"\xef\xbb\xbf" + data
    if kind == 3:
        return data.decode("latin-1").encode("utf-16")
    return b"" if kind == 4 else data


# ---- the property --------------------------------------------------------------------------------


class TooSlow(Exception):
    """A reader took more than SECONDS."""


@contextmanager
def _in_time() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlow(f"more than {SECONDS} s")

    # Of the processor's time, so that a busy machine finds no faults.
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fault_of(parser: Parser, path: Path) -> str | None:
    """Return what a reader did that it must not do with a file, in a line; None if all is well."""
    return _apart(parser, path) if parser.apart else _here(parser, path)


def _here(parser: Parser, path: Path) -> str | None:
    try:
        with _in_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser.read(path)
    except CisweepError:
        return None
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if f.filename.startswith(PACKAGE)]
        place = f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "?"
        return f"{type(error).__name__} in {place}: {str(error)[:160]!r}"
    return None


def _apart(parser: Parser, path: Path) -> str | None:
    """The same in a process of its own, whose address space is bounded."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + EXTRA_BYTES, used + EXTRA_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # A process that dies is told by its parent: pytest's own dump of it would only alarm.
        faulthandler.disable()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        os.write(writing, (_here(parser, path) or "").encode()[:4000])
        os._exit(0)
    os.close(writing)
    limit = time.monotonic() + 20 * SECONDS
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < limit:
        time.sleep(0.002)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(ended[1])
    return said or None if code == 0 else f"the process ended with {code}"


# ---- a long search -------------------------------------------------------------------------------


def smaller(parser: Parser, path: Path, data: bytes, kind: str) -> bytes:
    """Return a smaller file with the same fault: spans are left out as long as it stays."""
    size, tries = max(len(data) // 2, 1), 0
    limit = 100 if parser.apart else 400
    while size and tries < limit:
        at = 0
        while at < len(data) and tries < limit:
            shorter, tries = data[:at] + data[at + size :], tries + 1
            path.write_bytes(shorter)
            if (found := fault_of(parser, path)) and _kind(found) == kind:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _kind(fault: str) -> str:
    return fault.split(": ", 1)[0]


def search(minutes: float, names: list[str], seed: int) -> dict[tuple[str, str], bytes]:
    """Change files for so long; return the smallest input found for each (parser, fault)."""
    rng, found, tried = Random(seed), {}, dict.fromkeys(names, 0)
    with tempfile.TemporaryDirectory() as folder:
        seeds = {}
        for name in names:
            (Path(folder) / name).mkdir()
            seeds[name] = PARSERS[name].seeds(Path(folder) / name)
            for data in seeds[name]:  # what is imported once takes none of a file's time
                path = Path(folder) / name / f"x{PARSERS[name].suffix}"
                path.write_bytes(data)
                with suppress(CisweepError):
                    PARSERS[name].read(path)
        end = time.monotonic() + 60 * minutes
        for name in itertools.cycle(names):
            parser = PARSERS[name]
            path = Path(folder) / name / f"x{parser.suffix}"
            for _ in range(2 if parser.apart else 50):
                if time.monotonic() > end:
                    break
                data = changed(rng.choice(seeds[name]), parser.words, rng)
                path.write_bytes(data)
                tried[name] += 1
                fault = fault_of(parser, path)
                if fault and (name, _kind(fault)) not in found:
                    data = smaller(parser, path, data, _kind(fault))
                    found[name, _kind(fault)] = data
                    print(f"{name}: {fault}\n    {data[:300]!r}", flush=True)
            if time.monotonic() > end:
                break
    print("tried", sum(tried.values()), tried)
    return found


if __name__ == "__main__":
    chosen = sys.argv[2:] or list(PARSERS)
    search(float(sys.argv[1]), chosen, int(os.environ.get("FUZZ_SEED", time.time())))

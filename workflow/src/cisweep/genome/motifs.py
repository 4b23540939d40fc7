"""Position weight matrices and the reader of MEME motif files."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from cisweep.errors import MotifError
from cisweep.textfile import control_letter, decimal_number, read_lines

BASES = "ACGT"
UNIFORM = (0.25, 0.25, 0.25, 0.25)
_FIELDS = ("alength", "w", "nsites")
_HOCOMOCO = re.compile(r"(.+?)(?:_[A-Z]+)?\.H\d+[A-Z]+\.\d")
_CISBP = re.compile(r"\(([^()]+)\)_\(")
SUM_TOLERANCE = 0.01  # files rounded to two decimals still pass


@dataclass(frozen=True, eq=False)
class Motif:
    """A motif: identifier, alternate name, (4, width) float64 probabilities in rows A C G T.

    `nsites` is the number of sites it was made from, None where the file does not say.
    The matrix is a read-only copy.
    """

    name: str
    alt: str
    pwm: np.ndarray
    nsites: float | None = None

    def __post_init__(self) -> None:
        pwm = np.array(self.pwm, dtype=np.float64)
        if pwm.ndim != 2 or pwm.shape[0] != 4 or pwm.shape[1] == 0:
            raise MotifError(
                f"the matrix has shape {pwm.shape}, not (4, width)",
                where=f"motif {self.name}",
                mend="give rows in the order A C G T and one column per position",
            )
        if not np.isfinite(pwm).all() or (pwm < 0).any():
            raise MotifError(
                "the matrix holds negative or non-finite numbers",
                where=f"motif {self.name}",
                mend="give probabilities, not log-odds",
            )
        pwm.flags.writeable = False
        object.__setattr__(self, "pwm", pwm)

    @property
    def label(self) -> str:
        """Return identifier and alternate name as one key, such as 'MA0139.2 CTCF'."""
        return f"{self.name} {self.alt}" if self.alt else self.name

    @property
    def factor(self) -> str:
        """Return what the motif is called: its alternate name, else its identifier; the factor of
        HOCOMOCO's SPI1.H12CORE.0.P.B or SPI1_HUMAN.H11MO.0.A and CIS-BP's (SPI1)_(Homo_sapiens)."""
        name = self.alt or self.name
        found = _HOCOMOCO.match(name) or _CISBP.match(name)
        return found[1] if found else name

    @property
    def width(self) -> int:
        """Return the number of positions."""
        return self.pwm.shape[1]

    @property
    def consensus(self) -> str:
        """Return the most probable letter of each position (ties: the first of A C G T)."""
        return "".join(BASES[i] for i in self.pwm.argmax(axis=0))

    def information(self, background: Sequence[float] = UNIFORM) -> np.ndarray:
        """Return the information of each position in bits against `background` (A C G T).

        The sum over letters of p log2(p / background), shape (width,), float64; 0 log 0 is 0.
        Source: Schneider & Stephens 1990, without small-sample correction.
        """
        base = np.asarray(background, dtype=np.float64)[:, None]
        share = self.pwm / self.pwm.sum(axis=0)
        safe = np.where(share > 0, share, 1.0)
        return (share * np.log2(safe / base)).sum(axis=0)

    def reverse_complement(self) -> "Motif":
        """Return the motif as it reads on the other strand, under the same names."""
        return Motif(self.name, self.alt, self.pwm[::-1, ::-1], self.nsites)


def read_meme(filename: str | Path, n_motifs: int | None = None) -> dict[str, np.ndarray]:
    """Return the matrices of a MEME file, keyed by the words after MOTIF ('MA0139.2 CTCF').

    Parameters: `filename`, a MEME text file of version 3 to 5, gzip allowed; `n_motifs`, how
    many to read from its beginning (None: all). Returns a dict in file order of float64 arrays
    (4, width), rows A C G T. Raises MotifError (file, line, mend) where `load_motifs` does.
    Source: keys and matrices are those of memelite 0.5 / tangermeme 1.6 `read_meme`, which
    returns tensors there; those read a truncated or non-DNA file without a word.
    """
    return {motif.label: motif.pwm.copy() for motif in load_motifs(filename, n_motifs)}


def load_motifs(path: str | Path, n_motifs: int | None = None) -> list[Motif]:
    """Return the motifs of a MEME file in file order.

    Parameters: `path`, a MEME text file of version 3 to 5 (https://meme-suite.org/meme/doc/
    meme-format.html), gzip allowed; `n_motifs`, how many to read (None: all).
    Raises MotifError, naming file, line and mend: unreadable or empty file, no MEME header, an
    alphabet other than DNA, a matrix that is missing, truncated, longer than its `w=`, holds
    counts, or whose rows do not sum to 1 (± 0.01), and two motifs of one identifier.
    """
    motifs: list[Motif] = []
    if n_motifs is not None and n_motifs <= 0:
        return motifs
    seen: dict[str, int] = {}
    reader = _MemeReader(Path(path))
    for line_number, motif in reader.motifs():
        if motif.name in seen:
            reader.fail(
                f"motif {motif.name} was already read at line {seen[motif.name]}",
                line_number,
                "give each motif a different identifier (the first word after MOTIF)",
            )
        seen[motif.name] = line_number
        motifs.append(motif)
        if n_motifs is not None and len(motifs) == n_motifs:
            return motifs
    if not motifs:
        reader.fail("the file holds no motif", None, "give a MEME file with MOTIF entries")
    return motifs


class _MemeReader:
    """A cursor over the lines of one MEME file that can name the line of a fault."""

    def __init__(self, path: Path):
        self.path = path
        self.lines = _read_lines(path)
        self.at = 0  # index of the next line

    def fail(self, what: str, line_number: int | None, mend: str) -> NoReturn:
        place = f"{self.path}" if line_number is None else f"{self.path} line {line_number}"
        raise MotifError(what, where=place, mend=mend)

    def motifs(self) -> Iterator[tuple[int, Motif]]:
        """Yield the line number of each MOTIF line and its motif."""
        self._header()
        while self.at < len(self.lines):
            words = self.lines[self.at].split()
            self.at += 1
            if words and words[0] == "MOTIF":
                yield self.at, self._motif(self.at, words[1:])

    def _header(self) -> None:
        """Check version and alphabet, and stop before the first MOTIF line."""
        version = None
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if line.split()[:1] == ["MOTIF"]:
                break
            self.at += 1
            if found := re.match(r"MEME version\s+([0-9]{1,3})", line):
                version = int(found.group(1))
                if version not in (3, 4, 5):
                    self.fail(f"MEME version {version}", self.at, "give version 4 or 5")
            elif line.startswith("ALPHABET"):
                self._alphabet(line)
        if version is None:
            self.fail(
                "this is not a MEME file: no line 'MEME version 4' before the first motif",
                1,
                "convert it to MEME format, for example with MEME's jaspar2meme or transfac2meme",
            )

    def _alphabet(self, line: str) -> None:
        if plain := re.match(r"ALPHABET\s*=\s*(\S+)", line):
            letters = plain.group(1)
            if letters.upper() != BASES:
                self.fail(f"the alphabet is {letters}", self.at, "give DNA motifs, ALPHABET= ACGT")
        elif not re.match(r'ALPHABET\s+"?DNA"?(\s|$)', line):
            self.fail(f"the alphabet is {line!r}", self.at, "give DNA motifs, ALPHABET= ACGT")

    def _motif(self, line_number: int, words: list[str]) -> Motif:
        # MEME's own output goes on with "width = 15 sites = 20 ..." on the MOTIF line.
        if "width" in words:
            words = words[: words.index("width")]
        if not words:
            self.fail("MOTIF without a name", line_number, "write: MOTIF identifier [name]")
        name, alt = words[0], " ".join(words[1:])
        if letter := control_letter(name + alt):
            self.fail(f"a motif's name has the letter {letter}", line_number, "take it out")
        fields = self._matrix_header(name)
        if fields.get("alength", 4) != 4:
            self.fail(
                f"motif {name} has alength= {fields['alength']:g}", self.at, "give DNA motifs"
            )
        width = fields.get("w")
        if width is not None and (width < 1 or width != int(width)):
            self.fail(f"motif {name} has w= {width:g}", self.at, "give the number of matrix rows")
        first = self.at + 1
        rows = self._rows(name, None if width is None else int(width))
        self._check_sums(name, rows, first)
        return Motif(name, alt, rows.T, fields.get("nsites"))

    def _matrix_header(self, name: str) -> dict[str, float]:
        """Go to the motif's letter-probability line and return its `key= number` fields."""
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if line.split()[:1] == ["MOTIF"]:
                break
            self.at += 1
            if line.startswith("letter-probability matrix"):
                pairs = dict(re.findall(r"(\w+)\s*=\s*(\S+)", line))
                # E= may be beyond what a float holds, and is not used.
                known = {k: decimal_number(v) for k, v in pairs.items() if k in _FIELDS}
                if None in known.values():
                    self.fail(f"motif {name}: cannot read {line!r}", self.at, "mend that line")
                return known
        return self.fail(
            f"motif {name} has no 'letter-probability matrix' line",
            min(self.at + 1, len(self.lines)),
            "the file may be truncated: fetch it again, or remove the motif",
        )

    def _rows(self, name: str, width: int | None) -> np.ndarray:
        rows: list[list[float]] = []
        while self.at < len(self.lines):
            numbers = _numbers(self.lines[self.at])
            if numbers is None or (not numbers and (rows or width is None)):
                break
            self.at += 1
            if not numbers:  # a blank line between header and matrix
                continue
            if len(numbers) != 4:
                self.fail(
                    f"motif {name}: a row of {len(numbers)} numbers",
                    self.at,
                    "each row holds the four probabilities of A C G T",
                )
            rows.append(numbers)
        if not rows or (width is not None and len(rows) != width):
            expected = "none" if width is None else f"w= {width}"
            self.fail(
                f"motif {name} has {len(rows)} matrix rows, its header says {expected}",
                min(self.at + 1, len(self.lines)),
                "the file may be truncated: fetch it again, or correct w=",
            )
        return np.array(rows)

    def _check_sums(self, name: str, rows: np.ndarray, first: int) -> None:
        with np.errstate(over="ignore"):  # an infinite sum is refused below
            sums = rows.sum(axis=1)
        wrong = ~(np.abs(sums - 1) <= SUM_TOLERANCE) | (rows < 0).any(axis=1)
        if not wrong.any():
            return
        row = int(wrong.argmax())
        counts = (sums > 1 + SUM_TOLERANCE).all() and (rows == np.round(rows)).all()
        if counts:
            self.fail(
                f"motif {name} holds counts, not probabilities",
                first + row,
                "divide each row by its sum",
            )
        text = " ".join(f"{value:g}" for value in rows[row])
        self.fail(
            f"motif {name}, row {row + 1} ({text}) sums to {sums[row]:g}"
            if math.isfinite(sums[row]) and (rows[row] >= 0).all()
            else f"motif {name}, row {row + 1} ({text}) is not made of probabilities",
            first + row,
            "each row holds the probabilities of A C G T and sums to 1",
        )


def _numbers(line: str) -> list[float] | None:
    """Return the numbers of a line ([] when blank), or None when it holds anything else."""
    # float reads digits of other scripts and 1_0 too.
    if not line.isascii() or "_" in line:
        return None
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return None


def _read_lines(path: Path) -> list[str]:
    mend = "give the path of a MEME text file, plain or gzip"
    if not path.exists():
        raise MotifError("no such file", where=str(path), mend=mend)
    lines = read_lines(path, MotifError, mend)
    if not any(map(str.strip, lines)):
        raise MotifError("the file is empty", where=str(path), mend=mend)
    return lines

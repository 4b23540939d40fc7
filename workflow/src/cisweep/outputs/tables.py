"""Tables: TSV, Parquet and BED, with the same bytes for the same rows."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cisweep.errors import ProductError
from cisweep.parts import unreadable
from cisweep.products import Field, Product
from cisweep.textfile import control_letter

_KINDS = {
    "text": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
}
_TSV = {"sep": "\t", "index": False, "float_format": "%.9g", "na_rep": "NaN"}


def described(name: str, about: str) -> pa.Field:
    """Return a float64 field of a Parquet schema whose metadata say what it is (`about`)."""
    return pa.field(name, pa.float64(), metadata={"about": about})


def arrow_field(field: Field) -> pa.Field:
    """Return a declared column as Parquet stores it; its metadata say what it is, and its unit."""
    kind = _KINDS[field.type.removeprefix("list of ")]
    kind = pa.list_(kind) if field.type.startswith("list of ") else kind
    about = {"about": field.about} | ({"unit": field.unit} if field.unit else {})
    return pa.field(field.name, kind, metadata=about)


def arrow_schema(product: Product, **values: Iterable[str]) -> pa.Schema:
    """Return the Parquet schema of a product; values: as of `Product.expanded`."""
    return pa.schema([arrow_field(field) for field in product.expanded(**values)])


def write_product(table: pd.DataFrame, path: Path, product: Product) -> None:
    """Write a table as TSV; raises ProductError where its columns are not those that are declared.

    They come in the order of the declaration.
    """
    write_tsv(in_order(table, path, product), path)


def in_order(table: pd.DataFrame, path: Path, product: Product) -> pd.DataFrame:
    """Return a table with its columns in the order of the declaration, which they must be of."""
    product.check(table.columns, str(path))
    names = [field.name for field in product.fields if field.name in table]
    return table[[*names, *(c for c in table.columns if c not in names)]]


def write_tsv(table: pd.DataFrame, path: Path) -> None:
    """Write a tab-separated table with a header; floats have 9 digits, which float32 needs."""
    table.to_csv(path, lineterminator="\n", **_TSV)


def tsv_rows(table: pd.DataFrame) -> str:
    """Return the rows of a table as write_tsv writes them, without the header."""
    return table.to_csv(None, lineterminator="\n", header=False, **_TSV)


def append_rows(table: pd.DataFrame, path: Path) -> None:
    """Append rows to a table of write_tsv; they must have its columns in its order."""
    table.to_csv(path, lineterminator="\n", mode="a", header=False, **_TSV)


def read_tsv(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table of write_tsv; names and reasons stay text, "." stays ".", and a target is called
    what it is called, as 1 or nan.

    columns: those that are read; None: all.
    """
    return _reader(path, usecols=columns)


def _reader(path: Path, **options: Any) -> Any:
    text = ("chrom", "strand", "name", "reason", "detail", "target")
    with open(path) as file:
        columns = file.readline().rstrip("\n").split("\t")
    missing = {column: ["NaN", "nan"] for column in columns if column != "target"}
    return pd.read_csv(
        path, sep="\t", dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=missing,
        **options,
    )  # fmt: skip


def tsv_blocks(path: Path, size: int = 1 << 16) -> Iterator[pd.DataFrame]:
    """Yield the rows of a table of write_tsv, at most `size` at once, as read_tsv gives them; none
    of an empty one."""
    with _reader(path, chunksize=size) as blocks:
        yield from (block for block in blocks if len(block))


def merge_tsv(parts: Sequence[Path], out: Path) -> int:
    """Write the rows of all parts under one header, line by line; return the number of rows."""
    with open(parts[0]) as first:
        out.write_text(first.readline())
    return append_tsv(parts, out)


def append_tsv(parts: Iterable[Path], out: Path) -> int:
    """Append the rows of all parts to a table with the same header; return their number."""
    n = 0
    with open(out, "a") as target:
        for part in parts:
            with open(part) as source:
                source.readline()
                for line in source:
                    target.write(line)
                    n += 1
    return n


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet product; each page that is read is compared with its checksum.

    Raises ProductError if it is missing, cut off or no Parquet.
    """
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, "Parquet", error) from None


def read_parquet(path: Path, **options: Any) -> pa.Table:
    """Return a Parquet product (options: those of pyarrow's read_table), its pages checked.

    Raises ProductError if it is missing, cut off, damaged or no Parquet.
    """
    try:
        return pq.read_table(path, page_checksum_verification=True, **options)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, "Parquet", error) from None


def new_parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of Parquet whose pages have checksums."""
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)


class ParquetWriter:
    """Appends tables to one Parquet file in row groups of fixed size."""

    def __init__(self, path: Path, schema: pa.Schema, metadata: dict[str, str], rows: int = 65536):
        self._rows, self._n = rows, 0
        self._held: list[pa.Table] = []
        self.schema = schema.with_metadata({k: str(v) for k, v in metadata.items()})
        self._writer = new_parquet(path, self.schema)

    def append(self, table: pd.DataFrame) -> None:
        """Add rows; they must have the columns of the schema."""
        arrow = pa.Table.from_pandas(
            table, schema=self.schema.remove_metadata(), preserve_index=False
        )
        self._held.append(arrow)
        self._n += len(arrow)
        while self._n >= self._rows:
            self._write(self._rows)

    def _write(self, n: int) -> None:
        joined = pa.concat_tables(self._held).combine_chunks()
        self._writer.write_table(joined.slice(0, n).replace_schema_metadata(self.schema.metadata))
        rest = joined.slice(n)
        self._held, self._n = [rest], len(rest)

    def __enter__(self) -> "ParquetWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None and self._n:
            self._write(self._n)
        self._writer.close()


def write_parquet(
    table: pd.DataFrame, path: Path, schema: pa.Schema, metadata: dict[str, str]
) -> None:
    """Write one table as Parquet."""
    with ParquetWriter(path, schema, metadata) as writer:
        writer.append(table)


BED6 = ["chrom", "start", "end", "name", "score", "strand"]


def write_bed(table: pd.DataFrame, path: Path, columns: list[str]) -> None:
    """Write `columns` of a table as BED, without a header, 0-based half-open."""
    with open(path, "w", newline="") as handle:
        append_bed_rows(table[columns], handle)


def append_bed_rows(table: pd.DataFrame, handle: TextIO) -> None:
    """Append the rows of a table as BED, which knows no quotes: cells stand as they are.

    A column `score` holds integers from 0 to 1000, as the UCSC Genome Browser and bedToBigBed ask;
    real values stand in the table beside the BED. Raises ProductError for another score, and for
    a text with a tab or another control letter, which would be a cell or a row more.
    """
    where = str(getattr(handle, "name", "BED"))
    if "score" in table:
        score = table["score"]
        if not pd.api.types.is_integer_dtype(score) or not score.between(0, 1000).all():
            raise ProductError(
                "a score of a BED is not an integer from 0 to 1000",
                where=where,
                mend="scale it by cisweep.outputs.tables.bed_scores",
            )
    for column in table.select_dtypes(["object", "string"]):
        texts = table[column].astype(str)
        # One search over the whole column.
        if control_letter("".join(texts)):
            bad = next(text for text in texts if control_letter(text))
            raise ProductError(
                f"{column} {bad!r} has the letter {control_letter(bad)}, and BED cannot hold it",
                where=where,
                mend="take it out of the names of motifs, targets or regions",
            )
    table.to_csv(
        handle,
        sep="\t",
        index=False,
        header=False,
        lineterminator="\n",
        quoting=csv.QUOTE_NONE,
    )


def bed_scores(values: pd.Series, groups: pd.Series, *, low: float | None = None) -> pd.Series:
    """Return values as BED scores: in each group `low` (its smallest) is 0, its largest 1000.

    Where all of a group are the same they have 1000.
    """
    by = values.groupby(groups, sort=False)
    least = by.transform("min") if low is None else low
    width = by.transform("max") - least
    share = ((values - least) / width).where(width > 0, 1.0)
    return (1000 * share).round().astype(int)


def write_dropped(table: pd.DataFrame, step: str, model: str, path: Path) -> None:
    """Write the dropped regions of one job, with step and model in front."""
    columns = ["step", "model", *table.columns]
    write_tsv(table.assign(step=step, model=model)[columns], path)


def write_dropped_blocks(tables: Iterable[pd.DataFrame], step: str, model: str, path: Path) -> None:
    """Write dropped rows that come in blocks, as write_dropped does; there is at least one block,
    possibly empty."""
    for i, table in enumerate(tables):
        block = table.assign(step=step, model=model)[["step", "model", *table.columns]]
        block.to_csv(
            path, sep="\t", index=False, float_format="%.9g", na_rep="NaN", lineterminator="\n",
            header=i == 0, mode="a" if i else "w",
        )  # fmt: skip

"""Products of the design step: table, sequences, edits as VCF, histories."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pysam

from cisweep.contracts import SCHEMA_VERSION
from cisweep.outputs.tables import arrow_schema, new_parquet, read_parquet
from cisweep.products.design import DESIGNS

DESIGN_SCHEMA = arrow_schema(DESIGNS)
"""Columns of designs.parquet. One row per design (or baseline: `method`) and target of any model;
`role` is goal, other or judge. Sequences and edits are in + orientation; edits are 0-based in the
window. `curve_*`: edits kept and prediction as edits are taken back one by one."""


def write_table(rows: Sequence[Mapping[str, Any]], path: Path, origin: Mapping[str, Any]) -> None:
    """Write the rows of a chunk, or none, as Parquet."""
    _write(pa.Table.from_pylist(list(rows), schema=_schema(origin)), path)


def merge_tables(parts: Iterable[Path], path: Path, origin: Mapping[str, Any]) -> pd.DataFrame:
    """Write the rows of all chunks in order; return them."""
    schema = _schema(origin)
    tables = [read_parquet(part).replace_schema_metadata(schema.metadata) for part in parts]
    whole = pa.concat_tables(tables or [schema.empty_table()]).combine_chunks()
    _write(whole, path)
    return whole.to_pandas()


def _schema(origin: Mapping[str, Any]) -> pa.Schema:
    return DESIGN_SCHEMA.with_metadata({k: str(v) for k, v in origin.items()})


def _write(table: pa.Table, path: Path) -> None:
    with new_parquet(path, table.schema) as writer:
        writer.write_table(table)


def one_row_a_design(table: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each Ledidi design that has no fault."""
    own = table[(table["method"] == "ledidi") & (table["fault"] == "")]
    return own.drop_duplicates("design")


def write_fasta(table: pd.DataFrame, path: Path) -> None:
    """Write the pruned sequence of each design; N in it was N at a frozen position."""
    with open(path, "w") as handle:
        for row in one_row_a_design(table).itertuples():
            state = "reached" if row.reached else "not_reached"
            handle.write(f">{row.design} edits={row.n_edits_pruned} goal={state}\n")
            for i in range(0, len(row.sequence_pruned), 60):
                handle.write(row.sequence_pruned[i : i + 60] + "\n")


def write_edits(table: pd.DataFrame, path: Path, lengths: Mapping[str, int], source: str) -> None:
    """Write all edits of all designs as bgzip-compressed VCF with its index, path + ".tbi".

    A record is one position and base; DESIGN lists the designs with it, KEPT those that still have
    it after pruning. Bases that were N in the genome are no edits.
    """
    header = pysam.VariantHeader()
    header.add_meta("source", source)
    for name, length in lengths.items():
        header.contigs.add(name, length=length)
    header.info.add("DESIGN", ".", "String", "designs with this edit, before pruning")
    header.info.add("KEPT", ".", "String", "designs that keep this edit after pruning")
    records = _records(table)
    rank = {name: i for i, name in enumerate(lengths)}
    with pysam.VariantFile(str(path), "wz", header=header) as out:
        for key in sorted(records, key=lambda k: (rank[k[0]], *k[1:])):
            chrom, position, ref, alt = key
            # pysam's start is 0-based; it writes the 1-based POS of VCF.
            record = out.new_record(contig=chrom, start=position, alleles=(ref, alt))
            record.info["DESIGN"] = [_clean(name) for name, _ in records[key]]
            kept = [_clean(name) for name, stays in records[key] if stays]
            if kept:
                record.info["KEPT"] = kept
            out.write(record)
    pysam.tabix_index(str(path), preset="vcf", force=True)


def _clean(name: str) -> str:
    for letter in "%;=, \t":
        name = name.replace(letter, f"%{ord(letter):02X}")
    return name


def _records(table: pd.DataFrame) -> dict[tuple[str, int, str, str], list[tuple[str, bool]]]:
    records: dict[tuple[str, int, str, str], list[tuple[str, bool]]] = {}
    for row in one_row_a_design(table).itertuples():
        triples = zip(row.sequence_before, row.sequence_after, row.sequence_pruned)
        for i, (ref, alt, pruned) in enumerate(triples):
            if ref not in ("N", alt):
                key = (row.chrom, row.start + i, ref, alt)
                records.setdefault(key, []).append((row.design, pruned == alt))
    return records


def write_histories(
    histories: Mapping[str, tuple[Mapping[str, Any], np.ndarray | None]],
    path: Path,
    origin: Mapping[str, Any],
) -> None:
    """Write history.h5: a group a design with its losses, edits and attributions.

    `edits` is int32 (n, 4): iteration from 0, sample, base, position; an edit stands twice, with
    the base that came and the base that went, as in Ledidi's history. `attributions` are the
    projected ones (3, length): before, designed, pruned.
    """
    with h5py.File(path, "w") as file:
        file.attrs.update({"schema_version": SCHEMA_VERSION, **origin})
        for name, (history, attributions) in histories.items():
            group = file.create_group(_group(name))
            group.attrs["design"] = name
            for key in ("input_loss", "output_loss", "total_loss"):
                group[key] = np.asarray(history.get(key, []), np.float64)
            group["edits"] = _edits(history)
            group.attrs["batch_size"] = int(history.get("batch_size", 0))
            if attributions is not None:
                group["attributions"] = attributions


def _group(name: str) -> str:
    return name.replace("/", "%2F")


def _edits(history: Mapping[str, Any]) -> np.ndarray:
    parts = [
        np.column_stack([np.full(len(edit[0]), i), *(np.asarray(column) for column in edit)])
        for i, edit in enumerate(history.get("edits", []))
    ]
    return np.concatenate(parts or [np.empty((0, 4))]).astype(np.int32)


def merge_histories(parts: Iterable[Path], path: Path, origin: Mapping[str, Any]) -> None:
    """Copy the groups of all chunks, in order of their names."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"schema_version": SCHEMA_VERSION, **origin})
        for part in parts:
            with h5py.File(part) as source:
                for name in source:
                    source.copy(name, file)


def read_history(path: Path, design: str) -> tuple[dict[str, Any], np.ndarray | None]:
    """Return the history of one design as `design` gives it, and its attributions (3, length)."""
    with h5py.File(path) as file:
        group = file[_group(design)]
        edits, n = group["edits"][:], len(group["total_loss"])
        history: dict[str, Any] = {
            key: group[key][:].tolist() for key in ("input_loss", "output_loss", "total_loss")
        }
        history["batch_size"] = int(group.attrs["batch_size"])
        history["edits"] = [tuple(edits[edits[:, 0] == i, 1:].T) for i in range(n)]
        attributions = group["attributions"][:] if "attributions" in group else None
    return history, attributions


def edit_attributions(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the attribution of each edit of each design, in the designed sequence.

    Columns: design, position (0-based in the window), kept (after pruning), attribution. Designs
    are read one by one. `table`: rows of designs.parquet.
    """
    parts = []
    with h5py.File(path) as file:
        for row in one_row_a_design(table).itertuples():
            group = file[_group(row.design)]
            if "attributions" not in group:
                continue
            before, full, pruned = (
                np.frombuffer(text.encode(), np.uint8)
                for text in (row.sequence_before, row.sequence_after, row.sequence_pruned)
            )
            at = np.flatnonzero((before != full) & (before != ord("N")))
            values = group["attributions"][1][at]
            kept = full[at] == pruned[at]
            parts.append(pd.DataFrame(
                {"design": row.design, "position": at, "kept": kept, "attribution": values}
            ))  # fmt: skip
    columns = ["design", "position", "kept", "attribution"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

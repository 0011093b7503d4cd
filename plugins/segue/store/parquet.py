"""The Parquet files of a partition as units of work that fit in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from segue.errors import Fenced
from segue.lake import Lake, Manifest

UNIT_ROWS = 20_000
BATCH_ROWS = 1_000


@dataclass(frozen=True)
class RowGroups:
    """Some consecutive row groups of one file."""

    key: str
    groups: tuple[int, ...]
    offset: int
    """Rows of the partition that stand before these, in the order of the manifest."""
    rows: int


def row_groups(lake: Lake, key: str, manifest: Manifest) -> list[RowGroups]:
    """The partition `key` in units of one row group, or several of `UNIT_ROWS` together.

    Raises `Fenced` when the partition is replaced meanwhile.
    """
    units: list[RowGroups] = []
    offset = 0
    for name in manifest.files:
        if not name.endswith(".parquet"):
            continue
        sizes = _group_sizes(lake, f"{key}/{name}")
        groups: list[int] = []
        rows = 0
        for group, size in enumerate(sizes):
            if groups and rows + size > UNIT_ROWS:
                units.append(RowGroups(f"{key}/{name}", tuple(groups), offset, rows))
                offset, groups, rows = offset + rows, [], 0
            groups.append(group)
            rows += size
        if rows:
            units.append(RowGroups(f"{key}/{name}", tuple(groups), offset, rows))
            offset += rows
    return units


def read(
    lake: Lake, unit: RowGroups, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of `unit` in batches; raises `Fenced` when the file was replaced meanwhile."""
    try:
        with lake.open(unit.key) as source:
            yield from pq.ParquetFile(source).iter_batches(
                BATCH_ROWS, row_groups=list(unit.groups), columns=columns
            )
    except FileNotFoundError:
        raise _replaced(unit.key) from None


def _group_sizes(lake: Lake, key: str) -> list[int]:
    try:
        with lake.open(key) as source:
            footer = pq.read_metadata(source)
    except FileNotFoundError:
        raise _replaced(key) from None
    return [footer.row_group(g).num_rows for g in range(footer.num_row_groups)]


def _replaced(key: str) -> Fenced:
    return Fenced(f"{key} was replaced by a newer attempt while it was read: load again")

"""Compressed sparse rows of indices: songs of playlists, and playlists of songs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.serving.npy import npy_writer

BLOCK = 4 << 20
"""Entries held in memory at once while transposing."""


@dataclass(frozen=True)
class Rows:
    """Row `i` holds `indices[indptr[i]:indptr[i + 1]]`."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.indices[self.indptr[row] : self.indptr[row + 1]]

    def gather(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The entries of `rows` one after another, and how many each has."""
        starts = self.indptr[rows]
        lengths = self.indptr[np.asarray(rows) + 1] - starts
        shifts = np.repeat(starts - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
        return self.indices[shifts + np.arange(lengths.sum())], lengths

    def lengths(self) -> NDArray[np.int64]:
        """How many entries each row has."""
        return np.diff(self.indptr)


def distinct(
    values: NDArray[np.int32], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """`values`, cut into rows by `lengths`, without what a row repeats; the order stays."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    # Stable: the first of equal entries of a row stays first.
    order = np.lexsort((values, rows))
    fresh = np.ones(len(values), bool)
    fresh[1:] = (np.diff(rows[order]) != 0) | (np.diff(values[order]) != 0)
    keep = np.sort(order[fresh])
    return values[keep], np.bincount(rows[keep], minlength=len(lengths)).astype(np.int64)


def write_transposed(rows: Rows, columns: int, indptr_path: Path, indices_path: Path) -> None:
    """Writes, as `.npy`, the rows that each of `columns` columns stands in, ascending."""
    indptr = np.zeros(columns + 1, np.int64)
    for begin in range(0, len(rows.indices), BLOCK):
        indptr[1:] += np.bincount(rows.indices[begin : begin + BLOCK], minlength=columns)
    np.cumsum(indptr, out=indptr)
    with npy_writer(indptr_path, np.int64) as append:
        append(indptr)
    if not len(rows.indices):
        with npy_writer(indices_path, np.int32):
            return
    out = np.lib.format.open_memmap(
        indices_path, mode="w+", dtype="<i4", shape=(len(rows.indices),), version=(1, 0)
    )
    free = indptr[:-1].copy()
    for begin in range(0, len(rows.indices), BLOCK):
        end = min(begin + BLOCK, len(rows.indices))
        column = rows.indices[begin:end]
        row = np.searchsorted(rows.indptr, np.arange(begin, end), side="right") - 1
        order = np.argsort(column, kind="stable")
        seen, first, count = np.unique(column[order], return_index=True, return_counts=True)
        within = np.arange(end - begin) - np.repeat(first, count)
        out[np.repeat(free[seen], count) + within] = row[order]
        free[seen] += count
    out.flush()

"""Compressed sparse rows and the streamed arrays below them."""

import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from segue.serving import rows as rows_module
from segue.serving.npy import npy_writer, read_npy_blocks
from segue.serving.rows import Rows, distinct, write_transposed

LISTS = st.lists(st.lists(st.integers(0, 6), max_size=8), max_size=12)


def compressed(lists: list[list[int]]) -> Rows:
    lengths = np.array([len(row) for row in lists], np.int64)
    values = np.array([value for row in lists for value in row], np.int32)
    values, lengths = distinct(values, lengths)
    return Rows(np.concatenate(([0], np.cumsum(lengths))), values)


@settings(deadline=None)
@given(LISTS)
def test_a_row_keeps_its_order_and_loses_its_repetitions(lists: list[list[int]]) -> None:
    rows = compressed(lists)
    assert len(rows) == len(lists)
    assert [list(rows[i]) for i in range(len(rows))] == [list(dict.fromkeys(r)) for r in lists]


@settings(deadline=None)
@given(LISTS, st.integers(1, 5))
def test_transposed_rows_say_who_holds_each_song(lists: list[list[int]], block: int) -> None:
    rows = compressed(lists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "BLOCK", block)
        songs = written_transposed(rows, 7)
    assert [list(songs[song]) for song in range(7)] == [
        [row for row, members in enumerate(lists) if song in members] for song in range(7)
    ]


def written_transposed(rows: Rows, columns: int) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        indptr, indices = Path(folder, "indptr.npy"), Path(folder, "indices.npy")
        write_transposed(rows, columns, indptr, indices)
        return Rows(np.load(indptr), np.load(indices))


@settings(deadline=None)
@given(LISTS, st.data())
def test_rows_are_gathered_in_the_order_asked(lists: list[list[int]], data: st.DataObject) -> None:
    rows = compressed(lists)
    wanted = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=5)) if lists else []
    values, lengths = rows.gather(np.array(wanted, np.int64))
    assert list(values) == [value for row in wanted for value in rows[row]]
    assert list(lengths) == [len(rows[row]) for row in wanted]


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=5))
def test_an_array_written_in_pieces_is_the_one_written_whole(sizes: list[int]) -> None:
    blocks = [np.full((size, 3), size, np.float32) for size in sizes]
    whole = np.concatenate([np.empty((0, 3), np.float32), *blocks])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.npy")
        with npy_writer(path, np.float32, 3) as append:
            for block in blocks:
                append(block)
        np.testing.assert_array_equal(np.load(path, mmap_mode="r" if len(whole) else None), whole)
        with path.open("rb") as source:
            read = np.concatenate(list(read_npy_blocks(source, rows=2)))
    np.testing.assert_array_equal(read, whole)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3, np.float32),
        np.zeros((2, 2), np.float64),
        np.asfortranarray(np.zeros((2, 2), np.float32)),
    ],
)
def test_another_kind_of_array_is_refused(array: np.ndarray) -> None:
    out = BytesIO()
    np.save(out, array)
    out.seek(0)
    with pytest.raises(ValueError, match="wanted rows of float32"):
        list(read_npy_blocks(out))


def test_an_array_that_ends_too_early_is_refused() -> None:
    out = BytesIO()
    np.save(out, np.zeros((5, 2), np.float32))
    with pytest.raises(ValueError, match="too early"):
        list(read_npy_blocks(BytesIO(out.getvalue()[:-4]), rows=2))

"""Writing `.npy` files whose length is known only at the end, in bounded memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Append = Callable[[NDArray[Any]], None]


@contextmanager
def npy_writer(path: Path, dtype: type[np.generic], columns: int | None = None) -> Iterator[Append]:
    """A function that appends rows to the array at `path`: a vector, or rows of `columns`."""
    kind = np.dtype(dtype).newbyteorder("<")
    length = 0
    with path.open("wb") as out:

        def append(block: NDArray[Any]) -> None:
            nonlocal length
            length += len(block)
            out.write(np.ascontiguousarray(block, kind).data)

        # NumPy pads headers for longer arrays, so the final one takes the same room.
        start = _write_header(out, kind, (0,) if columns is None else (0, columns))
        yield append
        out.seek(0)
        if _write_header(out, kind, (length,) if columns is None else (length, columns)) != start:
            raise AssertionError(f"the header of {path.name} has grown")


def _write_header(out: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    np.lib.format.write_array_header_1_0(
        out, {"descr": dtype.str, "fortran_order": False, "shape": shape}
    )
    return out.tell()


def read_npy_blocks(source: IO[bytes], rows: int = 65_536) -> Iterator[NDArray[np.float32]]:
    """Blocks of up to `rows` rows of a two-dimensional float32 array, read from a stream.

    The first block comes even when the array is empty. Raises `ValueError` on any other array.
    """
    if np.lib.format.read_magic(source) != (1, 0):
        raise ValueError("not a version 1.0 .npy file")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(source)
    if len(shape) != 2 or fortran or dtype != np.dtype("<f4"):
        raise ValueError(f"holds {dtype} of shape {shape}, wanted rows of float32")
    left, columns = shape
    while True:
        count = min(left, rows)
        data = source.read(count * columns * 4)
        if len(data) != count * columns * 4:
            raise ValueError(f"ends {left} rows too early")
        yield np.frombuffer(data, "<f4").reshape(count, columns)
        left -= count
        if left == 0:
            return

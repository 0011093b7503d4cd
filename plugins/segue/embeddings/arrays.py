"""Vectors of a model in the lake: `models/<model>/<version>/<what>/vectors-t….npy`."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.lake import Attempt, Lake, Manifest, Partition

SONGS, PLAYLISTS = "songs", "playlists"


def vectors_key(model: str, version: str, what: str) -> str:
    """The partition that holds the vectors of `what` ("songs" or "playlists")."""
    return f"models/{model}/{version}/{what}"


def read_vectors(lake: Lake, model: str, version: str, what: str) -> npt.NDArray[np.float32]:
    """The committed vectors, [rows, d] in corpus order; memory-mapped where the lake is a disk.

    Raises `SegueError` if none are committed.
    """
    partition = Partition(lake, vectors_key(model, version, what))
    path = next(p for p in partition.paths() if p.endswith(".npy"))
    if lake.local:
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
    with lake.fs.open(path, "rb") as source:
        return np.load(io.BytesIO(source.read()))  # type: ignore[no-any-return]


def write_vectors(attempt: Attempt, key: str, vectors: npt.NDArray[np.float32]) -> str:
    """Writes `vectors` in the attempt's folder for the partition `key`; returns the file's name."""
    name = attempt.file_name("vectors", "npy")
    with attempt.lake.writer(f"{attempt.work}/{key}/{name}") as out:
        np.lib.format.write_array(
            out, np.ascontiguousarray(vectors, np.float32), allow_pickle=False
        )
    return name


def commit_vectors(
    attempt: Attempt,
    key: str,
    vectors: npt.NDArray[np.float32],
    digest: str,
    facts: dict[str, Any],
) -> None:
    """Writes `vectors` in the attempt's folder and commits them as the partition `key`."""
    name = write_vectors(attempt, key, vectors)
    manifest = Manifest([name], attempt.token, digest, rows=len(vectors), facts=facts)
    attempt.commit({key: manifest})

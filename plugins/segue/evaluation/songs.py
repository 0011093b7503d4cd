"""The songs that have both vectors, and what the comparison needs to know of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from segue.embeddings import lyrics, word2vec
from segue.embeddings.arrays import SONGS, read_vectors
from segue.lake import Lake, committed

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

KINDS = {"mean": lyrics.MEAN, "tfidf": lyrics.TFIDF}
"""Kinds of lyrics vectors, by name, and where below models/lyrics/<version> they stand."""

_ROWS = 65_536


@dataclass(frozen=True)
class Lists:
    """Lists of numbers one after another: list k is `members[offsets[k]:offsets[k + 1]]`."""

    offsets: npt.NDArray[np.int64]
    members: Ints

    def lengths(self) -> npt.NDArray[np.int64]:
        """[lists]: how many each has."""
        return np.diff(self.offsets)

    def inverted(self, members: int) -> "Lists":
        """For each of 0…`members`-1 the lists that hold it, ascending."""
        rows = len(self.offsets) - 1
        held = np.ones(len(self.members), np.int8)
        by_member = sparse.csr_matrix(
            (held, self.members, self.offsets), shape=(rows, members)
        ).tocsc()
        return Lists(
            by_member.indptr.astype(np.int64), by_member.indices.astype(np.int32, copy=False)
        )


@dataclass(frozen=True)
class Songs:
    """n songs, numbered from 0 in corpus order, that have a song and a lyrics vector."""

    vectors: Floats
    """[n, d], rows of length 1."""
    lyrics: dict[str, Floats]
    """By kind [n, e], rows of length 1."""
    artists: Ints
    """[n]: equal for songs by the same artist; 0 and up."""
    languages: Ints
    """[n]: index into `language_names`, -1 where the language was not told."""
    language_names: tuple[str, ...]
    playlists: Lists
    """For each playlist its songs, each once."""

    def __len__(self) -> int:
        return len(self.vectors)


def read_songs(lake: Lake, version: str) -> Songs:
    """The songs of corpus `version` whose song vector and lyrics vectors are not zero.

    Raises `SegueError` if a table or an array is not committed.
    """
    vectors = read_vectors(lake, word2vec.MODEL, version, SONGS)
    of_lyrics = {
        kind: read_vectors(lake, lyrics.MODEL, version, what) for kind, what in KINDS.items()
    }
    has_all = np.ones(len(vectors), bool)
    for array in (vectors, *of_lyrics.values()):
        has_all &= _has_vector(array)
    tracks = np.flatnonzero(has_all)
    number = np.full(len(vectors), -1, np.int32)
    number[tracks] = np.arange(len(tracks))

    table = _read(lake, f"corpus/{version}/tracks", ["track_uri", "artist_uri"]).take(
        pa.array(tracks)
    )
    artists = table["artist_uri"].combine_chunks().dictionary_encode()
    languages, names = _languages(lake, version, table["track_uri"].combine_chunks())
    return Songs(
        unit(vectors, tracks),
        {kind: unit(array, tracks) for kind, array in of_lyrics.items()},
        _indices(artists).astype(np.int32),
        languages,
        names,
        _playlists(lake, f"corpus/{version}/playlists", number),
    )


def unit(vectors: npt.NDArray[np.floating], rows: npt.NDArray[np.integer]) -> Floats:
    """[len(rows), d]: those rows of `vectors`, none of them zero, scaled to length 1."""
    taken: Floats = vectors[rows].astype(np.float32, copy=False)
    taken /= np.linalg.norm(taken, axis=1, keepdims=True)
    return taken


def _has_vector(vectors: Floats) -> npt.NDArray[np.bool_]:
    has = np.empty(len(vectors), bool)
    for start in range(0, len(vectors), _ROWS):
        has[start : start + _ROWS] = vectors[start : start + _ROWS].any(axis=1)
    return has


def _read(lake: Lake, key: str, columns: list[str]) -> pa.Table:
    tables = []
    for name in committed(lake, key).files:
        with lake.open(f"{key}/{name}") as source:
            tables.append(pq.read_table(source, columns=columns))
    return pa.concat_tables(tables)


def _indices(array: pa.Array) -> npt.NDArray[np.integer]:
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    return np.concatenate(
        [np.zeros(0, np.int32), *(c.indices.to_numpy(zero_copy_only=False) for c in chunks)]
    )


def _languages(lake: Lake, version: str, uris: pa.Array) -> tuple[Ints, tuple[str, ...]]:
    table = _read(lake, f"corpus/{version}/lyrics", ["track_uri", "language"])
    row = pc.index_in(uris, value_set=table["track_uri"].combine_chunks())
    language = table["language"].combine_chunks().take(row)
    names = tuple(sorted(pc.unique(language.drop_null()).to_pylist()))
    found = pc.index_in(language, value_set=pa.array(names, pa.string()))
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32), names


def _playlists(lake: Lake, key: str, number: Ints) -> Lists:
    lengths, members = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
    songs = int(number.max(initial=-1)) + 1
    for batch in _playlist_batches(lake, key):
        listed = batch["tracks"]
        counts = listed.value_lengths().to_numpy(zero_copy_only=False)
        owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        song = number[listed.flatten().to_numpy()]
        known = song >= 0
        # Each song of a playlist once.
        held = np.unique(owner[known] * songs + song[known]) if songs else owner[:0]
        rows, songs_held = np.divmod(held, max(songs, 1))
        lengths.append(np.bincount(rows, minlength=len(counts)))
        members.append(songs_held.astype(np.int32))
    return Lists(np.cumsum(np.concatenate(lengths)), np.concatenate(members))


def _playlist_batches(lake: Lake, key: str) -> Iterator[pa.RecordBatch]:
    for name in committed(lake, key).files:
        with lake.open(f"{key}/{name}") as source:
            yield from pq.ParquetFile(source).iter_batches(_ROWS, columns=["tracks"])

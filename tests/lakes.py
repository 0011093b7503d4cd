"""A small lake with a corpus and vectors, in a test's own words."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from segue.lake import Lake, Manifest, begin
from segue.schemas import CORPUS_PLAYLISTS, CORPUS_TRACKS

VERSION = "2021-04-09-abc123"
DIMENSIONS = 32
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def spotify_id(text: str) -> str:
    """22 characters that only `text` has."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    return "".join(_BASE62[number // 62**place % 62] for place in range(22))


def track_uri(song: str) -> str:
    """The URI of a song of `write_corpus`."""
    return f"spotify:track:{spotify_id(song)}"


def song_vector(song: str) -> list[float]:
    """A vector that only `song` has."""
    seed = int.from_bytes(hashlib.sha256(song.encode()).digest()[:8])
    return list(np.random.default_rng(seed).standard_normal(DIMENSIONS))


def write_corpus(
    lake: Lake,
    playlists: Mapping[str, Sequence[str]],
    *,
    version: str = VERSION,
    vectors: Mapping[str, Sequence[float]] | None = None,
    row_group_size: int = 1_000,
) -> list[str]:
    """Writes corpus and vectors of `version`; returns its songs by track index.

    A playlist is `"37 Road trip": ["Waterloo by ABBA on Waterloo", …]`, pid and name, its songs
    as title, artist and, if need be, album. A song that `vectors` lacks has none; without
    `vectors` every song has its own.
    """
    entries = Counter(song for songs in playlists.values() for song in songs)
    holders = Counter(song for songs in playlists.values() for song in set(songs))
    order = sorted(entries, key=lambda song: (-entries[song], track_uri(song)))
    index = {song: track for track, song in enumerate(order)}
    tracks = []
    for song in order:
        named, _, album = song.partition(" on ")
        title, _, artist = named.rpartition(" by ")
        tracks.append(
            {
                "track": index[song],
                "track_uri": track_uri(song),
                "track_name": title,
                "artist_uri": f"spotify:artist:{spotify_id(artist)}",
                "artist_name": artist,
                "album_uri": f"spotify:album:{spotify_id(album)}",
                "album_name": album,
                "duration_ms": 180_000,
                "num_playlists": holders[song],
                "num_entries": entries[song],
            }
        )
    numbered = sorted((int(k.partition(" ")[0]), k.partition(" ")[2], k) for k in playlists)
    rows = [
        {"pid": pid, "name": name, "modified_at": 0, "tracks": [index[s] for s in playlists[key]]}
        for pid, name, key in numbered
    ]
    given = {song: song_vector(song) for song in order} if vectors is None else vectors
    song_vectors = np.zeros((len(order), DIMENSIONS), np.float32)
    for song, vector in given.items():
        song_vectors[index[song], : len(vector)] = vector
    playlist_vectors = np.zeros((len(rows), DIMENSIONS), np.float32)
    for row, playlist in enumerate(rows):
        if playlist["tracks"]:
            playlist_vectors[row] = song_vectors[playlist["tracks"]].mean(axis=0)
    for name, records, schema in (
        ("playlists", rows, CORPUS_PLAYLISTS),
        ("tracks", tracks, CORPUS_TRACKS),
    ):
        out = BytesIO()
        pq.write_table(
            pa.Table.from_pylist(records, schema=schema), out, row_group_size=row_group_size
        )
        files = {"part-00000.parquet": out.getvalue()}
        write_partition(lake, f"corpus/{version}/{name}", files, rows=len(records))
    for what, array in (("songs", song_vectors), ("playlists", playlist_vectors)):
        key = f"models/word2vec/{version}/{what}"
        write_partition(lake, key, {"vectors.npy": npy_bytes(array)})
    return order


def write_lyrics_vectors(
    lake: Lake,
    order: Sequence[str],
    lyrics: Mapping[str, Sequence[float]],
    words: Mapping[str, Sequence[float]],
    *,
    version: str = VERSION,
) -> None:
    """Writes vectors of lyrics beside the corpus whose songs are `order` (from `write_corpus`).

    A song that `lyrics` lacks has none; `words` come most frequent first.
    """
    songs = np.zeros((len(order), DIMENSIONS), np.float32)
    for song, vector in lyrics.items():
        songs[list(order).index(song), : len(vector)] = vector
    of_words = np.zeros((len(words), DIMENSIONS), np.float32)
    for row, vector in enumerate(words.values()):
        of_words[row, : len(vector)] = vector
    counts = [100 - row for row in range(len(words))]
    table = BytesIO()
    pq.write_table(
        pa.table(
            {
                "row": pa.array(range(len(words)), pa.int32()),
                "word": pa.array(words, pa.string()),
                "count": pa.array(counts, pa.int64()),
                "document_frequency": pa.array(counts, pa.int64()),
                "idf": pa.array([1.0] * len(words), pa.float64()),
            }
        ),
        table,
    )
    files = {"vectors.npy": npy_bytes(of_words), "words.parquet": table.getvalue()}
    write_partition(lake, f"models/lyrics/{version}/words", files, len(words))
    for what in ("songs_tfidf", "songs"):
        write_partition(lake, f"models/lyrics/{version}/{what}", {"vectors.npy": npy_bytes(songs)})


def npy_bytes(array: np.ndarray) -> bytes:
    """What `np.save` writes."""
    out = BytesIO()
    np.save(out, array)
    return out.getvalue()


def write_partition(lake: Lake, key: str, files: Mapping[str, bytes], rows: int = 0) -> None:
    """Commits `files`, by name, as the partition `key`."""
    attempt = begin(lake, key)
    digest = hashlib.sha256()
    names = []
    for name, data in files.items():
        stem, _, suffix = name.rpartition(".")
        names.append(attempt.file_name(stem, suffix))
        lake.put(f"{attempt.work}/{key}/{names[-1]}", data)
        digest.update(data)
    attempt.commit({key: Manifest(names, attempt.token, digest.hexdigest(), rows)})


def new_lake(folder: Path) -> Lake:
    """An empty lake on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    return Lake(folder.resolve().as_uri())

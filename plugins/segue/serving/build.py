"""Building a version's serving bundle: a few passes over the corpus, in bounded memory."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from segue.embeddings import lyrics
from segue.embeddings.arrays import PLAYLISTS, SONGS, vectors_key
from segue.embeddings.word2vec import MODEL
from segue.errors import MalformedInput
from segue.lake import (
    Attempt,
    Lake,
    Manifest,
    Partition,
    begin,
    committed,
    is_made,
    read_manifest,
)
from segue.lake.store import CHUNK
from segue.serving.layout import BUNDLE_FORMAT, StoredFile, bundle_key
from segue.serving.names import batches_of_songs, write_names
from segue.serving.npy import npy_writer, read_npy_blocks
from segue.serving.rows import Rows, distinct, write_transposed
from segue.serving.text import recording

_BATCH = 32_768


def build_bundle(lake: Lake, version: str, *, scratch: Path | None = None) -> Manifest:
    """The manifest of the bundle of `version`, built unless it is there already.

    Reads `corpus/V/{playlists,tracks}` and `models/word2vec/V/{songs,playlists}`; the files are
    made in a folder in `scratch` (default: the system's for temporary files), which takes about
    as much room as the bundle.
    Raises `SegueError` when an input is missing, `MalformedInput` when one does not fit the
    others, `Fenced` when another attempt has overtaken this one.
    """
    key = bundle_key(version)
    inputs = {name: committed(lake, name).digest for name in _inputs(version)}
    inputs |= {name: m.digest for name in _of_lyrics(version) if (m := read_manifest(lake, name))}
    digest = hashlib.sha256(json.dumps([BUNDLE_FORMAT, inputs]).encode()).hexdigest()
    if is_made(lake, key, digest):
        return committed(lake, key)
    attempt = begin(lake, key)
    with tempfile.TemporaryDirectory(prefix="segue-bundle-", dir=scratch) as folder:
        counts = write_files(lake, version, Path(folder))
        files = _store(attempt, key, Path(folder))
    manifest = Manifest(
        files=[file["name"] for file in files.values()],
        token=attempt.token,
        digest=digest,
        rows=counts["songs"],
        facts={"format": BUNDLE_FORMAT, "files": files, "inputs": inputs, **counts},
    )
    attempt.commit({key: manifest})
    return manifest


def write_files(lake: Lake, version: str, folder: Path) -> dict[str, int]:
    """Writes the bundle's files into `folder`; returns counts of what they hold."""
    corpus_playlists, corpus_tracks, of_songs, of_playlists = _inputs(version)
    playlists = sum(f.metadata.num_rows for f in _parquet(lake, corpus_playlists))
    songs = _write_recordings(lake, corpus_tracks, folder)
    entries = _write_playlists(lake, corpus_playlists, songs, folder)
    rows = Rows(
        np.load(folder / "playlist_songs_indptr.npy", mmap_mode="r"),
        np.load(folder / "playlist_songs_indices.npy", mmap_mode="r"),
    )
    write_transposed(
        rows, songs, folder / "song_playlists_indptr.npy", folder / "song_playlists_indices.npy"
    )
    write_names(
        folder / "names.sqlite",
        _songs(lake, corpus_tracks),
        enumerate(_playlist_names(lake, corpus_playlists)),
    )
    return {
        **_write_lyrics(lake, version, songs, folder),
        "songs": songs,
        "playlists": playlists,
        "entries": entries,
        "songs_with_vector": _write_vectors(lake, of_songs, "song", songs, folder),
        "playlists_with_vector": _write_vectors(lake, of_playlists, "playlist", playlists, folder),
    }


def _inputs(version: str) -> tuple[str, str, str, str]:
    return (
        f"corpus/{version}/playlists",
        f"corpus/{version}/tracks",
        vectors_key(MODEL, version, SONGS),
        vectors_key(MODEL, version, PLAYLISTS),
    )


def _of_lyrics(version: str) -> tuple[str, str]:
    return (
        vectors_key(lyrics.MODEL, version, lyrics.MEAN),
        vectors_key(lyrics.MODEL, version, lyrics.WORDS),
    )


def _write_lyrics(lake: Lake, version: str, songs: int, folder: Path) -> dict[str, int]:
    of_songs, of_words = _of_lyrics(version)
    # The songs' are committed last, with the words' before them.
    if read_manifest(lake, of_songs) is None:
        return {}
    known = committed(lake, of_words)
    with (folder / "words.txt").open("w", encoding="utf-8", newline="\n") as out:
        for name in known.files:
            if name.endswith(".parquet"):
                with lake.open(f"{of_words}/{name}") as source:
                    table = pq.read_table(source, columns=["word"])
                out.writelines(f"{word}\n" for word in table["word"].to_pylist())
    return {
        "words": _write_vectors(lake, of_words, "word", known.rows, folder),
        "songs_with_lyrics": _write_vectors(lake, of_songs, "lyrics", songs, folder),
    }


def _parquet(lake: Lake, key: str) -> Iterator[pq.ParquetFile]:
    for path in Partition(lake, key).paths():
        with lake.fs.open(path, "rb") as source:
            yield pq.ParquetFile(source)


def _batches(lake: Lake, key: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for file in _parquet(lake, key):
        yield from file.iter_batches(batch_size=_BATCH, columns=columns, use_threads=False)


def _numbers(column: pa.Array) -> NDArray[Any]:
    return cast("NDArray[Any]", column.to_numpy(zero_copy_only=False))


def _write_recordings(lake: Lake, key: str, folder: Path) -> int:
    hashes = []
    songs = 0
    for batch in _batches(lake, key, ["track", "track_name", "artist_name"]):
        if not np.array_equal(_numbers(batch["track"]), np.arange(songs, songs + len(batch))):
            raise MalformedInput(f"{key}: `track` does not count the rows, near row {songs}")
        songs += len(batch)
        names = zip(batch["track_name"].to_pylist(), batch["artist_name"].to_pylist(), strict=True)
        texts = (recording(title, artist).encode() for title, artist in names)
        digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
        hashes.append(np.frombuffer(digests, "<u8"))
    everything = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
    _, first, inverse = np.unique(everything, return_index=True, return_inverse=True)
    with npy_writer(folder / "recordings.npy", np.int32) as append:
        append(first[inverse].astype(np.int32))
    return songs


def _write_playlists(lake: Lake, key: str, songs: int, folder: Path) -> int:
    entries = 0
    last_pid = np.iinfo(np.int64).min
    with (
        npy_writer(folder / "pids.npy", np.int64) as append_pids,
        npy_writer(folder / "playlist_songs_indptr.npy", np.int64) as append_ends,
        npy_writer(folder / "playlist_songs_indices.npy", np.int32) as append_songs,
    ):
        append_ends(np.zeros(1, np.int64))
        for batch in _batches(lake, key, ["pid", "tracks"]):
            pids = _numbers(batch["pid"]).astype(np.int64)
            tracks = _numbers(batch["tracks"].flatten()).astype(np.int32)
            if len(pids) and (pids[0] <= last_pid or (np.diff(pids) <= 0).any()):
                raise MalformedInput(f"{key}: pids do not ascend, near pid {pids[0]}")
            if len(tracks) and not 0 <= tracks.min() <= tracks.max() < songs:
                raise MalformedInput(f"{key}: a track index beyond 0 to {songs - 1}")
            kept, lengths = distinct(tracks, _numbers(batch["tracks"].value_lengths()))
            append_pids(pids)
            append_ends(entries + np.cumsum(lengths))
            append_songs(kept)
            entries += len(kept)
            last_pid = int(pids[-1]) if len(pids) else last_pid
    return entries


def _write_vectors(lake: Lake, key: str, kind: str, rows: int, folder: Path) -> int:
    stored = [
        name for name in committed(lake, key).files
        if name.endswith(".npy")
    ]  # fmt: skip
    if len(stored) != 1:
        raise MalformedInput(f"{key}: holds {len(stored)} arrays, wanted one")
    path = f"{key}/{stored[0]}"
    count = with_vector = 0
    try:
        with lake.open(path) as source:
            blocks = read_npy_blocks(source)
            first = next(blocks)
            with (
                npy_writer(folder / f"{kind}_vectors.npy", np.float32, first.shape[1]) as append,
                npy_writer(folder / f"{kind}_units.npy", np.float32, first.shape[1]) as append_unit,
            ):
                for block in chain([first], blocks):
                    if not np.isfinite(block).all():
                        raise ValueError(f"holds a number that is not finite, near row {count}")
                    units, has_vector = unit_rows(block)
                    append(block)
                    append_unit(units)
                    count += len(block)
                    with_vector += int(has_vector.sum())
    except ValueError as error:
        raise MalformedInput(f"{path}: {error}") from error
    if count != rows:
        raise MalformedInput(f"{path}: holds {count} rows, the corpus has {rows}")
    return with_vector


def unit_rows(block: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The rows of `block` at length 1, and which have a length; zero rows stay zero."""
    wide = block.astype(np.float64)
    norms = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    has_vector = norms[:, 0] > 0
    return (wide / np.where(norms > 0, norms, 1)).astype(np.float32), has_vector


def _songs(lake: Lake, key: str) -> Iterator[Any]:
    columns = ["track", "track_uri", "track_name", "artist_name", "artist_uri", "album_name",
               "duration_ms", "num_playlists"]  # fmt: skip
    for batch in _batches(lake, key, columns):
        yield from batches_of_songs(batch.to_pydict())


def _playlist_names(lake: Lake, key: str) -> Iterator[str]:
    for batch in _batches(lake, key, ["name"]):
        yield from batch["name"].to_pylist()


def _store(attempt: Attempt, key: str, folder: Path) -> dict[str, StoredFile]:
    files: dict[str, StoredFile] = {}
    for path in sorted(folder.iterdir()):
        name = attempt.file_name(path.stem, path.suffix.removeprefix("."))
        digest = hashlib.sha256()
        with (
            path.open("rb") as source,
            attempt.lake.writer(f"{attempt.work}/{key}/{name}") as out,
        ):
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
        files[path.name] = {
            "name": name,
            "sha256": digest.hexdigest(),
            "bytes": path.stat().st_size,
        }
        path.unlink()
    return files

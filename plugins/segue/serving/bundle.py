"""Opening a version's bundle: mapped in place from a disk, fetched once from S3."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.errors import SegueError
from segue.lake import Lake, Manifest, Partition
from segue.lake.store import CHUNK
from segue.serving.layout import BUNDLE_FORMAT, bundle_key, stored_files
from segue.serving.names import Names
from segue.serving.rows import Rows
from segue.settings import get_settings

_MANIFEST = "manifest.json"
_ABANDONED_SECONDS = 86_400


@dataclass(frozen=True, eq=False)
class Lyrics:
    """What a version knows of lyrics; a song without any has a zero row."""

    vectors: NDArray[np.float32]
    units: NDArray[np.float32]
    words: list[str]
    """Most frequent first; row i of the words' arrays is word i."""
    word_vectors: NDArray[np.float32]
    word_units: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A version, as it is asked: read-only, shared by threads, its pages by processes."""

    version: str
    song_vectors: NDArray[np.float32]
    song_units: NDArray[np.float32]
    playlist_vectors: NDArray[np.float32]
    playlist_units: NDArray[np.float32]
    playlist_songs: Rows
    song_playlists: Rows
    pids: NDArray[np.int64]
    recordings: NDArray[np.int32]
    """For each song the first one under the same title and artist."""
    names: Names
    lyrics: Lyrics | None
    """None: the version was trained without lyrics."""

    def row_of(self, pid: int) -> int | None:
        """The row of the playlist `pid`, or None."""
        if not -(1 << 63) <= pid < 1 << 63:
            return None
        row = int(np.searchsorted(self.pids, pid))
        return row if row < len(self.pids) and self.pids[row] == pid else None


def open_bundle(
    lake: Lake, version: str, *, cache: Path | None = None, keep: int | None = None
) -> Bundle:
    """The bundle of `version`, memory-mapped.

    From S3 it is fetched once into `cache`/`version` (default: `cache/bundles` in SEGUE_HOME),
    checksums verified, of which the `keep` (default: SEGUE_KEEP_BUNDLES) last used stay.
    Raises `SegueError` when there is no such bundle, or when a file is not as it was written.
    """
    if not version or "/" in version or version.startswith("."):
        raise SegueError(f"{version!r} is not a version")
    if lake.local:
        manifest = _committed(lake, version)
        folder = Path(lake.path(bundle_key(version)))
        return _map(
            version, manifest, {n: folder / f["name"] for n, f in stored_files(manifest).items()}
        )
    cache = cache or get_settings().home / "cache" / "bundles"
    manifest = _cached(cache / version) or _fetch(lake, version, cache)
    os.utime(cache / version)
    _prune(cache, keep or get_settings().keep_bundles, version)
    return _map(
        version, manifest, {name: cache / version / name for name in stored_files(manifest)}
    )


def _committed(lake: Lake, version: str) -> Manifest:
    manifest = Partition(lake, bundle_key(version)).manifest()
    if manifest is None:
        raise SegueError(f"there is no bundle of version {version} in {lake.url}")
    if manifest.facts.get("format") != BUNDLE_FORMAT:
        raise SegueError(f"the bundle of {version} was written by another Segue: train it again")
    return manifest


def _map(version: str, manifest: Manifest, paths: Mapping[str, Path]) -> Bundle:
    for name, file in stored_files(manifest).items():
        if not _has_size(paths[name], file["bytes"]):
            raise SegueError(f"{paths[name]} is missing or not as it was written")

    def array(name: str) -> Any:
        # A plain view of the mapping: slices of an `np.memmap` cost more.
        return np.asarray(np.load(paths[f"{name}.npy"], mmap_mode="r"))

    return Bundle(
        version=version,
        song_vectors=array("song_vectors"),
        song_units=array("song_units"),
        playlist_vectors=array("playlist_vectors"),
        playlist_units=array("playlist_units"),
        playlist_songs=Rows(array("playlist_songs_indptr"), array("playlist_songs_indices")),
        song_playlists=Rows(array("song_playlists_indptr"), array("song_playlists_indices")),
        pids=array("pids"),
        recordings=array("recordings"),
        names=Names(paths["names.sqlite"]),
        lyrics=Lyrics(
            vectors=array("lyrics_vectors"),
            units=array("lyrics_units"),
            words=paths["words.txt"].read_text(encoding="utf-8").split("\n")[:-1],
            word_vectors=array("word_vectors"),
            word_units=array("word_units"),
        )
        if "words.txt" in paths
        else None,
    )


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _cached(folder: Path) -> Manifest | None:
    try:
        manifest = Manifest.from_json((folder / _MANIFEST).read_bytes())
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None
    whole = manifest.facts.get("format") == BUNDLE_FORMAT and all(
        _has_size(folder / name, file["bytes"]) for name, file in stored_files(manifest).items()
    )
    return manifest if whole else None


def _fetch(lake: Lake, version: str, cache: Path) -> Manifest:
    manifest = _committed(lake, version)
    part = cache / f".{version}.{uuid.uuid4().hex}.part"
    part.mkdir(parents=True)
    try:
        for name, file in stored_files(manifest).items():
            digest = sha256()
            key = f"{bundle_key(version)}/{file['name']}"
            with lake.open(key) as source, (part / name).open("wb") as out:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
            if digest.hexdigest() != file["sha256"]:
                raise SegueError(f"{lake.url}/{key} is not as it was written: checksum differs")
        (part / _MANIFEST).write_bytes(manifest.to_json())
        _put_in_place(part, cache / version)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _put_in_place(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        # Another process was quicker, which is as good; or something broken stands there.
        if _cached(folder) is None:
            shutil.rmtree(folder)
            part.rename(folder)


def _prune(cache: Path, keep: int, used: str) -> None:
    for part in cache.glob(".*.part"):
        # Left by a process that was killed while it fetched.
        if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(part, ignore_errors=True)
    others = [f for f in cache.iterdir() if f.name != used and not f.name.startswith(".")]
    # Processes that have one of them mapped keep its pages.
    for folder in sorted(others, key=lambda f: f.stat().st_mtime, reverse=True)[keep - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)

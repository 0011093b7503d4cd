"""Where a bundle stands in the lake, and what its files are.

The manifest's fact `files` maps these names to the stored ones, their checksums and sizes:

| file | what it holds |
| --- | --- |
| `song_vectors.npy`, `playlist_vectors.npy` | float32, a row a song or playlist; all zero: none |
| `song_units.npy`, `playlist_units.npy` | the same at length 1, for cosine |
| `playlist_songs_{indptr,indices}.npy` | distinct songs of each playlist, in its order |
| `song_playlists_{indptr,indices}.npy` | playlist rows of each song, ascending |
| `pids.npy` | pid of each playlist row, ascending |
| `lyrics_vectors.npy`, `lyrics_units.npy` | as the songs', of their lyrics; with lyrics only |
| `word_vectors.npy`, `word_units.npy` | a row a word; with lyrics only |
| `words.txt` | the words, a line each; with lyrics only |
| `recordings.npy` | for each song the first with its title and artist (`text.recording`) |
| `names.sqlite` | songs, playlist names, and the words they are found by |
"""

from typing import TypedDict

from segue.lake import Manifest

BUNDLE_FORMAT = 1
"""Part of the digest: raised when a file's meaning changes."""


class StoredFile(TypedDict):
    """What the manifest says of one file."""

    name: str
    sha256: str
    bytes: int


def bundle_key(version: str) -> str:
    """Where the bundle of `version` stands in the lake."""
    return f"bundles/{version}"


def stored_files(manifest: Manifest) -> dict[str, StoredFile]:
    """The files of a bundle, by the names that the table above gives them."""
    files: dict[str, StoredFile] = manifest.facts["files"]
    return files

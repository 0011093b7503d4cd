"""Playlist vectors from song vectors."""

import numpy as np
import numpy.typing as npt


def mean_vectors(
    song_vectors: npt.NDArray[np.float32],
    tracks: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """The mean of the song vectors of each playlist's entries.

    `song_vectors` is [songs, d]; playlist i holds `tracks[offsets[i]:offsets[i + 1]]`. Returns
    [playlists, d]; an empty playlist has a zero row. A song that stands in a playlist twice
    counts twice.
    """
    lengths = np.diff(offsets)
    means = np.zeros((len(lengths), song_vectors.shape[1]), np.float32)
    filled = np.flatnonzero(lengths)
    if len(filled):
        entries = song_vectors[tracks[offsets[0] : offsets[-1]]].astype(np.float64)
        sums = np.add.reduceat(entries, offsets[filled] - offsets[0], axis=0)
        means[filled] = (sums / lengths[filled, None]).astype(np.float32)
    return means

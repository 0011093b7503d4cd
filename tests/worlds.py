"""Songs with a known relation between their playlists and their lyrics."""

import numpy as np

from segue.evaluation.songs import Lists, Songs, unit

DIMENSIONS = 16


def songs_of(
    songs: int,
    *,
    theme: float = 0,
    artist: float = 0,
    language: float = 0,
    per_artist: int = 10,
    languages: int = 2,
    playlists: int = 200,
    length: int = 12,
    by: str = "song",
    seed: int = 0,
) -> Songs:
    """Songs whose two vectors have a theme (by the song), an artist's and a language's part in
    common.

    Artists are all as far from each other: what they bring about is within artists alone.
    A playlist is a song and those that are nearest to it: by the song's vector, or, with `by`
    "chance", any.
    """
    rng = np.random.default_rng(seed)
    artists = (np.arange(songs) // per_artist).astype(np.int32)
    dimensions = max(DIMENSIONS, int(artists.max(initial=0)) + 1) if artist else DIMENSIONS
    of_artist = np.eye(int(artists.max(initial=0)) + 1, dimensions)[artists] * artist
    spoken = rng.integers(0, max(languages, 1), songs)
    told = np.where(rng.random(songs) < 0.1, -1, np.minimum(spoken, languages - 1))
    of_language = np.eye(languages or 1, dimensions)[spoken] * language
    themes = rng.standard_normal((songs, dimensions)) * theme + of_language
    vectors = rng.standard_normal((songs, dimensions)) + themes + of_artist
    lyrics = rng.standard_normal((songs, dimensions)) + themes + of_artist
    rows = np.arange(songs)
    of_song = unit(vectors, rows)
    members = []
    for _ in range(playlists if songs else 0):
        centre = rng.integers(songs)
        noise = rng.standard_normal(songs) * (0.1 if by == "song" else 100)
        near = np.argsort(-(of_song @ of_song[centre]) + noise)[:length]
        members.append(np.sort(near))
    return Songs(
        of_song,
        {
            "mean": unit(lyrics, rows),
            "tfidf": unit(lyrics + 0.2 * rng.standard_normal(lyrics.shape), rows),
        },
        artists,
        told.astype(np.int32),
        tuple(f"l{i}" for i in range(languages)),
        Lists(
            np.cumsum([0, *(len(m) for m in members)]),
            np.concatenate([np.zeros(0, np.int32), *members]).astype(np.int32),
        ),
    )

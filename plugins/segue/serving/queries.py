"""What a bundle answers: similar songs, words and playlists, continuations. Arrays in and out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from segue.errors import SegueError, SettingError
from segue.lyrics.text import lower
from segue.serving.bundle import Bundle, Lyrics
from segue.serving.scan import METRICS, Metric, Space, nearest
from segue.serving.search import search_playlists

Ints = NDArray[np.int64]
Scores = NDArray[np.float64]

_TITLE_PLAYLISTS = 100
_NONE = np.empty(0, np.int64)
_SPELLINGS = 3


@dataclass(frozen=True)
class SimilarPlaylists:
    """Playlist rows, best first, with their scores and how many songs they share."""

    rows: Ints
    scores: Scores
    shared: Ints


@dataclass(frozen=True)
class Continuation:
    """Track indices, best first, with their scores."""

    tracks: Ints
    scores: Scores
    model: str
    """What made them: `word2vec`, or `popularity` (scores are then counts of playlists)."""
    note: str
    """What people should know about how it was made; mostly empty."""


By = Literal["playlists", "lyrics"]
"""What makes songs alike: the playlists they are in, or their words."""


def similar_songs(
    bundle: Bundle,
    song: int,
    k: int,
    metric: Metric = "cosine",
    *,
    by: By = "playlists",
    distinct: bool = True,
) -> tuple[Ints, Scores]:
    """The `k` songs nearest to `song` (a track index), and their scores.

    Scores are cosines, falling, or Euclidean distances, rising; ties go by track index. With
    `distinct` the same recording (`segue.serving.text.recording`) comes once, and not at all if
    it is that of `song`. Raises `SegueError` when there is no such song, it has no vector, or the
    version was trained without lyrics.
    """
    if by not in get_args(By):
        raise SettingError(f"by: {by!r} is none of {', '.join(get_args(By))}")
    seeds = _known(bundle, [song])
    if by == "lyrics":
        lyrics = _lyrics(bundle)
        vectors = lyrics.vectors
        space = Space(lyrics.units if _checked(metric) == "cosine" else vectors, metric)
        lacking = "no lyrics"
    else:
        vectors, space, lacking = bundle.song_vectors, _songs(bundle, metric), "no vector"
    if not vectors[song].any():
        raise SegueError(f"{_title(bundle, song)} has {lacking} in version {bundle.version}")
    return nearest(
        space,
        vectors[song],
        k,
        without=seeds,
        groups=bundle.recordings if distinct else None,
    )


def similar_words(bundle: Bundle, word: str, k: int) -> list[tuple[str, float]]:
    """The `k` words whose vectors are nearest to that of `word`, in any case, with their cosines.

    Raises `SegueError` when the version was trained without lyrics or knows no such word.
    """
    lyrics = _lyrics(bundle)
    # Turkish words are stored in their own lower case.
    wanted = [lower(word.strip(), language) for language in (None, "tr")]
    row = next((lyrics.words.index(form) for form in wanted if form in lyrics.words), None)
    if row is None:
        near = _spellings(wanted[0], lyrics.words)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise SegueError(
            f"the lyrics of version {bundle.version} do not have the word {wanted[0]!r}, or have "
            f"it too seldom{hint}"
        )
    space = Space(lyrics.word_units, "cosine")
    rows, scores = nearest(space, lyrics.word_vectors[row], k, without=np.array([row]))
    return [(lyrics.words[r], float(s)) for r, s in zip(rows, scores, strict=True)]


def similar_playlists(
    bundle: Bundle,
    k: int,
    *,
    pid: int | None = None,
    songs: Sequence[int] = (),
    metric: Metric = "cosine",
) -> SimilarPlaylists:
    """The `k` playlists whose vectors are nearest to those of `pid`, or to the mean of `songs`.

    Shared songs are counted with the playlist `pid`, which is left out itself, or with `songs`.
    Raises `SegueError` when there is no such playlist or song, or none of them has a vector.
    """
    if pid is not None:
        row = bundle.row_of(pid)
        if row is None:
            raise SegueError(f"version {bundle.version} has no playlist {pid}")
        own, query = np.array([row]), bundle.playlist_vectors[row].astype(np.float64)
        members: NDArray[np.integer] = bundle.playlist_songs[row]
    else:
        members, own = _known(bundle, songs), _NONE
        query = _mean(bundle.song_vectors[members])
    if not query.any():
        what = "none of these songs" if pid is None else f"playlist {pid}: none of its songs"
        raise SegueError(f"{what} has a vector in version {bundle.version}")
    space = Space(
        bundle.playlist_units if _checked(metric) == "cosine" else bundle.playlist_vectors, metric
    )
    rows, scores = nearest(space, query, k, without=own)
    return SimilarPlaylists(rows, scores, _shared(bundle, rows, members))


def continuation(
    bundle: Bundle,
    seeds: Sequence[int],
    n: int,
    *,
    title: str | None = None,
    metric: Metric = "cosine",
    distinct: bool = True,
) -> Continuation:
    """Up to `n` songs to go on with after `seeds` (track indices).

    As the original system had it: the songs nearest to the mean of the seeds' vectors. Seeds are
    never recommended. With `distinct`, for people, neither is another release of the same
    recording, and none comes twice; an evaluation that counts track URIs turns it off.
    When no seed has a vector, the mean of the playlists with such a title takes their place,
    and when there is none, the songs in most playlists; `note` says so.
    Raises `SegueError` for an unknown song, or without seeds and title.
    """
    if not seeds and not (title or "").strip():
        raise SegueError("nothing to continue: name a song or a title")
    without = _known(bundle, seeds)
    query, note = _mean(bundle.song_vectors[without]), ""
    if not query.any() and title:
        found = search_playlists(bundle, title, _TITLE_PLAYLISTS)
        if found.complete:
            query = _mean(bundle.playlist_vectors[found.rows])
            note = f"by the title alone, from {len(found.rows)} playlists with such a title"
    elif title:
        note = "by the songs alone, the title plays no part in this model"
    groups = bundle.recordings if distinct else None
    if query.any():
        tracks, scores = nearest(_songs(bundle, metric), query, n, without=without, groups=groups)
        return Continuation(tracks, scores, "word2vec", note)
    reason = "none of these songs has a vector" if seeds else "no playlist has such a title"
    tracks, counts = _popular(bundle, n, without, groups)
    return Continuation(tracks, counts, "popularity", f"{reason}: the most popular songs instead")


def _lyrics(bundle: Bundle) -> Lyrics:
    if bundle.lyrics is None:
        raise SegueError(
            f"version {bundle.version} was trained without lyrics: set SEGUE_LYRICS_PROVIDERS, run "
            "`segue lyrics collect`, and train again"
        )
    return bundle.lyrics


def _spellings(word: str, words: list[str]) -> list[str]:
    """Those of `words` that `word` may be a misspelling of, nearest first, then by their order."""
    off = 1 if len(word) < 5 else 2
    near = process.extract(
        word, words, scorer=OSA.distance, processor=None, score_cutoff=off, limit=None
    )
    best = sorted((distance, row) for _, distance, row in near)
    return [words[row] for _, row in best[:_SPELLINGS]]


def _songs(bundle: Bundle, metric: Metric) -> Space:
    by_angle = _checked(metric) == "cosine"
    return Space(bundle.song_units if by_angle else bundle.song_vectors, metric)


def _checked(metric: Metric) -> Metric:
    if metric not in METRICS:
        raise SettingError(f"metric: {metric!r} is none of {', '.join(METRICS)}")
    return metric


def _known(bundle: Bundle, songs: Sequence[int]) -> Ints:
    tracks = np.asarray(songs, np.int64)
    if len(tracks) and not 0 <= tracks.min() <= tracks.max() < len(bundle.song_vectors):
        raise SegueError(f"version {bundle.version} has no such song: {list(songs)}")
    return tracks


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mean of the rows that are not all zero; zero when there is none."""
    given = vectors[vectors.any(axis=1)].astype(np.float64)
    return given.mean(axis=0) if len(given) else np.zeros(vectors.shape[1])


def _shared(bundle: Bundle, rows: Ints, members: NDArray[np.integer]) -> Ints:
    songs, lengths = bundle.playlist_songs.gather(rows)
    owner = np.repeat(np.arange(len(rows)), lengths)
    return np.bincount(owner[np.isin(songs, members)], minlength=len(rows)).astype(np.int64)


def _popular(
    bundle: Bundle, n: int, without: Ints, groups: NDArray[np.int32] | None
) -> tuple[Ints, Scores]:
    counts = bundle.song_playlists.lengths()
    order = np.lexsort((np.arange(len(counts)), -counts))
    if groups is None:
        order = order[~np.isin(order, without)]
    else:
        _, first = np.unique(groups[order], return_index=True)
        order = order[np.sort(first)]
        order = order[~np.isin(groups[order], groups[without])]
    return order[:n], counts[order[:n]].astype(np.float64)


def _title(bundle: Bundle, track: int) -> str:
    song = bundle.names.songs([track])[0]
    return f"“{song.title}” by {song.artist}"

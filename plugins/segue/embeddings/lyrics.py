"""Vectors of lyrics: Word2Vec over words, as the original had it, and songs as means of theirs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segue.lyrics.text import FORMAT

MODEL = "lyrics"
WORDS, MEAN, TFIDF = "words", "songs", "songs_tfidf"
"""The arrays of `models/lyrics/<version>/…`."""

PARAMETERS: dict[str, int] = {
    "vectorSize": 32,
    "minCount": 5,
    "maxIter": 10,
    "seed": 42,
    "windowSize": 5,
}
"""As in `song-playlist-recommendation`; windowSize is MLlib's default, which it used."""

VERSION_PARAMETERS: dict[str, object] = {MODEL: PARAMETERS | {"textFormat": FORMAT}}
"""What of the training decides a version, besides playlists and lyrics."""


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a vector; row i of `vectors` [words, d] and of `idf` is word i."""

    index: dict[str, int]
    vectors: npt.NDArray[np.float32]
    idf: npt.NDArray[np.float64]


def inverse_document_frequency(
    document_frequency: npt.NDArray[np.int64], documents: int
) -> npt.NDArray[np.float64]:
    """ln((documents + 1) / (frequency + 1)) of each word, as `pyspark.ml.feature.IDF` has it."""
    return np.log((documents + 1) / (document_frequency + 1.0))


def pool(
    vocabulary: Vocabulary, words: list[str]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
    """The mean [d] of the vectors of `words`, each as often as it occurs, and the TF-IDF-weighted.

    None when no word has a vector. Where every word is in every song, and so weighs nothing, the
    second is the first.
    """
    rows = [vocabulary.index[word] for word in words if word in vocabulary.index]
    if not rows:
        return None
    found, counts = np.unique(rows, return_counts=True)
    vectors = vocabulary.vectors[found].astype(np.float64)
    weights = counts * vocabulary.idf[found]
    mean = counts @ vectors / counts.sum()
    weighted = weights @ vectors / weights.sum() if weights.sum() > 0 else mean
    return mean.astype(np.float32), weighted.astype(np.float32)


def as_words(words: list[str], counts: list[int]) -> list[str]:
    """The words of a song of which only counts are kept, each as often as it occurs.

    Their order is lost; this one is the same for the same counts, and does not put like to like.
    """
    repeated = [word for word, count in zip(words, counts, strict=True) for _ in range(count)]
    # Seeded by nothing but the number of words.
    order = np.random.default_rng(len(repeated)).permutation(len(repeated))
    return [repeated[i] for i in order]

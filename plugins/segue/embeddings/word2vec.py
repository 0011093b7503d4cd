"""The original system's song vectors: MLlib's Word2Vec with its settings."""

MODEL = "word2vec"

PARAMETERS: dict[str, int] = {
    "vectorSize": 32,
    "minCount": 1,
    "maxIter": 10,
    "seed": 42,
    "windowSize": 5,
}
"""As in `song-playlist-recommendation`; windowSize is MLlib's default, which it used."""

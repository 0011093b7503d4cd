"""What of a training decides its version, besides the playlists and the lyrics."""

from segue.embeddings import lyrics, word2vec


def version_parameters(partitions: int) -> dict[str, object]:
    """The parameters of every model, those of Word2Vec with its number of partitions."""
    return {
        word2vec.MODEL: word2vec.PARAMETERS | {"numPartitions": partitions},
        **lyrics.VERSION_PARAMETERS,
    }

"""What a word that nothing has may be a misspelling of."""

from rapidfuzz import process
from rapidfuzz.distance import OSA

from segue.serving.names import Names

_ALTERNATIVES = 8
_FAR = 3
_SHORT = 3
"""Words up to this length have too many neighbours to be taken for misspelt in earnest."""


def spellings(names: Names, index: str, word: str, *, prefix: bool) -> tuple[str, ...]:
    """Up to eight words of `index` that `word` may stand for, likeliest first.

    With `prefix`, also beginnings of words. Two words in one, `teen spirit` for `teenspirit`,
    are one spelling with a space in it.
    """
    near = _alike(names, index, word)
    if not near and len(word) > _SHORT:
        # Perhaps the first letter is wrong: among common words only, there are many.
        near = _nearest(word, names.query(f"SELECT word, count FROM {index}_common"))
    if not near and len(word) > _SHORT and prefix:
        near = _begun(names, index, word)
    if not near:
        near = _halves(names, index, word)
    return tuple(spelling for spelling in near if spelling != word)


def rows_having(names: Names, index: str, word: str) -> int:
    """How many rows have this very word."""
    counted = names.query(
        f"SELECT count FROM {index}_words WHERE bucket = ? AND word = ?",
        [_bucket(word[0], len(word)), word],
    )
    return int(counted[0][0]) if counted else 0


def edits(asked: list[str], having: list[str]) -> int:
    """Edits from the words asked to the nearest of a row's words, the last as a beginning."""
    total = 0
    for place, word in enumerate(asked):
        begins = place == len(asked) - 1
        total += min(
            (
                OSA.distance(word, other[: len(word)] if begins else other, score_cutoff=_FAR)
                for other in having
            ),
            default=_FAR,
        )
    return total


def _alike(names: Names, index: str, word: str) -> list[str]:
    """Words with the same first letter and about as long."""
    if len(word) < _SHORT:
        return []
    off = _allowed(word)
    vocabulary = names.query(
        f"SELECT word, count FROM {index}_words WHERE bucket BETWEEN ? AND ?",
        [_bucket(word[0], max(len(word) - off, 1)), _bucket(word[0], len(word) + off)],
    )
    return _nearest(word, vocabulary)


def _begun(names: Names, index: str, word: str) -> list[str]:
    """Beginnings, as long as `word`, of longer words with the same first letter."""
    vocabulary = names.query(
        f"SELECT substr(word, 1, ?), max(count) FROM {index}_words"
        " WHERE bucket BETWEEN ? AND ? GROUP BY 1",
        [len(word), _bucket(word[0], len(word) + 1), _bucket(word[0], 255)],
    )
    return _nearest(word, vocabulary)


def _halves(names: Names, index: str, word: str) -> list[str]:
    """`word` as two words that there are, those in most rows, or nothing."""
    pairs = [(word[:cut], word[cut:]) for cut in range(2, len(word) - 1)]
    counted = [(min(rows_having(names, index, part) for part in pair), pair) for pair in pairs]
    return [" ".join(pair) for count, pair in sorted(counted, reverse=True)[:1] if count]


def _nearest(word: str, vocabulary: list[tuple[str, int]]) -> list[str]:
    """Words with the fewest edits, the common ones first."""
    counts = dict(vocabulary)
    near = process.extract(
        word,
        list(counts),
        scorer=OSA.distance,
        processor=None,
        score_cutoff=_allowed(word),
        limit=None,
    )
    best = sorted((distance, -counts[other], other) for other, distance, _ in near)
    return [other for _, _, other in best[:_ALTERNATIVES]]


def _allowed(word: str) -> int:
    return 1 if len(word) < 5 else 2


def _bucket(first: str, length: int) -> int:
    return ord(first) * 256 + min(length, 255)

"""Finding songs and playlists by what people type.

First what has every word, the last one as a beginning: exact titles and artists lead, the popular
before the rest. Words that nothing has are taken for misspelt, and only if that finds nothing
either, some are left out. What is typed is data: nothing in it is read as a query language.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segue.serving.bundle import Bundle
from segue.serving.names import Names, Song, key_of
from segue.serving.spelling import edits, rows_having, spellings
from segue.serving.text import artist_words, significant, title_words, words

URI = re.compile(r"\s*spotify:track:([0-9A-Za-z]{22})\s*")
LINK = re.compile(
    r"\s*(?:https?://)?open\.spotify\.com/(?:intl-[a-z-]+/)?(?:embed/)?track/([0-9A-Za-z]{22})"
    r"(?:[/?#]\S*)?\s*",
    re.IGNORECASE,
)

_MAX_TEXT = 1_000
_MAX_WORDS = 12
_MAX_LETTERS = 40
_POOL = 100
"""Rows that match, the most popular, among which the ranking looks; besides, exact titles and
artists are looked up by themselves."""
_EXACT = 20
_LOOSE = 2


@dataclass(frozen=True)
class Found:
    """Track indices or playlist rows, best first."""

    rows: NDArray[np.int64]
    complete: bool
    """Whether they have every word (perhaps misspelt); else some words were left out."""


@dataclass(frozen=True)
class _Term:
    """One word of a query: a row must have one of `spellings`, or a word that one begins.

    A spelling may be two words, `teen spirit` for `teenspirit`.
    """

    word: str
    spellings: tuple[str, ...]
    prefix: bool

    @property
    def expression(self) -> str:
        # Words hold no quotes, so that a quoted one is always a plain string.
        star = "*" if self.prefix else ""
        either = (f'("{s}"{star})'.replace(" ", '" AND "') for s in self.spellings)
        return f"({' OR '.join(either)})"


def track_uri(text: str) -> str | None:
    """The track URI that `text` is, as a URI or an open.spotify.com link; else None."""
    match = URI.fullmatch(text) or LINK.fullmatch(text)
    return f"spotify:track:{match[1]}" if match else None


def search_songs(bundle: Bundle, query: str, limit: int = 20) -> Found:
    """Up to `limit` songs that `query` names by words of title and artist, a URI or a link."""
    uri = track_uri(query)
    if uri is not None:
        track = bundle.names.track_of(uri)
        return _found([] if track is None else [track])
    asked = _asked(query)

    def rank(tracks: list[int]) -> list[int]:
        exact = _exact_songs(bundle.names, asked)
        fits = {s.track: _fit(asked, s) for s in bundle.names.songs({*tracks, *exact})}
        # Other words may have the same key.
        kept = [track for track, fit in fits.items() if fit < _LOOSE or track in tracks]
        return sorted(kept, key=lambda track: (fits[track], track))

    def spell(tracks: list[int]) -> list[int]:
        having = {s.track: words(f"{s.title} {s.artist}") for s in bundle.names.songs(tracks)}
        return sorted(tracks, key=lambda track: (edits(asked, having[track]), track))

    return _search(bundle.names, "song_index", asked, limit, rank, spell)


def search_playlists(bundle: Bundle, query: str, limit: int = 20) -> Found:
    """Up to `limit` playlists whose names have the words of `query`; those called so lead."""
    asked = _asked(query)

    def rank(rows: list[int]) -> list[int]:
        same = bundle.names.query(
            "SELECT row FROM playlists WHERE name_key = ? ORDER BY row LIMIT ?",
            [key_of(asked), limit],
        )
        both = sorted({*rows, *(row for (row,) in same)})
        names = bundle.names.playlist_names(both)
        exact = {row: words(name) == asked for row, name in zip(both, names, strict=True)}
        # Other words may have the same key.
        kept = [row for row in both if exact[row] or row in rows]
        return sorted(kept, key=lambda row: (not exact[row], row))

    def spell(rows: list[int]) -> list[int]:
        names = dict(zip(rows, bundle.names.playlist_names(rows), strict=True))
        return sorted(rows, key=lambda row: (edits(asked, words(names[row])), row))

    return _search(bundle.names, "playlist_index", asked, limit, rank, spell)


def _found(rows: Sequence[int], *, complete: bool = True) -> Found:
    return Found(np.asarray(rows, np.int64), complete)


def _asked(query: str) -> list[str]:
    return [word[:_MAX_LETTERS] for word in words(query[:_MAX_TEXT])[:_MAX_WORDS]]


def _search(
    names: Names,
    index: str,
    asked: list[str],
    limit: int,
    rank: Callable[[list[int]], list[int]],
    spell: Callable[[list[int]], list[int]],
) -> Found:
    if not asked or limit < 1:
        return _found([])
    pool = max(_POOL, limit)
    terms = _terms(asked)
    if rows := _matches(names, index, terms, pool):
        return _found(rank(rows)[:limit])
    mended = [t if _matches(names, index, [t], 1) else _mended(names, index, t) for t in terms]
    known = [t for t in mended if t.spellings]
    if not _enough(known, terms):
        return _found([], complete=False)
    if known != terms and (rows := _matches(names, index, known, pool)):
        return _found(spell(rows)[:limit], complete=len(known) == len(terms))
    # Every word is one, but not together: "teen spirt" where something is called Spirt.
    rows = []
    for place, term in enumerate(known):
        if term in terms and len(known) > 1:
            other = _mended(names, index, term)
            if other.spellings:
                rows += _matches(names, index, [*known[:place], other, *known[place + 1 :]], pool)
    if rows:
        return _found(spell(sorted(set(rows)))[:limit], complete=len(known) == len(terms))
    chosen = _most_words(names, index, known)
    rows = _matches(names, index, chosen, pool) if _enough(chosen, terms) else []
    return _found(spell(rows)[:limit], complete=False)


def _enough(chosen: list[_Term], terms: list[_Term]) -> bool:
    """Whether what has `chosen` may be what was meant: most of the words, or half as typed."""
    as_typed = all(term in terms for term in chosen)
    return 2 * len(chosen) > len(terms) or (as_typed and 2 * len(chosen) == len(terms))


def _terms(asked: list[str]) -> list[_Term]:
    last = len(asked) - 1
    # "Florence + the Machine" has no "and"; whoever types one means no word.
    kept = [i for i, word in enumerate(asked) if word != "and" or i == last]
    terms = [_Term(asked[i], (asked[i],), prefix=i == last) for i in kept]
    return list(dict.fromkeys(terms))


def _mended(names: Names, index: str, term: _Term) -> _Term:
    return replace(term, spellings=spellings(names, index, term.word, prefix=term.prefix))


def _matches(names: Names, index: str, terms: list[_Term], limit: int) -> list[int]:
    expression = " AND ".join(term.expression for term in terms)
    found = names.query(
        f"SELECT rowid FROM {index} WHERE {index} MATCH ? ORDER BY rowid LIMIT ?",
        [expression, limit],
    )
    return [int(row) for (row,) in found]


def _most_words(names: Names, index: str, terms: list[_Term]) -> list[_Term]:
    """As many of the words as can be had together, telling words first."""
    counts = {term: rows_having(names, index, term.word) for term in terms}
    chosen: list[_Term] = []
    for term in sorted(terms, key=lambda t: (counts[t], t.word)):
        if _matches(names, index, [*chosen, term], 1):
            chosen.append(term)
    return chosen


def _exact_songs(names: Names, asked: list[str]) -> list[int]:
    """The most popular songs that are called so, and by artists who are."""
    key = key_of(significant(asked))
    found = []
    for column in ("title_key", "artist_key"):
        sql = f"SELECT track FROM songs WHERE {column} = ? ORDER BY track LIMIT ?"
        found += [int(track) for (track,) in names.query(sql, [key, _EXACT])]
    return found


def _fit(asked: list[str], song: Song) -> int:
    """0 when title and artist together are what was asked, 1 when one of them is.

    Else `_LOOSE`, or one more when a word that was asked for only begins one of theirs.
    """
    query = significant(asked)
    title, whole = title_words(song.title), significant(words(song.title))
    artist = artist_words(song.artist)
    if sorted(query) in (sorted([*title, *artist]), sorted([*whole, *artist])):
        return 0
    if query in (list(title), whole, list(artist)):
        return 1
    rest = [word for word in query if word not in title]
    named = set(title) <= set(query) and all(
        any(part.startswith(word) for part in artist) for word in rest
    )
    if named:
        return 1
    return _LOOSE if set(query) <= {*whole, *title, *artist} else _LOOSE + 1

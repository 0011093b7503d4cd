"""Whose lyrics are a song's: asked for by name, best first, and believed only if they fit.

A wrong lyric is worse than none, so whatever a provider answers has to look like the song.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA, Indel

from segue.lyrics import lrc
from segue.lyrics.lookup import Catalogue, Entry, Method, Outcome, ProviderFailed, Song
from segue.lyrics.names import (
    artist_keys,
    artists,
    cleaned,
    composed,
    normalise,
    read_title,
    search_phrase,
    search_words,
    words,
)

LONGEST = 3_600
"""Seconds; LRCLIB refuses to be asked for more."""

LEAST_SCORE = 0.85
LEAST_ALIKE = 0.9
"""How alike, letter by letter, two ways to spell a title or an artist must be."""

SAME_SECONDS = 2.0
"""As far apart as two copies of one recording may be; all that LRCLIB's server allows."""
NEAR_SECONDS = 5.0
"""As far apart as an entry with the song's very title and artist may be."""

_LESS_SURE = 0.95
_NO_LENGTH = 0.9
_ROUNDING = 1e-6


@dataclass(frozen=True)
class _Question:
    title: str
    artist: str
    album: str | None
    method: Method


async def look_up(song: Song, catalogues: Sequence[Catalogue]) -> Outcome:
    """What the first of `catalogues` that knows the song's lyrics says, or that none does.

    At most five requests a catalogue. Raises `ProviderFailed` when one gave no answer and no other
    knew the lyrics; a transient one first.
    """
    if not (normalise(composed(song.title)) and normalise(composed(song.artist))):
        # A server refuses names that are nothing but punctuation.
        return Outcome(song.uri, "not_found")
    failures: list[ProviderFailed] = []
    for catalogue in catalogues:
        try:
            outcome = await _ask(song, catalogue)
        except ProviderFailed as error:
            failures.append(error)
            continue
        if outcome is not None:
            return outcome
    if failures:
        raise next((error for error in failures if error.transient), failures[0])
    return Outcome(song.uri, "not_found")


def score(song: Song, entry: Entry) -> float | None:
    """0 to 1: how well title, artist and duration of `entry` fit; None if it isn't the song's.

    Whatever is not exactly the same (another take, a guest more, a bracket less, a slip of the pen)
    is believed only of an entry as long as the song.
    """
    title, artist = _title(song.title, entry.title), _artist(song.artist, entry.artist)
    if title is None or artist is None:
        return None
    exact = title == 1 and artist == 1
    if not song.duration_ms or not entry.duration:
        return _NO_LENGTH if exact else None
    apart = abs(song.duration_ms / 1000 - entry.duration)
    if apart > (NEAR_SECONDS if exact else SAME_SECONDS) + _ROUNDING:
        return None
    near = 1 - max(0.0, apart - SAME_SECONDS) / 20
    total = title * artist * near
    return round(total, 4) if total >= LEAST_SCORE else None


async def _ask(song: Song, catalogue: Catalogue) -> Outcome | None:
    seconds = song.duration_ms / 1000
    duration = seconds if 1 <= seconds <= LONGEST else None
    for question in _questions(song, duration):
        entry = await catalogue.get(question.title, question.artist, question.album, duration)
        if entry is not None and (found := _outcome(song, entry, catalogue.name, question.method)):
            return found
    entries = await catalogue.search(search_phrase(song.title), search_words(song.artist))
    found_by_search = [
        found for entry in entries if (found := _outcome(song, entry, catalogue.name, "search"))
    ]
    # Of equals the first: a stable order for a stable answer.
    return max(found_by_search, key=lambda o: (o.score or 0, o.status == "found"), default=None)


def _questions(song: Song, duration: float | None) -> Iterator[_Question]:
    """What to ask for by exact name, best first; nothing twice, as the server would see it."""
    title, artist, album = composed(song.title), composed(song.artist), composed(song.album)
    if normalise(album):
        yield _Question(title, artist, album, "album")
    yield _Question(title, artist, None, "no_album")
    wordings = [(other, artist) for other in cleaned(title)]
    if duration is None:
        # Without a length only the copy may be dropped from a title.
        named = normalise(read_title(title).named)
        wordings = [pair for pair in wordings if normalise(pair[0]) == named]
    elif read_title(title).wording:
        # The words aren't those of the plain title, whatever the length.
        wordings = [pair for pair in wordings if read_title(pair[0]).wording]
    wordings += [(wordings[0][0] if wordings else title, other) for other in artists(artist)]
    for other_title, other_artist in wordings[:2]:
        yield _Question(other_title, other_artist, None, "cleaned")


def _outcome(song: Song, entry: Entry, provider: str, method: Method) -> Outcome | None:
    fit = score(song, entry)
    if fit is None:
        return None
    if method == "album" and normalise(song.album) != normalise(entry.album):
        method = "no_album"
    text = (entry.plain or "").strip()
    text = lrc.plain(text if text else entry.synced or "")
    if text:
        return Outcome(song.uri, "found", provider, method, fit, text)
    if entry.instrumental:
        return Outcome(song.uri, "instrumental", provider, method, fit)
    return None


def _title(mine: str, theirs: str) -> float | None:
    if normalise(composed(mine)) == normalise(composed(theirs)):
        return 1.0
    one, two = read_title(mine), read_title(theirs)
    if one.wording != two.wording:
        return None
    alike = 1.0 if one.take == two.take else _LESS_SURE
    if one.key == two.key:
        return alike
    if one.key == "".join(words(two.bare)) or two.key == "".join(words(one.bare)):
        return alike * _LESS_SURE
    spelt = _spelling(words(one.song), words(two.song))
    return None if spelt is None else alike * spelt


def _artist(mine: str, theirs: str) -> float | None:
    if normalise(composed(mine)) == normalise(composed(theirs)):
        return 1.0
    one, two = artist_keys(mine), artist_keys(theirs)
    if not one or not two:
        return None
    if one[0] == two[0]:
        return 1.0
    if one[0] in two or two[0] in one or one[1:2] == two[1:2] != []:
        return _LESS_SURE
    return _spelling(words(mine), words(theirs))


def _spelling(mine: list[str], theirs: list[str]) -> float | None:
    """How alike two names are that differ by a slip of the pen; None if by more than that.

    One letter more or less, or two swapped, in one long Latin word: `colour`, `recieve`. Another
    letter or number makes another name: `night` and `light`, `Part 1` and `Part 2`.
    """
    alike = Indel.normalized_similarity(" ".join(mine), " ".join(theirs))
    if alike < LEAST_ALIKE or len(mine) != len(theirs):
        return None
    differing = [(a, b) for a, b in zip(mine, theirs, strict=True) if a != b]
    if len(differing) != 1:
        return None
    ((one, two),) = differing
    if min(len(one), len(two)) < 4 or not (one + two).isascii() or not (one + two).isalpha():
        return None
    swapped = OSA.distance(one, two) == 1 and sorted(one) == sorted(two)
    return alike if swapped or Indel.distance(one, two) == 1 else None

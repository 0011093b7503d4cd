"""Matching on hard cases: real names, a catalogue of near misses, labels by construction.

`lyrics_cases.json`: names from public Spotify playlists (MIT, see sample/README.md); of each case
`expected` is the id of the entry that is the song's, or null if none is. The cases of the part
`held_out` were drawn, with other songs, after the matcher was done with those of `tuned`.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from segue.lyrics.lookup import Entry, Outcome, ProviderFailed, Song
from segue.lyrics.matching import look_up, score
from segue.lyrics.names import normalise

CASES = json.loads(Path(__file__).with_name("lyrics_cases.json").read_text(encoding="utf-8"))


class Known:
    """A catalogue by LRCLIB's rules, that remembers what it was asked."""

    def __init__(self, entries: Iterable[Entry], name: str = "known") -> None:
        self.name = name
        self.entries = list(entries)
        self.asked: list[tuple[str | float | None, ...]] = []
        self._by_names: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._by_word: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self._by_names[normalise(entry.title), normalise(entry.artist)].append(entry)
            for word in set(normalise(entry.title).split()):
                self._by_word[word].append(entry)

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        assert duration is None or 1 <= duration <= 3600
        assert normalise(title)
        assert normalise(artist)
        self.asked.append((normalise(title), normalise(artist), album, duration))
        for entry in self._by_names[normalise(title), normalise(artist)]:
            if album is not None and normalise(entry.album) != normalise(album):
                continue
            if duration is None or (
                entry.duration is not None and abs(entry.duration - duration) <= 2
            ):
                return entry
        return None

    async def search(self, title: str, artist: str) -> list[Entry]:
        self.asked.append(("search", title, artist))
        phrase, words = f" {normalise(title)} ", set(normalise(artist).split())
        return [
            entry
            for entry in self._by_word[phrase.split()[0]]
            if phrase in f" {normalise(entry.title)} "
            and words <= set(normalise(f"{entry.artist} {entry.title} {entry.album}").split())
        ][:20]


class Down(Known):
    """A catalogue that never answers."""

    def __init__(self, *, transient: bool) -> None:
        super().__init__([])
        self.transient = transient

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        raise ProviderFailed(f"down, transient: {self.transient}", transient=self.transient)


class Lying(Known):
    """A catalogue that gives its first entry, whatever it is asked for."""

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        return self.entries[0]


def entry(
    title: str = "Song",
    artist: str = "Singer",
    album: str = "Album",
    duration: float | None = 200.0,
    plain: str | None = "la la",
    synced: str | None = None,
    instrumental: bool = False,
) -> Entry:
    return Entry(title, artist, album, duration, instrumental, plain, synced)


def song(
    title: str = "Song", artist: str = "Singer", album: str = "Album", seconds: float = 200
) -> Song:
    return Song("spotify:track:x", title, artist, album, round(seconds * 1000))


def ask(wanted: Song, *catalogues: Known) -> Outcome:
    return asyncio.run(look_up(wanted, catalogues))


def test_the_labelled_cases_are_matched_with_hardly_a_wrong_lyric(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = {"plain": "plain", "synced": "synced", "instrumental": "", "none": ""}
    known = Known(
        Entry(
            title=row["title"],
            artist=row["artist"],
            album=row["album"],
            duration=row["duration"],
            instrumental=row["text"] == "instrumental",
            plain=f"words {row['id']}" if texts[row["text"]] == "plain" else None,
            synced=f"[00:01.00]words {row['id']}" if texts[row["text"]] == "synced" else None,
        )
        for row in CASES["entries"]
    )
    instrumental = {row["id"] for row in CASES["entries"] if row["text"] == "instrumental"}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    mistakes = []
    for case in CASES["cases"]:
        wanted = Song("", case["title"], case["artist"], case["album"], case["duration_ms"])
        outcome = ask(wanted, known)
        expected = case["expected"]
        if outcome.status == "not_found":
            verdict = "right none" if expected is None else "missed"
        elif outcome.status == "instrumental":
            verdict = "right" if expected in instrumental else "wrong"
        else:
            verdict = "right" if outcome.text == f"words {expected}" else "wrong"
        for kind in (case["kind"], case["part"].upper(), "ALL"):
            counts[kind][verdict] += 1
            counts[kind]["wanted"] += expected is not None
        if verdict in ("wrong", "missed"):
            mistakes.append(f"{verdict}: {case} {outcome}")
    with capsys.disabled():
        print()
        for kind, count in sorted(counts.items()):
            print(f"{kind:40} {_figures(count)}")
        print("\n".join(mistakes))
    assert len(CASES["cases"]) >= 300
    for part in ("ALL", "TUNED", "HELD_OUT"):
        assert _precision(counts[part]) >= 0.99
        assert counts[part]["right"] / counts[part]["wanted"] >= 0.9


def _precision(count: Counter[str]) -> float:
    given = count["right"] + count["wrong"]
    return count["right"] / given if given else 1.0


def _figures(count: Counter[str]) -> str:
    recall = count["right"] / count["wanted"] if count["wanted"] else 1.0
    total = count["right"] + count["wrong"] + count["missed"] + count["right none"]
    return f"{total:4}  precision {_precision(count):.3f}  recall {recall:.3f}"


def test_the_album_is_asked_for_first_and_ends_the_questions() -> None:
    known = Known([entry()])
    outcome = ask(song(), known)
    assert (outcome.method, outcome.score, outcome.text) == ("album", 1.0, "la la")
    assert known.asked == [("song", "singer", "Album", 200.0)]


def test_another_album_is_found_without_the_album() -> None:
    assert ask(song(album="Live Hits"), Known([entry()])).method == "no_album"


def test_no_request_is_sent_twice_and_at_most_five_for_one_song() -> None:
    for title in ("Song", "Song - Live at Y - Remastered 2009", "Song (feat. B) [Remix] (Alias)"):
        known = Known([])
        assert ask(song(title, "A & B feat. C"), known).status == "not_found"
        assert len(known.asked) == len(set(known.asked)) <= 5
    known = Known([])
    ask(song(album="..."), known)
    assert known.asked == [("song", "singer", None, 200.0), ("search", "song", "singer")]


def test_names_of_nothing_but_punctuation_are_not_asked_for() -> None:
    known = Known([])
    assert ask(song("???"), known).status == "not_found"
    assert ask(song(artist="!!!"), known).status == "not_found"
    assert known.asked == []


@pytest.mark.parametrize("seconds", [0, 0.4, 3601])
def test_a_length_that_the_server_refuses_is_not_sent(seconds: float) -> None:
    known = Known([entry(duration=None)])
    assert ask(song(seconds=seconds), known).status == "found"
    assert known.asked[0][3] is None


def test_an_answer_that_is_another_song_is_not_believed() -> None:
    for other in (entry("Other"), entry(artist="Other"), entry(duration=210.0)):
        assert ask(song(), Lying([other])).status == "not_found"


def test_an_answer_without_words_is_none_and_the_search_goes_on() -> None:
    known = Known([entry(plain=None), entry(title="Song [Explicit]", plain="words")])
    outcome = ask(song(), known)
    assert (outcome.status, outcome.method, outcome.text) == ("found", "search", "words")


def test_synced_lyrics_lose_their_time_stamps_and_tags() -> None:
    synced = "[ar:Singer]\n[00:01.00] One [two]\n[00:02.50][01:02.50]<00:02.50>Three"
    assert ask(song(), Known([entry(plain=None, synced=synced)])).text == "One [two]\nThree"


def test_an_instrumental_is_an_answer() -> None:
    outcome = ask(song(), Known([entry(plain=None, instrumental=True)]))
    assert (outcome.status, outcome.text, outcome.provider) == ("instrumental", None, "known")


def test_a_live_version_takes_the_plain_titles_words_only_at_the_same_length() -> None:
    assert ask(song("Song - Live", seconds=202), Known([entry()])).status == "found"
    assert ask(song("Song - Live", seconds=203), Known([entry()])).status == "not_found"
    assert score(song("Song"), entry("Song - Live", duration=203)) is None
    assert score(song("Song - Live"), entry("Song (Live)", duration=203)) is not None


def test_the_first_catalogue_that_knows_wins_and_a_failed_one_stops_nothing() -> None:
    first, second = Known([entry(plain="1")], "first"), Known([entry(plain="2")], "second")
    assert ask(song(), first, second).provider == "first"
    assert second.asked == []
    assert ask(song(), Known([]), Down(transient=True), second).provider == "second"


def test_a_failure_is_raised_when_nobody_knows_and_a_transient_one_first() -> None:
    with pytest.raises(ProviderFailed, match="transient: True"):
        ask(song(), Down(transient=False), Known([]), Down(transient=True))
    with pytest.raises(ProviderFailed, match="transient: False"):
        ask(song(), Down(transient=False), Known([]))


def test_half_a_surrogate_pair_and_control_characters_are_asked_for_as_blanks() -> None:
    known = Known([entry()])
    assert ask(song("So\x00\ud800ng"), known).status == "not_found"
    assert "\x00" not in "".join(map(str, known.asked[0]))

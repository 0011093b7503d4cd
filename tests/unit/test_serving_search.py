"""What people type finds what they mean."""

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from segue.serving.build import build_bundle
from segue.serving.bundle import Bundle, open_bundle
from segue.serving.search import search_playlists, search_songs, track_uri
from tests.lakes import VERSION, new_lake, spotify_id, track_uri as uri_of, write_corpus

DAY = "A Day In The Life - Remastered 2009 by The Beatles"
COVER = "A Day in the Life by Wes Montgomery"
# The first are in most playlists.
SONGS = [
    DAY,
    "Day Tripper by The Beatles",
    "Halo by Beyoncé",
    "Crazy In Love (feat. Jay-Z) by Beyoncé",
    "Army of Me by Björk",
    "Hoppípolla by Sigur Rós",
    "Don't Stop Me Now by Queen",
    "Killer Queen by Queen",
    "Queen of the Night by Somebody",
    "Queen by Nobody",
    "Smells Like Teen Spirit by Nirvana",
    "Spirt by Nobody",
    "Back in Black by AC/DC",
    "So What by P!nk",
    "上を向いて歩こう by 坂本九",
    "Группа крови by Кино",
    "Dog Days Are Over by Florence + The Machine",
    "The Sound of Silence by Simon & Garfunkel",
    "Hello Again by Somebody",
    "Hello by Adele",
    "And by The The",
    "🔥 by Nobody",
    COVER,
    "Hello World by Somebody",
]
FILLERS = {f"{pid + 100} Popular {pid}": SONGS[: len(SONGS) - pid] for pid in range(len(SONGS))}
PLAYLISTS = {
    **FILLERS,
    "1 Rock & Roll": ["Queen by Nobody"],
    "2 rock and roll classics": [],
    "3 Été 🎉": [],
    "4 Rock and Roll!": [],
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    lake = new_lake(tmp_path_factory.mktemp("search"))
    write_corpus(lake, PLAYLISTS)
    build_bundle(lake, VERSION)
    return open_bundle(lake, VERSION)


def found(bundle: Bundle, query: str, limit: int = 20) -> list[str]:
    songs = bundle.names.songs(search_songs(bundle, query, limit).rows)
    return [f"{song.title} by {song.artist}" for song in songs]


@pytest.mark.parametrize(
    ("query", "song"),
    [
        ("day in the life beatles", DAY),
        ("BEATLES life day", DAY),
        ("a day in the life", DAY),
        ("halo beyonce", "Halo by Beyoncé"),
        ("BEYONCÉ", "Halo by Beyoncé"),
        ("beyoncé", "Halo by Beyoncé"),
        ("crazy in love jay z", "Crazy In Love (feat. Jay-Z) by Beyoncé"),
        ("jayz", "Crazy In Love (feat. Jay-Z) by Beyoncé"),
        ("Bjork", "Army of Me by Björk"),
        ("sigur ros", "Hoppípolla by Sigur Rós"),
        ("dont stop me now", "Don't Stop Me Now by Queen"),
        ("don’t stop me now", "Don't Stop Me Now by Queen"),
        ("acdc", "Back in Black by AC/DC"),
        ("ac/dc back", "Back in Black by AC/DC"),
        ("pink", "So What by P!nk"),
        ("p!nk", "So What by P!nk"),
        ("上を向いて", "上を向いて歩こう by 坂本九"),
        ("歩こう", "上を向いて歩こう by 坂本九"),
        ("坂本九", "上を向いて歩こう by 坂本九"),
        ("ГРУППА", "Группа крови by Кино"),
        ("florence and the machine", "Dog Days Are Over by Florence + The Machine"),
        ("florence & the machine", "Dog Days Are Over by Florence + The Machine"),
        ("florence the machine", "Dog Days Are Over by Florence + The Machine"),
        ("simon and garfunkel", "The Sound of Silence by Simon & Garfunkel"),
        ("simon garfunkel", "The Sound of Silence by Simon & Garfunkel"),
        ("and", "And by The The"),
        ("the the", "And by The The"),
        ("🔥", "🔥 by Nobody"),
    ],
)
def test_words_find_the_song(bundle: Bundle, query: str, song: str) -> None:
    assert found(bundle, query)[0] == song


@pytest.mark.parametrize(
    ("query", "song"),
    [
        ("smells like teen spirt", "Smells Like Teen Spirit by Nirvana"),
        ("smels like teen spirit", "Smells Like Teen Spirit by Nirvana"),
        ("smells liek teen", "Smells Like Teen Spirit by Nirvana"),
        ("teenspirit", "Smells Like Teen Spirit by Nirvana"),
        ("hoppipola", "Hoppípolla by Sigur Rós"),
        ("garfunkle", "The Sound of Silence by Simon & Garfunkel"),
        ("garfn", "The Sound of Silence by Simon & Garfunkel"),
        ("ebatles", DAY),
        ("nivrana", "Smells Like Teen Spirit by Nirvana"),
    ],
)
def test_a_typo_does_not_matter(bundle: Bundle, query: str, song: str) -> None:
    assert found(bundle, query)[0] == song
    assert search_songs(bundle, query).complete


@pytest.mark.parametrize("end", range(1, len("smells like teen spirit") + 1))
def test_the_last_word_may_be_only_begun(bundle: Bundle, end: int) -> None:
    assert "Smells Like Teen Spirit by Nirvana" in found(bundle, "smells like teen spirit"[:end])


def test_whole_words_come_before_those_that_are_only_begun(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    hit, rare = "High by Tal Bachman", "Air in G by Johann Sebastian Bach"
    write_corpus(lake, {"1 A": [hit, hit, rare], "2 B": [hit]})
    build_bundle(lake, VERSION)
    assert found(open_bundle(lake, VERSION), "bach") == [rare, hit]


def test_exact_titles_and_artists_come_before_what_only_has_the_words(bundle: Bundle) -> None:
    assert found(bundle, "queen") == [
        "Don't Stop Me Now by Queen",
        "Killer Queen by Queen",
        "Queen by Nobody",
        "Queen of the Night by Somebody",
    ]
    assert found(bundle, "hello")[0] == "Hello by Adele"
    assert found(bundle, "hello adele")[0] == "Hello by Adele"


def test_among_equals_the_popular_come_first(bundle: Bundle) -> None:
    assert found(bundle, "day in the life")[:2] == [DAY, COVER]
    assert found(bundle, "hello")[1:] == ["Hello Again by Somebody", "Hello World by Somebody"]


def test_an_exact_title_is_found_below_many_popular_songs_with_the_word(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    lake = new_lake(tmp_path_factory.mktemp("many"))
    popular = [f"Love {n} by Band" for n in range(300)]
    write_corpus(lake, {"1 Much": popular * 2, "2 Little": ["Love by Someone"]})
    build_bundle(lake, VERSION)
    assert found(open_bundle(lake, VERSION), "love")[0] == "Love by Someone"


def test_words_that_nothing_has_are_left_out_and_it_says_so(bundle: Bundle) -> None:
    result = search_songs(bundle, "halo beyonce xyzzyx")
    assert not result.complete
    assert found(bundle, "halo beyonce xyzzyx")[0] == "Halo by Beyoncé"


@pytest.mark.parametrize("query", ["xyzzyx", "xyzzyx wvuwvu", "qqq halp zzz yyy", "", "  ", "?!"])
def test_what_nothing_has_finds_nothing(bundle: Bundle, query: str) -> None:
    assert found(bundle, query) == []


@pytest.mark.parametrize(
    "query",
    [
        '"', '""', "*", "halo*", "NOT", "a AND b", "halo OR queen", "NEAR(halo queen)",
        "words:halo", "^halo", "halo\x00", "(", ")", "' OR 1=1 --", "{words} : halo", "-halo",
        "\ud800", "a" * 10**6, "halo " * 10**5, "%", "\\",
    ],
)  # fmt: skip
def test_a_hostile_query_is_only_words(bundle: Bundle, query: str) -> None:
    search_songs(bundle, query)
    search_playlists(bundle, query)


@settings(deadline=None)
@given(query=st.text() | st.lists(st.sampled_from(SONGS)).map(" ".join))
def test_no_text_makes_the_search_fail(bundle: Bundle, query: str) -> None:
    for result in (search_songs(bundle, query, 5), search_playlists(bundle, query, 5)):
        assert len(set(result.rows)) == len(result.rows) <= 5


@settings(deadline=None)
@given(song=st.sampled_from(SONGS), data=st.data())
def test_a_song_is_among_those_found_by_any_of_its_words(
    bundle: Bundle, song: str, data: st.DataObject
) -> None:
    title, _, artist = song.rpartition(" by ")
    words = f"{title} {artist}".split()
    some = data.draw(st.lists(st.sampled_from(words), min_size=1, unique=True))
    if any(char.isalnum() for word in some for char in word):
        assert song in found(bundle, " ".join(some), 50)


@pytest.mark.parametrize(
    "form",
    [
        "spotify:track:{}",
        " spotify:track:{}\n",
        "https://open.spotify.com/track/{}",
        "http://open.spotify.com/track/{}?si=abc&x=1",
        "open.spotify.com/track/{}",
        "https://open.spotify.com/intl-de/track/{}#top",
        "https://open.spotify.com/embed/track/{}/",
    ],
)
def test_a_uri_or_a_link_is_that_song(bundle: Bundle, form: str) -> None:
    assert found(bundle, form.format(spotify_id(DAY))) == [DAY]


@pytest.mark.parametrize(
    "text",
    [
        "spotify:album:4aawyAB9vmqN3uQ7FjRGTy",
        "https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy",
        "https://evil.example/open.spotify.com/track/4aawyAB9vmqN3uQ7FjRGTy",
        "spotify:track:short",
    ],
)
def test_what_only_resembles_a_track_is_not_one(text: str) -> None:
    assert track_uri(text) is None


def test_a_uri_that_the_version_lacks_finds_nothing(bundle: Bundle) -> None:
    assert found(bundle, uri_of("something else")) == []


def test_playlists_are_found_by_title_and_those_called_so_lead(bundle: Bundle) -> None:
    rows = search_playlists(bundle, "rock and roll").rows
    assert [int(bundle.pids[row]) for row in rows] == [1, 4, 2]
    assert [int(bundle.pids[row]) for row in search_playlists(bundle, "ete").rows] == [3]
    assert [int(bundle.pids[row]) for row in search_playlists(bundle, "🎉").rows] == [3]
    assert [int(bundle.pids[row]) for row in search_playlists(bundle, "clasics").rows] == [2]


def test_no_more_than_asked_for(bundle: Bundle) -> None:
    assert len(found(bundle, "s", 3)) == 3
    assert found(bundle, "s", 0) == []
    assert len(search_playlists(bundle, "popular", 200).rows) == len(FILLERS)


def test_names_whose_keys_collide_are_not_mixed_up(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("names", "search"):
        monkeypatch.setattr(f"segue.serving.{module}.key_of", lambda found: 7)
    lake = new_lake(tmp_path_factory.mktemp("collide"))
    write_corpus(lake, {"1 Party": ["Waterloo by ABBA", "Halo by Beyoncé"], "2 Quiet": []})
    build_bundle(lake, VERSION)
    same = open_bundle(lake, VERSION)
    assert found(same, "halo") == ["Halo by Beyoncé"]
    assert [int(same.pids[row]) for row in search_playlists(same, "quiet").rows] == [2]

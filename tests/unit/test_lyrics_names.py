import hashlib

import pytest

from segue.lyrics.names import artist_keys, artists, cleaned, normalise, read_title, search_phrase

TABLE = "3fbf3f83206a2b75a0c9cf55a31f202b864b5c209f10d9643e944a90151ccdb2"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Déjà Vu", "deja vu"),
        ("Sigur Rós – Ágætis byrjun", "sigur ros – agætis byrjun"),
        ("Don't / Don’t `Stop`!?", "dont dont stop"),
        ("  A\t\tB\u00a0C\u3000D ", "a b c d"),
        ("Straße ẞ", "strase s"),
        ("IŞIK İstanbul ı", "isik istanbul i"),
        ("ŁÓDŹ Øre ŉ", "lodz ore n"),
        ("ＡＢＣ ⓧ", "abc x"),
        ("ΆΣΜΑ ΤΟΣ", "άσμα τοσ"),
        ("Франция Й", "франция й"),
        ("未開始 が", "未開始 が"),
        ("e\u0301", "e\u0301"),
        ("\u1e9b\u017f", "sl"),
        ("\u212b\u212a", "åk"),
        ("a\x1cb", "a\x1cb"),
        ("𐐀", "𐐨"),
        ("($)[]{}\\", ""),
        ("÷ ♥", "÷ ♥"),
    ],
)
def test_names_are_normalised_as_the_server_does(text: str, plain: str) -> None:
    assert normalise(text) == plain


def test_every_letter_is_based_on_the_one_that_the_servers_table_has() -> None:
    # The digest of the table of `secular` 1.0.1 as its generator makes it, and of what the server
    # does to it afterwards.
    letters = (chr(code) for code in range(0xFF5B) if not 0xD800 <= code < 0xE000)
    plain = "\n".join(normalise(letter) for letter in letters)
    assert hashlib.sha256(plain.encode()).hexdigest() == TABLE


@pytest.mark.parametrize(
    ("title", "others"),
    [
        ("Help! - Remastered 2009", ["Help!"]),
        ("Home - 2019 - Remaster", ["Home"]),
        ("Swalla (feat. Nicki Minaj & Ty Dolla $ign)", ["Swalla"]),
        ("Bout Shit feat. DMX", ["Bout Shit"]),
        ("Song [Explicit]", ["Song"]),
        ("Lola's Theme - Radio Edit", ["Lola's Theme"]),
        ('Teri Bhabhi (From "Coolie No. 1")', ["Teri Bhabhi"]),
        ("Song (feat. X) - Live at Y - 2009 Remaster", ["Song - Live at Y", "Song"]),
        ("(I Can't Get No) Satisfaction", ["Satisfaction"]),
        ("Live Forever", []),
        ("World Princess Part II", []),
        ("- Live", []),
        ("1979", []),
    ],
)
def test_a_title_is_cleaned_of_what_names_the_copy_and_then_of_its_take(
    title: str, others: list[str]
) -> None:
    assert cleaned(title) == others


def test_a_version_in_another_language_has_other_words() -> None:
    assert read_title("Bailando - Spanish Version").wording == {"spanish"}
    assert read_title("Bailando - Live").wording == frozenset()
    assert read_title("Spanish Bombs").wording == frozenset()


def test_ways_to_write_an_artist_have_one_key() -> None:
    assert artist_keys("The Beatles")[0] == artist_keys("Beatles, The")[0] == "beatles"
    assert artist_keys("Simon & Garfunkel")[0] == artist_keys("Simon and Garfunkel")[0]
    assert artist_keys("A, B feat. C") == ["abfeatc", "a", "b", "c"]
    assert artist_keys("The The")[0] == "the"
    assert artists("Beatles, The") == ["The Beatles"]
    assert artists("Earth, Wind & Fire") == ["Earth, Wind and Fire"]
    assert artists("A feat. B") == ["A"]
    assert artists("Air") == []


def test_a_search_asks_for_the_words_that_every_spelling_has() -> None:
    assert search_phrase("Rock 'n' Roll") == "rock"
    assert search_phrase("Narrow Sea, Pt. 2") == "narrow sea"
    assert search_phrase("Colour Of The Rain") == "of the rain"
    assert search_phrase("Hallelujah") == "hallelujah"

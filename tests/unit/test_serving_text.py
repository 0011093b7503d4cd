"""How names become words."""

import pytest
from hypothesis import given, settings, strategies as st

from segue.serving.text import index_words, recording, title_words, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Beyoncé", ["beyonce"]),
        ("BEYONCÉ", ["beyonce"]),
        ("Sigur Rós", ["sigur", "ros"]),
        ("Don't Stop Me Now", ["dont", "stop", "me", "now"]),
        ("Don’t", ["dont"]),
        ("Simon & Garfunkel", ["simon", "and", "garfunkel"]),
        ("Mötley Crüe / Røyksopp / Łona / Ænima / Straße",
         ["motley", "crue", "royksopp", "lona", "aenima", "strasse"]),
        ("КИНО", ["кино"]),
        ("Σίσυφος", ["σισυφοσ"]),
        ("歩こう", ["歩", "こ", "う"]),
        ("방탄소년단", ["방탄소년단"]),
        ("हिन्दी गाना", ["हिन्दी", "गाना"]),
        ("Party 🎉🎉", ["party", "🎉", "🎉"]),
        ("❤️", ["❤"]),
        ("ＡＢＢＡ", ["abba"]),
        ("…!?  ", []),
        ("", []),
    ],
)  # fmt: skip
def test_case_accents_and_punctuation_do_not_matter(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("name", "typed"),
    [("AC/DC", "acdc"), ("P!nk", "pink"), ("A$AP Rocky", "asap"), ("Ke$ha", "kesha"),
     ("JAY-Z", "jayz"), ("R.E.M.", "rem")],
)  # fmt: skip
def test_a_stylised_name_is_found_as_people_type_it(name: str, typed: str) -> None:
    assert typed in index_words(name)


def test_a_title_ends_before_its_version() -> None:
    assert title_words("A Day In The Life - Remastered 2009") == ("day", "in", "life")
    assert title_words("(I Can't Get No) Satisfaction") == (
        "i",
        "cant",
        "get",
        "no",
        "satisfaction",
    )
    assert title_words("The The") == ("the", "the")


def test_a_remaster_is_the_same_recording_and_a_live_version_is_not() -> None:
    assert recording("Help! - Remastered 2009", "The Beatles") == recording("Help", "the beatles")
    assert recording("Help! (Remastered)", "The Beatles") == recording("Help!", "The Beatles")
    assert recording("Help! - Live", "The Beatles") != recording("Help!", "The Beatles")
    assert recording("Help!", "Bananarama") != recording("Help!", "The Beatles")
    assert recording("???", "x") != recording("!!!", "x")


@settings(deadline=None)
@given(st.text())
def test_words_are_plain_and_folding_them_again_changes_nothing(text: str) -> None:
    found = words(text)
    assert all(found)
    assert not set("\"'*() ") & set("".join(found))
    assert words(" ".join(found)) == found

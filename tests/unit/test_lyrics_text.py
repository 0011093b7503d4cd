"""What of a text is sung, in which language, and which words it has."""

import pytest

from segue.lyrics.text import language, lines, lower, words

TEXTS = {
    "en": "We walked along the river in the evening, and you told me about your brother's house",
    "de": "Wir gingen am Abend die Straße entlang, und du hast mir von deinem großen Haus erzählt",
    "fr": "Nous marchions le soir au bord de l'eau, et tu m'as parlé de la maison de ton frère",
    "es": "Caminamos por la tarde junto al río, y me contaste todo sobre la casa de tu hermano",
    "tr": "Akşam nehir boyunca yürüdük ve bana kardeşinin evi hakkında her şeyi anlattın güzelim",
    "ru": "Вечером мы шли вдоль реки, и ты рассказал мне всё о доме своего брата и о его детях",
    "ja": "夕方に川のそばを歩いて、あなたは兄の家のことをすべて話してくれた",
    "ko": "저녁에 강을 따라 걸으며 너는 나에게 형의 집에 대해 모두 이야기해 주었지",
}


@pytest.mark.parametrize("code", TEXTS)
def test_the_language_is_told(code: str) -> None:
    assert language(TEXTS[code]) == code


@pytest.mark.parametrize("text", ["", "La la la", "Oh yeah", "1234 !!!", "여보세요", "愛してる"])
def test_too_little_text_has_no_language(text: str) -> None:
    assert language(text) is None


@pytest.mark.parametrize("text", ["ich liebe dich\n" * 50, "oh " * 200, "ich liebe dich " * 50])
def test_the_same_words_over_and_over_are_too_little_too(text: str) -> None:
    assert language(text) is None


def test_a_refrain_counts_once() -> None:
    refrain = f"{TEXTS['es']}\n"
    assert language(TEXTS["en"] + "\n" + refrain) == language(TEXTS["en"] + "\n" + refrain * 10)


def test_what_could_be_several_languages_is_none() -> None:
    assert language("Maria Barcelona Carmen Lola Bamba Tequila Roma Amore Ave Mambo Salsa") is None


@pytest.mark.parametrize(
    "line",
    [
        "[Chorus]", "[Verse 2: Somebody]", "(Chorus)", "Chorus:", "Verse 1", "Refrain", "Припев:",
        "[Couplet 1]", "【副歌】", "[00:12.34]", "[ar: Somebody]", "[length: 3:14]",
        "Written by A. Writer", "Lyrics and music by B. Writer", "Songwriters: C, D", "作词：某人",
        "Söz ve müzik: E", "© 2020 F", "(x2)", "(repeat)", "x4", "   ", "(Verse 2: Somebody)",
        "-- Chorus --", "*Chorus*", "Chorus x2", "(Chorus) 2x", "Repeat Chorus", "Chorus (repeat)",
        "Verse II", "Verse 2 - Somebody", "bis", "(repeat 2x)",
    ],
)  # fmt: skip
def test_what_is_not_sung_goes(line: str) -> None:
    assert lines(f"we sing\n{line}\nand sing") == ["we sing", "and sing"]


@pytest.mark.parametrize(
    "line",
    [
        "Bridge over the river", "Hook me up", "Versed in love", "I wrote a verse for you",
        "Copy that", "written on the wall", "words don't come easy", "put it on repeat",
        "ich warte bis", "watch the music fade out", "music by the river", "solo vivi", "(solo tú)",
        "10 x as good", "a break, a hook, a bridge",
    ],
)  # fmt: skip
def test_what_is_sung_stays(line: str) -> None:
    assert lines(line) == [line]


@pytest.mark.parametrize(
    "line",
    [
        "[00:01.00] we sing <00:02.10> along (x2)", "we  sing along x3",
        "we sing along (repeat 2x)", "we sing along (3 times)", "we sing along ×2",
        "[Chorus] we sing along", "Chorus: we sing along", "\ufeffwe sing\u200balong",
    ],
)  # fmt: skip
def test_marks_within_a_line_go_and_the_line_stays(line: str) -> None:
    assert lines(line) == ["we sing along"]


def test_a_line_of_nothing_but_spaces_takes_no_time() -> None:
    # Quadratic, these would take minutes.
    assert lines(f"a{' ' * 100_000}b") == ["a b"]
    assert lines(" " * 100_000) == []


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("Don’t stop—believin', 24/7!", "en", ["don't", "stop", "believin"]),
        ("Die STRAẞE und die Straße", "de", ["die", "straße", "und", "die", "straße"]),
        ("L'amour, qu'il est là", "fr", ["l'", "amour", "qu'", "il", "est", "là"]),
        ("El Niño ¿Dónde está?", "es", ["el", "niño", "dónde", "está"]),
        ("IŞIK İZMİR ısınır", "tr", ["ışık", "izmir", "ısınır"]),
        ("Ты моя ЛЮБОВЬ", "ru", ["ты", "моя", "любовь"]),
        ("ΟΔΟΣ ΑΓΑΠΗΣ", "el", ["οδος", "αγαπης"]),
        ("사랑해 너를", "ko", ["사랑해", "너를"]),
        ("我愛你", "zh", ["我", "愛", "你"]),
        ("l'amore c'è", "it", ["l'", "amore", "c'", "è"]),
        ("दिल से प्यार", "hi", ["दिल", "से", "प्यार"]),
        ("أنا أحبك", "ar", ["أنا", "أحبك"]),
        ("می\u200cخواهم تو را", "fa", ["می\u200cخواهم", "تو", "را"]),
    ],
)
def test_words_are_cut_and_lowered_as_their_language_does(
    text: str, code: str, expected: list[str]
) -> None:
    assert words(text, code) == expected


def test_katakana_stays_together() -> None:
    assert "ラブソング" in words("ラブソングを歌う", "ja")


@pytest.mark.parametrize(
    "form", ["don’t", "don´t", "DON'T", "do\u00adn't", "_don't_", "\ufeffdon't"]
)
def test_the_forms_of_a_word_are_one_word(form: str) -> None:
    assert words(form, "en") == ["don't"]


def test_a_decomposed_accent_is_the_same_word() -> None:
    assert words("cafe\u0301", "fr") == words("café", "fr") == ["café"]


def test_a_dotted_capital_i_is_a_plain_i_outside_turkish() -> None:
    assert lower("İstanbul", None) == "istanbul"
    assert lower("ILGAZ", "tr") == "ılgaz"
    assert lower("ILGAZ", "de") == "ilgaz"

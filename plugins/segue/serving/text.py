"""How names become words: the same folding for what is indexed and for what people type."""

import re
import unicodedata
from functools import lru_cache

_APOSTROPHES = {ord(c): "'" for c in "´`‘’‛ʼ＇"}
# Letters that do not decompose into a plain one and a mark.
_PLAIN = {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h",
          "ı": "i", "ŋ": "n"}  # fmt: skip
_IDEOGRAPHIC = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO")
_IGNORED = frozenset({"a", "an", "the", "and"})
_STYLED = re.compile(r"\$(?=[^\W\d_])|(?<=[^\W\d_])[$!@](?=[^\W\d_]|$)")
_LETTER_FOR = {"$": "s", "!": "i", "@": "a"}
_VERSION = re.compile(r"\s+(?:[-–(\[]|feat\b|ft\b).*$", re.IGNORECASE | re.DOTALL)
_REMASTER = re.compile(
    r"\s+[-(\[]\s*(?:\d{4}\s+)?(?:digital(?:ly)?\s+)?remaster(?:ed)?"
    r"(?:\s+\d{4})?(?:\s+version)?\s*[)\]]?\s*$",
    re.IGNORECASE,
)


class _Folding(dict[int, str]):
    """For `str.translate`: what each character of a decomposed, case-folded text becomes."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_character(chr(code))
        return folded


def _fold_character(char: str) -> str:
    if char in _PLAIN:
        return _PLAIN[char]
    if char == "&":
        return " and "
    kind = unicodedata.category(char)
    # Accents of Latin, Greek and Cyrillic go, variation selectors and joiners too; the marks of
    # other scripts are vowels.
    if char == "'" or kind == "Cf" or "\u0300" <= char <= "\u036f" or "\ufe00" <= char <= "\ufe0f":
        return ""
    if kind in ("So", "Sk") or unicodedata.name(char, "").startswith(_IDEOGRAPHIC):
        # An emoji is a word; so is a character of a script that puts no spaces between words.
        return f" {char} " if ord(char) > 127 else " "
    return char if kind[0] in "LNM" or kind == "Co" else " "


_FOLDING = _Folding()


def words(text: str) -> list[str]:
    """The words of `text` in order: no case, accents, apostrophes or punctuation; `&` is `and`."""
    if text.isascii():
        return text.lower().translate(_FOLDING).split()
    plain = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES).casefold()).casefold()
    folded = unicodedata.normalize("NFKD", plain).translate(_FOLDING)
    return unicodedata.normalize("NFC", folded).split()


def index_words(text: str) -> list[str]:
    """What `text` can be found by: its words, and `AC/DC`, `P!nk`, `A$AP` as people type them."""
    found = words(text)
    for chunk in text.split():
        if not chunk.isalnum():
            styled = _STYLED.sub(lambda m: _LETTER_FOR[m[0]], chunk)
            joined = "".join(words(styled))
            if joined not in found and len(joined) <= 24 and joined.isascii():
                found.append(joined)
    return [word for word in found if word]


def significant(found: list[str]) -> list[str]:
    """`found` without articles and `and`, unless nothing else is left."""
    return [word for word in found if word not in _IGNORED] or found


@lru_cache(maxsize=100_000)
def artist_words(artist: str) -> tuple[str, ...]:
    """The significant words of an artist's name."""
    return tuple(significant(words(artist)))


def title_words(title: str) -> tuple[str, ...]:
    """The significant words of a title without `- Remastered 2009`, `(Live)`, `feat. …`."""
    return tuple(significant(words(_VERSION.sub("", title) or title)))


def recording(title: str, artist: str) -> str:
    """The same text for what people hear as the same recording.

    Title and artist as folded, a remaster like the original. A live version is another recording.
    """
    title_part = " ".join(words(_REMASTER.sub("", title))) or title
    return f"{title_part}\n{' '.join(words(artist)) or artist}"

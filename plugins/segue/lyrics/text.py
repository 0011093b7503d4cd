"""The words of lyrics: what is not sung taken out, cut as Unicode says, in the language's case."""

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

FORMAT = 1
"""Part of a version's parameters: raised when the words of a text change."""

LEAST_LETTERS = 40
LEAST_PROBABILITY = 0.9
"""Below either of them a text's language is not told."""

_TIMES = regex.compile(r"[\[<]\d{1,3}:\d{2}(?:[.:]\d{1,3})?[\]>]")
_TAG = regex.compile(
    r"^\s*\[(?:ar|al|ti|au|by|re|ve|length|offset|id|tool|#)\s*:[^\]]*\]\s*$", regex.I
)
_BRACKETED = regex.compile(r"[\[【［][^\]】］\n]{0,80}[\]】］]")
_SECTIONS = (
    "intro|outro|verse|chorus|pre-?chorus|post-?chorus|bridge|hook|refrain|interlude|break(?:down)?|"
    "instrumental|solo|skit|coda|vamp|strophe|refrão|verso|estribillo|coro|puente|estrofa|couplet|"
    "pont|ritornello|strofa|ponte|nakarat|köprü|припев|куплет|мост|サビ|后歌|副歌|主歌|후렴|절"
)
_HEADER = regex.compile(
    rf"^\s*\(?\s*(?:{_SECTIONS})\s*[\divx]*\s*(?:[:：].{{0,60}}|\)|\))?\s*:?\s*$", regex.I
)
_CREDIT = regex.compile(
    r"^\s*(?:(?:written|lyrics?|words|music|composed|produced|performed|arranged|mixed|mastered)"
    r"(?:\s*(?:and|&|/)\s*\w+)?\s+by\b|(?:song)?writers?\s*:|composers?\s*:|lyricists?\s*:|"
    r"producers?\s*:|paroles\s*:|musique\s*:|letra\s*:|música\s*:|testo\s*:|musica\s*:|"
    r"söz(?:\s*(?:&|ve|-)\s*müzik)?\s*:|müzik\s*:|слова\s*:|музыка\s*:|"
    r"(?:作词|作曲|作詞|编曲|編曲|制作人|词|曲|작사|작곡)\s*[:：]|©|\(c\)\s*\d{4}|copyright\b).*$",
    regex.I,
)
_REPEAT = regex.compile(
    r"[(\[]?\s*\b(?:x\s*\d{1,2}|\d{1,2}\s*x|repeat(?:\s+(?:chorus|x?\s*\d{1,2}))?|bis|fade(?:s)?\s+out)"
    r"\b\s*[)\]]?\s*$",
    regex.I,
)
# V1: splits at matches of no width; WORD: \b is Unicode's default word boundary (UAX #29).
_BOUNDARY = regex.compile(r"\b", regex.V1 | regex.WORD)
_LETTER = regex.compile(r"\p{L}")
_ELISION = regex.compile(
    r"^((?:[cdjlmnstv]|qu|jusqu|lorsqu|puisqu|dell|all|nell|sull|un)')(?=\p{L})"
)
_ELIDING = frozenset({"fr", "it", "ca", "oc"})
_DOTTED = frozenset({"tr", "az"})
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "＇": "'", "`": "'"})


def lines(text: str) -> list[str]:
    """The lines that are sung: without time stamps, section headers, credits and repeat marks."""
    sung = []
    for raw in unicodedata.normalize("NFC", text).splitlines():
        if _TAG.match(raw):
            continue
        line = _BRACKETED.sub(" ", _TIMES.sub(" ", raw))
        if _HEADER.match(line) or _CREDIT.match(line):
            continue
        line = " ".join(_REPEAT.sub(" ", line).split())
        if line:
            sung.append(line)
    return sung


def language(text: str) -> str | None:
    """The ISO 639-1 code of the language of `text`, or None when it cannot be told."""
    sung = "\n".join(lines(text))
    if sum(map(str.isalpha, sung)) < LEAST_LETTERS and not _dense(sung):
        return None
    code, probability = _identifier().classify(sung)
    return str(code) if probability >= LEAST_PROBABILITY else None


def words(text: str, language: str | None) -> list[str]:
    """The words of `text` in their order, lower case as `language` (ISO 639-1) has it.

    Cut at the default word boundaries of UAX #29; what holds no letter is left out. French,
    Italian, Catalan and Occitan elisions are cut too: `l'amour` is `l'` and `amour`.
    """
    found = []
    for line in lines(text):
        for piece in _BOUNDARY.split(lower(line.translate(_APOSTROPHES), language)):
            if not _LETTER.search(piece):
                continue
            if language in _ELIDING and (elided := _ELISION.match(piece)):
                found += [elided[1], piece[elided.end() :]]
            else:
                found.append(piece)
    return found


def lower(text: str, language: str | None) -> str:
    """`text` in lower case: Turkish and Azeri tell the dotted i from the dotless one."""
    if language in _DOTTED:
        text = text.replace("İ", "i").replace("I", "ı")
    # Elsewhere İ becomes i and a combining dot, which no other spelling of the word has.
    return unicodedata.normalize("NFC", text.replace("İ", "i").lower())


def _dense(text: str) -> bool:
    """Whether `text` is in a script that says as much with fewer letters."""
    return len(regex.findall(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]", text)) >= 12


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

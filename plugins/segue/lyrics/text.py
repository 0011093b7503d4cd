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
"""Of distinct words: with less a text's language is not told, unless its script is dense."""
LEAST_PROBABILITY = 0.9
"""Below it a text's language is not told either."""

# They come, joined and with its neighbours, in a word that looks like another. The joiners that
# Persian and Indian scripts are written with stay.
_INVISIBLE = regex.compile(r"(?![\u200c\u200d])\p{Cf}")
# All patterns below are for lines in which nothing but single spaces stands between words: runs of
# spaces would take them quadratic time.
_TIMES = regex.compile(r"[\[<]\d{1,3}:\d{2}(?:[.:]\d{1,3})?[\]>]")
_BRACKETED = regex.compile(r"[\[【［][^\]】］]{0,80}[\]】］]")
_SECTIONS = (
    "intro|outro|verse|chorus|pre-?chorus|post-?chorus|bridge|hook|refrain|interlude|break(?:down)?|"
    "instrumental|solo|skit|coda|vamp|strophe|refrão|verso|estribillo|coro|puente|estrofa|couplet|"
    "pont|ritornello|strofa|ponte|nakarat|köprü|припев|куплет|мост|サビ|后歌|副歌|主歌|후렴|절"
)
_NUMBER = r"(?: ?(?:\d{1,2}|(?-i:[IVX]{1,4})))"
_HEADER = regex.compile(
    rf"[(*#~=–—-]* ?(?:repeat )?(?:{_SECTIONS}){_NUMBER}?(?: repeat)? ?[)*#~=–—-]* ?[:：]?"
    rf"|\((?:{_SECTIONS}){_NUMBER}? ?[:：–—-][^)]{{0,60}}\)"
    rf"|(?:{_SECTIONS}){_NUMBER} ?[–—-].{{0,60}}",
    regex.I,
)
_LABEL = regex.compile(rf"(?:{_SECTIONS}){_NUMBER}? ?[:：] ?", regex.I)
# "Music by Somebody", not "music by the river".
_CREDIT = regex.compile(
    r"(?:(?:written|lyrics?|words|music|composed|produced|performed|arranged|mixed|mastered)"
    r"(?: (?:and|&|/) \w+)? by(?: ?[:：]| (?-i:(?!\p{Ll}))|$)|(?:song)?writers? ?:|composers? ?:|"
    r"lyricists? ?:|lyrics ?:|producers? ?:|paroles ?:|musique ?:|letra ?:|música ?:|testo ?:|"
    r"musica ?:|söz(?: ?(?:&|ve|-) ?müzik)? ?:|müzik ?:|слова ?:|музыка ?:|"
    r"(?:作词|作曲|作詞|编曲|編曲|制作人|词|曲|작사|작곡) ?[:：]|©|\(c\) ?\d{4}|copyright\b)",
    regex.I,
)
# Bare words are sung as well: "put it on repeat", "ich warte bis".
_TIMES_SUNG = r"(?:[x×] ?\d{1,2}|\d{1,2} ?[x×])"
_REPEAT = regex.compile(
    rf" ?[(](?:{_TIMES_SUNG}|\d{{1,2}} times|repeat[^()]{{0,30}}|bis|fade(?:s|d)?(?: out)?)[)]$"
    rf"|(?<!\S){_TIMES_SUNG}$"
    r"|^(?:repeat(?: [x×]? ?\d{1,2}[x×]?)?|bis|fades? out)$",
    regex.I,
)
# V1: splits at matches of no width; WORD: \b is Unicode's default word boundary (UAX #29).
_BOUNDARY = regex.compile(r"\b", regex.V1 | regex.WORD)
_LETTER = regex.compile(r"\p{L}")
# Scripts that say as much with fewer letters.
_DENSE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_ELISION = regex.compile(
    r"^((?:[cdjlmnstv]|qu|jusqu|lorsqu|puisqu|dell|all|dall|nell|sull|quell|quest|un)')(?=\p{L})"
)
_ELIDING = frozenset({"fr", "it", "ca", "oc"})
_DOTTED = frozenset({"tr", "az"})
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇`´′", "'"))


def lines(text: str) -> list[str]:
    """The lines that are sung: without time stamps, section headers, credits and repeat marks."""
    sung = []
    for raw in unicodedata.normalize("NFC", text).replace("\u200b", " ").splitlines():
        line = _TIMES.sub(" ", _spaced(_INVISIBLE.sub("", raw)))
        line = _REPEAT.sub("", _spaced(_BRACKETED.sub(" ", line))).strip()
        if not line or _HEADER.fullmatch(line) or _CREDIT.match(line):
            continue
        sung.append(line[found.end() :] if (found := _LABEL.match(line)) else line)
    return sung


def language(text: str) -> str | None:
    """The ISO 639-1 code of the language of `text`, or None when it cannot be told."""
    # Repeated as often as you like, la la la tells no more.
    sung = list(dict.fromkeys(lines(text)))
    distinct = {word for line in sung for word in line.lower().split()}
    if sum(map(len, distinct)) < LEAST_LETTERS and len(set(_DENSE.findall("".join(distinct)))) < 10:
        return None
    code, probability = _identifier().classify("\n".join(sung))
    return str(code) if probability >= LEAST_PROBABILITY else None


def words(text: str, language: str | None) -> list[str]:
    """The words of `text` in their order, lower case as `language` (ISO 639-1) has it.

    Cut at the default word boundaries of UAX #29; what holds no letter is left out. French,
    Italian, Catalan and Occitan elisions are cut too: `l'amour` is `l'` and `amour`.
    """
    found = []
    for line in lines(text):
        for piece in _BOUNDARY.split(lower(line, language)):
            if not _LETTER.search(piece):
                continue
            word = piece.strip("_")
            if language in _ELIDING and (elided := _ELISION.match(word)):
                found += [elided[1], word[elided.end() :]]
            else:
                found.append(word)
    return found


def lower(text: str, language: str | None) -> str:
    """`text` in lower case, with plain apostrophes; Turkish and Azeri tell i from ı."""
    text = text.translate(_APOSTROPHES)
    if language in _DOTTED:
        text = text.replace("İ", "i").replace("I", "ı")
    # Elsewhere İ becomes i and a combining dot, which no other spelling of the word has.
    return unicodedata.normalize("NFC", text.replace("İ", "i").lower())


def _spaced(line: str) -> str:
    return " ".join(line.split())


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

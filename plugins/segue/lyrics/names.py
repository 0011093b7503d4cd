"""Names of songs and artists: as LRCLIB compares them, and what tells recordings apart."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Letters that the `secular` crate bases on a Latin one though Unicode doesn't decompose them.
_STROKED = {
    "a": "ȺɐẚⱥⱯ",
    "b": "ƀƁƂƃɃɓ",
    "c": "ƇƈȻȼↄꜾꜿ",
    "d": "ĐđƉƊƋƌɖɗꝹꝺ",
    "e": "ƎƐǝɇɛ",
    "f": "ƑƒꝻꝼ",
    "g": "ƓǤǥɠᵹꝽꝾꝿꞠꞡ",
    "h": "ĦħɥⱧⱨⱵⱶꞍ",
    "i": "ıƗɨ",
    "j": "Ɉɉ",
    "k": "ƘƙⱩⱪꝀꝁꝂꝃꝄꝅꞢꞣ",
    "l": "ĿŀŁłſƚȽɫⱠⱡⱢꝆꝇꝈꝉꞀꞁ",
    "m": "ƜɯɱⱮ",
    "n": "ŉƝƞȠɲꞐꞑꞤꞥ",
    "o": "ØøƆƟǾǿɔɵꝊꝋꝌꝍ",
    "p": "ƤƥᵽⱣꝐꝑꝒꝓꝔꝕ",
    "q": "ɊɋꝖꝗꝘꝙ",
    "r": "ɌɍɽⱤꝚꝛꞂꞃꞦꞧ",
    "s": "ßȿẛẞⱾꞄꞅꞨꞩ",
    "t": "ŦŧƬƭƮȾʈⱦꞆꞇ",
    "u": "Ʉʉ",
    "v": "ƲɅʋʌꝞꝟ",
    "w": "Ⱳⱳ",
    "y": "ƳƴɎɏỾỿ",
    "z": "ƵƶȤȥɀⱫⱬⱿꝢꝣ",
}
_BASES = {letter: base for base, letters in _STROKED.items() for letter in letters} | {
    "\N{ANGSTROM SIGN}": "å"
}
_LAST_LETTER = "\N{FULLWIDTH LATIN SMALL LETTER Z}"
_PUNCTUATION = frozenset('`~!@#$%^&*()_|+-=?;:",.<>{}[]\\/')
_APOSTROPHES = frozenset("'’")
# What Rust calls white space; str.split() takes four control characters for it too.
_BLANKS = re.compile(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


class _Plain(dict[int, str]):
    """A table for `str.translate` that is filled as letters are met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        plain = "" if letter in _APOSTROPHES else " " if letter in _PUNCTUATION else _base(letter)
        self[code] = plain
        return plain


def _base(letter: str) -> str:
    if letter > _LAST_LETTER:
        return letter
    if letter in _BASES:
        return _BASES[letter]
    round_or_wide = unicodedata.decomposition(letter).startswith(("<circle>", "<wide>"))
    parts = unicodedata.normalize("NFKD" if round_or_wide else "NFD", letter)
    base = "".join(part for part in parts if not unicodedata.combining(part)).lower()
    return base if len(base) == 1 and "a" <= base <= "z" else letter.lower()[0]


_PLAIN = _Plain()


def normalise(text: str) -> str:
    """`text` as LRCLIB's server compares it: lower case, no accents, punctuation or extra blanks.

    As the server, it doesn't compose: a letter and a combining accent remain two.
    Source: `prepare_input` of github.com/tranxuanthang/lrclib, with secular and collapse.
    """
    return _BLANKS.sub(" ", text.translate(_PLAIN).lower()).strip(" ")


def composed(name: str) -> str:
    """`name` as catalogues write it: composed (NFC), without control characters and half pairs."""
    return "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs") else letter
        for letter in unicodedata.normalize("NFC", name)
    ).strip()


@dataclass(frozen=True)
class Title:
    """A title taken apart. `Song (feat. X) - Live at Y - Remastered 2009` is `Song`, live at y."""

    song: str
    """Without guests, and without what says which copy or which take it is."""
    named: str
    """Without guests and copy, the take still there."""
    bare: str
    """`song` without what stands in brackets, unless that numbers a part."""
    take: frozenset[str]
    """The words that tell this recording from others of the song: live, remix, acoustic …"""
    wording: frozenset[str]
    """Those among them that mean other words, or none: instrumental, spanish …"""

    @property
    def key(self) -> str:
        """Equal for two ways to write a song's name."""
        return "".join(words(self.song))


_YEAR = r"(?:19|20)\d\d"
# All of these are matched against normalised text.
_COPY = re.compile(
    rf"(?:{_YEAR} )?(?:digital(?:ly)? )?re ?master(?:ed)?(?: (?:version|edition|mix|mono|stereo|"
    rf"album|single|track|digital|in|{_YEAR}))*"
    rf"|(?:{_YEAR} )?(?:mono|stereo)(?: (?:version|mix|re ?master(?:ed)?|single|album|{_YEAR}))*"
    r"|(?:explicit|clean|dirty|censored|uncensored|edited)(?: album)?(?: (?:version|edit))?"
    r"|(?:(?:original|single|album|lp|main|video|radio|soundtrack|full length|7) ?"
    rf"(?:inch )?)+(?:version|mix|edit|single)?(?: {_YEAR})?"
    rf"|edit|{_YEAR} (?:mix|version|edition)|bonus(?: track)?(?: .*)?|hidden track"
    r"|(?:(?:super )?deluxe|expanded|special|anniversary|bonus|collectors)(?: (?:edition|version))?"
    r"|\d+(?:th|st|nd|rd) anniversary(?: .*)?"
    r"|(?:official )?(?:(?:music|lyrics?) )?(?:video|audio|visuali[sz]er)|official"
    r"|(?:theme |music )?from .*(?:soundtrack|motion picture|film|movie|series)\b.*"
    r"|original (?:motion picture|song from|soundtrack)\b.*"
)
_GUESTS = re.compile(r"(?:feat|ft|featuring|prod|produced by|duet with)\b.*")
_TAKE = re.compile(
    r"live\b.*|recorded (?:at|in|live)\b.*|.*\b(?:live|en vivo|ao vivo|dal vivo|en directo|concert|"
    r"en concert|unplugged|acoustic|acustico|acoustique|re ?mix(?:ed)?|rmx|mix|demos?|instrumental|"
    r"karaoke|backing track|a ?cappella|acapella|orchestral|extended|sessions?|rehearsal|outtake|"
    r"take (?:\d+|one|two|three)|alternat(?:e|ive)|re ?work(?:ed)?|edit|versions?|ver|dub|"
    r"bootleg|mashup|cover|re ?recorded|sped up|slowed|nightcore|reprise|remake|vip|flip|"
    r"refix|reimagined|stripped|strings|piano|unreleased)\b.*"
)
_WORDINGS = frozenset(
    re.findall(
        r"\w+",
        """
        instrumental karaoke backing reprise parody spanish espanol english ingles french francais
        german deutsch deutsche italian italiano portuguese portugues japanese korean chinese
        mandarin cantonese hindi tamil telugu punjabi russian turkish arabic hebrew swedish
        norwegian danish finnish dutch polish czech greek spanglish latin catalan
        """,
    )
)
_TAIL = re.compile(r"\s+-\s+(?P<dash>(?:(?!\s-\s).)+)$|\s*[(\[](?P<bracket>[^()\[\]]*)[)\]]\s*$")
_FROM = re.compile(r"(?:theme |music )?from\s+[\"“”„«‘']", re.IGNORECASE)
_GUESTS_WITHIN = re.compile(r"\s*[(\[]\s*(?:feat|ft|featuring)\b[^()\[\]]*[)\]]", re.IGNORECASE)
_GUESTS_AFTER = re.compile(r"(?<=\S)\s+(?:feat\.?|ft\.|featuring)\s+\S.*$", re.IGNORECASE)
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]\s*")
_NUMBERED = re.compile(r".*\d.*|(?:.* )?(?:part|pt|vol|volume|act|movement)(?: .*)?|[ivx]+")
_DASHED_YEAR = re.compile(rf"(?<= - )({_YEAR}) - (?=(?:digital )?re-?master)", re.IGNORECASE)
_MANY_DASHES = re.compile(r"\s+[–—―−]\s+|\s+-{2,}\s+")


@lru_cache(maxsize=16_384)
def read_title(title: str) -> Title:
    """`title` taken apart."""
    rest = composed(title).translate(str.maketrans("（）【】［］", "()[][]"))
    rest = " ".join(_GUESTS_WITHIN.sub(" ", _MANY_DASHES.sub(" - ", rest)).split())
    rest = _DASHED_YEAR.sub(r"\1 ", rest)
    takes: list[str] = []
    named: list[str] = []
    while found := _TAIL.search(rest):
        before = rest[: found.start()].strip()
        take = _take(found["dash"] or found["bracket"] or "", dash=found["dash"] is not None)
        if take is None or not normalise(before):
            break
        if take:
            takes.append(take)
            named.insert(0, rest[found.start() :])
        rest = before
    song = _GUESTS_AFTER.sub("", rest).strip()
    bare = _BRACKETS.sub(lambda m: m[0] if _numbered(m[1]) else " ", song).strip()
    said = frozenset(word for take in takes for word in take.split()) - {"version", "ver", "the"}
    return Title(
        song=song,
        named=song + "".join(named),
        bare=bare if normalise(bare) else song,
        take=said,
        wording=said & _WORDINGS,
    )


def _numbered(text: str) -> bool:
    return _NUMBERED.fullmatch(normalise(text)) is not None


def _take(tail: str, *, dash: bool) -> str | None:
    """What `tail` says of the take, normalised; "" if only of guests or copy, None if neither."""
    if _FROM.match(tail) or (dash and tail.lower().startswith("from ")):
        return ""
    whole = normalise(tail)
    if _GUESTS.fullmatch(whole) or _COPY.fullmatch(whole):
        return ""
    parts = [normalise(part) for part in re.split(r"[/;,]", tail)]
    kept = [p for p in parts if p and not (_COPY.fullmatch(p) or _GUESTS.fullmatch(p))]
    if not kept:
        return "" if whole else None
    return " ".join(kept) if any(_TAKE.fullmatch(part) for part in kept) else None


def cleaned(title: str) -> list[str]:
    """Other titles to ask for, nearest first: without guests and copy; also without the take; also
    without brackets. Never `title` itself, as LRCLIB compares it, and none twice."""
    read = read_title(title)
    seen = {normalise(composed(title)), ""}
    others = []
    for other in (read.named, read.song, read.bare):
        if normalise(other) not in seen:
            seen.add(normalise(other))
            others.append(other)
    return others


_ARTICLE_LAST = re.compile(r"(.+), (the|a|an|los|las|les|die|der)", re.IGNORECASE)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"}
_PARTS = {"pt": "part", "pts": "parts", "vol": "volume"}


def words(name: str) -> list[str]:
    """The words of a title or artist, the same for `&`, `'n'` and `and`, `The X` and `X, The`,
    `Pt. II` and `Part 2`."""
    name = composed(name)
    if moved := _ARTICLE_LAST.fullmatch(name):
        name = f"{moved[2]} {moved[1]}"
    found = normalise(re.sub(r"(?<=\s)[&+](?=\s)", " and ", name)).split()
    if len(found) > 1 and found[0] == "the":
        found = found[1:]
    result: list[str] = []
    for index, word in enumerate(found):
        word = _PARTS.get(word, word)
        if word == "n" and 0 < index < len(found) - 1:
            word = "and"
        if result and result[-1] in ("part", "parts", "volume"):
            word = _ROMAN.get(word, word)
        result.append(word)
    return result


_JOINED = re.compile(
    r"\s*[,;/]\s*|\s+(?:&|\+|x|and|y|e|et|und|with|vs\.?|feat\.?|ft\.?|featuring)\s+|"
    r"\s*[(\[](?:feat|ft|featuring|with)\b\.?\s*|[)\]]",
    re.IGNORECASE,
)


@lru_cache(maxsize=16_384)
def artist_keys(artist: str) -> list[str]:
    """What to compare artists by: the whole name, then each of the people that it may name."""
    parts = [artist]
    if not _ARTICLE_LAST.fullmatch(artist):
        parts += [part for part in _JOINED.split(artist) if part]
    keys = ["".join(word for word in words(part) if word != "and") for part in parts]
    return list(dict.fromkeys(key for key in keys if key))


def artists(artist: str) -> list[str]:
    """Other ways in which `artist` may be catalogued, likeliest first; none twice to LRCLIB."""
    others = []
    if moved := _ARTICLE_LAST.fullmatch(artist):
        others.append(f"{moved[2]} {moved[1]}")
    if guests := re.split(r"\s+(?:feat\.?|ft\.?|featuring)\s+|;", artist, flags=re.IGNORECASE)[1:]:
        others.append(artist[: artist.index(guests[0])].rsplit(maxsplit=1)[0].rstrip(" ;"))
    if re.search(r"\s&\s", artist):
        others.append(re.sub(r"\s&\s", " and ", artist))
    elif re.search(r"\sand\s", artist, re.IGNORECASE):
        others.append(re.sub(r"\sand\s", " & ", artist, flags=re.IGNORECASE))
    known = {normalise(artist), ""}
    return [other for other in others if normalise(other) not in known]


_LONG_WORD = 6
_LEAST_PHRASE = 4


def search_phrase(title: str) -> str:
    """Words in a row that `title` has however it is written, to search for.

    Left out are brackets, what joins (`&`, `and`), part numbers, and, where enough remains, the
    longest word, which is the likeliest to be misspelt. The artist keeps the search narrow.
    """
    runs: list[list[str]] = [[]]
    for word in words(read_title(title).bare):
        if word in ("part", "parts", "volume") and runs[0]:
            break
        if word == "and":
            runs.append([])
        else:
            runs[-1].append(word)
    run = max(runs, key=_letters)
    longest = max(range(len(run)), key=lambda index: len(run[index]), default=0)
    if run and len(run[longest]) >= _LONG_WORD and run[longest].isascii():
        rest = max(run[:longest], run[longest + 1 :], key=_letters)
        run = rest if _letters(rest) >= _LEAST_PHRASE else run
    return " ".join(run) or title


def _letters(run: list[str]) -> int:
    return sum(map(len, run))


def search_words(artist: str) -> str:
    """The words of the first of `artist` that every way to write the name has."""
    if not _ARTICLE_LAST.fullmatch(artist):
        artist = next((part for part in _JOINED.split(artist) if part and normalise(part)), artist)
    kept = [word for word in words(artist) if word != "and"]
    return " ".join(kept) or artist

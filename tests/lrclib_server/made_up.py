"""Texts that nobody sings: a few lines of our own, put together by a song's name.

An artist keeps to a theme, so that songs have something in common for word vectors to learn.
"""

import random
import zlib
from typing import Literal

THEMES: dict[str, list[str]] = {
    "river": [
        "the {a} river carries the {b} boat",
        "we follow the water down to the {a} sea",
        "a {b} tide is turning by the harbour",
        "sail on, sailor, over {a} waves",
        "the rain is falling on the {b} shore",
    ],
    "city": [
        "the {a} city never sleeps tonight",
        "neon on the {b} avenue, taxis in the rain",
        "we take the last train through the {a} streets",
        "another window, another {b} light",
        "the crowd is moving under {a} towers",
    ],
    "heart": [
        "my {a} heart is calling for your love",
        "hold me closer, love, through the {b} night",
        "every kiss is a {a} promise to keep",
        "I gave you my {b} heart and all my love",
        "baby, your love is the {a} fire I know",
    ],
    "dance": [
        "hands up, dance until the {a} morning",
        "turn the music louder, feel the {b} beat",
        "move your body to the {a} rhythm",
        "the floor is burning, dance with me, {b} one",
        "all night long the {a} drums are playing",
    ],
    "winter": [
        "snow is falling on the {a} mountain",
        "a {b} candle burns against the cold",
        "winter comes with {a} silver ice",
        "the fire is warm, the night is {b} and long",
        "we wait for spring beneath a {a} sky",
    ],
    "fluss": [
        "der {a} Fluss trägt unser kleines Boot",
        "wir folgen dem Wasser bis ans {b} Meer",
        "die Straße liegt im {a} Abendlicht",
        "am Ufer steht ein {b} Haus und wartet",
        "der Wind erzählt uns von der {a} Zeit",
    ],
    "noche": [
        "la noche {a} baila con la luna",
        "mi corazón te llama, amor {b}",
        "caminamos juntos por la calle {a}",
        "dame tu mano y una canción {b}",
        "el mar nos canta su historia {a}",
    ],
    "rue": [
        "la nuit {a} descend sur la ville",
        "mon amour, tu es ma chanson {b}",
        "dans la rue {a} on danse encore",
        "le vent du soir a la voix {b}",
        "je garde ton cœur comme une étoile {a}",
    ],
}
_WORDS = {
    "fluss": ["alte", "stille", "ferne", "helle", "tiefe", "blaue"],
    "noche": ["azul", "dulce", "libre", "eterna", "suave", "feliz"],
    "rue": ["douce", "claire", "tranquille", "fragile", "sauvage", "lointaine"],
}
_ENGLISH = ["golden", "silent", "lonely", "wild", "gentle", "broken", "quiet", "shining"]
_NATIVE = ("fluss", "noche", "rue")


def kind(title: str, artist: str) -> Literal["text", "instrumental", "absent"]:
    """What the catalogue has of a song: mostly a text."""
    share = _number("kind", title, artist) % 100
    return "absent" if share < 12 else "instrumental" if share < 17 else "text"


def text(title: str, artist: str) -> str:
    """Three verses and a chorus between them, always the same for the same song."""
    choose = random.Random(_number("text", title, artist))
    themes = list(THEMES)
    theme = themes[_number("artist", artist) % len(themes)]
    other = theme if theme in _NATIVE else choose.choice(themes[: -len(_NATIVE)])
    words = _WORDS.get(theme, _ENGLISH)

    def verse(lines: list[str], count: int) -> list[str]:
        return [
            line.format(a=choose.choice(words), b=choose.choice(words))
            for line in choose.sample(lines, count)
        ]

    chorus = ["[Chorus]", *verse(THEMES[theme], 4)]
    parts = [verse(THEMES[theme], 4), chorus, verse(THEMES[other], 3), chorus]
    return "\n\n".join("\n".join(part) for part in parts)


def _number(*names: str) -> int:
    return zlib.crc32("\0".join(names).encode())

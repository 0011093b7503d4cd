"""The LRC format: lines of lyrics with time stamps, and tags such as `[ar:Artist]`."""

import re

_STAMP = re.compile(r"\[\s*\d{1,3}\s*:\s*\d{1,2}(?:[.:]\d{1,3})?\s*\]\s*")
_WORD_STAMP = re.compile(r"<\s*\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?\s*>\s?")
_TAG = re.compile(r"^\s*\[([a-z#]{1,12}):([^\]]*)\]\s*$", re.IGNORECASE)
_KNOWN_TAGS = frozenset(
    re.findall(
        r"\S+", "ar ti al au by re ve la length offset tool lr id encoding key # version total"
    )
)


def is_stamped(text: str) -> bool:
    """Whether some line of `text` begins with a time stamp."""
    return any(_STAMP.match(line.lstrip()) for line in text.splitlines())


def tags(text: str) -> dict[str, str]:
    """The tags of `text`, names in lower case: `{"ar": "Artist", "ti": "Title"}`."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _TAG.match(line)
        if match and match[1].lower() in _KNOWN_TAGS and match[2].strip():
            found.setdefault(match[1].lower(), match[2].strip())
    return found


def plain(text: str) -> str:
    """`text` without time stamps and tags."""
    lines = []
    for line in text.splitlines():
        match = _TAG.match(line)
        if match and match[1].lower() in _KNOWN_TAGS:
            continue
        lines.append(_WORD_STAMP.sub("", _STAMP.sub("", line)).strip())
    return "\n".join(lines).strip()

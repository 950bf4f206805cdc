# SPDX-License-Identifier: GPL-2.0-only
"""Text that came from a user, made fit to be shown: no control characters, no endless words.

The one place where this is decided. Messages go through `one_line`, everything else that is printed through `safe`
(bench.system.streams): what a file holds never moves a terminal's cursor, colours it or answers for it.
"""

import re

MOST_SHOWN = 60
"""Characters of a word or value of the user's that a message repeats."""
MOST_MESSAGE = 4000
_LONG_WORD = 100
_LONG_PATH = 1000
_LONG_NAME = 255

# C0 but tab and newline, DEL, C1, line separators, marks that turn the direction of writing, and halves of characters
# but those that represent the bytes of a name that is not UTF-8.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udc7f\udd00-\udfff]")
_WORD = re.compile(r"\S+")


def safe(text: str) -> str:
    """Return the text with what could control a terminal written as repr() writes it; tabs and newlines stay."""
    if _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(lambda found: repr(found.group())[1:-1], text)


def shown(value: object, most: int = MOST_SHOWN) -> str:
    """Return the repr() of a value of the user's, cut to `most` characters."""
    try:
        text = repr(value if not isinstance(value, str) else value[: most + 1])
    except (ValueError, RecursionError):  # an integer of thousands of digits, a value that is nested too deeply
        text = f"a {type(value).__name__} that is too long to show"
    return text if len(text) <= most + 2 else f"{text[:most]}…{text[0] if text[0] in _QUOTES else ''}"


_QUOTES = "'\""


def _cut(found: "re.Match[str]") -> str:
    word = found.group()
    if len(word) <= _LONG_WORD:
        return word
    if "/" in word and len(word) <= _LONG_PATH and all(len(part) <= _LONG_NAME for part in word.split("/")):
        return word
    return f"{word[:MOST_SHOWN]}…{word[-1] if word[-1] in _QUOTES else ''}" + _closing(word)


def _closing(word: str) -> str:
    """Return the quote and punctuation that a cut word ended with, so that the sentence around it stays whole."""
    end = word.rstrip(":,;.")
    mark = end[-1] if end and end[-1] in _QUOTES and word[-1] not in _QUOTES else ""
    return mark + word[len(end) :][:1]


def one_line(message: object) -> str:
    """Return a message as one line that any terminal may be given, its endless words cut."""
    text = safe(" ".join(str(message).split()))
    text = _WORD.sub(_cut, text)
    return text if len(text) <= MOST_MESSAGE else f"{text[:MOST_MESSAGE]}…"

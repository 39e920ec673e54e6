"""Words from outside made harmless in a prompt: they are told as words, and obeyed by nothing."""

from __future__ import annotations

import re
import unicodedata

# What prompt nodes read as commands: weights, embeddings, choices, expressions, negatives.
_SIGNS = re.compile(r"[()\[\]{}<>|`\\\"“”„«»#*_^~=]")
_COMMANDS = re.compile(r"\b(embedding|lora|hypernet|wildcard)\s*:", re.IGNORECASE)
_NEGATIVE = re.compile(r"--+\s*neg\b|--+", re.IGNORECASE)
_UPPER = re.compile(r"\b(BREAK|AND|PROMPT|NEGATIVE|BEATS|STYLE|TITLE)\b")


def quoted(text: str, words: int) -> str:
    """The first words of a text, as they may stand inside quotation marks in a prompt.

    Args:
        text: Anything.
        words: At most so many; … says that there were more.
    """
    plain = "".join(one for one in text if unicodedata.category(one)[0] != "C" or one.isspace())
    plain = _COMMANDS.sub(lambda match: f"{match[1]} ", plain)
    plain = _NEGATIVE.sub(" ", plain)
    plain = _UPPER.sub(lambda match: match[1].lower(), plain)
    parts = _SIGNS.sub(" ", plain).replace(":", ",").split()
    if not parts or words <= 0:
        return ""
    cut = [part[:40] for part in parts[:words]]
    return " ".join(cut) + (" …" if len(parts) > words else "")


def one_line(text: str) -> str:
    """The artist's notes on one line, as they are but for line breaks and a closing full stop."""
    return " ".join(text.split()).rstrip(".;, ")

"""How many tokens CLIP's text encoder sees in a text, by its own byte-pair encoding.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(arXiv 2103.00020); the list of merges is that of its code (MIT).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from ..checkpoint import WEIGHTS, load_checkpoint

FORMAT = "synchrorama.clip_merges"
LIMIT = 77  # tokens of CLIP's text encoder, its marks of begin and end included
MARKS = 2
_ENDINGS = ("'re", "'ve", "'ll", "'s", "'t", "'m", "'d")


class ClipTokens:
    """Counts tokens; words seen before are remembered."""

    def __init__(self, ranks: Mapping[tuple[str, str], int]) -> None:
        self.ranks = ranks
        self.known: dict[str, int] = {}
        self.letters = _byte_letters()

    @classmethod
    def from_checkpoint(cls, path: Path = WEIGHTS / "clip_merges.safetensors") -> ClipTokens:
        """The list that ships with the pack.

        Raises:
            CheckpointError: The file is missing or broken.
        """
        tensors, _ = load_checkpoint(path, FORMAT)
        lines = tensors["merges"].numpy().tobytes().decode("utf-8").split("\n")
        pairs = [line.split(" ") for line in lines]
        return cls({(one, two): rank for rank, (one, two) in enumerate(pairs)})

    def count(self, text: str) -> int:
        """Tokens of a text, the marks of begin and end included."""
        return MARKS + sum(self._pieces(word) for word in split_words(text))

    def _pieces(self, word: str) -> int:
        if word not in self.known:
            self.known[word] = self._merge(word)
        return self.known[word]

    def _merge(self, word: str) -> int:
        """Pieces that are left of a word when the list's merges are done in their order."""
        parts = [self.letters[byte] for byte in word.encode("utf-8")]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = list(zip(parts, parts[1:], strict=False))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged: list[str] = []
            for part in parts:
                if merged and (merged[-1], part) == best:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return len(parts)


def split_words(text: str) -> list[str]:
    """Words, single digits, endings such as 's, and runs of other signs, in lower case."""
    text = " ".join(unicodedata.normalize("NFC", text).split()).lower()
    words: list[str] = []
    at = 0
    while at < len(text):
        ending = next((one for one in _ENDINGS if text.startswith(one, at)), None)
        kind = _kind(text[at])
        stop = at + 1
        if ending:
            stop = at + len(ending)
        elif kind in "LO":
            while stop < len(text) and _kind(text[stop]) == kind:
                stop += 1
        if kind != " ":
            words.append(text[at:stop])
        at = stop
    return words


def _kind(character: str) -> str:
    """L for a letter, N for a digit, a space, or O for other signs."""
    if character.isspace():
        return " "
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "O"


def _byte_letters() -> dict[int, str]:
    """The visible letter by which the list writes each byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in shown}
    hidden = [byte for byte in range(256) if byte not in letters]
    return letters | {byte: chr(256 + i) for i, byte in enumerate(hidden)}

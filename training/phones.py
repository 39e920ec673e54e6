"""Phones with their times, from the labels of each source, in one alphabet.

The alphabet is SAMPA's, one symbol for each mouth shape that visemes.py knows; "sil" is silence and
"rel" the release of a stop, during which the mouth already makes the next sound.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

VOWELS = frozenset("a A { V E e I i @ 3 O o U u y Y 2 9".split())
OPEN_VOWELS = frozenset("a A { V E O".split())
CLOSED_LIPS = frozenset("p b m".split())
TEETH_ON_LIP = frozenset("f v".split())
ALPHABET = VOWELS | frozenset(
    "p b m B f v w T D t d n l s z S Z k g N x C j r R h ? rel sil".split()
)
STOPS = frozenset("p b t d k g".split())


@dataclass(frozen=True)
class Phone:
    """One sound."""

    name: str  # of ALPHABET
    start: float  # seconds
    end: float  # seconds


def _split(names: tuple[str, ...], start: float, end: float) -> list[Phone]:
    """A diphthong or affricate as equal parts."""
    step = (end - start) / len(names)
    return [Phone(n, start + i * step, start + (i + 1) * step) for i, n in enumerate(names)]


# emodb's labels that are not in ALPHABET; "(" is a pause, "(gef" one filled by breath or voice
_EMODB: dict[str, tuple[str, ...]] = {
    "6": ("V",), "i6": ("i", "V"), "a6": ("a", "V"), "E6": ("E", "V"), "@6": ("@", "V"),
    "I6": ("I", "V"), "Y6": ("Y", "V"), "aI": ("a", "I"), "aU": ("a", "U"), "AU": ("a", "U"),
    "OU": ("O", "U"), "OY": ("O", "Y"), "AO": ("a", "O"), "aO": ("a", "O"), "ao": ("a", "O"),
    "ia": ("i", "a"), "I@": ("I", "@"), "i@": ("i", "@"), "e@": ("e", "@"), "@E": ("@", "E"),
    "@a": ("@", "a"), "@O": ("@", "O"), "V": ("v",), "H": ("h",), "X": ("C",), "4": ("R",),
    "r": ("R",), "G": ("g",), "L": ("l",), "NN": ("N",), "ss": ("s",), "mm": ("m",), "J": ("j",),
    ".": ("sil",), "(": ("sil",), "(gef": ("h",), "_": ("sil",), "A": ("a",),
}  # fmt: skip


def read_emodb(text: str, duration: float) -> tuple[list[Phone], Counter[str]]:
    """Phones of one .lablaut file, and how often each label could not be mapped.

    Args:
        text: The file; after the line "#" each line is START COLOUR LABEL and diacritics.
        duration: Length of the sound in seconds; what begins later is dropped.

    Returns:
        Phones without gaps from 0 to duration, silence before the first label. What an unknown
        label spans goes to the phone before it. Empty when the file holds no label.
    """
    skipped: Counter[str] = Counter()
    marks: list[tuple[float, tuple[str, ...]]] = [(0.0, ("sil",))]
    _, _, body = text.partition("\n#")
    for line in body.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        try:
            start = float(fields[0])
        except ValueError:
            skipped[line.strip()] += 1
            continue
        label = fields[2]
        if label[0] in "+-":
            continue  # only diacritics: the segment goes on
        names = _emodb_names(label)
        if names is None:
            skipped[label] += 1
        elif start < duration and start >= marks[-1][0]:
            marks.append((start, names))
    if len(marks) == 1:
        return [], skipped
    ends = [start for start, _ in marks[1:]] + [duration]
    phones: list[Phone] = []
    for (start, names), end in zip(marks, ends, strict=True):
        if end > start:
            phones += _split(names, start, end)
    return phones, skipped


def _emodb_names(label: str) -> tuple[str, ...] | None:
    if label in _EMODB:
        return _EMODB[label]
    if label in ALPHABET:
        return (label,)
    if label[0] == "!" or label.endswith("asp"):
        return ("rel",)
    if label[0] == "_" and label[1:] in STOPS:
        return (label[1:],)  # a closure that follows silence
    return None


_ARPABET: dict[str, tuple[str, ...]] = {
    "aa": ("A",), "ae": ("{",), "ah": ("V",), "ao": ("O",), "aw": ("a", "U"), "ax": ("@",),
    "axr": ("3",), "ay": ("a", "I"), "b": ("b",), "ch": ("t", "S"), "d": ("d",), "dh": ("D",),
    "dx": ("d",), "eh": ("E",), "el": ("l",), "em": ("m",), "en": ("n",), "er": ("3",),
    "ey": ("e", "I"), "f": ("f",), "g": ("g",), "hh": ("h",), "hv": ("h",), "ih": ("I",),
    "iy": ("i",), "jh": ("d", "Z"), "k": ("k",), "l": ("l",), "m": ("m",), "n": ("n",),
    "nx": ("n",), "ng": ("N",), "ow": ("o", "U"), "oy": ("O", "I"), "p": ("p",), "r": ("r",),
    "s": ("s",), "sh": ("S",), "t": ("t",), "th": ("T",), "uh": ("U",), "uw": ("u",), "v": ("v",),
    "w": ("w",), "y": ("j",), "z": ("z",), "zh": ("Z",), "pau": ("sil",), "sil": ("sil",),
    "h#": ("sil",), "ssil": ("sil",), "brth": ("sil",),
}  # fmt: skip


def from_arpabet(label: str, start: float, end: float) -> list[Phone]:
    """The phones of an English label as flite and pocketsphinx write it; stops with a release."""
    names = _ARPABET.get(label.lower())
    return [] if names is None else _with_release(names, start, end)


_IPA: dict[str, str] = {
    "a": "a", "ɑ": "A", "æ": "{", "ʌ": "V", "ɐ": "V", "ɛ": "E", "e": "e", "ɪ": "I", "i": "i",
    "ᵻ": "I", "ɨ": "I", "ə": "@", "ɚ": "3", "ɜ": "3", "ɔ": "O", "ɒ": "O", "o": "o", "ʊ": "U",
    "u": "u", "ɯ": "I", "y": "y", "ʏ": "Y", "ø": "2", "œ": "9", "ʉ": "u", "ɵ": "2", "p": "p",
    "b": "b", "m": "m", "β": "B", "f": "f", "v": "v", "ʋ": "v", "w": "w", "ɥ": "w", "θ": "T",
    "ð": "D", "t": "t", "d": "d", "n": "n", "l": "l", "ɫ": "l", "ɾ": "d", "s": "s", "z": "z",
    "ʃ": "S", "ʒ": "Z", "ɕ": "S", "ʑ": "Z", "ʂ": "S", "ʐ": "Z", "k": "k", "g": "g", "ɡ": "g",
    "c": "k", "ɟ": "g", "ŋ": "N", "ɲ": "n", "ʎ": "l", "x": "x", "χ": "x", "ɣ": "x", "ç": "C",
    "j": "j", "ɹ": "r", "r": "R", "ʀ": "R", "ʁ": "R", "ɽ": "d", "h": "h", "ɦ": "h", "ʔ": "?",
    "ɭ": "l", "ɳ": "n", "ʈ": "t", "ɖ": "d",
}  # fmt: skip
_IPA_MARKS = "ːˑˈˌ̩̯̃ʰʲ͡ˀ̪̥̊ˠʷ'-;^\"`_"


def from_ipa(label: str, start: float, end: float) -> list[Phone] | None:
    """The phones of an IPA label as espeak-ng writes it; None when a sign is unknown."""
    letters = [c for c in label if c not in _IPA_MARKS]
    if not letters:
        return [Phone("sil", start, end)]
    if any(c not in _IPA for c in letters):
        return None
    return _with_release(tuple(_IPA[c] for c in letters), start, end)


def _with_release(names: tuple[str, ...], start: float, end: float) -> list[Phone]:
    """As `_split`; the last 30 % of a stop that stands alone are its release."""
    if len(names) == 1 and names[0] in STOPS:
        middle = start + 0.7 * (end - start)
        return [Phone(names[0], start, middle), Phone("rel", middle, end)]
    return _split(names, start, end)

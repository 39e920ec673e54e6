"""In which phrases a fact may be told.

A word alone proves nothing: "eyes", "left" and "light" stand in many a true statement, "eyes on the
left" and "light eyes" in none. So a clause of one who did not see the picture is cut into phrases,
and each of them must be one that tells a known fact. What is no such phrase was not measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .claims import word_table, words_of
from .fact import VALUES, Fact, Facts, Feeling
from .phrases import course

_PICTURE = "portrait/picture/image/photo/photograph/shot/scene/frame/view"
_WHO = "person/subject/figure/face/head"
_SPEAK = "speaking/speaks/speak/talking/talks/talk"
_SPEECH = "speech/voice/pace/speed/tempo"
_LIGHT = "light/lights/lit/lighting/illumination/illuminated"
_TONES = "tones/hues/shades/palette/colours/colors/colour/color"
_BEHIND = "background/backdrop"
_TURNED = f"turned left ?{_WHO} ?side"

# Phrases of each fact, in any order of their words: / lies between words of which one is needed, ?
# stands before what may be missing, = before a phrase that must be the whole clause.
WORDINGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("framing", "extreme close-up"): (f"?extreme close-up/closeup ?{_PICTURE} ?{_WHO}",),
    ("framing", "medium close-up"): (f"medium close-up/closeup ?{_PICTURE} ?{_WHO}",),
    ("framing", "close-up"): (f"close-up/closeup ?{_PICTURE} ?{_WHO}",),
    ("framing", "head and shoulders"): (
        f"head shoulders ?{_PICTURE} ?person/subject",
        f"head-and-shoulders ?{_PICTURE} ?person/subject",
    ),
    ("framing", "upper body"): (
        f"upper body ?{_PICTURE} ?person/subject",
        f"upper-body ?{_PICTURE} ?person/subject",
    ),
    ("framing", "medium wide"): (f"medium wide {_PICTURE} ?person/subject",),
    ("framing", "wide"): (f"wide {_PICTURE} ?person/subject",),
    **{
        ("face size", size): (
            f"face filling/fills/filled {size.removeprefix('a ')} height ?picture/image/frame",
        )
        for size in VALUES["face size"]
    },
    ("turn", "camera"): (f"facing/faces/turned camera/viewer ?{_WHO}", f"frontal ?{_PICTURE}"),
    ("turn", "slightly left"): (f"?slightly {_TURNED}",),
    ("turn", "slightly right"): (f"?slightly {_TURNED.replace('left', 'right')}",),
    ("turn", "left"): (_TURNED,),
    ("turn", "right"): (_TURNED.replace("left", "right"),),
    ("turn", "far left"): (f"?far {_TURNED}",),
    ("turn", "far right"): (f"?far {_TURNED.replace('left', 'right')}",),
    ("tilt", "left"): ("head tilted/leaning ?left ?side",),
    ("tilt", "right"): ("head tilted/leaning ?right ?side",),
    ("nod", "up"): ("head raised/lifted",),
    ("nod", "down"): ("head lowered/bowed",),
    ("eyes", "open"): ("eyes/eye open/opened ?person/subject",),
    ("eyes", "closed"): ("eyelids/lids lowered ?person/subject",),
    ("mouth", "closed"): ("mouth/lips closed/shut ?person/subject",),
    ("mouth", "parted"): ("lips/mouth parted ?person/subject", "mouth/lips slightly open/opened"),
    ("mouth", "open"): ("mouth/lips open/opened ?person/subject",),
    ("smile", "smiling"): ("smiling/smile/smiles/smiled ?face/person/subject/expression",),
    ("light", "left"): (
        f"{_LIGHT} left ?side ?coming/comes/falling/falls ?{_WHO}",
        f"side {_LIGHT}",
    ),
    ("light", "right"): (
        f"{_LIGHT} right ?side ?coming/comes/falling/falls ?{_WHO}",
        f"side {_LIGHT}",
    ),
    ("light", "above"): (f"{_LIGHT} above/overhead ?coming/comes/falling/falls ?{_WHO}",),
    ("light", "front"): (f"even/evenly {_LIGHT} ?face",),
    ("brightness", "dark"): (f"dark/dim {_PICTURE}", "=dark/dim"),
    ("brightness", "bright"): (f"bright {_PICTURE}", "=bright"),
    ("warmth", "warm"): (f"warm {_TONES} ?picture/image ?around/surroundings",),
    ("warmth", "cool"): (f"cool/cold {_TONES} ?picture/image ?around/surroundings",),
    ("warmth", "neutral"): (f"neutral {_TONES} ?picture/image ?around/surroundings",),
    ("background", "blurred"): (
        f"blurred/blurry/defocused {_BEHIND}",
        f"{_BEHIND} out focus",
    ),
    ("background", "plain"): (f"plain/simple/uniform {_BEHIND}",),
    ("background", "sharp"): (f"sharp/detailed/crisp {_BEHIND}", f"{_BEHIND} ?sharp focus"),
    ("people", "1"): ("one/single person/face",),
    ("people", "several"): ("several people/persons/faces",),
    ("voice", "speaking"): (
        f"{_SPEAK} ?person/subject/voice",
        "mouth/lips moving/moves/moved words/speech",
    ),
    ("voice", "silent"): ("silent/silently/silence ?person/subject",),
    ("rate", "slow"): (f"slowly ?{_SPEAK} ?person/voice", f"slow {_SPEECH} ?{_SPEAK}"),
    ("rate", "moderate"): (f"moderate {_SPEECH} ?{_SPEAK}",),
    ("rate", "fast"): (
        f"fast/quickly/rapidly ?{_SPEAK} ?person/voice",
        f"fast/quick/rapid {_SPEECH} ?{_SPEAK}",
    ),
    ("pauses", "none"): ("without/no pause/pauses/pausing",),
    ("pauses", "one"): ("?one/single pause",),
    ("pauses", "several"): ("several/some pauses",),
    ("loudness", "even"): ("evenly/even loud/loudness/volume",),
    ("loudness", "varied"): ("louder/softer", "louder softer"),
    ("pitch", "monotone"): (f"monotone/monotonous ?voice/tone/speech ?{_SPEAK}",),
    ("pitch", "lively"): (f"lively intonation/voice/tone/speech ?{_SPEAK}",),
    ("emphasis", "once"): ("stressing/stressed/emphasising/emphasizing one/single word",),
    ("emphasis", "often"): ("stressing/stressed/emphasising/emphasizing some/several words",),
}
_SEEN = f"{_PICTURE} ?{_WHO}"  # tells nothing, but may stand before what does
_SAID = "saying/says ?person/subject"  # of words that are quoted
_MANNER = (
    "?look/looks/looking/expression/mood/tone/emotion/feeling/feels/manner/face/person/subject/"
    "voice/one"
)
_FIRST = "?first/initially ?starting/starts/beginning/begins"
_LATER = "?then/later/finally ?becoming/becomes/ending/ends"
_GRADES = {"very": "very/extremely/deeply/strongly/intensely/highly",
           "slightly": "slightly/mildly/faintly"}  # fmt: skip

# Words that tell nothing; the second lot may also stand between two phrases.
_FILL = set("a an the this its their is are be being it there at to now".split())
_JOIN = set(
    "and with of in on from by for as while but which who that has have having against set also "
    "both".split()
)
# After one of these a new phrase may begin without a joining word.
_NOUNS = set(
    f"{_PICTURE}/{_WHO}/{_TONES}/{_BEHIND}/eyes/mouth/lips/camera/viewer/height".split("/")
)
_CAUSES = ("disgusting",)  # words for what makes one feel so, not for who does
_UNWANTED = ("text", "watermark", "deformed face")  # of a negative


@dataclass(frozen=True)
class Phrasing:
    """Words that tell one fact."""

    subject: str  # of the fact, or "words" or "notes"; nothing for what tells nothing
    needed: tuple[frozenset[str], ...]  # one word of each
    spare: tuple[frozenset[str], ...] = ()  # at most one word of each
    ordered: tuple[str, ...] = ()  # instead: a text, any stretch of which may stand
    alone: bool = False  # nothing else may stand beside it

    def fits(self, words: tuple[str, ...]) -> bool:
        """Whether exactly these words tell it."""
        if self.ordered:
            size = len(words)
            stretches = range(len(self.ordered) - size + 1)
            return any(self.ordered[i : i + size] == words for i in stretches)
        slots = [*self.needed, *self.spare]
        used: set[int] = set()
        for word in words:
            slot = next((i for i, s in enumerate(slots) if i not in used and word in s), None)
            if slot is None:
                return False
            used.add(slot)
        return used.issuperset(range(len(self.needed)))


def phrasing(subject: str, text: str) -> Phrasing:
    """A phrasing in the notation of `WORDINGS`."""
    slots = text.removeprefix("=").split()
    return Phrasing(
        subject,
        tuple(frozenset(slot.split("/")) for slot in slots if slot[0] != "?"),
        tuple(frozenset(slot[1:].split("/")) for slot in slots if slot[0] == "?"),
        alone=text[0] == "=",
    )


def phrasings(facts: Facts, at: tuple[float, float] | None = None) -> list[Phrasing]:
    """All phrases in which what is known may be told.

    Args:
        facts: What is known.
        at: Start and end in seconds, for what is felt then.
    """
    out: list[Phrasing] = []
    speaks = facts.value("voice") == "speaking"
    for fact in facts.facts:
        if fact.subject in ("rate", "pauses", "loudness", "pitch", "emphasis") and not speaks:
            continue
        out += _of_fact(fact)
    if any(fact.subject in ("framing", "turn", "eyes", "light") for fact in facts.facts):
        out += [phrasing("framing", "=portrait"), phrasing("", _SEEN)]
    if facts.words:
        out.append(phrasing("words", _SAID))
    felt = [one for one in facts.feelings if at is None or (one.start < at[1] and one.end > at[0])]
    for one in felt:
        out.append(_of_feeling(one, felt, speaks))
    if len(felt) > 1:
        out.append(Phrasing("feeling", (), ordered=_content(words_of(course(tuple(felt))))))
    if facts.notes.strip():
        # a stretch of the artist's words; a feeling in them does not overrule the one measured
        noted = words_of(facts.notes)
        names = {one.name for one in felt}
        if felt:
            noted = [word for word in noted if _feelings_of(word) <= names]
        out.append(Phrasing("notes", (), ordered=_content(noted)))
    return out


def contrary(facts: Facts) -> list[Phrasing]:
    """All phrases that contradict what is known, and what is never wanted: for a negative."""
    out = [phrasing("", text) for text in _UNWANTED]
    for fact in facts.facts:
        for value in VALUES.get(fact.subject, ()):
            if value != fact.value:
                out += [phrasing(fact.subject, w) for w in WORDINGS.get((fact.subject, value), ())]
    if facts.feelings:
        known = {one.name for one in facts.feelings}
        out += [
            phrasing("feeling", f"{word} {_MANNER}")
            for word in word_table()
            if _feelings_of(word) and not _feelings_of(word) & known
        ]
    return out


def told(clause: str, known: list[Phrasing]) -> set[str] | None:
    """The subjects that a clause tells of; None where it tells anything that is not known.

    Args:
        clause: Words without quotations.
        known: As of `phrasings`.
    """
    words, joined = _cut(clause)
    reach: dict[int, set[str]] = {0: set()}  # up to which word it is told, and of what
    for start in range(len(words)):
        if start not in reach:
            continue
        if start and not joined[start] and words[start - 1] not in _NOUNS:
            continue
        for stop in range(start + 1, len(words) + 1):
            whole = stop - start == len(words)
            one = next(
                (p for p in known if (whole or not p.alone) and p.fits(words[start:stop])), None
            )
            if one and stop not in reach:
                reach[stop] = reach[start] | ({one.subject} if one.subject else set())
    return reach.get(len(words)) if words else None


def objection_to(clause: str, known: list[Phrasing]) -> str:
    """Why a clause may not be told by one who knows only the facts, or nothing."""
    tells = told(clause, known)
    if tells:
        return ""
    words, _ = _cut(clause)
    if not words or tells is not None:
        return "it tells nothing"
    may = {word for one in known for slot in (*one.needed, *one.spare) for word in slot}
    may |= {word for one in known for word in one.ordered}
    strange = next((word for word in words if word not in may), "")
    if strange and strange not in _vocabulary():
        return f"'{strange}' is not among the facts"
    return f"'{strange or ' '.join(words)}' is not what was measured"


def _of_fact(fact: Fact) -> Iterable[Phrasing]:
    if fact.subject == "colours":
        return _of_colours(fact.value.split(" and "))
    texts = list(WORDINGS.get((fact.subject, fact.value), ()))
    return [phrasing(fact.subject, text) for text in texts]


def _of_colours(names: list[str]) -> list[Phrasing]:
    """The names, some or all: alone, or with a word for the colours of the surroundings."""
    names = [name for one in names for name in one.split(", ")]
    out = []
    for mask in range(1, 2 ** len(names)):
        some = " ".join(_also(name) for i, name in enumerate(names) if mask >> i & 1)
        out.append(phrasing("colours", f"={some}"))
        out.append(phrasing("colours", f"{some} {_TONES} ?around/surroundings"))
    return out


def _also(colour: str) -> str:
    return "grey/gray" if colour == "grey" else colour


def _of_feeling(one: Feeling, felt: list[Feeling], speaks: bool) -> Phrasing:
    """A feeling with its grade; when it is felt may be said where there are several."""
    felt_words = (word for word in word_table() if one.name in _feelings_of(word))
    words = "/".join(word for word in felt_words if word not in _CAUSES)
    grade = _GRADES.get(one.grade, "")
    if one.grade == "very":
        grade = f"?{grade}"  # angry is true of very angry, but more than slightly angry
    when = ""
    if len(felt) > 1:
        when = _FIRST if one is felt[0] else _LATER
    speak = f"?{_SPEAK}" if speaks else ""
    return phrasing("feeling", f"{grade} {words} {_MANNER} {when} {speak}".strip())


def _feelings_of(word: str) -> set[str]:
    return {name for subject, name in word_table().get(word, set()) if subject == "feeling"}


def _content(words: list[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in _FILL | _JOIN)


def _cut(clause: str) -> tuple[tuple[str, ...], list[bool]]:
    """The words that tell something, and of each whether a joining word stands before it."""
    plain = re.sub(r"\bclose[ -]up\b", "close-up", clause.lower())
    words: list[str] = []
    joined: list[bool] = []
    join = False
    for word in words_of(plain):
        word = word.removesuffix("'s")
        if word in _FILL | _JOIN:
            join = join or word in _JOIN
            continue
        words.append(word)
        joined.append(join)
        join = False
    return tuple(words), joined


def _vocabulary() -> set[str]:
    """Words that stand in a phrase of some fact."""
    texts = " ".join(text for some in WORDINGS.values() for text in some)
    return set(re.split(r"[ /?=]", texts)) | word_table().keys()

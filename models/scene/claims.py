"""What words claim: which fact a word states, alone or beside others.

One who saw the picture may name what was not measured, in any words, but not contradict what was.
"""

from __future__ import annotations

import re

from .fact import Facts
from .phrases import COLOURS

# Words that state a fact wherever they stand: {(subject, value): words}.
_SINGLE: dict[tuple[str, str], str] = {
    ("feeling", "angry"): "angry angrily anger furious furiously fury irritated annoyed annoyance "
    "mad enraged rage outraged indignant hostile aggressive aggressively",
    ("feeling", "disgusted"): "disgusted disgust disgusting revulsion repulsed",
    ("feeling", "fearful"): "fearful fearfully fear afraid scared frightened anxious anxiously "
    "anxiety nervous nervously worried terrified uneasy panicked",
    ("feeling", "happy"): "happy happily happiness joy joyful joyfully joyous cheerful cheerfully "
    "glad gladly delighted delight pleased elated merry",
    ("feeling", "neutral"): "calm calmly composed neutral relaxed serene serenely unemotional "
    "expressionless",
    ("feeling", "sad"): "sad sadly sadness sorrow sorrowful sorrowfully unhappy unhappily "
    "melancholy gloomy dejected mournful grief grieving downcast",
    ("feeling", "surprised"): "surprised surprise astonished astonishment amazed startled",
    ("feeling", "contemptuous"): "contemptuous contempt contemptuously scornful scorn disdain "
    "disdainful",
    ("grade", "very"): "very strongly deeply intensely extremely",
    ("grade", "slightly"): "slight faint faintly mild mildly",
    ("smile", "smiling"): "smile smiling smiles smiled grin grinning",
    ("brightness", "dark"): "dim dimly darkness dusky",
    ("brightness", "bright"): "brightly",
    ("warmth", "warm"): "warm warmly",
    ("warmth", "cool"): "cool coolly cold",
    ("background", "blurred"): "blurred blurry blur bokeh defocused",
    ("background", "plain"): "plain simple uniform",
    ("background", "sharp"): "sharp detailed crisp",
    ("framing", "close-up"): "closeup",
    ("rate", "slow"): "slow slowly",
    ("rate", "moderate"): "moderate moderately",
    ("rate", "fast"): "fast quick quickly rapid rapidly",
    ("loudness", "varied"): "louder softer",
    ("loudness", "even"): "evenly",
    ("pitch", "monotone"): "monotone monotonous",
    ("pitch", "lively"): "intonation lively animated animatedly",
    ("emphasis", ""): "stressing emphasising emphasizing emphasis stress",
    ("voice", "speaking"): "speaking speaks speak talking talks talk saying says say speech spoken",
    ("voice", "silent"): "silent silently silence",
    ("turn", "camera"): "frontal",
    ("nod", "up"): "raised",
    ("nod", "down"): "lowered",
    ("tilt", ""): "tilted tilting tilt",
    ("light", "above"): "overhead",
    ("light", "side"): "sidelight sidelit side-lit side-lighting",
    ("pauses", "some"): "pause pauses pausing hesitant",
}

# Words whose meaning depends on what stands beside them in the same clause.
_EYES, _MOUTH = {"eye", "eyes"}, {"mouth", "lips", "lip"}
_LIGHT = {"light", "lit", "lighting", "lights", "illuminated", "illumination"}
_SIDES = {"left", "right"}
_SIZES = {"half", "thirds", "third", "quarter", "fifth", "tenth", "most"}

_WORD = re.compile(r"[a-zA-Z]+(?:[-'’][a-zA-Z]+)*|\d+(?:\.\d+)?|[^\W\d_]+")


def words_of(text: str) -> list[str]:
    """Words and numbers of a text, in lower case."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def word_table() -> dict[str, set[tuple[str, str]]]:
    """Words that state a fact wherever they stand, and the facts of which any will do."""
    table: dict[str, set[tuple[str, str]]] = {}
    for claim, words in _SINGLE.items():
        for word in words.split():
            table.setdefault(word, set()).add(claim)
    for name in COLOURS:
        table.setdefault(name, set()).add(("colours", name))
    table["gray"] = {("colours", "grey")}
    return table


def known_claims(facts: Facts, at: tuple[float, float] | None = None) -> set[tuple[str, str]]:
    """All (subject, value) that may be claimed, of the whole clip or of a stretch of time.

    Args:
        facts: What is known.
        at: Start and end in seconds, for what is felt then.
    """
    claims = {(fact.subject, fact.value) for fact in facts.facts}
    for fact in facts.facts:
        if fact.subject == "colours":
            claims |= {("colours", name) for name in fact.value.split(" and ")}
        if fact.subject in ("emphasis", "tilt"):
            claims.add((fact.subject, ""))
        if fact.subject == "light" and fact.value in _SIDES:
            claims.add(("light", "side"))
        if fact.subject == "pauses" and fact.value != "none":
            claims.add(("pauses", "some"))
    for one in facts.feelings:
        if at is None or (one.start < at[1] and one.end > at[0]):
            claims |= {("feeling", one.name), ("grade", one.grade)}
            claims.add(("feeling", f"{one.grade} {one.name}"))
            if one.name == "happy":  # what is told of a voice may be shown by a face
                claims.add(("smile", "smiling"))
    return claims


def contradiction(clause: str, facts: Facts, claims: set[tuple[str, str]]) -> str:
    """What a clause of one who saw the picture contradicts, or nothing.

    Args:
        clause: Words without quotations.
        facts: What is known.
        claims: As of `known_claims`.
    """
    words = words_of(clause)
    table = word_table()
    noted = set(words_of(facts.notes))
    measured = {subject for subject, _ in claims} | ({"feeling"} if facts.feelings else set())
    for word in words:
        wanted = table.get(word)
        if wanted and not wanted & claims:
            subject = next(iter(wanted))[0]
            if subject in measured and (word not in noted or subject == "feeling"):
                return f"'{word}' is not what was measured"
        if word in _CROWD and ("people", "1") in claims and word not in noted:
            return f"'{word}' contradicts the one face"
    return _in_context(clause.lower(), set(words), claims, measured)


_CROWD = set(
    "two three four five crowd group couple people persons men women children girls boys twins "
    "both others audience".split()
)


def _in_context(
    text: str, words: set[str], claims: set[tuple[str, str]], measured: set[str]
) -> str:
    """Objections to words that mean different things beside different words."""
    wrong: list[tuple[str, set[tuple[str, str]]]] = []  # what is claimed, and what would license it
    for names, subject in ((_EYES, "eyes"), (_MOUTH, "mouth")):
        if words & names:
            if words & {"open", "opened"}:
                wrong.append((f"{subject} open", {(subject, "open")}))
            if words & {"closed", "shut"}:
                wrong.append((f"{subject} closed", {(subject, "closed")}))
            if "parted" in words:
                wrong.append(("lips parted", {("mouth", "parted")}))
    for side in words & _SIDES:
        if words & _LIGHT:
            wrong.append((f"light from the {side}", {("light", side)}))
        elif "tilted" in words or "tilt" in words:
            wrong.append((f"head tilted {side}", {("tilt", side)}))
        else:
            turned = {("turn", f"far {side}")}
            if "slightly" in words:
                turned = {("turn", f"slightly {side}")}
            elif "far" not in words:
                turned |= {("turn", side), ("turn", f"slightly {side}")}
            wrong.append((f"turned {side}", turned))
    if words & _LIGHT and "above" in words:
        wrong.append(("light from above", {("light", "above")}))
    if words & _LIGHT and words & {"even", "front"}:
        wrong.append(("even light", {("light", "front")}))
    if words & _LIGHT and "soft" in words:
        wrong.append(("soft light", {("light", "front")}))
    for shade in words & {"dark", "bright"}:
        allowed = {("brightness", shade)}
        if shade == "dark":
            allowed |= {("colours", name) for name in COLOURS if name in words}
        wrong.append((f"a {shade} picture", allowed))
    if "up" in words and words & {"look", "looking"}:
        wrong.append(("looking up", {("nod", "up")}))
    if "camera" in words and words & {"facing", "faces", "looking"}:
        wrong.append(("facing the camera", {("turn", "camera")}))
    if "profile" in words:
        aside = {("turn", f"{much}{side}") for much in ("", "far ") for side in _SIDES}
        wrong.append(("a profile", aside))
    if "close-up" in words or "close up" in text:
        close = ("medium close-up",) if "medium" in words else ("close-up", "extreme close-up")
        wrong.append(("a close-up", {("framing", name) for name in close}))
    table = word_table()
    stated = {one for word in words for one in table.get(word, set())}
    felt = {value for subject, value in stated if subject == "feeling"}
    grades = {value for subject, value in stated if subject == "grade"} | words & {"slightly"}
    if felt:
        for grade in sorted(grades):
            wrong.append((grade, {("feeling", f"{grade} {name}") for name in felt}))
    if "extreme" in words:
        wrong.append(("an extreme close-up", {("framing", "extreme close-up")}))
    wide = "medium wide" if "medium" in words else "wide"
    for part, framing in (("full figure", "wide"), ("wide shot", wide),
                          ("upper body", "upper body"), ("shoulders", "head and shoulders"),
                          ("full body", "wide")):  # fmt: skip
        if part in text:
            wrong.append((part, {("framing", framing)}))
    if "focus" in words:
        value = "blurred" if "out" in words else "sharp"
        wrong.append(("the background's focus", {("background", value)}))
    if words & _SIZES and "height" in words:
        size = next(iter(words & _SIZES))
        name = {"half": "half", "most": "most", "thirds": "two thirds"}.get(size, f"a {size}")
        wrong.append(("the face's size", {("face size", name)}))
    if words & {"several", "people"}:
        wrong.append(("several people", {("people", "several")}))
    for what, licences in wrong:
        if licences & claims:
            continue
        subjects = {subject for subject, _ in licences}
        if subjects & measured:
            return f"'{what}' is not what was measured"
    return ""

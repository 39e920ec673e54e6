"""The words in which facts are told, for sentences and for tags.

A phrase states its fact and nothing else; what has no phrase is not worth words.
"""

from __future__ import annotations

from .fact import VALUES, Facts, Feeling

STYLES = ("natural", "tags", "video")

# subject: {value: (clause of a sentence, tag)}; left and right are the picture's
PHRASES: dict[str, dict[str, tuple[str, str]]] = {
    "framing": {
        "extreme close-up": ("extreme close-up portrait", "extreme close-up, portrait"),
        "close-up": ("close-up portrait", "close-up, portrait"),
        "medium close-up": ("medium close-up portrait", "medium close-up, portrait"),
        "head and shoulders": ("head and shoulders portrait", "portrait, head and shoulders"),
        "upper body": ("upper body portrait", "portrait, upper body"),
        "medium wide": ("medium wide shot", "medium wide shot"),
        "wide": ("wide shot", "wide shot"),
    },
    "face size": {
        size: (f"the face filling {size} of the height", "")
        for size in VALUES["face size"]
    },
    "turn": {
        "camera": ("facing the camera", "facing viewer"),
        "slightly left": ("head turned slightly to the left", "head turned slightly left"),
        "slightly right": ("head turned slightly to the right", "head turned slightly right"),
        "left": ("head turned to the left", "head turned left"),
        "right": ("head turned to the right", "head turned right"),
        "far left": ("head turned far to the left", "head turned far left"),
        "far right": ("head turned far to the right", "head turned far right"),
    },
    "tilt": {
        "left": ("head tilted to the left", "head tilted left"),
        "right": ("head tilted to the right", "head tilted right"),
    },
    "nod": {
        "up": ("head raised", "head raised"),
        "down": ("head lowered", "head lowered"),
    },
    # lids that are down look alike in eyes that are shut and in eyes that are cast down
    "eyes": {"open": ("eyes open", "open eyes"), "closed": ("eyelids lowered", "lowered eyelids")},
    "mouth": {
        "closed": ("mouth closed", "closed mouth"),
        "parted": ("lips parted", "parted lips"),
        "open": ("mouth open", "open mouth"),
    },
    "smile": {"smiling": ("smiling", "smile")},
    "light": {
        "left": ("light from the left", "light from left"),
        "right": ("light from the right", "light from right"),
        "above": ("light from above", "light from above"),
        "front": ("even light on the face", "even lighting"),
    },
    "brightness": {"dark": ("dark picture", "dark"), "bright": ("bright picture", "bright")},
    "warmth": {"warm": ("warm colours", "warm colors"), "cool": ("cool colours", "cool colors")},
    "background": {
        "blurred": ("blurred background", "blurry background"),
        "plain": ("plain background", "simple background"),
        "sharp": ("background in focus", "detailed background"),
    },
    "voice": {"speaking": ("speaking", "talking"), "silent": ("silent", "silent")},
    "rate": {
        "slow": ("slowly", "talking slowly"),
        "moderate": ("at a moderate pace", ""),
        "fast": ("fast", "talking fast"),
    },
    "pauses": {
        "none": ("without a pause", ""),
        "one": ("with one pause", ""),
        "several": ("with several pauses", ""),
    },
    "loudness": {"even": ("evenly loud", ""), "varied": ("now louder, now softer", "")},
    "pitch": {"monotone": ("in a monotone", ""), "lively": ("with lively intonation", "")},
    "emphasis": {"once": ("stressing one word", ""), "often": ("stressing some words", "")},
}  # fmt: skip

MOSTLY = 0.6  # of the time, of one feeling beside which others hardly count
COLOURS = ("black", "white", "grey", "beige", "brown", "olive", "red", "orange", "yellow", "green",
           "teal", "blue", "purple", "pink")  # fmt: skip

# (adjective, noun) of each emotion
FEELINGS: dict[str, tuple[str, str]] = {
    "angry": ("angry", "anger"),
    "disgusted": ("disgusted", "disgust"),
    "fearful": ("fearful", "fear"),
    "happy": ("happy", "joy"),
    "neutral": ("calm", "calm"),
    "sad": ("sad", "sadness"),
    "surprised": ("surprised", "surprise"),
    "contemptuous": ("contemptuous", "contempt"),
}


def phrase(facts: Facts, subject: str, tag: bool = False) -> str:
    """The words for a subject, or nothing."""
    value = facts.value(subject)
    if subject == "colours":
        names = value.split(" and ") if value else []
        if tag:
            return ", ".join(f"{name} tones" for name in names)
        return f"colours around: {join(names)}" if names else ""
    told = PHRASES.get(subject, {}).get(value)
    return told[1 if tag else 0] if told else ""


def join(names: list[str]) -> str:
    """Names as "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def feeling(one: Feeling) -> str:
    """A feeling in graded words, e.g. "slightly sad"."""
    return f"{one.grade} {FEELINGS[one.name][0]}".strip()


def course(felt: tuple[Feeling, ...]) -> str:
    """Feelings in the order of time, e.g. "happy at first, then very sad"."""
    told = [feeling(one) for one in felt]
    told = [one for i, one in enumerate(told) if i == 0 or one != told[i - 1]]
    if len(told) < 2:
        return "".join(told)
    if len(told) > 4:
        whole = sum(one.end - one.start for one in felt)
        most = max(felt, key=lambda one: one.end - one.start)
        if most.end - most.start > MOSTLY * whole:
            return f"mostly {feeling(most)}"
        # the three that last longest, in their order
        longest = sorted(sorted(felt, key=lambda f: f.start - f.end)[:3], key=lambda f: f.start)
        names = list(dict.fromkeys(feeling(one) for one in longest))
        return f"changing between {join(names)}" if len(names) > 1 else f"mostly {names[0]}"
    first = f"{told[0]} at first" if felt[0].start < 0.5 else told[0]
    return f"{first}, " + ", ".join(f"then {one}" for one in told[1:])

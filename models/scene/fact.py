"""What is known of a picture and of speech, each with the measurement it rests on.

A subject that cannot be measured has no fact; nothing is said about it then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..types import Portrait

# What facts are about, and the values they take. "colours" and "words" are open.
VALUES: dict[str, tuple[str, ...]] = {
    "framing": (
        "extreme close-up",
        "close-up",
        "medium close-up",
        "head and shoulders",
        "upper body",
        "medium wide",
        "wide",
    ),
    "face size": ("a tenth", "a fifth", "a quarter", "a third", "half", "two thirds", "most"),
    "turn": ("camera", "slightly left", "slightly right", "left", "right", "far left", "far right"),
    "tilt": ("left", "right"),
    "nod": ("up", "down"),
    "eyes": ("open", "closed"),
    "mouth": ("closed", "parted", "open"),
    "smile": ("smiling",),
    "light": ("left", "right", "above", "front"),
    "brightness": ("dark", "medium", "bright"),
    "warmth": ("warm", "neutral", "cool"),
    "background": ("blurred", "plain", "sharp"),
    "people": ("1", "several"),
    "voice": ("speaking", "silent"),
    "rate": ("slow", "moderate", "fast"),
    "pauses": ("none", "one", "several"),
    "loudness": ("even", "varied"),
    "pitch": ("monotone", "lively"),
    "emphasis": ("once", "often"),
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that was measured."""

    subject: str  # a key of VALUES, or "colours"
    value: str  # one of its values; of colours, names joined by " and "
    measured: str  # the measurement, e.g. "the right cheek is 2.1 times as bright"
    confidence: float  # 0..1, by how far the measurement lies from where the value would change

    def __post_init__(self) -> None:
        if self.subject in VALUES and self.value not in VALUES[self.subject]:
            raise ValueError(f"'{self.subject}' has no value '{self.value}'.")


@dataclass(frozen=True, kw_only=True)
class Feeling:
    """An emotion over a stretch of time."""

    start: float  # s
    end: float  # s
    name: str  # one of EMOTIONS
    grade: str  # "slightly", "" or "very"
    score: float  # 0..1, mean of the class
    confidence: float  # 0..1, mean over the stretch


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """Words and when they are said."""

    start: float  # s
    end: float  # s
    text: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is known."""

    facts: tuple[Fact, ...] = ()
    feelings: tuple[Feeling, ...] = ()  # in the order of time
    words: tuple[Spoken, ...] = ()  # in the order of time
    seconds: float = 0.0  # of the speech or the emotion; 0 where there is neither
    notes: str = ""  # the artist's own words, taken as true
    remarks: tuple[str, ...] = field(default=())  # what could not be measured, and why

    def value(self, subject: str) -> str:
        """The value of a subject, or nothing."""
        return next((fact.value for fact in self.facts if fact.subject == subject), "")

    def report(self) -> str:
        """Every fact with its measurement, one a line."""
        lines = [
            f"{fact.subject}: {fact.value} ({fact.measured}; confidence {fact.confidence:.2f})"
            for fact in self.facts
        ]
        lines += [
            f"{one.start:.1f}–{one.end:.1f} s: {one.grade} {one.name}".replace(":  ", ": ")
            + f" (score {one.score:.2f}, confidence {one.confidence:.2f})"
            for one in self.feelings
        ]
        return "\n".join([*lines, *self.remarks])


def face_width(portrait: Portrait) -> float:
    """Px of the picture between the outermost landmarks."""
    across = portrait.landmarks[:, :2] @ portrait.to_source[0, :2]
    return float(across.max() - across.min())


def sureness(value: float, edge: float, width: float) -> float:
    """Confidence 0.5..1 of a value on one side of an edge; 1 once it is `width` away."""
    return 0.5 + 0.5 * min(abs(value - edge) / width, 1.0)

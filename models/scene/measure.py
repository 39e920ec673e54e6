"""All facts of a scene from what is connected."""

from __future__ import annotations

import math

from torch import Tensor

from ..head import HeadModel
from ..speech import exact_fps
from ..text_timing import split_sentences, timed_sentences
from ..types import Emotion, Portrait
from .fact import Fact, Facts, Feeling, Spoken
from .feeling import UNSURE, feelings
from .photo_backdrop import backdrop_facts
from .photo_light import light_facts
from .photo_pose import human, pose_facts
from .voice import voice_facts

SURE = 0.55  # confidence from which a fact is told
ASTRAY = 0.05  # widths of the face by which landmarks found anew may differ
# the same, by which landmarks move when looked at from beside: a person's mostly within 0.015, of
# animals and toys none within 0.024
UNSTEADY = 0.02
NO_FACE = 0.055  # from which it may be none at all: the back of a head, a ghost with painted eyes
OF_PICTURE = ("brightness", "warmth", "colours")  # told without a face


def measure(
    *,
    portrait: Portrait | None = None,
    head: HeadModel | None = None,
    people: int | None = None,
    astray: float = 0.0,
    unsteady: float = 0.0,
    speech: tuple[Tensor, int] | None = None,
    emotion: Emotion | None = None,
    text: str = "",
    notes: str = "",
) -> Facts:
    """What can be told of a scene; whatever is missing is simply not known.

    Args:
        portrait: The picture.
        head: The head to which it was fitted; needed with the portrait.
        people: Faces found in the whole picture.
        astray: How far the face's landmarks lie from those found anew, in widths of the face; if
            they differ, it may be no face, and nothing is said of it.
        unsteady: How far the landmarks move when looked at from beside, in widths of the face; if
            far, it may be no person: of the framing only close-ups are told, and no size; if very
            far, it may be no face either.
        speech: Waveform [C, S] and sample rate in Hz.
        emotion: What is felt.
        text: What is said: plain text, lines "0:00–0:02 text", SRT or WebVTT.
        notes: The artist's own words.

    Raises:
        ValueError: Times in the text or the audio cannot be used, or emotion and audio are not
            equally long.
    """
    found: list[Fact] = []
    remarks: list[str] = []
    if portrait is not None and head is not None:
        person = unsteady <= UNSTEADY and human(portrait)
        if not person:
            remarks.append(
                "framing: only told of close-ups, as this may be no person: landmarks move by "
                f"{100 * unsteady:.1f} % of the face's width when looked at from beside, or face "
                "and nose are short."
            )
        found += [
            *pose_facts(portrait, person=person),
            *light_facts(portrait, head),
            *backdrop_facts(portrait),
        ]
    if astray > ASTRAY or unsteady > NO_FACE:
        found = [fact for fact in found if fact.subject in OF_PICTURE]
        where = f"{100 * astray:.0f} % of its width away" if math.isfinite(astray) else "nowhere"
        moved = f"landmarks move by {100 * unsteady:.1f} % when looked at from beside"
        remarks.append(
            "face: nothing told of it, it may be none: "
            + (f"looked for again it is found {where}." if astray > ASTRAY else f"{moved}.")
        )
    elif people is not None:
        found.append(
            Fact(
                subject="people",
                value="1" if people <= 1 else "several",
                measured=f"faces found in the picture: {people}",
                confidence=0.8,
            )
        )
    seconds = 0.0
    words: tuple[Spoken, ...] = ()
    if speech is not None:
        waveform, sample_rate = speech
        seconds = waveform.shape[-1] / sample_rate
        sentences, notices = timed_sentences(text, waveform, sample_rate)
        remarks += notices
        words = tuple(Spoken(start=one.start, end=one.end, text=one.text) for one in sentences)
        found += voice_facts(waveform, sample_rate, words)
    elif text.strip():
        said = " ".join(split_sentences(text))
        words = (Spoken(start=0.0, end=0.0, text=said),)
        remarks.append("When the words are said is not known: 'audio' is not connected.")
    felt: tuple[Feeling, ...] = ()
    if emotion is not None:
        length = emotion.scores.shape[0] / float(exact_fps(emotion.fps))
        if seconds and abs(length - seconds) > 2.0 / emotion.fps:
            raise ValueError(
                f"'emotion' lasts {length:.2f} s, but 'audio' lasts {seconds:.2f} s. Make the "
                "emotion from the same audio."
            )
        seconds = seconds or length
        felt = feelings(emotion)
        if not felt:
            sure = float(emotion.confidence.mean()) if len(emotion.confidence) else 0.0
            remarks.append(
                f"emotion: not told, its confidence is {sure:.2f} on average and never "
                f"{UNSURE:g} for long."
            )
    vague = [fact for fact in found if fact.confidence < SURE]
    remarks += [f"{fact.subject}: not told, too close to call ({fact.measured})" for fact in vague]
    return Facts(
        facts=tuple(fact for fact in found if fact.confidence >= SURE),
        feelings=felt,
        words=words,
        seconds=seconds,
        notes=notes,
        remarks=tuple(remarks),
    )

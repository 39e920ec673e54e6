"""Where estimates of the same speech contradict each other, in words.

Shapes: T video frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor

from ..speech import exact_fps
from ..types import EMOTIONS, Emotion

SURE = 0.3  # an estimate less confident than this contradicts nobody
SHORTEST = 0.3  # s, a shorter contradiction is not worth a sentence
APART = 0.7  # units of valence and arousal between points that contradict each other
MOST = 6  # sentences

WHO = {
    "text": "the words are",
    "speech": "the voice is",
    "valence_arousal": "the tone is",
    "direct": "the direction is",
}


def disagreements(emotions: Mapping[str, Emotion]) -> str:
    """One line for each stretch of time in which two estimates contradict each other.

    Neutral contradicts nothing: plain words in an angry voice are an angry sentence.

    Args:
        emotions: Names out of MODALITIES to estimates of the same T and fps.

    Returns:
        Lines as "0.4 to 1.9 s: the words are happy, the voice is angry.", the longest ones in the
        order of time; one line that says so if there are none.
    """
    if len(emotions) < 2:
        return "There are not two estimates to compare."
    found = []
    for (one, a), (other, b) in combinations(emotions.items(), 2):
        rate = float(exact_fps(a.fps))
        as_points = "valence_arousal" in (one, other)
        for start, stop in _runs(_apart(a, b, as_points)):
            said = [
                f"{WHO[name]} {_word(emotion, start, stop, name == 'valence_arousal')}"
                for name, emotion in ((one, a), (other, b))
            ]
            if (stop - start) / rate >= min(SHORTEST, a.scores.shape[0] / rate):
                found.append((stop - start, start / rate, stop / rate, ", ".join(said)))
    found.sort(key=lambda item: -item[0])
    lines = [
        f"{start:.1f} to {stop:.1f} s: {said}."
        for _, start, stop, said in sorted(found[:MOST], key=lambda item: item[1])
    ]
    if len(found) > MOST:
        lines.append(f"And {len(found) - MOST} shorter ones.")
    return "\n".join(lines) or "The estimates do not contradict each other."


def _apart(a: Emotion, b: Emotion, as_points: bool) -> Tensor:
    """Frames in which both are sure, neither is neutral, and they differ, [T] bool."""
    apart = (a.confidence >= SURE) & (b.confidence >= SURE)
    if as_points:
        distance: Tensor = (a.valence_arousal - b.valence_arousal).norm(dim=1)
        return apart & (distance > APART)
    tops = [emotion.scores.argmax(1) for emotion in (a, b)]
    for top in tops:
        apart = apart & (top != EMOTIONS.index("neutral"))
    return apart & (tops[0] != tops[1])


def _runs(mask: Tensor) -> list[tuple[int, int]]:
    """First and one past the last frame of each run of True."""
    edges = torch.diff(mask.int(), prepend=mask.new_zeros(1).int(), append=mask.new_zeros(1).int())
    starts, stops = ((edges == sign).nonzero()[:, 0].tolist() for sign in (1, -1))
    return list(zip(starts, stops, strict=True))


def _word(emotion: Emotion, start: int, stop: int, as_point: bool) -> str:
    if as_point:
        valence, arousal = emotion.valence_arousal[start:stop].mean(0).tolist()
        mood = "pleasant" if valence > 0.15 else "unpleasant" if valence < -0.15 else "even"
        energy = " and excited" if arousal > 0.15 else " and calm" if arousal < -0.15 else ""
        return mood + energy
    return EMOTIONS[int(emotion.scores[start:stop].mean(0).argmax())]

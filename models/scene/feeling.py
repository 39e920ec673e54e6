"""Emotion over time, in graded words.

Shapes: T video frames, 8 classes in the order of EMOTIONS.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..speech import exact_fps
from ..types import EMOTIONS, Emotion
from .fact import Feeling

SHORTEST = 0.4  # s, of a feeling that is told on its own
UNSURE = 0.3  # confidence under which nothing is said
WEAK, STRONG = 0.5, 0.8  # mean score of the class, for "slightly" and "very"
TRACE = 0.28  # mean score of a feeling under a neutral one, from which it is told
NEUTRAL = EMOTIONS.index("neutral")
CALM = 0.65  # mean score of neutral, from which it is told as calm
SMOOTH = 0.3  # s over which scores are averaged


def feelings(emotion: Emotion) -> tuple[Feeling, ...]:
    """What is felt from when to when, in the order of time; what is unsure is left out.

    Args:
        emotion: T frames of it.
    """
    rate = float(exact_fps(emotion.fps))
    if emotion.scores.shape[0] == 0:
        return ()
    smooth = _smooth(emotion.scores, round(SMOOTH * rate))
    other = smooth.clone()
    other[:, NEUTRAL] = -1.0
    traced = (smooth.argmax(1) == NEUTRAL) & (other.amax(1) >= TRACE)
    top = torch.where(traced, other.argmax(1), smooth.argmax(1))
    spans: list[tuple[int, int, int]] = []
    for start, stop in _stretches(top.tolist(), max(1, round(SHORTEST * rate))):
        name = int(torch.mode(top[start:stop]).values)
        if spans and spans[-1][2] == name:
            start = spans.pop()[0]
        spans.append((start, stop, name))
    out = []
    for start, stop, name in spans:
        sure = float(emotion.confidence[start:stop].mean())
        score = float(emotion.scores[start:stop, name].mean())
        if sure < UNSURE or (EMOTIONS[name] == "neutral" and score < CALM):
            continue
        grade = "slightly" if score < WEAK else "very" if score > STRONG else ""
        out.append(
            Feeling(
                start=start / rate,
                end=stop / rate,
                name=EMOTIONS[name],
                grade="" if EMOTIONS[name] == "neutral" else grade,
                score=score,
                confidence=sure,
            )
        )
    return tuple(out)


def _smooth(scores: Tensor, frames: int) -> Tensor:
    """Scores [T, 8] averaged over some frames."""
    half = max(0, min(frames // 2, scores.shape[0] - 1))
    padded = torch.nn.functional.pad(scores.T[None], (half, half), mode="replicate")
    return torch.nn.functional.avg_pool1d(padded, 2 * half + 1, 1)[0].T


def _stretches(classes: list[int], least: int) -> list[tuple[int, int]]:
    """Runs of one class; a run shorter than `least` joins its longer neighbour."""
    cuts = [0] + [i for i in range(1, len(classes)) if classes[i] != classes[i - 1]]
    spans = list(zip(cuts, [*cuts[1:], len(classes)], strict=True))
    while len(spans) > 1:
        short = min(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0])
        if spans[short][1] - spans[short][0] >= least:
            break
        near = [i for i in (short - 1, short + 1) if 0 <= i < len(spans)]
        other = max(near, key=lambda i: spans[i][1] - spans[i][0])
        low, high = sorted((short, other))
        spans[low : high + 1] = [(spans[low][0], spans[high][1])]
    return spans

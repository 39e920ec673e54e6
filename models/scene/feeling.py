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
FADED = 0.14  # score under which such a feeling is over
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
    top = _lasting(smooth.argmax(1), *other.max(1))
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


def _lasting(top: Tensor, trace: Tensor, under: Tensor) -> Tensor:
    """The class that is told in each frame, [T]: under neutral the feeling there is a trace of.

    It is told from where it is clear up to where it has faded, forwards and backwards in time.

    Args:
        top: [T] the likeliest class.
        trace: [T] the score of the likeliest one but neutral.
        under: [T] which one that is.
    """
    names, scores, feelings_ = top.tolist(), trace.tolist(), under.tolist()
    told = [
        name if name != NEUTRAL or score < TRACE else feeling
        for name, score, feeling in zip(names, scores, feelings_, strict=True)
    ]
    for order in (range(1, len(told)), range(len(told) - 2, -1, -1)):
        step = order.step
        for i in order:
            goes_on = told[i] == NEUTRAL and feelings_[i] == told[i - step]
            if goes_on and scores[i] >= FADED:
                told[i] = told[i - step]
    return torch.tensor(told)


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

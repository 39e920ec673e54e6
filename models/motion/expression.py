"""What is felt, on the clock of what shows it.

Shapes: U frames of any clock, N frames of an Emotion, E = 8 emotions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..speech import exact_fps
from ..types import EMOTIONS, Emotion
from .lips import SMILE, sides

NEUTRAL = EMOTIONS.index("neutral")
UNPLEASANT = [EMOTIONS.index(name) for name in ("angry", "disgusted", "fearful", "sad")]


def emotion_at(emotion: Emotion | None, times: Tensor, frames: int, fps: float) -> Tensor:
    """Scores, valence and arousal at given times, [U, 10]; nothing felt is neutral.

    An emotion of another frame rate is read between its frames, as long as it lasts as long as
    the video, give or take a frame.

    Args:
        emotion: Of any frame rate, or None.
        times: [U] seconds.
        frames: Of the video.
        fps: Frames a second of the video.

    Raises:
        ValueError: The emotion lasts longer or shorter than the audio.
    """
    if emotion is None:
        return calm(len(times))
    own, given = float(exact_fps(fps)), float(exact_fps(emotion.fps))
    count = emotion.scores.shape[0]
    seconds, felt = frames / own, count / given
    if abs(seconds - felt) > 1.0 / min(own, given) + 1e-6:
        raise ValueError(
            f"'emotion' has {count} frames at {emotion.fps:g} fps ({felt:.2f} s), the audio has "
            f"{frames} at {fps:g} fps ({seconds:.2f} s). Make the emotion from the same 'audio'."
        )
    place = (times * given - 0.5).clamp(0.0, count - 1.0)
    low = place.floor().long()
    high = (low + 1).clamp_max(count - 1)
    share = (place - low).float()[:, None]
    both = torch.cat([emotion.scores, emotion.valence_arousal], 1).detach().float().cpu()
    return both[low] * (1.0 - share) + both[high] * share


def calm(frames: int) -> Tensor:
    """Nothing felt, [frames, 10]."""
    out = torch.zeros(frames, len(EMOTIONS) + 2)
    out[:, NEUTRAL] = 1.0
    return out


def rest_under(own: Tensor, felt: Tensor) -> Tensor:
    """What is left of the photo's own expression under a feeling, [U, 52].

    Any feeling takes 60 % of it, an unpleasant one all of its smile.

    Args:
        own: [52] the photo's coefficients.
        felt: [U, 10] scores, valence and arousal.
    """
    feeling = 1.0 - felt[:, NEUTRAL]
    unpleasant = felt[:, UNPLEASANT].sum(1)
    left = (1.0 - 0.6 * feeling)[:, None].repeat(1, len(own))
    for name in SMILE:
        for column in sides(name):
            left[:, column] = torch.minimum(left[:, column], 1.0 - unpleasant)
    return own * left.clamp(0.0, 1.0)


def faded(felt: Tensor, dial: Tensor) -> tuple[Tensor, Tensor]:
    """A feeling faded towards neutral by a dial below 1; above 1 what is left to multiply by.

    Args:
        felt: [U, 10] scores, valence and arousal.
        dial: [U] 0..2; 0 gives exactly neutral.

    Returns:
        The feeling [U, 10] and a factor for the face [U, 1], 1..2.
    """
    share = dial.clamp_max(1.0)[:, None]
    return felt * share + calm(len(felt)) * (1.0 - share), dial.clamp_min(1.0)[:, None]

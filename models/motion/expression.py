"""What is felt, on the clock of the video that shows it.

Shapes: T video frames, N frames of an Emotion.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..speech import exact_fps, frame_times
from ..types import Emotion


def emotion_on_clock(emotion: Emotion, frames: int, fps: float) -> tuple[Tensor, Tensor]:
    """Scores [T, 8] and valence and arousal [T, 2] at the middle of each video frame.

    An emotion of another frame rate is read between its frames, as long as it lasts as long as
    the video, give or take a frame.

    Args:
        emotion: Of any frame rate.
        frames: T.
        fps: Frames a second of the video.

    Raises:
        ValueError: It lasts longer or shorter than the audio.
    """
    own, given = float(exact_fps(fps)), float(exact_fps(emotion.fps))
    count = emotion.scores.shape[0]
    seconds, felt = frames / own, count / given
    if abs(seconds - felt) > 1.0 / min(own, given) + 1e-6:
        raise ValueError(
            f"'emotion' has {count} frames at {emotion.fps:g} fps ({felt:.2f} s), the audio has "
            f"{frames} at {fps:g} fps ({seconds:.2f} s). Make the emotion from the same 'audio'."
        )
    if count == frames and given == own:
        return emotion.scores, emotion.valence_arousal
    place = (frame_times(frames, fps) * given - 0.5).clamp(0.0, count - 1.0)
    low = place.floor().long()
    high = (low + 1).clamp_max(count - 1)
    share = (place - low).float()[:, None]
    both = torch.cat([emotion.scores, emotion.valence_arousal], 1)
    mixed = both[low] * (1.0 - share) + both[high] * share
    return mixed[:, :8], mixed[:, 8:]

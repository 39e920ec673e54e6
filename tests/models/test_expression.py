from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion.expression import emotion_on_clock
from synchrorama.models.types import Emotion


def emotion(frames: int, fps: float) -> Emotion:
    """Neutral that becomes happy evenly."""
    share = (torch.arange(frames) + 0.5) / frames
    scores = torch.zeros(frames, 8)
    scores[:, 3], scores[:, 4] = share, 1.0 - share
    return Emotion(
        scores=scores,
        valence_arousal=torch.stack([share, -share], 1),
        confidence=torch.ones(frames),
        embedding=torch.zeros(frames, 256),
        fps=fps,
    )


def test_an_emotion_of_the_same_clock_is_taken_as_it_is() -> None:
    felt = emotion(50, 25.0)
    scores, point = emotion_on_clock(felt, 50, 25.0)
    assert torch.equal(scores, felt.scores)
    assert torch.equal(point, felt.valence_arousal)


@pytest.mark.parametrize(("frames", "fps"), [(16, 8.0), (60, 30.0), (120, 60.0), (48, 23.976)])
def test_another_frame_rate_is_read_between_frames(frames: int, fps: float) -> None:
    scores, point = emotion_on_clock(emotion(50, 25.0), frames, fps)
    wanted = (torch.arange(frames) + 0.5) / frames
    inside = slice(2, -2)
    assert scores.shape == (frames, 8)
    assert torch.allclose(scores[inside, 3], wanted[inside], atol=0.002)
    assert torch.allclose(point[inside, 1], -wanted[inside], atol=0.002)
    assert torch.allclose(scores.sum(1), torch.ones(frames))


def test_an_emotion_of_another_length_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"'emotion' has 50 frames at 25 fps \(2.00 s\), the audio"
    ):
        emotion_on_clock(emotion(50, 25.0), 60, 25.0)

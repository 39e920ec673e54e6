from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion.expression import calm, emotion_at, faded, rest_under
from synchrorama.models.speech import frame_times
from synchrorama.models.types import ARKIT_INDEX, EMOTIONS, Emotion


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
    read = emotion_at(felt, frame_times(50, 25.0), 50, 25.0)
    assert torch.allclose(read[:, :8], felt.scores, atol=1e-6)
    assert torch.allclose(read[:, 8:], felt.valence_arousal, atol=1e-6)


@pytest.mark.parametrize(("frames", "fps"), [(16, 8.0), (60, 30.0), (120, 60.0), (48, 23.976)])
def test_another_frame_rate_is_read_between_frames(frames: int, fps: float) -> None:
    read = emotion_at(emotion(50, 25.0), frame_times(frames, fps), frames, fps)
    scores, point = read[:, :8], read[:, 8:]
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
        emotion_at(emotion(50, 25.0), frame_times(60, 25.0), 60, 25.0)


def test_no_emotion_is_calm() -> None:
    read = emotion_at(None, torch.arange(5.0), 5, 25.0)
    assert torch.equal(read, calm(5))
    assert read[:, 4].tolist() == [1.0] * 5


def test_a_dial_fades_towards_neutral_and_then_multiplies() -> None:
    felt = emotion_at(emotion(50, 25.0), torch.tensor([1.9, 1.9, 1.9]), 50, 25.0)
    mixed, factor = faded(felt, torch.tensor([0.0, 0.5, 2.0]))
    assert torch.equal(mixed[0], calm(1)[0])
    assert torch.allclose(mixed[1], 0.5 * felt[1] + 0.5 * calm(1)[0])
    assert torch.equal(mixed[2], felt[2])
    assert factor[:, 0].tolist() == [1.0, 1.0, 2.0]


def test_an_unpleasant_feeling_takes_the_photos_smile_away():
    own = torch.full((52,), 0.5)
    scores = torch.zeros(3, 10)
    for row, name in enumerate(("sad", "happy", "neutral")):
        scores[row, EMOTIONS.index(name)] = 1.0
    left = rest_under(own, scores)
    smile, brow = ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["browDownLeft"]
    assert torch.allclose(left[:, smile], torch.tensor([0.0, 0.2, 0.5]))
    assert torch.allclose(left[:, brow], torch.tensor([0.2, 0.2, 0.5]))

from __future__ import annotations

import numpy as np
import pytest
import torch
from synchrorama.models.motion.audio_to_motion import TINY
from synchrorama.models.motion.gestures import CHANNELS, EXPRESSIVE, RATE
from synchrorama.models.types import EMOTIONS
from synchrorama.training.gesture_targets import (
    expression_table,
    gesture_targets,
    random_emotion,
)
from synchrorama.training.gestures import CLIP, LOSSES, Lesson, Take, energy_score, takes


def voice(seconds: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    """Loudness with an accent each second, and who speaks: three seconds yes, one no."""
    times = (np.arange(int(seconds * RATE)) + 0.5) / RATE
    activity = (times % 4.0 < 3.0).astype(np.float32)
    loud = activity * (0.4 + 0.4 * np.exp(-((((times % 1.0) - 0.5) / 0.1) ** 2)))
    return loud.astype(np.float32), activity


def feeling(name: str, frames: int, strength: float = 1.0, arousal: float = 0.0) -> np.ndarray:
    from synchrorama.models.emotion.circumplex import CLASS_POINTS

    out = np.zeros((frames, 10), dtype=np.float32)
    out[:, EMOTIONS.index(name)] = strength
    out[:, EMOTIONS.index("neutral")] += 1.0 - strength
    out[:, 8:] = out[:, :8] @ np.array(CLASS_POINTS, dtype=np.float32)
    out[:, 9] += arousal
    return out


def take(name: str = "neutral", seed: int = 0, **kwargs: float) -> np.ndarray:
    loud, activity = voice()
    emotion = feeling(name, len(loud), **kwargs)
    return gesture_targets(loud, activity, emotion, np.random.default_rng(seed))


def some_takes(count: int) -> list[Take]:
    loud, activity = voice(20.0)
    prosody = torch.zeros(len(loud), 22)
    prosody[:, :20] = torch.from_numpy(loud)[:, None]
    prosody[:, -2], prosody[:, -1] = torch.from_numpy(loud), torch.from_numpy(activity)
    return takes([prosody], count, np.random.default_rng(0))


def test_heads_move_as_heads_do() -> None:
    degrees = np.rad2deg(take()[:, :3])
    speed = np.linalg.norm(np.diff(degrees, axis=0), axis=1) * RATE
    assert 1.0 < degrees.std(0).max() < 5.0
    assert 2.0 < speed.mean() < 20.0
    assert speed.max() < 120.0
    thirds = np.array_split(degrees, 3)
    means = np.stack([third.mean(0) for third in thirds])
    assert abs(means - degrees.mean(0)).max() < 2.0  # no drift
    assert abs(degrees.mean(0)).max() < 2.5  # nods bow a head a little


def test_emphases_nod_and_lift_brows_not_always() -> None:
    brows = take()[:, CHANNELS.index("browInnerUp")]
    assert 0.05 < brows.max() <= 0.5
    assert 0.02 < (brows > 0.05).mean() < 0.5
    loud, activity = voice()
    flat = gesture_targets(
        0.4 * activity, activity, feeling("neutral", len(loud)), np.random.default_rng(0)
    )
    assert take()[:, 0].mean() > flat[:, 0].mean()


def test_takes_differ_in_head_and_agree_in_face() -> None:
    one, other = take("happy", 1), take("happy", 2)
    assert abs(np.corrcoef(one[:, 1], other[:, 1])[0, 1]) < 0.5
    smile = CHANNELS.index("mouthSmileLeft")
    assert abs(one[:, smile].mean() - other[:, smile].mean()) < 0.05


def test_an_emotion_shows_its_prototype_by_strength_and_arousal() -> None:
    face = slice(len(CHANNELS) - len(EXPRESSIVE), None)
    assert not take("neutral")[:, face].any()
    for row, name in enumerate(EMOTIONS):
        shown = take(name)[:, face].mean(0)
        assert np.allclose(shown, expression_table()[row], atol=0.1), name
        assert np.allclose(take(name, strength=0.5)[:, face].mean(0), 0.5 * shown, atol=0.05)
    calm, wild = (take("angry", arousal=a)[:, face].mean() for a in (-0.4, 0.4))
    assert wild > 1.2 * calm


def test_a_made_up_feeling_is_a_feeling() -> None:
    for seed in range(30):
        emotion = random_emotion(100, np.random.default_rng(seed))
        assert emotion.shape == (100, 10)
        assert np.allclose(emotion[:, :8].sum(1), 1.0, atol=1e-5)
        assert np.abs(emotion[:, 8:]).max() <= 1.0


def test_examples_have_the_length_asked_for() -> None:
    for item in some_takes(4):
        assert item.prosody.shape == (CLIP, 22)
        assert item.emotion.shape == (CLIP, 10)
        assert item.gestures.shape == (CLIP, len(CHANNELS))


@pytest.mark.parametrize("without", [(), LOSSES])
def test_ten_steps_lower_every_loss_together(without: tuple[str, ...]) -> None:
    batch = some_takes(2)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        lesson = Lesson(TINY.gestures, batch)
        optimizer = torch.optim.AdamW(lesson.parameters(), lr=5e-3)
        totals = []
        for _ in range(11):
            losses = lesson(batch, frozenset(without))
            assert not set(without) & set(losses)
            total = torch.stack(list(losses.values())).sum()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            totals.append(float(total.detach()))
    assert totals[-1] < totals[0]


def test_the_energy_score_is_least_for_draws_like_takes() -> None:
    chance = torch.Generator().manual_seed(0)
    one, other, wanted = (torch.randn(8, 128, len(CHANNELS), generator=chance) for _ in range(3))
    good = float(energy_score(one, other, wanted))
    mean = torch.zeros_like(wanted)
    assert good < 0.8 * float(energy_score(mean, mean, wanted))  # the same each time
    assert good < 0.8 * float(energy_score(3.0 * one, 3.0 * other, wanted))  # too wild

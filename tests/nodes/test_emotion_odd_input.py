"""The emotion nodes with what users also connect: shipped weights, every kind of odd input."""

import pytest
import torch
from synchrorama.models.types import EMOTIONS
from synchrorama.nodes.emotion import (
    SynchroRaMaEmotionFromSpeech,
    SynchroRaMaEmotionFromText,
    SynchroRaMaEmotionValenceArousal,
)
from synchrorama.nodes.emotion_direct import SynchroRaMaEmotionDirect

NEUTRAL = EMOTIONS.index("neutral")


def audio(seconds=2.0, rate=16000, channels=1, clips=1, level=0.1):
    chance = torch.Generator().manual_seed(0)
    sound = torch.randn(clips, channels, round(seconds * rate), generator=chance)
    return {"waveform": (level * sound).clamp(-1.0, 1.0), "sample_rate": rate}


def not_a_number():
    broken = audio()
    broken["waveform"][0, 0, 100] = float("nan")
    return broken


def read(text, sound=None):
    node = SynchroRaMaEmotionFromText
    return node.execute(text, audio() if sound is None else sound, 25.0, "built-in").result


ESTIMATES = {
    "text": lambda sound: read("I am so happy! What now?", sound)[0],
    "speech": lambda sound: SynchroRaMaEmotionFromSpeech.execute(sound, 25.0, "built-in").result[0],
    "valence_arousal": lambda sound: SynchroRaMaEmotionValenceArousal.execute(
        sound, 25.0, "built-in", 1.0
    ).result[0],
}


@pytest.mark.parametrize("kind", ESTIMATES)
@pytest.mark.parametrize(
    ("sound", "frames"),
    [
        (audio(level=0.0), 50),
        (audio(seconds=0.05), 2),
        (audio(rate=8000), 50),
        (audio(rate=96000, channels=2), 50),
        (audio(level=30.0), 50),
    ],
    ids=["silent", "0.05 s", "8 kHz", "96 kHz stereo", "clipped"],
)
def test_odd_audio_gives_an_emotion(kind, sound, frames):
    emotion = ESTIMATES[kind](sound)
    assert emotion.scores.shape == (frames, 8)
    assert torch.allclose(emotion.scores.sum(1), torch.ones(frames), atol=1e-4)
    for told in (emotion.valence_arousal, emotion.confidence, emotion.embedding):
        assert bool(told.isfinite().all())
    if kind != "text" and not bool(sound["waveform"].any()):
        assert (emotion.scores[:, NEUTRAL] > 0.9).all() or (emotion.confidence < 0.05).all()


@pytest.mark.parametrize("kind", ESTIMATES)
@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (audio(seconds=0.0), "'audio' is empty"),
        (audio(clips=2), "'audio' holds 2 clips, needed is one"),
        (not_a_number(), "'audio' holds 1 samples that are not numbers"),
    ],
    ids=["empty", "batch", "NaN"],
)
def test_audio_that_cannot_be_used_is_answered(kind, sound, message):
    with pytest.raises(ValueError, match=message):
        ESTIMATES[kind](sound)


@pytest.mark.parametrize("text", ["", " \n ", "😀🎉🔥🔥", "我真的很高兴见到你。", "?!? … 42"])
def test_what_cannot_be_judged_is_neutral(text):
    emotion, report = read(text)
    assert (emotion.scores[:, NEUTRAL] > 0.9).all()
    assert (emotion.confidence < 0.1).all()
    assert report


def test_languages_may_be_mixed():
    text = "0:00-0:01 Das ist mir heute leider gar nicht recht.\n0:01-0:02 I am so happy for you!"
    emotion, _ = read(text)
    assert float(emotion.confidence[10]) < 0.2
    assert EMOTIONS[int(emotion.scores[40].argmax())] == "happy"
    assert float(emotion.confidence[40]) > 0.5


def test_fifty_thousand_words():
    emotion, report = read("I love this so very much today, my friend! " * 5556)
    assert emotion.scores.shape == (50, 8)
    assert len(report.splitlines()) == 201
    assert "sentences more" in report.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:00-0:01 One.\n0:05-0:06 Two.", "Line 2 of 'text' starts at 5 s, but 'audio' is 2.00"),
        ("0:00-0:01 One.\n0:00-0:02 Two.", "Line 2 of 'text' starts at 0 s, before line 1 ends"),
        ("0:00-0:01 One.\n0:7x-0:08 Two.", "Line 2 of 'text' has a time that cannot"),
        ("0:01-0:01 One.", "Line 1 of 'text' ends at 1 s, not after its start"),
    ],
)
def test_times_that_cannot_be_used_are_answered(text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        ("2 happy\n1 sad", "Line 2 of 'direction' is at 1 s, but line 1 is already at 2 s"),
        ("0 happy\n1 very happy", "Line 2 of 'direction' holds 'very'"),
        ("0 happy\n1 sad 1.5", "Line 2 of 'direction' has sad 1.5. Use a strength from 0 to 1"),
        ("0 happy -0.2", "Line 1 of 'direction' has happy -0.2"),
        ("0 va 0.2 3", "Line 1 of 'direction' has arousal 3. Use a value from -1 to 1"),
        ("", "'direction' is empty"),
    ],
)
def test_directions_that_cannot_be_read_are_answered(direction, message):
    with pytest.raises(ValueError, match=message):
        SynchroRaMaEmotionDirect.execute(direction, "smooth", 1.0, 25.0, 2.0)

import pytest
import torch
from synchrorama.models.types import EMOTIONS
from synchrorama.nodes.emotion import SynchroRaMaEmotionFromText


def audio(seconds, clips=1):
    chance = torch.Generator().manual_seed(0)
    waveform = torch.randn(clips, 2, int(seconds * 8000), generator=chance) * 0.1
    return {"waveform": waveform, "sample_rate": 8000}


def test_sentences_become_an_emotion_and_a_report():
    text = "00:00 - 00:02 I hate you, this makes me so angry!\n00:02 - 00:03 I love you so much!"
    emotion, report = SynchroRaMaEmotionFromText.execute(text, audio(3.0), 25.0, "built-in").result
    assert emotion.scores.shape == (75, 8)
    assert emotion.embedding.shape == (75, 256)
    assert EMOTIONS[int(emotion.scores[20].argmax())] == "angry"
    assert EMOTIONS[int(emotion.scores[65].argmax())] == "happy"
    assert report.splitlines()[0].startswith("0.0–2.0 s: angry ")


def test_a_batch_and_a_folder_that_is_gone_are_answered():
    with pytest.raises(ValueError, match="'audio' holds 2 clips"):
        SynchroRaMaEmotionFromText.execute("Hello.", audio(1.0, 2), 25.0, "built-in")
    with pytest.raises(ValueError, match="'model' is 'gone'"):
        SynchroRaMaEmotionFromText.execute("Hello.", audio(1.0), 25.0, "gone")

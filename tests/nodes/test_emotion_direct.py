import pytest
import torch
from synchrorama.models.emotion.fusion import TINY, EmotionFusion
from synchrorama.models.types import EMOTIONS
from synchrorama.nodes.emotion_direct import (
    SynchroRaMaEmotionDirect,
    SynchroRaMaEmotionFuse,
    SynchroRaMaEmotionPlot,
)

RATE = 100


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A tiny untrained network instead of the shipped one."""
    fusion = EmotionFusion(TINY).train(False)
    monkeypatch.setattr(EmotionFusion, "from_checkpoint", lambda: fusion)


def audio(seconds):
    return {"waveform": torch.zeros(1, 1, round(seconds * RATE)), "sample_rate": RATE}


def noise(seconds):
    sound = torch.randn(1, 1, round(seconds * 16000), generator=torch.Generator().manual_seed(0))
    return {"waveform": 0.2 * sound, "sample_rate": 16000}


def direct(direction="happy 0.8", fps=25.0, seconds=1.0, blend=1.0, **inputs):
    return SynchroRaMaEmotionDirect.execute(
        direction, "linear", blend, fps, seconds, **inputs
    ).result[0]


def test_length_comes_from_seconds_audio_or_emotion():
    assert direct(seconds=1.0).scores.shape == (25, 8)
    assert direct(seconds=9.0, audio=audio(2.5), fps=10.0).scores.shape == (25, 8)
    under = direct("sad", fps=12.0, seconds=0.5)
    over = direct(emotion=under, fps=25.0, seconds=9.0)
    assert over.scores.shape == (6, 8)
    assert over.fps == 12.0
    assert direct(emotion=under, audio=audio(0.5), blend=0.0) is under


def test_an_emotion_of_another_length_than_the_audio_is_answered():
    with pytest.raises(ValueError, match="'emotion' has 25 frames at 25 fps, the direction is to"):
        direct(emotion=direct(), audio=audio(2.0))


def test_a_line_that_cannot_be_read_is_answered():
    with pytest.raises(ValueError, match="Line 2 of 'direction' holds 'glad'"):
        direct("0 happy\n1 glad")


def test_tooltip_and_help_say_that_contempt_exists_only_here(root):
    schema = SynchroRaMaEmotionDirect.define_schema()
    assert "Contempt and mixtures exist only here" in schema.inputs[0].tooltip
    page = (root / "web" / "docs" / "SynchroRaMaEmotionDirect.md").read_text(encoding="utf-8")
    assert "Contempt and mixtures exist only here" in page


def test_fuse_takes_what_is_connected():
    happy, angry = direct("happy"), direct("angry")
    emotion, report = SynchroRaMaEmotionFuse.execute(1.0, 1.0, 1.0, text=happy, speech=angry).result
    assert emotion.scores.shape == (25, 8)
    assert report == "0.0 to 1.0 s: the words are happy, the voice is angry."
    without, _ = SynchroRaMaEmotionFuse.execute(1.0, 1.0, 0.0, happy, angry, direct("sad")).result
    assert torch.equal(emotion.scores, without.scores)
    assert torch.equal(emotion.embedding, without.embedding)


def test_fuse_with_nothing_connected_is_answered():
    with pytest.raises(ValueError, match="No emotion is connected"):
        SynchroRaMaEmotionFuse.execute(1.0, 1.0, 1.0)


def test_plot_draws_and_tells():
    emotion = direct("0 happy\n1 contemptuous 0.6")
    plot, summary = SynchroRaMaEmotionPlot.execute(emotion, 512, 400).result
    assert plot.shape == (1, 400, 512, 3)
    assert "happy: the strongest class in" in summary
    with_words, _ = SynchroRaMaEmotionPlot.execute(
        emotion, 512, 400, "Well. Well!", noise(1.0)
    ).result
    assert not torch.equal(plot, with_words)
    assert len(EMOTIONS) == 8

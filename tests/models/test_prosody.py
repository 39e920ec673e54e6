import pytest
import torch
from synchrorama.models.emotion.speech_emotion import frame_features
from synchrorama.models.prosody import excitement, pitch

RATE = 16000


def buzz(hertz, seconds=1.0, level=0.3):
    """A glottal-like sound: ten harmonics."""
    t = torch.arange(int(seconds * RATE)) / RATE
    return level * sum(torch.sin(6.283185307 * hertz * k * t) / k for k in range(1, 11))


@pytest.mark.parametrize("hertz", [65.0, 110.0, 220.0, 440.0])
def test_pitch_of_a_steady_voice(hertz):
    found, periodic = pitch(buzz(hertz))
    assert found.shape == periodic.shape == (100,)
    assert torch.allclose(found[5:-5], torch.full((90,), hertz), rtol=0.01)
    assert float(periodic[5:-5].min()) > 0.9


def test_hiss_and_silence_have_no_pitch():
    hiss = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    assert float(pitch(hiss)[1].mean()) < 0.4
    assert not pitch(torch.zeros(RATE))[1].any()


@pytest.mark.parametrize("samples", [1, 161, 5 * RATE + 1])
def test_a_frame_for_each_10_ms(samples):
    assert pitch(torch.zeros(samples))[0].shape == (-(-samples // 160),)


def test_pitch_agrees_with_librosa():
    librosa = pytest.importorskip("librosa")
    sweep = torch.cat([buzz(h, 0.25) for h in (100.0, 130.0, 180.0, 250.0)])
    found, periodic = pitch(sweep)
    theirs = librosa.yin(sweep.numpy(), fmin=60, fmax=500, sr=RATE, frame_length=1024,
                         hop_length=160)[: len(found)]  # fmt: skip
    steady = periodic > 0.9
    ratio = found[steady] / torch.from_numpy(theirs)[steady]
    assert float(((ratio - 1.0).abs() < 0.03).float().mean()) > 0.9


def test_higher_and_louder_is_more_excited():
    calm, high = buzz(100.0, 2.0, 0.1), buzz(180.0, 2.0, 0.4)
    track = excitement(frame_features(torch.cat([calm, high, calm])))
    assert track.shape == (600,)
    assert float(track[230:370].mean()) > float(track[30:170].mean()) + 0.5
    assert float(track.abs().max()) <= 1.0


def test_silence_is_not_excited():
    assert not excitement(frame_features(torch.zeros(RATE))).any()

from __future__ import annotations

import math

import pytest
import torch
from synchrorama.models import speech


def tone(hertz: float, seconds: float, sample_rate: int) -> torch.Tensor:
    times = torch.arange(int(seconds * sample_rate), dtype=torch.float64) / sample_rate
    return torch.sin(2 * math.pi * hertz * times).float()


@pytest.mark.parametrize(
    ("samples", "sample_rate", "fps", "frames"),
    [
        (113600, 16000, 25.0, 178),
        (16000, 16000, 25.0, 25),
        (16001, 16000, 25.0, 26),
        (1, 16000, 25.0, 1),
        (48000 * 1001, 48000, 23.976, 24000),
        (48000 * 1001 + 1, 48000, 23.976, 24001),
    ],
)
def test_frame_count_is_exact(samples: int, sample_rate: int, fps: float, frames: int) -> None:
    assert speech.frame_count(samples, sample_rate, fps) == frames


@pytest.mark.parametrize("fps", [0.0, 7.9, 1000.0])
def test_frame_count_names_a_bad_fps(fps: float) -> None:
    with pytest.raises(ValueError, match=r"'fps' is .*Use a value from 8 to 60"):
        speech.frame_count(16000, 16000, fps)


def test_frame_times_are_the_middles() -> None:
    assert speech.frame_times(3, 25.0).tolist() == pytest.approx([0.02, 0.06, 0.1])


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 48000, 96000])
def test_to_mono_keeps_a_tone_and_its_length(sample_rate: int) -> None:
    wave = tone(1000.0, 0.5, sample_rate)
    mono = speech.to_mono(torch.stack([wave, wave]), sample_rate)
    assert mono.shape == (8000,)
    inner = slice(1000, 7000)
    assert (mono - tone(1000.0, 0.5, 16000))[inner].abs().max() < 5e-3


def test_to_mono_does_not_fold_back() -> None:
    mono = speech.to_mono(tone(11000.0, 0.5, 48000), 48000)
    assert mono[1000:7000].abs().max() < 1e-3


def test_to_mono_accepts_every_shape() -> None:
    wave = tone(300.0, 0.1, 16000)
    for shaped in (wave, wave[None], wave[None, None], torch.stack([wave, wave])[None]):
        assert torch.allclose(speech.to_mono(shaped, 16000), wave)


@pytest.mark.parametrize(
    ("waveform", "sample_rate", "sentence"),
    [
        (torch.zeros(1, 1, 0), 16000, "'audio' is empty"),
        (torch.zeros(2, 1, 160), 16000, "batch of 2 clips, needed is one. Take one clip"),
        (torch.tensor([0.0, float("nan"), float("inf")]), 16000, "2 samples that are not numbers"),
        (torch.zeros(1, 1, 1, 160), 16000, r"needed is \[1, channels, samples\]"),
        (torch.zeros(160), 0, "has 0 samples a second"),
    ],
)
def test_to_mono_says_what_is_wrong(
    waveform: torch.Tensor, sample_rate: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        speech.to_mono(waveform, sample_rate)


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 800, 16000])
def test_log_mel_has_a_frame_for_each_10_ms(samples: int) -> None:
    mel = speech.log_mel(torch.randn(samples, generator=torch.Generator().manual_seed(0)))
    assert mel.shape == (math.ceil(samples / 160), 80)
    assert bool(torch.isfinite(mel).all())


def test_log_mel_does_not_hear_loudness() -> None:
    wave = tone(440.0, 0.5, 16000) * torch.linspace(0.2, 1.0, 8000)
    assert torch.allclose(speech.log_mel(wave), speech.log_mel(0.3 * wave), atol=1e-3)


def test_log_mel_of_silence_is_the_floor() -> None:
    assert bool((speech.log_mel(torch.zeros(16000)) == -2.0).all())
    faint = 1e-4 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    assert float(speech.log_mel(faint).mean()) < float(speech.log_mel(1000 * faint).mean()) - 0.5


def test_log_mel_frames_are_centred() -> None:
    click = torch.zeros(3200)
    click[10 * 160 + 80] = 1.0
    assert int(speech.log_mel(click).sum(1).argmax()) == 10


def test_log_mel_in_blocks_agrees_with_one_block() -> None:
    wave = torch.randn(160 * 6100, generator=torch.Generator().manual_seed(0))
    long, short = speech.log_mel(wave), speech.log_mel(wave[160 * 5900 :])
    level = float((long[6000] - short[100]).mean())
    assert torch.allclose(long[5990:6050], short[90:150] + level, atol=1e-3)


def test_mel_filters_cover_every_band() -> None:
    bank = speech.mel_filters()
    assert bank.shape == (80, 257)
    assert bool((bank >= 0).all())
    assert bool((bank.sum(1) > 0).all())

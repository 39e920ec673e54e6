from __future__ import annotations

from pathlib import Path

import pytest
import torch
from synchrorama.models import speech
from synchrorama.models.checkpoint import CheckpointError, save_checkpoint
from synchrorama.models.motion import lips
from synchrorama.models.motion.audio_to_motion import (
    BUILTIN,
    FORMAT,
    TINY,
    AudioToMotion,
    AudioToMotionConfig,
    articulate_in_windows,
    motion_from_audio,
    to_video_clock,
)
from synchrorama.models.motion.dials import Dials
from synchrorama.models.types import ARKIT_INDEX, ARKIT_NAMES


@pytest.fixture(scope="module")
def model() -> AudioToMotion:
    return AudioToMotion.from_checkpoint()


@pytest.fixture(scope="module")
def voice() -> torch.Tensor:
    """Three seconds that are loud and soft in turn, like syllables, and then one of silence."""
    noise = torch.randn(48000, generator=torch.Generator().manual_seed(3)).cumsum(0)
    noise = noise - torch.nn.functional.avg_pool1d(noise[None, None], 201, 1, 100)[0, 0]
    syllables = torch.sin(torch.arange(48000) / 16000 * 2 * torch.pi * 2.5).clamp_min(0.02)
    return torch.cat([0.2 * noise / noise.abs().max() * syllables, torch.zeros(16000)])


def test_forward_gives_coefficients_in_range(model: AudioToMotion, voice: torch.Tensor) -> None:
    coefficients = model(speech.log_mel(voice)[None])
    assert coefficients.shape == (1, 400, 52)
    assert float(coefficients.min()) >= 0.0
    assert float(coefficients.max()) <= 1.0
    said = {ARKIT_NAMES[i] for i in coefficients[0].amax(0).nonzero()[:, 0].tolist()}
    assert "eyeBlinkLeft" not in said
    assert "jawOpen" in said


def test_the_shipped_network_is_small_and_hears_less_than_a_second(model: AudioToMotion) -> None:
    assert sum(p.numel() for p in model.parameters()) * 2 < 2_000_000
    assert 2 * model.config.reach + 1 <= 100
    assert model.config == BUILTIN


def test_the_network_hears_exactly_its_reach() -> None:
    torch_state = AudioToMotion(TINY).double()
    mel = torch.zeros(1, 41, 80, dtype=torch.float64, requires_grad=True)
    torch_state.logits(mel)[0, 20].sum().backward()
    assert mel.grad is not None
    heard = mel.grad[0].abs().sum(1).nonzero()[:, 0]
    assert 20 - int(heard.min()) <= TINY.reach
    assert int(heard.max()) - 20 <= TINY.reach
    assert int(heard.max() - heard.min()) > 15


@pytest.mark.parametrize("window", [38, 100, 398, 1000])
def test_windows_agree_with_one_pass(
    model: AudioToMotion, voice: torch.Tensor, window: int
) -> None:
    mel = speech.log_mel(voice)
    whole = model.articulate(mel[None])
    steps: list[tuple[int, int]] = []
    parts = articulate_in_windows(
        model, mel, window=window, on_step=lambda i, n: steps.append((i, n))
    )
    for one, cut in zip(whole, parts, strict=True):
        assert torch.allclose(one[0], cut, atol=1e-5)
    total = -(-400 // window)
    assert steps == [(i + 1, total) for i in range(total)]


def test_on_step_can_cancel(model: AudioToMotion, voice: torch.Tensor) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        motion_from_audio(model, voice, 16000, on_step=stop)


def test_loudness_does_not_change_the_lips(model: AudioToMotion, voice: torch.Tensor) -> None:
    loud = motion_from_audio(model, voice, 16000).coefficients
    soft = motion_from_audio(model, 0.3 * voice, 16000).coefficients
    assert torch.allclose(loud, soft, atol=0.02)


@pytest.mark.parametrize("fps", [8.0, 23.976, 25.0, 29.97, 60.0])
def test_frames_follow_the_video_clock(
    model: AudioToMotion, voice: torch.Tensor, fps: float
) -> None:
    motion = motion_from_audio(model, voice, 16000, fps=fps)
    assert motion.frames == speech.frame_count(voice.numel(), 16000, fps)


@pytest.mark.parametrize("samples", [1, 800, 1600])
def test_very_short_audio_works(model: AudioToMotion, samples: int) -> None:
    motion = motion_from_audio(model, torch.full((samples,), 0.1), 16000)
    assert motion.frames == speech.frame_count(samples, 16000, 25.0)
    assert bool(torch.isfinite(motion.coefficients).all())


def test_any_sample_rate_gives_the_same_lips(model: AudioToMotion, voice: torch.Tensor) -> None:
    from scipy.signal import resample_poly

    high = torch.from_numpy(resample_poly(voice.numpy(), 6, 1)).float()
    stereo = torch.stack([high, high])[None]
    one = motion_from_audio(model, voice, 16000)
    other = motion_from_audio(model, stereo, 96000)
    assert torch.allclose(one.coefficients, other.coefficients, atol=0.05)


def test_silence_is_a_closed_resting_mouth(model: AudioToMotion) -> None:
    motion = motion_from_audio(model, torch.zeros(48000), 16000, dials=Dials(blinks=0.0))
    assert float(lips.lip_gap(motion.coefficients).max()) == 0.0
    assert float(motion.coefficients.abs().max()) < 1e-6
    assert 0.0 < float(motion.head_rotation.abs().max()) < 0.1


def test_silence_returns_to_the_photo(model: AudioToMotion, voice: torch.Tensor) -> None:
    rest = torch.linspace(0.0, 0.6, 52)
    motion = motion_from_audio(model, voice, 16000, rest=rest, dials=Dials(head=0.0, blinks=0.0))
    assert torch.allclose(motion.coefficients[-12:], rest.expand(12, 52), atol=1e-5)


def test_dials_at_zero_remove_exactly(model: AudioToMotion, voice: torch.Tensor) -> None:
    rest = torch.linspace(0.0, 0.6, 52)
    nothing = Dials(lips=0.0, expression=0.0, head=0.0, blinks=0.0, gaze=0.0, brows=0.0)
    motion = motion_from_audio(model, voice, 16000, rest=rest, dials=nothing)
    assert torch.equal(motion.coefficients, rest.expand_as(motion.coefficients))
    assert not motion.head_rotation.any()
    assert not motion.head_translation.any()


def test_the_seed_changes_the_head_and_never_the_lips(
    model: AudioToMotion, voice: torch.Tensor
) -> None:
    one, same, other = (motion_from_audio(model, voice, 16000, seed=s) for s in (1, 1, 2))
    mouth = [i for name, i in ARKIT_INDEX.items() if name.startswith(("mouth", "jaw"))]
    assert torch.equal(one.coefficients, same.coefficients)
    assert torch.equal(one.head_rotation, same.head_rotation)
    assert torch.equal(one.coefficients[:, mouth], other.coefficients[:, mouth])
    assert not torch.allclose(one.head_rotation, other.head_rotation)


def test_a_clipped_recording_works(model: AudioToMotion, voice: torch.Tensor) -> None:
    clipped = (20.0 * voice).clamp(-1.0, 1.0)
    assert motion_from_audio(model, clipped, 16000).frames == 100


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"temperature": 2.5}, "'temperature' is 2.5. Use a value from 0"),
        ({"keyframes": "1 nose 1"}, "Line 1 of 'keyframes' names 'nose'"),
        ({"rest": torch.zeros(51)}, "'rest' has shape"),
        ({"fps": 1000.0}, "'fps' is 1000"),
    ],
)
def test_bad_settings_are_named(
    model: AudioToMotion, change: dict[str, float], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        motion_from_audio(model, torch.zeros(1600), 16000, **change)


def test_a_bad_config_is_named() -> None:
    with pytest.raises(ValueError, match="an odd number"):
        AudioToMotionConfig(kernel=4)


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    model = AudioToMotion(TINY)
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(
        path,
        model.state_dict(),
        format=FORMAT,
        config=model.config_dict(),
        source="test",
        licence="CC0-1.0",
    )
    again = AudioToMotion.from_checkpoint(path)
    mel = torch.randn(1, 50, 80, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(mel), model(mel))
    assert again.config == TINY
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cut short"):
        AudioToMotion.from_checkpoint(path)


def test_a_short_closure_is_not_stepped_over() -> None:
    track = torch.zeros(100)
    track[49:52] = 1.0
    for fps in (24.0, 25.0, 30.0):
        for shift in range(5):
            times = speech.frame_times(int(fps), fps) + 0.008 * shift
            seen = to_video_clock(track, times, reach_s=0.5 / fps)
            assert float(seen.max()) == 1.0


def test_lips_close_whatever_the_face_does() -> None:
    rest = torch.zeros(52)
    for name, value in (("jawOpen", 0.4), ("mouthFunnel", 0.5), ("mouthSmileLeft", 0.6)):
        rest[ARKIT_INDEX[name]] = value
    shapes = torch.full((3, len(lips.SHAPES)), 0.4)
    closure, activity = torch.tensor([0.0, 0.5, 1.0]), torch.ones(3)
    gap = lips.lip_gap(lips.compose(rest, shapes, closure, activity))
    assert float(gap[0]) > 0.4
    assert float(gap[0]) > float(gap[1]) > float(gap[2])
    assert float(gap[2]) < 1e-6


def test_an_open_photo_does_not_open_twice() -> None:
    rest = torch.zeros(52)
    rest[ARKIT_INDEX["jawOpen"]] = 0.5
    shapes = torch.zeros(1, len(lips.SHAPES))
    shapes[0, 0] = 0.5
    spoken = lips.compose(rest, shapes, torch.zeros(1), torch.ones(1))
    assert float(spoken[0, ARKIT_INDEX["jawOpen"]]) == pytest.approx(0.6)
    assert torch.equal(lips.compose(rest, shapes, torch.ones(1), torch.zeros(1))[0], rest)

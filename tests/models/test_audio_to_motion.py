from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synchrorama.models import speech
from synchrorama.models.checkpoint import CheckpointError, save_checkpoint
from synchrorama.models.media import read_audio
from synchrorama.models.motion import lips
from synchrorama.models.motion.audio_to_motion import (
    FORMAT,
    TINY,
    AudioToMotion,
    AudioToMotionConfig,
    motion_from_audio,
    to_video_clock,
)
from synchrorama.models.motion.dials import Dials
from synchrorama.models.types import ARKIT_INDEX, EMOTIONS, Emotion

SPEECH = Path(__file__).parents[2] / "workflows" / "sample_speech.wav"
NOTHING = Dials(lips=0.0, expression=0.0, head=0.0, blinks=0.0, gaze=0.0, brows=0.0)
STILL = replace(NOTHING, lips=1.0)


def felt(name: str, frames: int, strength: float = 1.0) -> Emotion:
    """One emotion throughout, what is left being neutral."""
    scores = torch.zeros(frames, 8)
    scores[:, EMOTIONS.index(name)] = strength
    scores[:, EMOTIONS.index("neutral")] += 1.0 - strength
    points = {"happy": (0.76, 0.48), "sad": (-0.63, -0.27), "angry": (-0.51, 0.59)}
    points |= {"surprised": (0.4, 0.67), "fearful": (-0.64, 0.6), "disgusted": (-0.6, 0.35)}
    point = torch.tensor(points.get(name, (-0.35, 0.1))) * strength
    return Emotion(
        scores=scores,
        valence_arousal=point.expand(frames, 2),
        confidence=torch.ones(frames),
        embedding=torch.zeros(frames, 256),
        fps=25.0,
    )


@pytest.fixture(scope="module")
def model() -> AudioToMotion:
    return AudioToMotion.from_checkpoint()


@pytest.fixture(scope="module")
def voice() -> torch.Tensor:
    """Three seconds of speech and then one of silence."""
    said = speech.to_mono(*read_audio(SPEECH))[:48000]
    return torch.cat([said, torch.zeros(16000)])


def test_the_shipped_network_is_small(model: AudioToMotion) -> None:
    assert sum(p.numel() for p in model.parameters()) * 2 < 12_000_000


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


def test_any_sample_rate_gives_the_same_lips(model: AudioToMotion) -> None:
    from scipy.signal import resample_poly

    waveform, rate = read_audio(SPEECH)
    speech_16k = speech.to_mono(waveform, rate)[:64000]
    high = torch.from_numpy(resample_poly(speech_16k.numpy(), 6, 1)).float()
    stereo = torch.stack([high, high])[None]
    one = motion_from_audio(model, speech_16k, 16000, dials=STILL)
    other = motion_from_audio(model, stereo, 96000, dials=STILL)
    assert torch.allclose(one.coefficients, other.coefficients, atol=0.05)


def test_silence_is_a_closed_resting_mouth(model: AudioToMotion) -> None:
    still = Dials(blinks=0.0, gaze=0.0, brows=0.0)
    motion = motion_from_audio(model, torch.zeros(48000), 16000, dials=still)
    assert float(motion.coefficients.abs().max()) < 1e-6
    assert 0.0 < float(motion.head_rotation.abs().max()) < 0.25


def test_nobody_speaking_still_lives(model: AudioToMotion) -> None:
    motion = motion_from_audio(model, torch.zeros(320000), 16000)
    moves = motion.head_rotation.diff(dim=0).norm(dim=1) * 25.0
    assert float(moves.mean()) > 0.005
    assert float(motion.coefficients[:, ARKIT_INDEX["eyeBlinkLeft"]].max()) > 0.9
    assert float(motion.coefficients[:, ARKIT_INDEX["jawOpen"]].max()) < 1e-6


def test_music_keeps_the_mouth_near_rest(model: AudioToMotion) -> None:
    time = torch.arange(64000) / 16000.0
    tones = [220.0, 277.2, 329.6, 440.0]
    beat = (-(time % 0.5) * 6.0).exp()
    music = sum(torch.sin(2 * torch.pi * tone * time) for tone in tones) * beat * 0.1
    gap = lips.lip_gap(motion_from_audio(model, music, 16000).coefficients)
    assert float(gap.quantile(0.9)) < 0.05


def toothy() -> torch.Tensor:
    """A photo that smiles with teeth, besides much else."""
    rest = torch.linspace(0.0, 0.5, 52)
    rest[list(lips.sides("mouthUpperUp"))] = 0.7
    return rest


def test_silence_returns_to_the_photo(model: AudioToMotion, voice: torch.Tensor) -> None:
    rest = toothy()
    motion = motion_from_audio(model, voice, 16000, rest=rest, dials=STILL)
    assert torch.allclose(motion.coefficients[-12:], rest.expand(12, 52), atol=1e-5)


def test_lips_that_are_a_little_apart_close_after_speech(
    model: AudioToMotion, voice: torch.Tensor
) -> None:
    rest = torch.zeros(52)
    rest[ARKIT_INDEX["jawOpen"]] = 0.1
    motion = motion_from_audio(model, voice, 16000, rest=rest, dials=STILL)
    assert torch.allclose(motion.coefficients[0], rest, atol=0.06)  # begins as the photo
    closed = motion.coefficients[-12:]
    assert float(lips.drawn_gap(closed).max()) < -0.9 * lips.PAST
    mouth = [ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]]
    others = [column for column in range(52) if column not in mouth]
    assert torch.allclose(closed[:, others], rest[others].expand(12, -1), atol=1e-5)
    nobody = motion_from_audio(model, torch.zeros(32000), 16000, rest=rest, dials=STILL)
    assert torch.equal(nobody.coefficients, rest.expand_as(nobody.coefficients))


def test_a_photos_own_opening_decides_whether_its_lips_close() -> None:
    rests = torch.zeros(4, 52)
    rests[1, ARKIT_INDEX["jawOpen"]] = 0.2
    rests[2, list(lips.sides("mouthUpperUp"))] = 0.45
    rests[3, ARKIT_INDEX["jawOpen"]] = 0.8
    assert [lips.closes_in_pauses(rest) for rest in rests] == pytest.approx([1.0, 1.0, 0.5, 0.0])


def test_an_emotion_that_opens_the_mouth_does_so_in_pauses_too() -> None:
    face = torch.zeros(2, 52)
    face[1, ARKIT_INDEX["jawOpen"]] = 0.5
    shapes, none = torch.zeros(2, len(lips.SHAPES)), torch.zeros(2)
    out = lips.compose(torch.zeros(52), shapes, none, none, face=face, hush=torch.ones(2), met=-0.1)
    assert float(out[0, ARKIT_INDEX["mouthClose"]]) == pytest.approx(0.1)
    assert torch.equal(out[1], face[1])


def test_dials_at_zero_remove_exactly(model: AudioToMotion, voice: torch.Tensor) -> None:
    rest = torch.linspace(0.0, 0.6, 52)
    emotion = felt("happy", 100)
    motion = motion_from_audio(model, voice, 16000, rest=rest, emotion=emotion, dials=NOTHING)
    assert torch.equal(motion.coefficients, rest.expand_as(motion.coefficients))
    assert not motion.head_rotation.any()
    assert not motion.head_translation.any()


def test_the_seed_chooses_a_take_and_the_lips_agree(
    model: AudioToMotion, voice: torch.Tensor
) -> None:
    one, same, other = (motion_from_audio(model, voice, 16000, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.coefficients, same.coefficients)
    assert torch.equal(one.head_rotation, same.head_rotation)
    gaps = torch.stack([lips.lip_gap(m.coefficients) for m in (one, other)])
    assert float(torch.corrcoef(gaps)[0, 1]) > 0.95
    assert not torch.allclose(one.head_rotation, other.head_rotation, atol=0.002)


def test_temperature_0_leaves_no_chance_to_the_head(
    model: AudioToMotion, voice: torch.Tensor
) -> None:
    one, other = (motion_from_audio(model, voice, 16000, seed=s, temperature=0.0) for s in (1, 2))
    assert torch.equal(one.head_rotation, other.head_rotation)


@pytest.mark.parametrize(
    ("dial", "names"),
    [
        ("lips", ("jawOpen", "mouthPucker")),
        ("blinks", ("eyeBlinkLeft", "eyeBlinkRight")),
        ("gaze", ("eyeLookUpLeft", "eyeLookOutRight")),
        ("brows", ("browInnerUp", "browOuterUpLeft")),
    ],
)
def test_each_dial_at_0_removes_its_part(
    model: AudioToMotion, voice: torch.Tensor, dial: str, names: tuple[str, ...]
) -> None:
    with_it = motion_from_audio(model, voice, 16000).coefficients
    without = motion_from_audio(
        model, voice, 16000, dials=replace(Dials(), **{dial: 0.0})
    ).coefficients
    for name in names:
        assert not without[:, ARKIT_INDEX[name]].any(), name
    assert any(with_it[:, ARKIT_INDEX[name]].any() for name in names)


def test_expression_at_0_is_the_motion_without_emotion(
    model: AudioToMotion, voice: torch.Tensor
) -> None:
    plain = motion_from_audio(model, voice, 16000)
    off = motion_from_audio(
        model, voice, 16000, emotion=felt("angry", 100), dials=Dials(expression=0.0)
    )
    assert torch.equal(plain.coefficients, off.coefficients)
    assert torch.equal(plain.head_rotation, off.head_rotation)


def test_keyframes_move_a_dial(model: AudioToMotion, voice: torch.Tensor) -> None:
    faded = motion_from_audio(model, voice, 16000, keyframes="1 head 0\n2 head 1")
    full = motion_from_audio(model, voice, 16000)
    assert not faded.head_rotation[:25].any()
    assert torch.equal(faded.head_rotation[60:], full.head_rotation[60:])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("happy", "mouthSmileLeft"),
        ("sad", "mouthFrownLeft"),
        ("angry", "browDownLeft"),
        ("surprised", "browInnerUp"),
        ("fearful", "browInnerUp"),
        ("disgusted", "noseSneerLeft"),
        ("contemptuous", "mouthSmileRight"),
    ],
)
def test_an_emotion_shows_and_half_of_it_shows_half(
    model: AudioToMotion, voice: torch.Tensor, name: str, shown: str
) -> None:
    column = ARKIT_INDEX[shown]
    quiet = Dials(brows=0.0)
    none, half, full = (
        float(
            motion_from_audio(model, voice, 16000, emotion=felt(name, 100, s), dials=quiet)
            .coefficients[25:75, column].mean()
        )
        for s in (0.0, 0.5, 1.0)
    )  # fmt: skip
    assert full - none > 0.25
    assert none + 0.1 < half < full - 0.1


def test_closures_survive_an_emotion() -> None:
    shapes = torch.full((2, len(lips.SHAPES)), 0.4)
    face = torch.full((2, 52), 0.0)
    for name in ("jawOpen", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthUpperUpRight"):
        face[:, ARKIT_INDEX[name]] = 0.6
    closure = torch.tensor([0.0, 1.0])
    out = lips.compose(torch.zeros(52), shapes, closure, torch.ones(2), face=face)
    gap = lips.lip_gap(out)
    assert float(gap[0]) > 0.5
    assert float(gap[1]) < 1e-6


def test_an_emotion_of_another_length_is_named(model: AudioToMotion, voice: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"'emotion' has 60 frames at 25 fps \(2.40 s\)"):
        motion_from_audio(model, voice, 16000, emotion=felt("happy", 60))


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
    sound = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    one, other = (motion_from_audio(m, sound, 16000) for m in (model, again))
    assert torch.equal(one.coefficients, other.coefficients)
    assert torch.equal(one.head_rotation, other.head_rotation)
    assert again.config == TINY
    assert AudioToMotionConfig.from_dict(again.config_dict()) == TINY
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


def test_lips_are_drawn_as_far_apart_as_is_said() -> None:
    rest = torch.zeros(52)
    rest[ARKIT_INDEX["mouthShrugLower"]] = 0.2  # closes, so is opened first
    names = ("jawOpen", "mouthPucker", "mouthFunnel", "mouthStretch", "mouthUpperUp")
    a, u, i = (0.5, 0, 0, 0, 0.1), (0.12, 0.62, 0.34, 0, 0), (0.16, 0, 0, 0.26, 0.05)
    shapes = torch.zeros(3, len(lips.SHAPES))
    shapes[:, [lips.SHAPES.index(name) for name in names]] = torch.tensor([a, u, i])
    spoken = lips.compose(rest, shapes, torch.zeros(3), torch.ones(3))
    said = lips.lip_gap(lips.spread(shapes))
    assert torch.allclose(lips.drawn_gap(spoken), said, atol=1e-4)


def test_an_open_photo_does_not_open_twice() -> None:
    rest = torch.zeros(52)
    rest[ARKIT_INDEX["jawOpen"]] = 0.5
    shapes = torch.zeros(1, len(lips.SHAPES))
    shapes[0, 0] = 0.5
    spoken = lips.compose(rest, shapes, torch.zeros(1), torch.ones(1))
    assert float(lips.drawn_gap(spoken)) == pytest.approx(0.6)
    assert torch.equal(lips.compose(rest, shapes, torch.ones(1), torch.zeros(1))[0], rest)

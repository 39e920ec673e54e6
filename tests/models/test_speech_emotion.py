import pytest
import torch
from synchrorama.models.checkpoint import CheckpointError, save_checkpoint
from synchrorama.models.emotion import speech_windows
from synchrorama.models.emotion.fusion import TINY as TINY_FUSION
from synchrorama.models.emotion.fusion import EmotionFusion
from synchrorama.models.emotion.speech_emotion import (
    CLASSES,
    COURSE,
    FORMAT,
    STATISTICS,
    TINY,
    SpeechEmotion,
    SpeechEmotionConfig,
    frame_features,
    prepare,
    to_emotions,
)
from synchrorama.models.emotion.speech_windows import (
    emotion_from_speech,
    speech_presence,
    valence_arousal_from_speech,
)
from synchrorama.models.types import EMOTIONS

RATE = 16000
NEUTRAL = EMOTIONS.index("neutral")


@pytest.fixture(scope="module")
def models():
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        return SpeechEmotion(TINY).train(False), EmotionFusion(TINY_FUSION).train(False)


def voice(seconds, hertz=140.0):
    """Syllables: a buzz that goes on and off five times in two seconds."""
    t = torch.arange(int(seconds * RATE)) / RATE
    sound = sum(torch.sin(6.283185307 * hertz * k * t) / k for k in range(1, 20))
    return 0.1 * sound * (torch.sin(6.283185307 * 2.5 * t) > -0.3)


def test_shapes_and_ranges(models):
    network, _ = models
    frames = torch.stack([frame_features(voice(2.0)), frame_features(voice(2.0, 260.0))])
    statistics, course, active = prepare(frames)
    assert statistics.shape == (2, STATISTICS)
    assert course.shape == (2, 200, COURSE)
    assert active.shape == (2, 200)
    probabilities, point = network(frames)
    assert torch.allclose(probabilities.sum(1), torch.ones(2))
    assert probabilities.shape == (2, len(CLASSES))
    assert point.shape == (2, 2)
    assert float(point.detach().abs().max()) <= 1.0


@pytest.mark.parametrize("length", [1, 3, 50, 200])
@pytest.mark.parametrize("kind", ["voice", "silence", "hiss"])
def test_short_and_silent_windows_give_numbers(models, length, kind):
    samples = {
        "voice": voice(2.0),
        "silence": torch.zeros(2 * RATE),
        "hiss": torch.randn(2 * RATE, generator=torch.Generator().manual_seed(0)),
    }[kind]
    frames = frame_features(samples)[None, :length]
    for part in (*prepare(frames), *models[0](frames)):
        assert torch.isfinite(part.float()).all()


def test_level_changes_nothing(models):
    one, two = (models[0](frame_features(voice(2.0) * gain)[None])[0] for gain in (1.0, 0.2))
    assert torch.allclose(one, two, atol=1e-3)


def test_boredom_is_shown_as_neutral():
    names = [name for name, _ in CLASSES]
    one = torch.zeros(1, 7)
    one[0, names.index("boredom")], one[0, names.index("anger")] = 0.7, 0.3
    scores = to_emotions(one)
    assert float(scores[0, NEUTRAL]) == pytest.approx(0.7)
    assert float(scores[0, EMOTIONS.index("angry")]) == pytest.approx(0.3)
    assert set(shown for _, shown in CLASSES) == set(EMOTIONS) - {"surprised", "contemptuous"}


@pytest.mark.parametrize("seconds", [0.01, 0.7, 2.0, 2.1, 5.3])
@pytest.mark.parametrize("fps", [8.0, 23.976, 60.0])
def test_a_frame_for_each_frame_of_the_video(models, seconds, fps):
    sound = voice(seconds)
    emotion = emotion_from_speech(*models, sound, RATE, fps=fps)
    exact = {23.976: 24000 / 1001}.get(fps, fps)
    assert emotion.scores.shape[0] == -(-int(len(sound) * exact) // RATE)
    assert torch.allclose(emotion.scores.sum(1), torch.ones(len(emotion.scores)), atol=1e-5)
    assert emotion.fps == fps


def test_silence_and_hiss_are_neutral_without_confidence(models):
    hiss = 0.1 * torch.randn(3 * RATE, generator=torch.Generator().manual_seed(0))
    for sound in (torch.zeros(3 * RATE), hiss):
        for estimate in (emotion_from_speech, valence_arousal_from_speech):
            emotion = estimate(*models, sound, RATE)
            assert bool((emotion.scores.argmax(1) == NEUTRAL).all())
            assert float(emotion.confidence.max()) < 0.1
            assert float(emotion.valence_arousal.abs().max()) < 0.1


def test_speech_after_silence_is_heard_where_it_is(models):
    sound = torch.cat([torch.zeros(4 * RATE), voice(4.0)])
    assert float(speech_presence(frame_features(sound))[:250].max()) == 0.0
    emotion = emotion_from_speech(*models, sound, RATE)
    assert float(emotion.confidence[:60].max()) == 0.0
    assert float(emotion.confidence[130:].min()) > 0.1


def test_long_and_short_windows_agree_on_steady_speech(models, monkeypatch):
    sound = voice(20.0)
    many = emotion_from_speech(*models, sound, RATE)
    monkeypatch.setattr(speech_windows, "BATCH", 3)
    few = emotion_from_speech(*models, sound, RATE)
    assert torch.allclose(many.scores, few.scores, atol=1e-5)


def test_steps_are_told_and_can_cancel(models):
    seen = []
    emotion_from_speech(*models, voice(10.0), RATE, on_step=lambda i, n: seen.append((i, n)))
    assert seen == [(1, 3), (2, 3), (3, 3)]

    def cancel(i, n):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        emotion_from_speech(*models, voice(10.0), RATE, on_step=cancel)


def test_prosody_moves_arousal_only(models):
    sound = torch.cat([0.2 * voice(3.0, 100.0), voice(3.0, 200.0), 0.2 * voice(3.0, 100.0)])
    still = valence_arousal_from_speech(*models, sound, RATE, prosody=0.0)
    moved = valence_arousal_from_speech(*models, sound, RATE, prosody=1.0)
    more = moved.valence_arousal - still.valence_arousal
    assert not more[:, 0].any()
    assert float(more[100:125, 1].mean()) > float(more[25:50, 1].mean()) + 0.1
    assert torch.equal(still.confidence, moved.confidence)


@pytest.mark.parametrize("prosody", [-0.1, 2.1, float("nan")])
def test_prosody_out_of_range_is_answered(models, prosody):
    with pytest.raises(ValueError, match="'prosody' is .* Use a value from 0"):
        valence_arousal_from_speech(*models, voice(1.0), RATE, prosody=prosody)


@pytest.mark.parametrize("estimate", [emotion_from_speech, valence_arousal_from_speech])
@pytest.mark.parametrize(
    ("sound", "rate", "fps", "message"),
    [
        (torch.zeros(1, 1, 0), RATE, 25.0, "'audio' is empty"),
        (torch.zeros(2, 1, 99), RATE, 25.0, "batch of 2 clips"),
        (torch.full((99,), float("nan")), RATE, 25.0, "99 samples that are not numbers"),
        (torch.zeros(99), 10, 25.0, "'audio' has 10 samples a second"),
        (torch.zeros(99), RATE, 7.0, "'fps' is 7"),
    ],
)
def test_bad_audio_is_answered(models, estimate, sound, rate, fps, message):
    with pytest.raises(ValueError, match=message):
        estimate(*models, sound, rate, fps=fps)


@pytest.mark.parametrize(
    "change",
    [
        {"statistic_members": 0, "course_members": 0},
        {"course_width": 0},
        {"temperature": 0.0},
    ],
)
def test_impossible_configs_are_answered(change):
    with pytest.raises(ValueError, match="SpeechEmotionConfig has"):
        SpeechEmotionConfig(**change)


def test_checkpoint_round_trip(models, tmp_path):
    network, _ = models
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network.state_dict(), format=FORMAT, config=network.config_dict(),
                    source="test", licence="Apache-2.0")  # fmt: skip
    again = SpeechEmotion.from_checkpoint(path)
    frames = frame_features(voice(2.0))[None]
    assert torch.equal(again(frames)[0], network(frames)[0])
    with pytest.raises(CheckpointError, match="is not in"):
        SpeechEmotion.from_checkpoint(tmp_path / "b.safetensors")

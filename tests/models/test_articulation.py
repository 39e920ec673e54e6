from __future__ import annotations

import pytest
import torch
from synchrorama.models import speech
from synchrorama.models.motion import lips
from synchrorama.models.motion.articulation import (
    Articulation,
    ArticulationConfig,
    among_speech,
    articulate_in_windows,
    contrasted,
    crisp,
    except_in_silence,
    without_dips,
)
from synchrorama.models.motion.audio_to_motion import AudioToMotion

TINY = ArticulationConfig(width=8, dilations=(1, 2))
FOLDER = ArticulationConfig(features="wav2vec2", width=8, dilations=(1, 2))


@pytest.fixture(scope="module")
def model() -> Articulation:
    return AudioToMotion.from_checkpoint().articulation


@pytest.fixture(scope="module")
def mel() -> torch.Tensor:
    """Four seconds of something."""
    noise = torch.randn(64000, generator=torch.Generator().manual_seed(3)).cumsum(0)
    noise = noise - torch.nn.functional.avg_pool1d(noise[None, None], 201, 1, 100)[0, 0]
    return speech.log_mel(0.2 * noise / noise.abs().max())


def test_says_shapes_closure_and_activity(model: Articulation, mel: torch.Tensor) -> None:
    shapes, closure, activity = model(mel[None])
    assert shapes.shape == (1, 400, len(lips.SHAPES))
    assert closure.shape == activity.shape == (1, 400)
    for track in (shapes, closure, activity):
        assert 0.0 <= float(track.min()) and float(track.max()) <= 1.0


def test_hears_no_more_than_a_second_to_each_side(model: Articulation) -> None:
    assert model.config.reach <= 100


@pytest.mark.parametrize("config", [TINY, FOLDER])
def test_hears_exactly_its_reach(config: ArticulationConfig) -> None:
    network = Articulation(config).double()
    channels, each = (80, 1) if config.features == "mel" else (768, 2)
    heard = torch.zeros(1, 40, channels, dtype=torch.float64, requires_grad=True)
    network.logits(heard)[0, 20 * each].sum().backward()
    assert heard.grad is not None
    found = heard.grad[0].abs().sum(1).nonzero()[:, 0]
    assert (20 - int(found.min())) * each <= config.reach
    assert (int(found.max()) - 20) * each <= config.reach
    assert int(found.max() - found.min()) * each > 12


@pytest.mark.parametrize("window", [38, 100, 398, 1000])
def test_windows_agree_with_one_pass(model: Articulation, mel: torch.Tensor, window: int) -> None:
    whole = model(mel[None])
    steps: list[tuple[int, int]] = []
    parts = articulate_in_windows(
        model, mel, window=window, on_step=lambda i, n: steps.append((i, n))
    )
    for one, cut in zip(whole, parts, strict=True):
        assert torch.allclose(one[0], cut, atol=1e-4)
    total = -(-400 // window)
    assert steps == [(i + 1, total) for i in range(total)]


def test_the_same_class_hears_features_of_wav2vec() -> None:
    features = torch.randn(50, 768, generator=torch.Generator().manual_seed(0))
    network = Articulation(FOLDER)
    whole = network(features[None])
    parts = articulate_in_windows(network, features, window=20)
    for one, cut in zip(whole, parts, strict=True):
        assert cut.shape[0] == 100  # two frames of 10 ms each
        assert torch.allclose(one[0], cut, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kernel": 4}, "an odd number"),
        ({"features": "mfcc"}, "features is 'mfcc'. Use 'mel' or 'wav2vec2'"),
    ],
)
def test_a_bad_config_is_named(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ArticulationConfig(**change)


def test_a_short_dip_is_no_pause_and_a_pause_stays() -> None:
    activity = torch.ones(300)
    activity[50:70] = 0.0  # 0.2 s
    activity[150:190] = 0.0  # 0.4 s
    activity[280:] = 0.0
    filled = without_dips(activity)
    wanted = torch.ones(300)
    wanted[150:190] = 0.0
    wanted[280:] = 0.0
    assert torch.equal(filled, wanted)
    assert torch.equal(without_dips(torch.zeros(5)), torch.zeros(5))


def test_silence_is_a_pause_and_a_stop_is_none() -> None:
    loud = torch.full((300,), 0.6)
    loud[50:66] = 0.0  # 0.16 s, a stop
    loud[150:180] = 0.05  # 0.3 s
    loud[280:] = 0.0
    said = except_in_silence(torch.ones(300), loud)
    assert torch.equal(said[:150], torch.ones(150))
    assert torch.equal(said[180:280], torch.ones(100))
    assert not said[158:172].any() and not said[288:].any()
    assert float(said.diff().abs().max()) < 0.15
    assert not except_in_silence(torch.ones(5), torch.zeros(5)).any()


def test_what_passes_for_speech_in_music_is_left_out() -> None:
    loud = torch.full((400,), 0.7)
    music = torch.zeros(400)
    music[::3] = 1.0
    assert not among_speech(music, loud).any()
    words = torch.zeros(400)
    words[100:140] = 1.0  # alone in silence
    alone = 0.7 * words
    assert torch.equal(among_speech(words, alone), words)
    assert not among_speech(torch.zeros(5), torch.zeros(5)).any()


def test_short_vowels_open_further_and_what_lasts_stays() -> None:
    shapes = torch.full((100, len(lips.SHAPES)), 0.2)
    shapes[20:28] = 0.6  # 80 ms
    shapes[60:] = 0.6  # 400 ms
    clear = crisp(shapes)
    assert float(clear[20:28].mean()) > 0.65
    assert float(clear[14:20].mean()) < 0.18  # and what is beside it closes further
    assert torch.allclose(clear[80:], shapes[80:], atol=0.01)
    assert torch.allclose(clear[:5], shapes[:5], atol=0.01)
    assert float(crisp(torch.rand(50, len(lips.SHAPES))).min()) >= 0.0
    assert torch.equal(crisp(torch.zeros(1, len(lips.SHAPES))), torch.zeros(1, len(lips.SHAPES)))


def test_contrast_moves_the_jaw_only() -> None:
    jaw, pucker = lips.SHAPES.index("jawOpen"), lips.SHAPES.index("mouthPucker")
    shapes = torch.zeros(4, len(lips.SHAPES))
    shapes[:, jaw] = torch.tensor([0.0, 0.1, 0.5, 0.5])
    shapes[3, pucker] = 0.6
    clear = contrasted(shapes)
    assert float(clear[0, jaw]) == 0.0
    assert float(clear[1, jaw]) < 0.1
    assert float(clear[2, jaw]) > 0.5
    assert float(clear[3, jaw]) < 0.5  # rounded lips look further open than they are
    kept = [k for k in range(len(lips.SHAPES)) if k != jaw]
    assert torch.equal(clear[:, kept], shapes[:, kept])
    assert float(contrasted(torch.ones(1, len(lips.SHAPES)))[0, jaw]) <= 1.0

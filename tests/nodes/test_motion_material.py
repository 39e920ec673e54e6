"""Takes, adjusted and mixed motions as nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from synchrorama.models.media import read_audio, read_image
from synchrorama.nodes.motion import SynchroRaMaMotionFromAudio
from synchrorama.nodes.motion_material import (
    SynchroRaMaMotionAdjust,
    SynchroRaMaMotionMix,
    SynchroRaMaMotionTakes,
)
from synchrorama.nodes.portrait import SynchroRaMaPortraitPrepare

DIALS = {"lips": 1.0, "expression": 1.0, "head": 1.0, "blinks": 1.0, "brows": 1.0, "gaze": 1.0}
TAKES = {"fps": 25.0, "first_seed": 5, "count": 2, "pick": 2, "moments": 2, "temperature": 1.0}
ADJUST = {
    "parts": "everything",
    "scale": 1.0,
    "offset": 0.0,
    "smooth": 0.0,
    "lowest": 0.0,
    "highest": 1.0,
    "mirror": False,
    "start": 0.0,
    "end": 0.0,
    "speed": 1.0,
    "fps": 0.0,
}
MIX = {"way": "blend", "start": 0.0, "end": 0.0, "fade_in": 0.0, "fade_out": 0.0}
WEIGHTS = dict.fromkeys(("lips", "jaw", "brows", "eyes", "gaze", "cheeks", "head"), 0.0)


@pytest.fixture(scope="module")
def material():
    folder = Path(__file__).resolve().parents[2] / "workflows"
    image = read_image(folder / "sample_portrait.png")[None]
    (portrait, *_) = SynchroRaMaPortraitPrepare.execute(image, 256, 0).result
    waveform, rate = read_audio(folder / "sample_speech.wav")
    audio = {"waveform": waveform[None, :, : rate // 2], "sample_rate": rate}
    motion = SynchroRaMaMotionFromAudio.execute(
        audio=audio, fps=25.0, seed=6, lips=1.0, head=1.0, blinks=1.0, portrait=portrait
    ).result[0]
    return portrait, audio, motion


def test_picked_take_is_the_motion_of_its_seed(material) -> None:
    portrait, audio, motion = material
    take, sheet, seed = SynchroRaMaMotionTakes.execute(
        audio=audio, portrait=portrait, **TAKES, **DIALS
    ).result
    assert seed == 6
    assert torch.equal(take.coefficients, motion.coefficients)
    assert torch.equal(take.head_rotation, motion.head_rotation)
    assert sheet.shape[0] == 1 and sheet.shape[-1] == 3


def test_pick_beyond_the_takes_is_named(material) -> None:
    portrait, audio, _ = material
    with pytest.raises(ValueError, match="'pick' is 3, but there are 2 takes"):
        SynchroRaMaMotionTakes.execute(
            audio=audio, portrait=portrait, **{**TAKES, "pick": 3}, **DIALS
        )


def test_adjusting_with_defaults_changes_no_bit(material) -> None:
    _, _, motion = material
    (out,) = SynchroRaMaMotionAdjust.execute(motion=motion, **ADJUST).result
    assert torch.equal(out.coefficients, motion.coefficients)
    assert torch.equal(out.head_rotation, motion.head_rotation)


def test_adjusting_scales_around_the_portrait_and_fits_the_audio(material) -> None:
    portrait, audio, motion = material
    settings = {**ADJUST, "scale": 0.0, "speed": 0.5, "fps": 30.0}
    (out,) = SynchroRaMaMotionAdjust.execute(
        motion=motion, **settings, portrait=portrait, audio=audio
    ).result
    assert (out.frames, out.fps) == (15, 30.0)
    assert torch.allclose(out.coefficients, portrait.head.expression.expand(15, -1), atol=1e-6)
    assert out.head_rotation.abs().max() == 0


def test_mixing_takes_the_head_of_the_layer(material) -> None:
    _, _, motion = material
    (layer,) = SynchroRaMaMotionAdjust.execute(
        motion=motion, **{**ADJUST, "mirror": True, "parts": "head"}
    ).result
    (out,) = SynchroRaMaMotionMix.execute(
        base=motion, layer=layer, **MIX, **{**WEIGHTS, "head": 1.0}
    ).result
    assert torch.allclose(out.head_rotation, layer.head_rotation, atol=1e-7)
    assert torch.equal(out.coefficients, motion.coefficients)


def test_a_layer_of_another_rate_is_named(material) -> None:
    _, _, motion = material
    (layer,) = SynchroRaMaMotionAdjust.execute(motion=motion, **{**ADJUST, "fps": 30.0}).result
    with pytest.raises(ValueError, match="'base' has 25 fps and 'layer' 30 fps. Put Adjust Motion"):
        SynchroRaMaMotionMix.execute(base=motion, layer=layer, **MIX, **WEIGHTS)

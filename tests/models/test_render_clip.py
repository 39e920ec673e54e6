"""A clip's conditions, and frames that change inside a region only."""

import pytest
import torch
from synchrorama.models.render.clip import (
    SPEECH_TOKENS,
    changed,
    hear,
    refine,
    shrink,
    speech_windows,
)
from synchrorama.models.render.codec import PixelUnshuffle
from synchrorama.models.render.sample import Sampling
from synchrorama.models.types import Emotion

ALL = frozenset(("emotion", "speech", "scene"))
RATE = 16000


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def emotion(frames, fps=25.0):
    return Emotion(
        scores=torch.full((frames, 8), 0.125),
        valence_arousal=torch.zeros(frames, 2),
        confidence=torch.ones(frames),
        embedding=draw(frames, 256),
        fps=fps,
    )


def test_conditions_that_were_not_trained_change_nothing_and_say_so():
    given = {"emotion": emotion(25), "speech": (draw(1, RATE), RATE), "scene": draw(1, 7, 768)}
    heard = hear(frozenset(), 25, 25.0, **given)
    assert heard.emotion is heard.speech is heard.scene is None
    assert heard.remarks == tuple(
        f"'{name}' changes nothing: this renderer was not trained on it."
        for name in ("emotion", "audio", "scene")
    )
    heard = hear(ALL, 25, 25.0, **given)
    assert heard.remarks == ()
    assert torch.equal(heard.emotion, given["emotion"].embedding)
    assert heard.speech.shape == (25, SPEECH_TOKENS, 80)
    assert heard.scene is given["scene"]
    assert hear(ALL, 25, 25.0).remarks == ()


@pytest.mark.parametrize(
    ("given", "message"),
    (
        ({"emotion": emotion(24)}, "'emotion' has 24 frames at 25 fps, 'motion' 25 at 25. Make"),
        ({"emotion": emotion(25, 24.0)}, "'emotion' has 25 frames at 24 fps"),
        ({"speech": (draw(1, RATE + 1), RATE)}, "'audio' lasts 26 frames, 'motion' has 25. Conn"),
    ),
)
def test_conditions_of_another_length_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        hear(ALL, 25, 25.0, **given)


def test_a_frame_hears_what_is_around_it():
    waveform = torch.zeros(1, RATE)
    waveform[:, 8000:8160] = draw(1, 160) - 0.5  # 10 ms at half a second
    windows = speech_windows(waveform, RATE, 25, 25.0)
    loud = windows.mean(2).amax(1) > -1.9
    assert loud[12] and loud[11] and loud[13]
    assert not loud[:9].any() and not loud[16:].any()
    assert int(windows[12].mean(1).argmax()) in (7, 8, 9)  # of 16: in the middle
    assert (windows[0, : SPEECH_TOKENS // 2 - 2] == -2).all()  # nothing was before


@pytest.mark.parametrize("side", (16, 32))
def test_frames_change_only_where_they_may(side):
    frames = draw(2, 32, 32, 3)
    before = frames.clone()
    share = torch.zeros(2, 32, 32)
    share[:, 8:16, 8:16] = 1.0
    rendered = (shrink(frames, side) + 0.2).clamp(0, 1)
    out = changed(frames, rendered, share)
    assert torch.equal(frames, before)
    outside = share == 0
    assert torch.equal(out[outside], frames[outside])
    assert (out - frames)[~outside].mean() > 0.05
    assert torch.equal(changed(frames, rendered, share * 0), frames)
    # nothing rendered: nothing changes, also where it may
    assert torch.equal(changed(frames, shrink(frames, side), share), frames)


def test_refining_is_what_was_denoised_inside_the_region():
    """Landmarks of a face in the middle; the network paints everything grey."""
    frames = draw(6, 32, 32, 3)
    landmarks = torch.full((6, 468, 2), 16.0)
    landmarks[:, 33] = torch.tensor([10.0, 12.0])
    landmarks[:, 263] = torch.tensor([22.0, 12.0])
    landmarks[:, 61] = torch.tensor([12.0, 20.0])
    landmarks[:, 291] = torch.tensor([20.0, 20.0])

    def grey(x, motion, level, start):
        return torch.zeros_like(x)

    def run(chunk, parts=("mouth",), **options):
        return torch.cat(
            list(
                refine(
                    frames.split(chunk),
                    landmarks,
                    grey,
                    codec=PixelUnshuffle(2),
                    side=16,
                    window=4,
                    sampling=Sampling(**{"steps": 2, **options}),
                    parts=parts,
                )
            )
        )

    out = run(2)
    assert out.shape == frames.shape
    moved = (out - frames).abs().amax(-1) > 0
    assert moved.any(2).any(1).all() and moved.float().mean() < 0.9
    assert torch.equal(run(6), out)
    for off in ({"strength": 0.0}, {"noise": 0.0}, {"parts": ()}):
        assert torch.equal(run(2, **off), frames)

import pytest
import torch
from synchrorama.models.types import FittedHead, Motion, Portrait
from synchrorama.nodes.video import SynchroRaMaVideoCombine

FPS, RATE = 10.0, 100


def portrait(seed=0):
    source = torch.rand(24, 32, 3, generator=torch.Generator().manual_seed(seed))
    head = FittedHead(
        identity=torch.zeros(1),
        expression=torch.zeros(52),
        rotation=torch.eye(3),
        scale=1.0,
        translation=torch.zeros(2),
        error=0.0,
    )
    return Portrait(
        image=source[4:20, 8:24].contiguous(),
        landmarks=torch.zeros(478, 3),
        head=head,
        source=source,
        to_source=torch.tensor([[1.0, 0.0, 8.0], [0.0, 1.0, 4.0]]),
    )


def motion(frames):
    return Motion(
        coefficients=torch.zeros(frames, 52),
        head_rotation=torch.zeros(frames, 3),
        head_translation=torch.zeros(frames, 3),
        fps=FPS,
    )


def audio(seconds, batch=1):
    return {"waveform": torch.zeros(batch, 1, int(seconds * RATE)), "sample_rate": RATE}


def test_combine_returns_the_whole_picture_and_the_audio_untouched():
    one, sound = portrait(), audio(0.9)
    frames = one.image.expand(9, -1, -1, -1)
    images, out, fps = SynchroRaMaVideoCombine.execute(one, frames, motion(9), sound).result
    assert images.shape == (9, 24, 32, 3)
    assert torch.allclose(images, one.source.expand(9, -1, -1, -1), atol=1e-6)
    assert out is sound
    assert fps == FPS


@pytest.mark.parametrize(("frames", "moved", "seconds"), [(8, 9, 0.9), (9, 8, 0.9), (9, 9, 1.5)])
def test_parts_of_different_clips_are_answered(frames, moved, seconds):
    one = portrait()
    pictures = one.image.expand(frames, -1, -1, -1)
    with pytest.raises(ValueError, match=rf"'frames' are {frames}, 'motion' has {moved} and"):
        SynchroRaMaVideoCombine.execute(one, pictures, motion(moved), audio(seconds))


def test_a_batch_of_audio_is_answered():
    one = portrait()
    with pytest.raises(ValueError, match="'audio' holds 2 clips"):
        SynchroRaMaVideoCombine.execute(one, one.image[None], motion(1), audio(0.1, batch=2))

"""The motion plot: size, what is drawn where, and errors."""

import pytest
import torch
from synchrorama.models.types import ARKIT_INDEX, Motion
from synchrorama.models.video.plot import EYES_COLOUR, HEAD_COLOUR, LIPS_COLOUR, motion_plot


def still(frames: int = 50, fps: float = 25.0) -> Motion:
    return Motion(
        coefficients=torch.zeros(frames, 52),
        head_rotation=torch.zeros(frames, 3),
        head_translation=torch.zeros(frames, 3),
        fps=fps,
    )


def coloured(plot: torch.Tensor, colour: tuple[int, int, int]) -> torch.Tensor:
    """Pixels of a curve's colour (its line), [H, W] bool, without the bars at the left."""
    near = (plot[0] * 255 - torch.tensor(colour)).abs().amax(-1) < 30
    near[:, :120] = False
    return near


@pytest.mark.parametrize("seconds", [0.05, 1.0, 7.1, 300.0])
def test_size_and_range(seconds) -> None:
    motion = still(max(1, int(seconds * 25)))
    wave = torch.sin(torch.arange(int(seconds * 8000)) / 20)[None, None]
    plot = motion_plot(motion, wave, 8000)
    assert plot.shape == (1, 768, 1024, 3)
    assert plot.dtype == torch.float32
    assert plot.min() >= 0
    assert plot.max() <= 1
    assert plot.std() > 0.02


def test_a_blink_shows_at_its_time_and_in_a_long_clip() -> None:
    for frames, blink in ((100, 75), (7500, 5625)):
        motion = still(frames)
        motion.coefficients[blink, ARKIT_INDEX["eyeBlinkLeft"]] = 1
        motion.coefficients[blink, ARKIT_INDEX["eyeBlinkRight"]] = 1
        rest = coloured(motion_plot(still(frames), None, None), EYES_COLOUR)
        moved = coloured(motion_plot(motion, None, None), EYES_COLOUR) & ~rest
        columns = moved.any(0).nonzero()[:, 0].float()
        rows = moved.any(1).nonzero()[:, 0]
        left, right = rest.any(0).nonzero()[[0, -1], 0].tolist()
        share = (columns.mean() - left) / (right - left)
        assert abs(share - 0.755 if frames == 100 else share - 0.75) < 0.01
        assert rows.max() - rows.min() > 30  # nearly the full track


def test_jaw_moves_the_lips_only() -> None:
    motion = still()
    motion.coefficients[10:40, ARKIT_INDEX["jawOpen"]] = 0.8
    before, after = (motion_plot(m, None, None) for m in (still(), motion))
    assert (coloured(before, LIPS_COLOUR) != coloured(after, LIPS_COLOUR)).sum() > 100
    assert torch.equal(coloured(before, EYES_COLOUR), coloured(after, EYES_COLOUR))
    assert torch.equal(coloured(before, HEAD_COLOUR), coloured(after, HEAD_COLOUR))


def test_rotation_is_drawn_up_for_plus() -> None:
    up, down = still(), still()
    up.head_rotation[:, 0] = 0.1
    down.head_rotation[:, 0] = -0.1
    rows = [
        coloured(motion_plot(m, None, None), HEAD_COLOUR).nonzero()[:, 0].min() for m in (up, down)
    ]
    assert rows[0] < rows[1]


def test_bad_numbers_and_silence_still_give_a_plot() -> None:
    motion = still()
    motion.coefficients[3] = float("nan")
    motion.head_rotation[3] = float("nan")
    assert torch.isfinite(motion_plot(motion, torch.zeros(1, 2, 32000), 16000)).all()
    assert torch.isfinite(motion_plot(motion, torch.full((1, 400), float("nan")), 16000)).all()
    assert motion_plot(motion, None, None, width=256, height=160).shape == (1, 160, 256, 3)


def test_a_picture_too_small_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="is 100×768; labels need at least 256×160"):
        motion_plot(still(), None, None, width=100)


def test_motion_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="'motion' has no frames"):
        motion_plot(still(0), None, None)


def test_audio_without_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="'audio' comes without a sample rate"):
        motion_plot(still(), torch.zeros(1, 100), None)

"""Paste-back: what may not change, what must, and the seam between."""

import pytest
import torch
from synchrorama.models.types import Portrait
from synchrorama.models.video.flow import backward_flow, warp
from synchrorama.models.video.paste import paste_back, paste_mask


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10(((a - b) ** 2).mean()))


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"scale": 0.6, "corner": (40.3, 30.7)},
        {"scale": 1.7, "corner": (10.2, 3.6), "cell": 1},
        {"scale": 2.5, "corner": (-20.0, -15.0), "cell": 1},
    ],
)
def test_the_crop_itself_gives_the_source(make_portrait, place) -> None:
    portrait = make_portrait(**place)
    frames = portrait.image[None].repeat(3, 1, 1, 1)
    assert torch.equal(paste_back(frames, portrait), portrait.source.expand(3, -1, -1, -1))
    # A frame that went through 8 bits is within their rounding of the source.
    rounded = (frames * 255).round() / 255
    assert (paste_back(rounded, portrait) - portrait.source).abs().max() < 1.5 / 255


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.9])
def test_outside_is_untouched_and_inside_is_the_frame(make_portrait, scale) -> None:
    portrait = make_portrait(scale=scale, corner=(10.0, 10.0), crop=40)
    frames = torch.rand(2, 40, 40, 3, generator=torch.Generator().manual_seed(1)) * 0.2
    frames = frames.mean((1, 2), keepdim=True).expand(-1, 40, 40, -1)
    result = paste_back(frames, portrait, match_colour=False)
    mask = paste_mask(portrait)
    assert result.shape == (2, 90, 120, 3)
    assert torch.equal(result[:, mask == 0], portrait.source[mask == 0].expand(2, -1, -1))
    outside = torch.ones(90, 120, dtype=torch.bool)
    edge = 10 + round(40 * scale)
    outside[10:edge, 10:edge] = False
    assert not mask[outside].any()
    inner = result[0][mask == 1]
    assert inner.shape[0] > 100
    assert (inner - frames[0, 0, 0]).abs().max() < 0.02


def test_mask_reaches_zero_at_the_border_without_a_step(make_portrait) -> None:
    portrait = make_portrait(source=(200, 200), crop=100, corner=(50.0, 50.0))
    mask = paste_mask(portrait, 0.2)
    assert mask.max() == 1
    assert mask[50, 50:150].max() < 0.01
    assert mask[:, 49].max() == 0
    assert (mask[1:] - mask[:-1]).abs().max() < 0.1
    assert torch.allclose(mask, mask.flip(0), atol=1e-5)
    assert torch.allclose(mask, mask.T, atol=1e-5)


def test_no_soft_edge_at_the_picture_s_border(make_portrait) -> None:
    portrait = make_portrait(source=(100, 100), crop=60, corner=(20.0, 40.0))
    mask = paste_mask(portrait)
    assert mask[99, 50] == 1  # the crop ends with the picture
    assert mask[40, 50] < 0.02
    beyond = make_portrait(source=(40, 40), crop=60, corner=(-10.0, -10.0))
    assert paste_mask(beyond).min() == 1


def test_a_turned_crop_lands_where_its_affine_says(make_portrait) -> None:
    portrait = make_portrait(source=(120, 120), crop=40, corner=(60.0, 20.0), degrees=45)
    frames = torch.zeros(1, 40, 40, 3)
    result = paste_back(frames, portrait, match_colour=False)[0]
    centre = portrait.to_source[:, :2] @ torch.tensor([20.0, 20.0]) + portrait.to_source[:, 2]
    x, y = (int(v) for v in centre)
    assert result[y - 3 : y + 3, x - 3 : x + 3].max() < 0.02
    assert torch.equal(result[:15], portrait.source[:15])


def test_colour_drift_is_taken_back(make_portrait) -> None:
    portrait = make_portrait(source=(160, 160), crop=96, corner=(30.0, 30.0))
    drift = portrait.image * torch.tensor([0.9, 1.05, 0.95]) + torch.tensor([0.04, -0.02, 0.03])
    drift = drift[None].clone()
    matched = paste_back(drift, portrait)[0]
    unmatched = paste_back(drift, portrait, match_colour=False)[0]
    assert (unmatched - portrait.source).abs().max() > 0.04
    assert (matched - portrait.source).abs().max() < 0.01


def test_motion_in_the_border_is_not_taken_for_drift(make_portrait) -> None:
    portrait = make_portrait(source=(160, 160), crop=96, corner=(30.0, 30.0))
    frame = portrait.image.clone()
    frame[:40, :12] = 0.0  # hair swings into the border
    frame[40:60, 40:60] = 0.5
    still = paste_back(frame[None], portrait)[0]
    plain = paste_back(frame[None], portrait, match_colour=False)[0]
    assert (still - plain).abs().max() < 0.01


def test_detail_follows_what_moves(make_portrait) -> None:
    # A source of 4 times the crop's resolution: blobs, with texture on them that the crop lacks.
    portrait = make_portrait(source=(384, 384), crop=96, corner=(0.0, 0.0), scale=4, cell=40)
    generator = torch.Generator().manual_seed(5)
    detail = torch.rand(384, 384, 1, generator=generator) - 0.5
    source = portrait.source * 0.7 + 0.15 + 0.1 * detail
    image = torch.nn.functional.avg_pool2d(source.permute(2, 0, 1)[None], 4)[0].permute(1, 2, 0)
    portrait = Portrait(
        image=image,
        landmarks=portrait.landmarks,
        head=portrait.head,
        source=source,
        to_source=portrait.to_source,
    )
    at = torch.arange(384) + 0.5
    y, x = torch.meshgrid(at, at, indexing="ij")
    swell = torch.exp(-((x - 192) ** 2 + (y - 192) ** 2) / 60**2)
    flow = torch.stack([10 * swell, -7 * swell])[None]
    truth = warp(source.permute(2, 0, 1)[None], flow)
    frame = torch.nn.functional.avg_pool2d(truth, 4)[0].permute(1, 2, 0)[None]
    truth = truth[0].permute(1, 2, 0)
    result = paste_back(frame, portrait, match_colour=False)[0]
    delta = (frame - image)[0].permute(2, 0, 1)[None]
    delta = torch.nn.functional.interpolate(delta, (384, 384), mode="bicubic")
    ghost = source + delta[0].permute(1, 2, 0)
    middle = (slice(120, 264), slice(120, 264))
    soft = torch.nn.functional.interpolate(frame.permute(0, 3, 1, 2), (384, 384), mode="bicubic")
    soft = soft[0].permute(1, 2, 0)
    assert psnr(result[middle], truth[middle]) > psnr(ghost[middle], truth[middle]) + 2
    assert psnr(result[middle], truth[middle]) > psnr(soft[middle], truth[middle]) + 2


def test_detail_does_not_show_through_what_is_new(make_portrait) -> None:
    portrait = make_portrait(source=(256, 256), crop=64, corner=(0.0, 0.0), scale=4, cell=1)
    frame = portrait.image.clone()
    frame[24:44, 20:44] = torch.tensor([0.1, 0.02, 0.02])  # a mouth opens
    result = paste_back(frame[None], portrait, match_colour=False)[0]
    hole = result[116:156, 100:156]
    assert (hole - torch.tensor([0.1, 0.02, 0.02])).abs().mean() < 0.01
    assert torch.equal(result[:40], portrait.source[:40])


def test_frames_may_have_another_resolution(make_portrait) -> None:
    portrait = make_portrait(source=(120, 120), crop=64, corner=(20.0, 20.0), cell=20)
    half = torch.nn.functional.avg_pool2d(portrait.image.permute(2, 0, 1)[None], 2)
    result = paste_back(half.permute(0, 2, 3, 1), portrait)[0]
    assert (result - portrait.source).abs().max() < 0.05


def test_each_frame_stands_alone_and_inputs_stay(make_portrait) -> None:
    portrait = make_portrait(scale=1.6, corner=(10.0, 5.0))
    frames = portrait.image[None].repeat(3, 1, 1, 1)
    frames[1, 10:30, 10:30] *= 0.3
    before = frames.clone()
    together = paste_back(frames, portrait)
    alone = torch.cat([paste_back(frame[None], portrait) for frame in frames])
    assert torch.equal(together, alone)
    assert torch.equal(frames, before)
    assert paste_back(frames[:0], portrait).shape == (0, 90, 120, 3)


def test_flow_is_zero_where_nothing_moves_and_right_where_it_does(make_portrait) -> None:
    still = make_portrait(source=(128, 128), cell=12).source.permute(2, 0, 1)[None]
    assert not backward_flow(still, still).any()
    flow = torch.zeros(1, 2, 128, 128)
    flow[:, 0], flow[:, 1] = 3.0, -2.0
    found = backward_flow(warp(still, flow), still)[:, :, 16:-16, 16:-16]
    assert (found - torch.tensor([3.0, -2.0])[None, :, None, None]).abs().mean() < 0.15


def test_frames_of_another_aspect_are_refused(make_portrait) -> None:
    with pytest.raises(ValueError, match=r"'frames' are 48×30 pixels.*crop is 48×48.*same aspect"):
        paste_back(torch.zeros(1, 30, 48, 3), make_portrait())


def test_frames_of_another_shape_are_refused(make_portrait) -> None:
    with pytest.raises(ValueError, match=r"'frames' has shape \[48, 48, 3\].*needed is"):
        paste_back(torch.zeros(48, 48, 3), make_portrait())


@pytest.mark.parametrize("feather", [-0.1, 0.6])
def test_feather_out_of_range_is_refused(make_portrait, feather) -> None:
    with pytest.raises(ValueError, match="'feather' is .* Use a value from 0 to 0.5"):
        paste_mask(make_portrait(), feather)


def test_a_crop_outside_its_source_is_refused(make_portrait) -> None:
    portrait = make_portrait(corner=(500.0, 20.0))
    with pytest.raises(ValueError, match="crop outside its source picture. Prepare the portrait"):
        paste_back(portrait.image[None], portrait)

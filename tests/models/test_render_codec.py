"""Codecs and windows of the renderer."""

import pytest
import torch
from synchrorama.models.render.codec import PixelUnshuffle, TinyVAE, TinyVAEConfig
from synchrorama.models.render.windows import in_windows, plan_windows


def pictures(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("downscale", (2, 4, 8))
def test_the_unshuffle_loses_nothing(downscale):
    codec = PixelUnshuffle(downscale)
    given = (pictures(2, 3, 32, 48) * 255).round() / 255
    latents = codec.encode(given)
    assert latents.shape == (2, codec.channels, 32 // downscale, 48 // downscale)
    assert latents.min() >= -1 and latents.max() <= 1
    back = codec.decode(latents)
    assert torch.equal((back * 255).round(), (given * 255).round())
    assert (back - given).abs().max() < 1e-6
    assert torch.equal(codec.decode(latents * 3), codec.decode(latents * 3).clamp(0, 1))


def test_a_latent_pixel_is_its_own_block():
    codec = PixelUnshuffle(4)
    given = pictures(1, 3, 16, 16)
    latents = codec.encode(given)
    latents[:, :, 1, 2] = 1.0
    changed = (codec.decode(latents) - given).abs().amax(1)[0] > 1e-6
    assert changed[4:8, 8:12].any()
    changed[4:8, 8:12] = False
    assert not changed.any()


def test_the_tiny_vae_has_taesds_size():
    vae = TinyVAE(TinyVAEConfig(), device=torch.device("meta"))
    counts = [sum(p.numel() for p in part.parameters()) for part in (vae.encoder, vae.decoder)]
    assert counts == [1_222_532, 1_222_531]
    assert vae.downscale == 8


def test_the_tiny_vaes_shapes():
    vae = TinyVAE(TinyVAEConfig(width=8, blocks=(1, 1, 1))).requires_grad_(False)
    latents = vae.encode(pictures(2, 3, 16, 24))
    assert latents.shape == (2, 4, 4, 6)
    out = vae.decode(latents)
    assert out.shape == (2, 3, 16, 24)
    assert out.min() >= 0 and out.max() <= 1


@pytest.mark.parametrize("codec", (PixelUnshuffle(4), TinyVAE(TinyVAEConfig(blocks=(1, 1, 1)))))
def test_odd_sizes_are_refused(codec):
    with pytest.raises(ValueError, match="30 x 32.*multiple of 4"):
        codec.encode(pictures(1, 3, 32, 30))


@pytest.mark.parametrize("frames", (1, 3, 8, 9, 16, 25, 100))
@pytest.mark.parametrize("shift", (0, 3, 6, 8, 11))
def test_windows_keep_each_frame_once(frames, shift):
    plan = plan_windows(frames, 8, shift)
    kept = [i for one in plan for i in range(one.keep_start, one.keep_stop)]
    assert kept == list(range(frames))
    for one in plan:
        assert 0 <= one.start <= one.keep_start < one.keep_stop <= one.stop <= frames
        assert one.stop - one.start == min(8, frames)


def test_seams_move():
    seams = [{one.keep_start for one in plan_windows(64, 8, 3 * step)} - {0} for step in range(4)]
    assert all(not a & b for i, a in enumerate(seams) for b in seams[i + 1 :])


def test_a_clip_in_windows_is_what_was_denoised():
    like = pictures(21, 2, 3, 3)
    calls = []

    def denoise(start, stop):
        calls.append(stop - start)
        return like[start:stop] * 2

    assert torch.equal(in_windows(denoise, like, 8, 3), like * 2)
    assert set(calls) == {8}


@pytest.mark.parametrize(("frames", "window"), ((0, 8), (5, 0)))
def test_bad_windows_are_refused(frames, window):
    with pytest.raises(ValueError, match="at least 1"):
        plan_windows(frames, window)

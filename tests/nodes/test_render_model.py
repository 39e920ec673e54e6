"""The renderer as a native MODEL, in a real ComfyUI: KSampler's path with random weights."""

import os
from dataclasses import replace

import pytest
import torch
from synchrorama.models.render.config import TINY
from synchrorama.models.render.unet import Conditions, UNet

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(not os.environ.get("COMFYUI_ROOT"), reason="COMFYUI_ROOT names no ComfyUI"),
]
FRAMES, SIZE = 6, 16  # more frames than TINY's window of 4
SAMPLERS = ("euler", "dpmpp_2m", "uni_pc", "lcm")


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_weights(config):
    """Weights under which each path has an effect, our own too."""
    network = UNet(config, device=torch.device("meta"))
    weights = {}
    for i, (key, like) in enumerate(network.state_dict().items()):
        scale = 0.5 / max(like[0].numel(), 1) ** 0.5 if like.ndim > 1 else 0.1
        weights[key] = draw(*like.shape, seed=i) * scale + ("norm" in key and "weight" in key)
    return weights


@pytest.fixture(scope="module")
def weights():
    return random_weights(TINY.denoiser)


@pytest.fixture
def model(weights):
    from synchrorama.nodes.render_model import build_model

    with torch.inference_mode():
        return build_model(TINY, weights, "tiny")


@pytest.fixture
def clip(weights):
    from synchrorama.nodes.render_model import Clip

    network = UNet(TINY.denoiser)
    network.load_state_dict(weights)
    with torch.no_grad():
        banks = network.read(draw(1, 12, SIZE, SIZE, seed=1))
    return Clip(
        motion=draw(FRAMES, 12, SIZE, SIZE, seed=2).clamp(-1, 1),
        reference=banks,
        emotion=draw(FRAMES, 256, seed=3),
        speech=draw(FRAMES, 5, 8, seed=4),
    )


def conditioning(clip):
    from synchrorama.nodes.render_model import CLIP

    return [[torch.zeros(1, 1, 1), {CLIP: clip}]]


def sample(model, clip, *, sampler="euler", denoise=0.5, cfg=1.0, mask=None, negative=None):
    import comfy.sample

    negative = negative or replace(clip, reference=None, emotion=None, speech=None)
    with torch.inference_mode():
        return comfy.sample.sample(
            model,
            draw(FRAMES, 12, SIZE, SIZE, seed=5),
            4,
            cfg,
            sampler,
            "simple",
            conditioning(clip),
            conditioning(negative),
            clip.motion.clone(),
            denoise=denoise,
            noise_mask=mask,
            disable_pbar=True,
            seed=0,
        )


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("cfg", (1.0, 2.0))
def test_ksampler_runs_and_repeats(model, clip, sampler, cfg):
    out = sample(model, clip, sampler=sampler, cfg=cfg)
    assert out.shape == clip.motion.shape
    assert out.isfinite().all()
    assert (out - clip.motion).abs().max() > 1e-2
    assert torch.equal(out, sample(model, clip, sampler=sampler, cfg=cfg))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_without_a_correction_the_motion_frames_come_out(weights, clip, sampler):
    from synchrorama.nodes.render_model import build_model

    silent = {k: v * 0 if k.startswith("conv_out.") else v for k, v in weights.items()}
    out = sample(build_model(TINY, silent, "tiny"), clip, sampler=sampler)
    # ComfyUI lets uni_pc end at a noise level of 0.001 instead of 0.
    assert (out - clip.motion).abs().max() < (5e-3 if sampler == "uni_pc" else 1e-5)


def test_each_condition_changes_the_result(model, clip):
    out = sample(model, clip)
    for name in ("reference", "emotion", "speech"):
        assert (out - sample(model, replace(clip, **{name: None}))).abs().max() > 1e-4, name
    assert (out - sample(model, replace(clip, motion=clip.motion * 0.9))).abs().max() > 1e-3


def test_one_step_agrees_with_the_network_outside(model, weights, clip):
    """In windows no longer than the clip, ComfyUI's call is the plain network's."""
    network = UNet(TINY.denoiser)
    network.load_state_dict(weights)
    given = Conditions(
        motion=clip.motion[:4],
        reference=clip.reference,
        emotion=clip.emotion[:4],
        speech=clip.speech[:4],
    )
    x, times = draw(4, 12, SIZE, SIZE, seed=6), torch.full((4,), 500.0)
    with torch.inference_mode():
        outside = network(x, times, given)
        inside = model.model.diffusion_model(
            x,
            times,
            motion=given.motion,
            reference=given.reference,
            emotion=given.emotion,
            speech=given.speech,
        )
    assert (outside - inside).abs().max() < 1e-5


def test_the_packs_own_sampler_agrees_with_ksampler(model, clip):
    from synchrorama.models.render.sample import Sampling
    from synchrorama.models.render.sample import sample as ours
    from synchrorama.nodes.render_model import denoiser

    native = sample(model, clip)
    sampling = Sampling(steps=4, noise=0.5, seed=5)
    with torch.inference_mode():
        chunks = ours(denoiser(model, clip), clip.motion.split(4), FRAMES, TINY.window, sampling)
        out = torch.cat(list(chunks))
    assert (out - native).abs().max() < 1e-4
    assert (out - clip.motion).abs().max() > 1e-2


def test_the_dial_leaves_the_motion_frames_at_zero(model, clip):
    still = replace(clip, strength=0.0)
    assert (sample(model, still, negative=still) - clip.motion).abs().max() < 1e-5


def test_a_noise_mask_keeps_what_it_masks(model, clip):
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., SIZE // 2 :] = 1
    changed = (sample(model, clip, mask=mask) - clip.motion).abs()
    assert changed[..., : SIZE // 2].max() < 1e-5
    assert changed[..., SIZE // 2 :].max() > 1e-2


def test_a_lora_on_our_keys_takes_effect(model, clip):
    import comfy.lora

    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    names = comfy.lora.model_lora_keys_unet(model.model, {})
    lora = {f"{key}.lora_up.weight": draw(16, 2), f"{key}.lora_down.weight": draw(2, 16)}
    patched = model.clone()
    assert len(patched.add_patches(comfy.lora.load_lora(lora, names), 1.0)) == 1
    before = sample(model, clip)
    assert (sample(patched, clip) - before).abs().max() > 1e-4
    assert torch.equal(sample(model, clip), before)  # and it goes again


def test_cancelling_stops_within_a_step(model, clip, monkeypatch):
    import comfy.model_management as management

    management.interrupt_current_processing(True)
    with pytest.raises(management.InterruptProcessingException):
        sample(model, clip)
    management.interrupt_current_processing(False)


def test_a_model_loads_and_unloads(model, clip):
    import comfy.model_management as management

    def loaded():
        return [one.model.model for one in management.current_loaded_models]

    before = sample(model, clip)
    assert any(one is model.model for one in loaded())
    management.unload_all_models()
    assert not any(one is model.model for one in loaded())
    assert torch.equal(sample(model, clip), before)


def test_a_model_that_fits_only_in_part_draws_the_same(model, weights, clip):
    """Weights that stay behind get their patches layer by layer: no layer may go around that."""
    device = model.load_device
    patched = model.clone()
    changes = {
        f"diffusion_model.{key}": ("diff", (0.1 * draw(*value.shape, seed=7),))
        for key, value in weights.items()
    }
    assert len(patched.add_patches(changes, 1.0)) == len(weights)

    def ask():
        with torch.inference_mode():
            return patched.model.diffusion_model(
                draw(4, 12, SIZE, SIZE, seed=6).to(device),
                torch.full((4,), 500.0, device=device),
                motion=clip.motion[:4].to(device),
                reference=clip.reference,
                emotion=clip.emotion[:4].to(device),
                speech=clip.speech[:4].to(device),
            ).cpu()

    plain = ask()
    patched.patch_model(device, lowvram_model_memory=0)
    whole = ask()
    patched.unpatch_model(patched.offload_device)
    patched.patch_model(device, lowvram_model_memory=patched.model_size() // 3)
    assert patched.model.model_lowvram
    part = ask()
    patched.unpatch_model(patched.offload_device)
    assert (whole - plain).abs().max() > 1e-2
    assert (part - whole).abs().max() < 1e-5


def test_latents_of_another_clip_are_refused(model, clip):
    with pytest.raises(ValueError, match="same Render Condition"):
        sample(model, replace(clip, emotion=clip.emotion[:3]))
    other = replace(clip, motion=clip.motion[:3])
    with pytest.raises(ValueError, match="same Render Condition"):
        sample(model, clip, negative=other, cfg=2.0)


def test_weights_of_something_else_are_refused(weights):
    from synchrorama.models.checkpoint import CheckpointError
    from synchrorama.nodes.render_model import build_model

    with pytest.raises(CheckpointError, match="'other'.*missing"):
        build_model(TINY, {k: v for k, v in weights.items() if "conv_in" not in k}, "other")


def test_the_vae_is_lossless(model):
    from synchrorama.nodes.render_model import build_vae

    frames = (draw(3, 32, 48, 3).sigmoid() * 255).round() / 255
    with torch.inference_mode():
        vae = build_vae(4)
        latents = vae.encode(frames)
        assert latents.shape == (3, 48, 8, 12)
        assert (vae.decode(latents) - frames).abs().max() < 1e-6

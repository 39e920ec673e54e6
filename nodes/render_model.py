"""The renderer as ComfyUI's own MODEL and VAE, so that its samplers, LoRA and masks work on it.

Beside host.py the only file that knows ComfyUI's internals.

Shapes: F frames, C latent channels, H W latent pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.model_sampling
import comfy.sd
import comfy.supported_models_base
import torch
from torch import Tensor

from ..models.render.clip import Clip
from ..models.render.codec import PixelUnshuffle
from ..models.render.config import RendererConfig, UNetConfig
from ..models.render.keys import checked
from ..models.render.layers import Operations, Torch
from ..models.render.sample import SEAM, Denoise, mixed, spared
from ..models.render.spatial import Banks, Box
from ..models.render.unet import Conditions, UNet
from ..models.render.weights import trained_paths
from ..models.render.windows import in_windows

CLIP = "synchrorama_clip"  # the key in a CONDITIONING under which our conditions are


class NativeUNet(UNet):
    """The U-Net as ComfyUI calls it; same keys."""

    def __init__(
        self,
        *,
        shape: UNetConfig,
        window: int,
        operations: Operations = Torch,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(shape, operations=operations, device=device, dtype=dtype)
        self.window = window

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        control: Mapping[str, list[Tensor]] | None = None,
        transformer_options: Mapping[str, Any] | None = None,
        **given: Any,  # noqa: ANN401 - ComfyUI passes what extra_conds gave
    ) -> Tensor:
        """As `UNet.forward`; positive and negative may come together, one after the other."""
        options = transformer_options or {}
        clips = len(options.get("cond_or_uncond", [0]))
        frames = x.shape[0] // clips
        conditions = Conditions(
            motion=given.get("motion"),
            reference=given.get("reference"),
            emotion=given.get("emotion"),
            speech=given.get("speech"),
            context=context if self.config.context_width else None,
        )
        if isinstance(conditions.reference, Banks):
            conditions = replace(conditions, reference=self.cache(conditions.reference.to(x)))
        shift = SEAM * _step_index(options)
        strength = float(given.get("strength", 1.0))
        parts = [
            self._clip(
                x, timesteps, conditions, slice(i * frames, (i + 1) * frames), shift, strength
            )
            for i in range(clips)
        ]
        return torch.cat(parts)

    def _clip(
        self,
        x: Tensor,
        timesteps: Tensor,
        given: Conditions,
        rows: slice,
        shift: int,
        strength: float,
    ) -> Tensor:
        """One clip [F, C, H, W], in windows when it is longer than one."""
        call = super().forward
        motion = x if given.motion is None else given.motion

        def window(x: Tensor, motion: Tensor, level: float, start: int) -> Tensor:
            comfy.model_management.throw_exception_if_processing_interrupted()
            at = slice(rows.start + start, rows.start + start + len(x))
            cut = replace(
                given,
                motion=None if given.motion is None else motion,
                emotion=None if given.emotion is None else given.emotion[at],
                speech=None if given.speech is None else given.speech[at],
                context=None if given.context is None else given.context[at],
            )
            return mixed(call(x, timesteps[at], cut), motion, strength)

        denoise, own = spared(window), motion[rows]

        def between(start: int, stop: int) -> Tensor:
            return denoise(x[rows][start:stop], own[start:stop], 0.0, start)

        return in_windows(between, x[rows], self.window, shift)


def _step_index(options: Mapping[str, Any]) -> int:
    """Which step of the schedule this is; 0 when the sampler does not say."""
    schedule, now = options.get("sample_sigmas"), options.get("sigmas")
    if schedule is None or now is None:
        return 0
    return int((schedule.to(now) - now.flatten()[0]).abs().argmin())


class MotionSampling(comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST):
    """Straight paths from noise to latents, on which the network says the clean latents."""

    def calculate_denoised(
        self, sigma: Tensor, model_output: Tensor, model_input: Tensor
    ) -> Tensor:
        """The network's output as it is."""
        return model_output


class RendererModel(comfy.model_base.BaseModel):
    """A renderer in ComfyUI."""

    trained: frozenset[str] = frozenset()  # paths of ours that have an effect

    def __init__(self, settings: Settings) -> None:
        kinds = comfy.model_base.ModelType
        renderer = settings.renderer
        kind = kinds.V_PREDICTION if renderer.prediction == "velocity" else kinds.FLOW
        super().__init__(settings, kind, unet_model=NativeUNet)
        self.renderer = renderer
        if renderer.prediction == "motion":
            self.model_sampling = MotionSampling(settings)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - ComfyUI's signature
        """Our conditions beside ComfyUI's own.

        Raises:
            ValueError: They are not for as many frames, or not of the size, of the latents.
        """
        out: dict[str, Any] = super().extra_conds(**kwargs)
        clip: Clip | None = kwargs.get(CLIP)
        if clip is None:
            return out
        noise: Tensor = kwargs["noise"]
        _require_fit(clip, noise)
        if clip.motion is not None:
            out["motion"] = comfy.conds.CONDNoiseShape(self.process_latent_in(clip.motion))
        if clip.emotion is not None:
            out["emotion"] = comfy.conds.CONDRegular(clip.emotion)
        if clip.speech is not None:
            out["speech"] = comfy.conds.CONDRegular(clip.speech)
        if clip.reference is not None:
            out["reference"] = comfy.conds.CONDConstant(clip.reference)
        out["strength"] = comfy.conds.CONDConstant(clip.strength)
        return out


def _require_fit(clip: Clip, noise: Tensor) -> None:
    if clip.motion is not None and clip.motion.shape != noise.shape:
        raise ValueError(
            f"'positive' was made for latents of shape {list(clip.motion.shape)}, 'latent_image' "
            f"has {list(noise.shape)}. Connect 'latent' of the same Render Condition."
        )
    for name, given in (("emotion", clip.emotion), ("audio", clip.speech)):
        if given is not None and given.shape[0] != noise.shape[0]:
            raise ValueError(
                f"'{name}' was given for {given.shape[0]} frames, 'latent_image' has "
                f"{noise.shape[0]}. Connect 'latent' of the same Render Condition."
            )


class _Latents(comfy.latent_formats.LatentFormat):
    """Latents that are used as they come; the mean of a block is its preview."""

    def __init__(self, channels: int, downscale: int) -> None:
        self.latent_channels = channels
        self.spacial_downscale_ratio = downscale
        block = downscale**2
        self.latent_rgb_factors = [
            [float(i // block == colour) / block for colour in range(3)] for i in range(channels)
        ]


class Settings(comfy.supported_models_base.BASE):
    """What ComfyUI asks of a model's config."""

    unet_extra_config: dict[str, Any] = {}
    memory_usage_factor = 2.0

    def __init__(self, renderer: RendererConfig) -> None:
        super().__init__({"shape": renderer.denoiser, "window": renderer.window})
        self.renderer = renderer
        if renderer.codec == "unshuffle":
            self.latent_format = _Latents(renderer.denoiser.in_channels, renderer.downscale)
        else:
            self.latent_format = comfy.latent_formats.SD15()
        if renderer.prediction == "velocity":  # the published families' schedule
            self.sampling_settings = {"beta_schedule": "sqrt_linear", "zsnr": True}


def build_model(renderer: RendererConfig, tensors: Mapping[str, Tensor], name: str) -> Any:  # noqa: ANN401
    """A MODEL: the denoiser with its weights, under ComfyUI's memory management.

    Args:
        renderer: Its shape.
        tensors: The denoiser's weights.
        name: How the weight file is called in the message.

    Raises:
        CheckpointError: The weights do not fit; the first five keys are shown.
    """
    management = comfy.model_management
    load_device = management.get_torch_device()
    network = UNet(renderer.denoiser, device=torch.device("meta"))
    complete = checked(network, tensors, name)
    settings = Settings(renderer)
    dtype = management.unet_dtype(
        model_params=sum(one.numel() for one in complete.values()),
        supported_dtypes=settings.supported_inference_dtypes,
    )
    cast_to = management.unet_manual_cast(dtype, load_device, settings.supported_inference_dtypes)
    settings.set_inference_dtype(dtype, cast_to)
    model = RendererModel(settings)
    # ComfyUI 0.33 exchanges this class at its start, so it is looked up at each call.
    patcher_class = getattr(
        comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher
    )
    offload = management.unet_offload_device()
    patcher = patcher_class(model, load_device=load_device, offload_device=offload)
    is_dynamic = getattr(patcher, "is_dynamic", bool)()
    model.diffusion_model.load_state_dict(
        {key: value.to(dtype) for key, value in complete.items()}, assign=is_dynamic
    )
    model.diffusion_model.train(False).requires_grad_(False)
    model.trained = trained_paths(complete)
    return patcher


def read_reference(
    model: Any,  # noqa: ANN401
    latents: Tensor,
    boxes: Sequence[Box],
    scene: Tensor | None,
) -> Banks:
    """What the MODEL notes of parts of a reference picture; only they will be drawn.

    Args:
        model: From `build_model`, or a clone with LoRA.
        latents: [1, C, H, W] of the picture.
        boxes: The parts.
        scene: [1, L, C'] tokens of a text encoder.
    """
    comfy.model_management.load_models_gpu([model])
    dtype = model.model.manual_cast_dtype or model.model.get_dtype()
    network: NativeUNet = model.model.diffusion_model
    latents = latents.to(model.load_device, dtype)
    tokens = None if scene is None else scene.to(model.load_device, dtype)
    with torch.no_grad():
        banks = network.read_parts(latents, boxes, tokens)
    return banks.to(comfy.model_management.intermediate_device())


def denoiser(model: Any, clip: Clip) -> Denoise:  # noqa: ANN401
    """The MODEL for the pack's own sampler, called as KSampler calls it.

    Args:
        model: From `build_model`, or a clone with LoRA.
        clip: Its conditions; motion frames come window by window.
    """
    comfy.model_management.load_models_gpu([model])
    device = model.load_device
    dtype = model.model.manual_cast_dtype or model.model.get_dtype()
    reference = None
    if clip.reference is not None:  # keys and values once for all windows and steps
        banks = clip.reference.to(torch.empty(0, device=device, dtype=dtype))
        reference = model.model.diffusion_model.cache(banks)
    options = model.model_options.get("transformer_options", {})

    def denoise(x: Tensor, motion: Tensor, level: float, start: int) -> Tensor:
        at = slice(start, start + len(x))
        out: Tensor = model.model.apply_model(
            x.to(device),
            torch.full((len(x),), level, device=device),
            transformer_options=options,
            motion=motion.to(device),
            reference=reference,
            emotion=None if clip.emotion is None else clip.emotion[at].to(device),
            speech=None if clip.speech is None else clip.speech[at].to(device),
        )
        return out.to(x)

    return denoise


class _Codec(torch.nn.Module):
    """The pixel unshuffle as ComfyUI's VAE class calls a network."""

    def __init__(self, downscale: int) -> None:
        super().__init__()
        self.codec = PixelUnshuffle(downscale)
        self.pixel_space_vae = torch.nn.Parameter(torch.tensor(1.0), requires_grad=False)

    def encode(self, picture: Tensor) -> Tensor:
        """[F, 3, H, W] 0..1 → [F, C, h, w]."""
        return self.codec.encode(picture)

    def decode(self, latents: Tensor) -> Tensor:
        """[F, C, h, w] → [F, 3, H, W] 0..1."""
        return self.codec.decode(latents)


def renderer_of(model: Any) -> RendererConfig:  # noqa: ANN401
    """The shape of a MODEL that is a renderer of this pack.

    Raises:
        ValueError: It is another kind of MODEL.
    """
    inner = getattr(model, "model", None)
    if not isinstance(inner, RendererModel):
        raise ValueError(
            f"'model' is a {type(inner).__name__}, needed is a renderer. Connect 'model' of Load "
            "Renderer."
        )
    return inner.renderer


def codec_of(vae: Any, renderer: RendererConfig) -> PixelUnshuffle:  # noqa: ANN401
    """The codec of a VAE that fits the renderer.

    Raises:
        ValueError: It is another kind of VAE.
    """
    inner = getattr(vae, "first_stage_model", None)
    if not isinstance(inner, _Codec) or inner.codec.downscale != renderer.downscale:
        raise ValueError(
            f"'vae' is a {type(inner).__name__}, which does not fit this renderer. Connect 'vae' "
            "of the same Load Renderer."
        )
    return inner.codec


def build_vae(downscale: int) -> comfy.sd.VAE:
    """A VAE: the lossless pixel unshuffle, for core VAEEncode and VAEDecode."""
    codec = _Codec(downscale)
    vae = comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)}, dtype=torch.float32)
    vae.first_stage_model = codec
    vae.patcher = comfy.model_patcher.ModelPatcher(
        codec.to(vae.device),
        load_device=vae.device,
        offload_device=comfy.model_management.vae_offload_device(),
    )
    vae.downscale_ratio = vae.upscale_ratio = downscale
    vae.latent_channels = codec.codec.channels
    vae.process_input = vae.process_output = lambda picture: picture
    vae.memory_used_encode = lambda shape, dtype: 3 * 4 * 3 * shape[2] * shape[3]
    vae.memory_used_decode = lambda shape, dtype: 3 * 4 * shape[1] * shape[2] * shape[3]
    return vae

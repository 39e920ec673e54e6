"""What the nodes of the renderer share: inputs, and conditions of a clip."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..models.render.clip import Clip, Heard, hear, shrink
from ..models.render.codec import PixelUnshuffle
from ..models.render.config import RendererConfig
from ..models.render.region import refine_boxes, refine_region
from ..models.types import Emotion, Motion, Portrait
from . import host, render_model
from .inputs import number
from .types import Audio, EmotionSocket, one_scene, one_speech

CATEGORY = "SynchroRaMa/5 render"
REGIONS = {"mouth and eyes": ("mouth", "eyes"), "mouth": ("mouth",), "eyes": ("eyes",)}
CHUNK = 8  # frames changed at once
LOG = logging.getLogger(__name__)


def renderer_inputs() -> list[io.Input]:
    """MODEL and VAE."""
    return [
        io.Model.Input("model", tooltip="From Load Renderer, directly or through LoRA."),
        io.Vae.Input("vae", tooltip="From the same Load Renderer."),
    ]


def diffusion_input() -> io.Float.Input:
    """The dial."""
    return number(
        "diffusion",
        "From motion frames only (0) to diffusion only (1) inside the region.",
        high=1.0,
    )


def size_input() -> io.Int.Input:
    """Side of what the network sees."""
    return io.Int.Input(
        "size",
        default=256,
        min=64,
        max=1024,
        step=16,
        tooltip="Side of the head crop as the renderer sees it, in pixels. The built-in renderer "
        "learned on 256; larger takes longer.",
    )


def region_input() -> io.Combo.Input:
    """Where frames may change."""
    return io.Combo.Input(
        "region",
        options=list(REGIONS),
        default="mouth and eyes",
        tooltip="Where frames may change. All other pixels stay as they are.",
    )


def condition_inputs() -> list[io.Input]:
    """Audio, emotion and scene."""
    return [
        io.Audio.Input("audio", optional=True, tooltip="The speech that the motion was made from."),
        EmotionSocket.Input(
            "emotion", optional=True, tooltip="What the face shows; as long as the motion."
        ),
        io.MultiType.Input(
            "scene",
            types=[io.Conditioning, io.String],
            optional=True,
            tooltip="What happens in the picture: a text, encoded by CLIP Text Encode where the "
            "renderer reads it.",
        ),
    ]


def checked(model: Any, vae: Any, size: int) -> tuple[RendererConfig, PixelUnshuffle]:  # noqa: ANN401
    """Shape and codec of a MODEL and a VAE.

    Raises:
        ValueError: One of them is of another kind, or the size does not fit.
    """
    renderer = render_model.renderer_of(model)
    codec = render_model.codec_of(vae, renderer)
    if size % codec.downscale:
        raise ValueError(
            f"'size' is {size}, which {codec.downscale} does not divide. Use a multiple of 16."
        )
    return renderer, codec


def heard_clip(
    model: Any,  # noqa: ANN401
    renderer: RendererConfig,
    motion: Motion,
    audio: Audio | None,
    emotion: Emotion | None,
    scene: Any,  # noqa: ANN401
) -> Heard:
    """A clip's conditions; those that change nothing are said in the log.

    Raises:
        ValueError: One of them does not fit the motion or the renderer.
    """
    trained: frozenset[str] = model.model.trained
    tokens = one_scene(scene, renderer.denoiser.adapters.scene_width if "scene" in trained else 0)
    heard = hear(
        trained,
        motion.frames,
        motion.fps,
        emotion=emotion,
        speech=None if audio is None else one_speech(audio),
        scene=tokens,
    )
    for remark in heard.remarks:
        LOG.warning("%s", remark)
    return heard


def clip_of(
    model: Any,  # noqa: ANN401
    codec: PixelUnshuffle,
    portrait: Portrait,
    size: int,
    heard: Heard,
    points: Tensor,
    region: str,
) -> Clip:
    """A clip's conditions but the motion frames; the portrait is read once for all of it."""
    latents = codec.encode(shrink(portrait.image[None], size))
    seen = points * (size / portrait.image.shape[0])
    boxes = refine_boxes(seen, size, size, codec.downscale, REGIONS[region])
    banks = render_model.read_reference(model, latents, boxes, heard.scene)
    return Clip(reference=banks, emotion=heard.emotion, speech=heard.speech)


def encoded(
    vae: Any,  # noqa: ANN401
    frames: Tensor,
    points: Tensor,
    size: int,
    region: str,
) -> tuple[Tensor, Tensor]:
    """Latents [T, C, h, w] of motion frames, and where they may change, [T, H, W].

    Args:
        vae: The renderer's.
        frames: [T, H, W, 3].
        points: [T, 468, 2] landmarks in px of the frames.
        size: Side of the picture that the network sees, in px.
        region: One of `REGIONS`.
    """
    latents, masks = [], []
    on_step = host.watch(len(frames))
    for start in range(0, len(frames), CHUNK):
        on_step(start, len(frames))
        part = frames[start : start + CHUNK]
        at = points[start : start + CHUNK]
        masks.append(refine_region(at, part.shape[1], part.shape[2], REGIONS[region]))
        latents.append(vae.encode(shrink(part, size).permute(0, 2, 3, 1)))
    on_step(len(frames), len(frames))
    return torch.cat(latents), torch.cat(masks)


def report(heard: Heard) -> str:
    """What is to be said of a clip's conditions."""
    return "\n".join(heard.remarks) or "Every condition that is connected has an effect."

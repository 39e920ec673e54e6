"""Stage 5, render: motion frames refined by diffusion, through core KSampler or in one node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..models.head import HeadModel
from ..models.motion.face_points import face_points
from ..models.render.clip import changed
from ..models.render.weights import BUILTIN_FILE, load_renderer
from ..models.types import Emotion, Motion, Portrait
from . import host, render_model
from .inputs import report_output
from .render_inputs import (
    CATEGORY,
    CHUNK,
    checked,
    clip_of,
    condition_inputs,
    diffusion_input,
    encoded,
    heard_clip,
    region_input,
    renderer_inputs,
    report,
    size_input,
)
from .types import Audio, MotionSocket, PortraitSocket, require_frames, require_rendered


class SynchroRaMaRenderLoad(io.ComfyNode):
    """Loads a renderer."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaRenderLoad",
            display_name="Load Renderer",
            category=CATEGORY,
            is_experimental=True,
            description="Loads the diffusion renderer as an ordinary MODEL and VAE.",
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=[host.BUILT_IN, *host.weight_files()],
                    default=host.BUILT_IN,
                    tooltip="The weights that ship with the pack, or a file from the folder "
                    "models/synchrorama that was trained by this pack.",
                )
            ],
            outputs=[
                io.Model.Output(
                    "model",
                    display_name="model",
                    tooltip="The renderer; LoRA and samplers take it as any other MODEL.",
                ),
                io.Vae.Output(
                    "vae",
                    display_name="vae",
                    tooltip="Turns pictures into the renderer's latents and back without loss.",
                ),
            ],
        )

    @classmethod
    def execute(cls, weights: str) -> io.NodeOutput:
        """Load it."""
        path = BUILTIN_FILE if weights == host.BUILT_IN else host.weight_file(weights)
        renderer = load_renderer(path)
        model = render_model.build_model(renderer.config, renderer.tensors, renderer.name)
        return io.NodeOutput(model, render_model.build_vae(renderer.config.downscale))


class SynchroRaMaRenderCondition(io.ComfyNode):
    """Prepares a clip for core KSampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaRenderCondition",
            display_name="Render Condition",
            category=CATEGORY,
            is_experimental=True,
            description="Prepares motion frames for core KSampler and VAE Decode. Set KSampler to "
            "cfg 1, euler, simple, 4 steps, and 'denoise' to about 0.15.",
            inputs=[
                *renderer_inputs(),
                PortraitSocket.Input("portrait", tooltip="Whose face it is."),
                MotionSocket.Input("motion", tooltip="The motion that the frames show."),
                io.Image.Input(
                    "frames", tooltip="The motion frames, as Motion Frames made them or edited."
                ),
                diffusion_input(),
                size_input(),
                region_input(),
                *condition_inputs(),
            ],
            outputs=[
                io.Model.Output(
                    "model_out", display_name="model", tooltip="The renderer, for KSampler."
                ),
                io.Conditioning.Output(
                    "positive", display_name="positive", tooltip="All conditions, for KSampler."
                ),
                io.Conditioning.Output(
                    "negative",
                    display_name="negative",
                    tooltip="The same without audio and emotion; used when KSampler's cfg is "
                    "not 1.",
                ),
                io.Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="The motion frames as latents, for KSampler.",
                ),
                io.Mask.Output(
                    "mask",
                    display_name="mask",
                    tooltip="Where frames may change, for Apply Render.",
                ),
                report_output("Which conditions change nothing."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,  # noqa: ANN401 - a MODEL
        vae: Any,  # noqa: ANN401 - a VAE
        portrait: Portrait,
        motion: Motion,
        frames: Tensor,
        diffusion: float,
        size: int,
        region: str,
        audio: Audio | None = None,
        emotion: Emotion | None = None,
        scene: Any = None,  # noqa: ANN401 - a CONDITIONING or a STRING
    ) -> io.NodeOutput:
        """Prepare the clip."""
        renderer, codec = checked(model, vae, size)
        require_frames(frames, portrait, motion)
        heard = heard_clip(model, renderer, motion, audio, emotion, scene)
        points = face_points(HeadModel.from_checkpoint(), portrait, motion)
        latents, mask = encoded(vae, frames, points, size, region)
        clip = clip_of(model, codec, portrait, size, heard, points, region)
        clip = replace(clip, motion=latents, strength=diffusion)
        plain = replace(clip, emotion=None, speech=None)
        nothing = torch.zeros(1, 1, 1)  # tokens that this renderer does not read
        positive, negative = ([[nothing, {render_model.CLIP: one}]] for one in (clip, plain))
        return io.NodeOutput(
            model.clone(), positive, negative, {"samples": latents}, mask, report(heard)
        )


class SynchroRaMaRenderApply(io.ComfyNode):
    """Takes from rendered pictures what may change."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaRenderApply",
            display_name="Apply Render",
            category=CATEGORY,
            is_experimental=True,
            description="Changes the motion frames where the mask allows it and keeps every other "
            "pixel bit for bit. Detail finer than the rendered pictures stays.",
            inputs=[
                io.Image.Input(
                    "frames", tooltip="The motion frames that Render Condition was given."
                ),
                io.Image.Input("rendered", tooltip="What VAE Decode made of KSampler's latents."),
                io.Mask.Input("mask", tooltip="Where frames may change, from Render Condition."),
            ],
            outputs=[
                io.Image.Output(
                    "frames_out", display_name="frames", tooltip="The frames, for Combine Video."
                )
            ],
        )

    @classmethod
    def execute(cls, frames: Tensor, rendered: Tensor, mask: Tensor) -> io.NodeOutput:
        """Apply the change."""
        require_rendered(frames, rendered, mask)
        count, height, width = frames.shape[:3]
        chunks = (
            changed(
                frames[i : i + CHUNK],
                rendered[i : i + CHUNK].permute(0, 3, 1, 2),
                mask[i : i + CHUNK],
            )
            for i in range(0, count, CHUNK)
        )
        return io.NodeOutput(host.gather(chunks, count, height, width))

"""Stage 5, render: a clip of any length in one node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..models.head import HeadModel
from ..models.motion.face_points import face_points
from ..models.motion.frames import MotionFrames
from ..models.render.clip import refine
from ..models.render.sample import Sampling
from ..models.types import Emotion, Motion, Portrait
from . import host, render_model
from .inputs import number, report_output, seed_input
from .render_inputs import (
    CATEGORY,
    CHUNK,
    REGIONS,
    checked,
    clip_of,
    condition_inputs,
    diffusion_input,
    heard_clip,
    region_input,
    renderer_inputs,
    report,
    size_input,
)
from .types import Audio, MotionSocket, PortraitSocket, require_frames


class SynchroRaMaRender(io.ComfyNode):
    """Renders a clip of any length."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaRender",
            display_name="Render",
            category=CATEGORY,
            is_experimental=True,
            description="Draws motion frames and refines them by diffusion, window by window: "
            "memory does not grow with the clip.",
            inputs=[
                *renderer_inputs(),
                PortraitSocket.Input("portrait", tooltip="Whose face moves."),
                MotionSocket.Input("motion", tooltip="How it moves."),
                seed_input(
                    "seed",
                    "The noise that sampling starts from. The same seed gives the same frames.",
                    control_after_generate=True,
                ),
                io.Int.Input(
                    "steps",
                    default=Sampling.steps,
                    min=1,
                    max=100,
                    tooltip="Steps of the sampler. More take longer and change little beyond 4.",
                ),
                number(
                    "denoise",
                    "Share of noise that sampling starts from: more lets it leave the motion "
                    "frames further.",
                    Sampling.noise,
                    high=1.0,
                    step=0.01,
                ),
                diffusion_input(),
                size_input(),
                region_input(),
                io.Image.Input(
                    "frames",
                    optional=True,
                    tooltip="Motion frames that were edited. Drawn from the motion when nothing is "
                    "connected.",
                ),
                *condition_inputs(),
            ],
            outputs=[
                io.Image.Output(
                    "frames_out",
                    display_name="frames",
                    tooltip="The head crop, once for each frame, for Combine Video.",
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
        seed: int,
        steps: int,
        denoise: float,
        diffusion: float,
        size: int,
        region: str,
        frames: Tensor | None = None,
        audio: Audio | None = None,
        emotion: Emotion | None = None,
        scene: Any = None,  # noqa: ANN401 - a CONDITIONING or a STRING
    ) -> io.NodeOutput:
        """Render the clip."""
        sampling = Sampling(steps=steps, noise=denoise, seed=seed, strength=diffusion)
        renderer, codec = checked(model, vae, size)
        heard = heard_clip(model, renderer, motion, audio, emotion, scene)
        head = HeadModel.from_checkpoint()
        points = face_points(head, portrait, motion)
        clip = clip_of(model, codec, portrait, size, heard, points, region)
        refined = refine(
            _frames(head, portrait, motion, frames),
            points,
            render_model.denoiser(model, clip),
            codec=codec,
            side=size,
            window=renderer.window,
            sampling=sampling,
            parts=REGIONS[region],
        )
        height, width = portrait.image.shape[:2]
        return io.NodeOutput(host.gather_long(refined, motion.frames, height, width), report(heard))


def _frames(
    head: HeadModel, portrait: Portrait, motion: Motion, given: Tensor | None
) -> Iterator[Tensor]:
    """The given motion frames in chunks [n, H, W, 3], or new ones."""
    if given is None:
        return MotionFrames(head, portrait, host.device()).render(motion)
    require_frames(given, portrait, motion)
    return iter(torch.split(given, CHUNK))

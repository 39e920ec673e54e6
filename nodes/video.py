"""Stage 6, video: frames of the head go back into the picture."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..models.speech import frame_count
from ..models.types import Motion, Portrait
from ..models.video.paste import paste_back
from . import host
from .types import Audio, MotionSocket, PortraitSocket, one_speech

CATEGORY = "SynchroRaMa/6 video"
CHUNK = 8  # frames pasted at once


class SynchroRaMaVideoCombine(io.ComfyNode):
    """Puts the moving head back into the whole picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaVideoCombine",
            display_name="Combine Video",
            category=CATEGORY,
            description="Pastes the frames of the head into the whole picture, with a soft, "
            "colour-matched seam. Connect the outputs to Create Video.",
            inputs=[
                PortraitSocket.Input("portrait", tooltip="The portrait the frames were made from."),
                io.Image.Input("frames", tooltip="The moving head crop."),
                MotionSocket.Input(
                    "motion", tooltip="The motion the frames show; sets the frame rate."
                ),
                io.Audio.Input("audio", tooltip="The speech. It leaves as it came."),
            ],
            outputs=[
                io.Image.Output(
                    "images",
                    display_name="images",
                    tooltip="The whole picture, once for each frame.",
                ),
                io.Audio.Output("audio_out", display_name="audio", tooltip="The speech."),
                io.Float.Output("fps", display_name="fps", tooltip="Frames a second."),
            ],
        )

    @classmethod
    def execute(
        cls, portrait: Portrait, frames: Tensor, motion: Motion, audio: Audio
    ) -> io.NodeOutput:
        """Paste the frames back."""
        waveform, sample_rate = one_speech(audio)
        spoken = frame_count(waveform.shape[-1], sample_rate, motion.fps)
        if not frames.shape[0] == motion.frames == spoken:
            raise ValueError(
                f"'frames' are {frames.shape[0]}, 'motion' has {motion.frames} and 'audio' lasts "
                f"{spoken} frames. Connect frames, motion and audio of the same clip."
            )
        chunks = (paste_back(part, portrait) for part in torch.split(frames, CHUNK))
        height, width = portrait.source.shape[:2]
        images = host.gather(chunks, motion.frames, height, width)
        return io.NodeOutput(images, audio, motion.fps)

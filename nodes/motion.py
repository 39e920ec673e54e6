"""Stage 4, motion: speech becomes motion, motion becomes frames."""

from __future__ import annotations

from comfy_api.latest import io

from ..models.head import HeadModel
from ..models.motion.audio_to_motion import motion_from_audio
from ..models.motion.dials import Dials
from ..models.motion.frames import MotionFrames
from ..models.types import Emotion, Motion, Portrait
from ..models.video.plot import motion_plot
from . import host
from .inputs import fps_input, motion_output, number, plot_output, plot_size, seed_input
from .motion_weights import load_motion_weights, motion_weights
from .types import Audio, EmotionSocket, MotionSocket, PortraitSocket, one_speech

CATEGORY = "SynchroRaMa/4 motion"


class SynchroRaMaMotionFromAudio(io.ComfyNode):
    """Moves a face to speech."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionFromAudio",
            display_name="Motion from Audio",
            category=CATEGORY,
            description="Turns speech, and an emotion if given, into the motion of lips, face, "
            "head and eyes.",
            inputs=[
                io.Audio.Input("audio", tooltip="One clip of speech, in any language."),
                fps_input(
                    "Frames a second of the video, 8 to 60. More is smoother and slower; "
                    "the lips stay in time at any value."
                ),
                seed_input(
                    "seed",
                    "Chooses one of many takes of head, blinks, gaze and brows; the lips "
                    "stay the same. The same seed gives the same motion.",
                    control_after_generate=True,
                ),
                number(
                    "lips",
                    "How far the mouth moves to speak: 0 keeps it still, 2 moves it twice as far.",
                ),
                number(
                    "head", "How far the head moves: 0 keeps it still, 2 moves it twice as far."
                ),
                number("blinks", "How far the lids close in a blink: 0 not at all, 1 all the way."),
                PortraitSocket.Input(
                    "portrait",
                    optional=True,
                    tooltip="Starts from this face's own expression instead of a neutral one.",
                ),
                number(
                    "expression",
                    "How strongly the emotion shows: 0 not at all, 2 twice as strongly.",
                    optional=True,
                ),
                number(
                    "brows",
                    "How far the brows move with the voice: 0 not at all, 2 twice as far.",
                    optional=True,
                ),
                number(
                    "gaze",
                    "How far the eyes look around: 0 keeps them still, 2 lets them wander "
                    "twice as far.",
                    optional=True,
                ),
                number(
                    "temperature",
                    "How freely head, brows and expression move: 0 gives the most usual "
                    "motion, 1 the variety it learned, 2 more than that.",
                    optional=True,
                ),
                EmotionSocket.Input(
                    "emotion",
                    optional=True,
                    tooltip="What the face shows while it speaks; as long as the audio.",
                ),
                io.String.Input(
                    "keyframes",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Dials over time, one a line: seconds, dial, value, like '1.5 head "
                    "0.5'. Values in between lie on straight lines. Empty keeps the dials as they "
                    "are set.",
                ),
                io.Combo.Input(
                    "weights",
                    options=motion_weights(),
                    default=host.BUILT_IN,
                    optional=True,
                    tooltip="The built-in network, or one trained by you in models/synchrorama; "
                    "one that listens with wav2vec 2.0 names the folder of it.",
                ),
            ],
            outputs=[motion_output("How the face moves, frame by frame.")],
        )

    @classmethod
    def execute(
        cls,
        audio: Audio,
        fps: float,
        seed: int,
        lips: float,
        head: float,
        blinks: float,
        portrait: Portrait | None = None,
        expression: float = 1.0,
        brows: float = 1.0,
        gaze: float = 1.0,
        temperature: float = 1.0,
        emotion: Emotion | None = None,
        keyframes: str = "",
        weights: str = host.BUILT_IN,
    ) -> io.NodeOutput:
        """Predict the motion."""
        waveform, sample_rate = one_speech(audio)
        model, listener = load_motion_weights(weights)
        motion = motion_from_audio(
            model,
            waveform,
            sample_rate,
            fps=fps,
            seed=seed,
            temperature=temperature,
            rest=None if portrait is None else portrait.head.expression,
            emotion=emotion,
            dials=Dials(
                lips=lips, expression=expression, head=head, blinks=blinks, gaze=gaze, brows=brows
            ),
            keyframes=keyframes,
            listener=listener,
            on_step=host.watch(1),
        )
        return io.NodeOutput(motion)


class SynchroRaMaMotionFrames(io.ComfyNode):
    """Draws the photo as it moves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionFrames",
            display_name="Motion Frames",
            category=CATEGORY,
            description="Moves the portrait's own pixels: one frame of the head crop for each "
            "frame of the motion.",
            inputs=[
                PortraitSocket.Input("portrait", tooltip="Whose face moves."),
                MotionSocket.Input("motion", tooltip="How it moves."),
            ],
            outputs=[
                io.Image.Output(
                    "frames", display_name="frames", tooltip="The head crop, once for each frame."
                )
            ],
        )

    @classmethod
    def execute(cls, portrait: Portrait, motion: Motion) -> io.NodeOutput:
        """Render the frames."""
        height, width = portrait.image.shape[:2]
        renderer = MotionFrames(HeadModel.from_checkpoint(), portrait, host.device())
        return io.NodeOutput(host.gather(renderer.render(motion), motion.frames, height, width))


class SynchroRaMaMotionPlot(io.ComfyNode):
    """Draws the motion's curves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionPlot",
            display_name="Plot Motion",
            category=CATEGORY,
            description="Draws the curves of a motion over the waveform of its speech.",
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to look at."),
                io.Audio.Input("audio", tooltip="The speech it was made from."),
                *plot_size(),
            ],
            outputs=[plot_output()],
        )

    @classmethod
    def execute(cls, motion: Motion, audio: Audio, width: int, height: int) -> io.NodeOutput:
        """Draw the plot."""
        return io.NodeOutput(motion_plot(motion, *one_speech(audio), width, height))

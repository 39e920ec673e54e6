"""Stage 4, motion as material: takes side by side, adjusted by hand, laid over each other."""

from __future__ import annotations

from comfy_api.latest import io

from ..models.head import HeadModel
from ..models.motion.adjust import mirrored, reshape, retimed, trimmed, with_frames
from ..models.motion.audio_to_motion import AudioToMotion
from ..models.motion.dials import Dials
from ..models.motion.mix import BLEND, WAYS, mixed
from ..models.motion.parts import EVERYTHING, parse_parts
from ..models.motion.takes import ContactSheet, all_takes, picked, seeds_of
from ..models.speech import frame_count
from ..models.types import Emotion, Motion, Portrait
from . import host
from .inputs import fps_input, motion_output, number, seed_input
from .motion import CATEGORY
from .types import Audio, EmotionSocket, MotionSocket, PortraitSocket, one_speech


class SynchroRaMaMotionTakes(io.ComfyNode):
    """Shows several seeds side by side."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionTakes",
            display_name="Motion Takes",
            category=CATEGORY,
            description="Makes several takes of one speech, shows moments of each on a contact "
            "sheet, and passes on the one that is picked.",
            inputs=[
                io.Audio.Input("audio", tooltip="One clip of speech, in any language."),
                PortraitSocket.Input("portrait", tooltip="Whose face is shown and moved."),
                fps_input("Frames a second of the video, 8 to 60."),
                seed_input(
                    "first_seed",
                    "Seed of the first take; the next ones count up from it. Each is the "
                    "take that Motion from Audio makes with that seed.",
                ),
                io.Int.Input(
                    "count",
                    default=4,
                    min=2,
                    max=9,
                    tooltip="How many takes, 2 to 9, one row each. More take longer to draw.",
                ),
                io.Int.Input(
                    "pick",
                    default=1,
                    min=1,
                    max=9,
                    tooltip="Which take goes on, counted from 1 at the top of the sheet.",
                ),
                io.Int.Input(
                    "moments",
                    default=5,
                    min=2,
                    max=9,
                    tooltip="How many moments of each take are drawn, where the takes differ most. "
                    "More show more and take longer.",
                ),
                number("lips", "How far the mouth moves to speak, 0 to 2."),
                number("expression", "How strongly the emotion shows, 0 to 2."),
                number("head", "How far the head moves, 0 to 2."),
                number("blinks", "How far the lids close in a blink, 0 to 2."),
                number("brows", "How far the brows move with the voice, 0 to 2."),
                number("gaze", "How far the eyes look around, 0 to 2."),
                number(
                    "temperature",
                    "How much the takes differ: 0 hardly, 1 as people do, 2 more than that.",
                ),
                EmotionSocket.Input(
                    "emotion",
                    optional=True,
                    tooltip="What the face shows while it speaks; as long as the audio.",
                ),
            ],
            outputs=[
                motion_output("The take that was picked."),
                io.Image.Output(
                    "sheet", display_name="sheet", tooltip="All takes, a row each, with their seed."
                ),
                io.Int.Output("seed", display_name="seed", tooltip="Seed of the take picked."),
            ],
        )

    @classmethod
    def execute(
        cls,
        audio: Audio,
        portrait: Portrait,
        fps: float,
        first_seed: int,
        count: int,
        pick: int,
        moments: int,
        temperature: float,
        emotion: Emotion | None = None,
        **dials: float,
    ) -> io.NodeOutput:
        """Make all takes, draw the sheet."""
        seeds = seeds_of(first_seed, count)
        seed = picked(seeds, pick)
        takes = all_takes(
            host.load(AudioToMotion.from_checkpoint()),
            *one_speech(audio),
            seeds,
            fps=fps,
            temperature=temperature,
            rest=portrait.head.expression,
            emotion=emotion,
            dials=Dials(**dials),
            on_step=host.watch(count),
        )
        sheet = ContactSheet(HeadModel.from_checkpoint(), portrait, host.device())
        picture = sheet.draw(takes, seeds, pick, moments, on_step=host.watch(count))
        return io.NodeOutput(takes[pick - 1], picture, seed)


class SynchroRaMaMotionAdjust(io.ComfyNode):
    """Changes a motion by hand."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionAdjust",
            display_name="Adjust Motion",
            category=CATEGORY,
            description="Makes parts of a motion stronger, weaker or smoother, mirrors it, cuts it "
            "and changes its speed.",
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to change."),
                io.String.Input(
                    "parts",
                    default=EVERYTHING,
                    tooltip="What 'scale' to 'mirror' change: everything, or a list of lips, jaw, "
                    "brows, eyes, gaze, cheeks, head and names of coefficients like jawOpen.",
                ),
                number(
                    "scale",
                    "How strong the parts are: 0 keeps them still, 1 as they are, 2 twice.",
                    low=-4.0,
                    high=4.0,
                ),
                number(
                    "offset",
                    "Added to the parts' coefficients in every frame; the head gets none.",
                    0.0,
                    low=-1.0,
                    high=1.0,
                    step=0.01,
                ),
                number(
                    "smooth",
                    "Over how many seconds the parts are smoothed; 0 leaves them sharp.",
                    0.0,
                    high=5.0,
                    step=0.01,
                ),
                number(
                    "lowest", "The parts' coefficients never go below.", 0.0, high=1.0, step=0.01
                ),
                number("highest", "The parts' coefficients never go above.", high=1.0, step=0.01),
                io.Boolean.Input(
                    "mirror", default=False, tooltip="Exchanges left and right in the parts."
                ),
                number(
                    "start", "Second from which the motion is kept.", 0.0, high=36000.0, step=0.01
                ),
                number(
                    "end",
                    "Second up to which it is kept; 0 keeps it to its end.",
                    0.0,
                    high=36000.0,
                    step=0.01,
                ),
                number(
                    "speed", "How fast it plays: 2 is twice as fast.", low=0.1, high=10.0, step=0.01
                ),
                number(
                    "fps",
                    "Frames a second of the result, 8 to 60; 0 keeps the motion's own.",
                    0.0,
                    high=60.0,
                    step=0.001,
                ),
                PortraitSocket.Input(
                    "portrait",
                    optional=True,
                    tooltip="Scales around this face's own expression instead of a neutral one.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Gives the result as many frames as this audio has: the end is cut, or "
                    "the last frame held.",
                ),
            ],
            outputs=[
                MotionSocket.Output(
                    "adjusted", display_name="motion", tooltip="The motion as changed."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        motion: Motion,
        parts: str,
        scale: float,
        offset: float,
        smooth: float,
        lowest: float,
        highest: float,
        mirror: bool,
        start: float,
        end: float,
        speed: float,
        fps: float,
        portrait: Portrait | None = None,
        audio: Audio | None = None,
    ) -> io.NodeOutput:
        """Cut, retime, then change the parts."""
        selection = parse_parts(parts)
        motion = retimed(trimmed(motion, start, end), speed, fps)
        if audio is not None:
            waveform, sample_rate = one_speech(audio)
            motion = with_frames(motion, frame_count(waveform.shape[-1], sample_rate, motion.fps))
        motion = reshape(
            motion,
            selection,
            scale=scale,
            offset=offset,
            smooth_s=smooth,
            lowest=lowest,
            highest=highest,
            rest=None if portrait is None else portrait.head.expression,
        )
        return io.NodeOutput(mirrored(motion, selection) if mirror else motion)


class SynchroRaMaMotionMix(io.ComfyNode):
    """Lays one motion over another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        share = "from the layer: 0 keeps the base's, 1 takes the layer's."
        return io.Schema(
            node_id="SynchroRaMaMotionMix",
            display_name="Mix Motions",
            category=CATEGORY,
            description="Takes parts of the face from a second motion, for the whole clip or a "
            "part of it. Put several in a row for more layers.",
            inputs=[
                MotionSocket.Input("base", tooltip="The motion that is laid over."),
                MotionSocket.Input(
                    "layer", tooltip="The motion that gives parts; as long as the base."
                ),
                io.Combo.Input(
                    "way",
                    options=list(WAYS),
                    default=BLEND,
                    tooltip="blend goes over from base to layer; add puts what the layer moves on "
                    "top, with weights up to 2.",
                ),
                number("lips", f"How much of the lips comes {share}", 0.0),
                number("jaw", f"How much of the jaw comes {share}", 0.0),
                number("brows", f"How much of the brows comes {share}", 0.0),
                number("eyes", f"How much of lids and blinks comes {share}", 0.0),
                number("gaze", f"How much of the eyes' direction comes {share}", 0.0),
                number("cheeks", f"How much of cheeks and nose comes {share}", 0.0),
                number("head", f"How much of the head's motion comes {share}", 0.0),
                number("start", "Second from which the layer shows.", 0.0, high=36000.0, step=0.01),
                number(
                    "end",
                    "Second up to which the layer shows; 0 is the clip's end.",
                    0.0,
                    high=36000.0,
                    step=0.01,
                ),
                number(
                    "fade_in",
                    "Seconds it takes to come, from 'start' on.",
                    0.0,
                    high=3600.0,
                    step=0.01,
                ),
                number(
                    "fade_out", "Seconds it takes to go, up to 'end'.", 0.0, high=3600.0, step=0.01
                ),
                PortraitSocket.Input(
                    "portrait",
                    optional=True,
                    tooltip="For add: counts the layer's movement from this face's own expression "
                    "instead of a neutral one.",
                ),
            ],
            outputs=[motion_output("Both in one.")],
        )

    @classmethod
    def execute(
        cls,
        base: Motion,
        layer: Motion,
        way: str,
        start: float,
        end: float,
        fade_in: float,
        fade_out: float,
        portrait: Portrait | None = None,
        **weights: float,
    ) -> io.NodeOutput:
        """Mix the parts."""
        motion = mixed(
            base,
            layer,
            weights,
            way=way,
            start_s=start,
            end_s=end,
            fade_in_s=fade_in,
            fade_out_s=fade_out,
            rest=None if portrait is None else portrait.head.expression,
        )
        return io.NodeOutput(motion)

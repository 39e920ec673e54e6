"""Stage 4, motion from elsewhere and to elsewhere: videos, files, a readout."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..models.head import HeadModel
from ..models.motion.action_unit_plot import read_action_units
from ..models.motion.files import DEGREES, RADIANS, load_motion, save_motion
from ..models.portrait.landmarker import FaceLandmarker
from ..models.portrait.track import AVERAGE, REFERENCES, motion_from_video
from ..models.types import Motion, Portrait
from . import host
from .inputs import fps_input, motion_output, number, plot_output, plot_size, report_output
from .motion import CATEGORY
from .types import MotionSocket, PortraitSocket

ENDINGS = {"safetensors": "safetensors", "Live Link Face CSV": "csv"}


class SynchroRaMaMotionFromVideo(io.ComfyNode):
    """Reads the motion of a filmed face."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionFromVideo",
            display_name="Motion from Video",
            category=CATEGORY,
            description="Follows the largest face through the frames of a video and reads its "
            "expressions and the turns of its head.",
            inputs=[
                io.Image.Input("images", tooltip="The frames of a video with one person."),
                fps_input("The video's frames a second, 8 to 60; Get Video Components tells it."),
                number(
                    "smooth",
                    "Over how many seconds the motion is smoothed: 0 keeps every jitter, "
                    "more than 0.1 softens blinks and lips.",
                    0.04,
                    step=0.01,
                ),
                io.Combo.Input(
                    "reference",
                    options=list(REFERENCES),
                    default=AVERAGE,
                    tooltip="Which pose of the head counts as not turned: the average of the "
                    "video, its first frame, or looking straight into the camera.",
                ),
                PortraitSocket.Input(
                    "portrait",
                    optional=True,
                    tooltip="Counts expressions from the filmed face at rest and puts them on this "
                    "face's own. Without it they stay as they were seen.",
                ),
            ],
            outputs=[
                motion_output("How the filmed face moves."),
                report_output(
                    "How many frames were bridged because no face was seen, and how far "
                    "the head turns."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        fps: float,
        smooth: float,
        reference: str,
        portrait: Portrait | None = None,
    ) -> io.NodeOutput:
        """Follow the face."""
        motion, report = motion_from_video(
            images,
            fps,
            landmarker=host.load(FaceLandmarker.from_checkpoint()),
            head=HeadModel.from_checkpoint(),
            smooth_s=smooth,
            reference=reference,
            rest=None if portrait is None else portrait.head.expression,
            on_step=host.watch(2 * len(images)),
        )
        return io.NodeOutput(motion, report)


class SynchroRaMaMotionLoad(io.ComfyNode):
    """Reads a motion from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionLoad",
            display_name="Load Motion",
            category=CATEGORY,
            description="Reads a motion that Save Motion wrote, or a CSV of Live Link Face.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=host.motion_files(),
                    tooltip="A .safetensors or .csv in ComfyUI's input folder, or one that Save "
                    "Motion wrote, marked [output].",
                ),
                number(
                    "fps",
                    "Rows a second of a CSV, 8 to 60; 0 finds it from its timecodes.",
                    0.0,
                    high=60.0,
                    step=0.001,
                ),
                io.Combo.Input(
                    "angles",
                    options=[RADIANS, DEGREES],
                    default=RADIANS,
                    tooltip="Unit of the head's angles in a CSV: radians as in Live Link Face, or "
                    "degrees as some other tools write them.",
                ),
            ],
            outputs=[
                motion_output("The motion in the file."),
                report_output("What was found there."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: object) -> str:
        """Changes when the file does."""
        return host.fingerprint(file)

    @classmethod
    def execute(cls, file: str, fps: float, angles: str) -> io.NodeOutput:
        """Read the file."""
        return io.NodeOutput(*load_motion(host.input_file(file), fps=fps, angles=angles))


class SynchroRaMaMotionSave(io.ComfyNode):
    """Writes a motion to a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionSave",
            display_name="Save Motion",
            category=CATEGORY,
            description="Writes a motion into ComfyUI's output folder, for Load Motion or for "
            "Unreal, Blender and others.",
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to keep."),
                io.String.Input(
                    "filename_prefix",
                    default=f"{host.MOTIONS}/SynchroRaMa",
                    tooltip="Folder and name in ComfyUI's output folder; a number is added.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(ENDINGS),
                    default="safetensors",
                    tooltip="safetensors keeps all, exactly; Live Link Face CSV is read by other "
                    "tools and has no column for the head's shift.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "file", display_name="file", tooltip="Where it is, in the output folder."
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion: Motion, filename_prefix: str, format: str) -> io.NodeOutput:
        """Write the file."""
        path, name = host.output_file(filename_prefix, f".{ENDINGS[format]}")
        save_motion(motion, path)
        return io.NodeOutput(name)


class SynchroRaMaMotionActionUnits(io.ComfyNode):
    """Reads facial action units."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaMotionActionUnits",
            display_name="Action Units",
            category=CATEGORY,
            description="Reads a motion as facial action units (FACS), as a picture and a table.",
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to read."),
                *plot_size(height=1024, least=320),
                MotionSocket.Input(
                    "neutral",
                    optional=True,
                    tooltip="The same speech without an emotion; the table then tells which "
                    "emotion's face the motion resembles.",
                ),
            ],
            outputs=[
                plot_output("A curve for each unit."),
                io.String.Output(
                    "table", display_name="table", tooltip="Mean and largest value of each unit."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, motion: Motion, width: int, height: int, neutral: Motion | None = None
    ) -> io.NodeOutput:
        """Read the units."""
        return io.NodeOutput(*read_action_units(motion, neutral, width, height))
